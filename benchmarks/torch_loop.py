"""What an epoch of runtree's own training loop costs beside a bare loop and its peers.

The same network, optimizer (fused AdamW), batch and rows in memory for all, on one thread. Contestants take turns
X
skorch and Lightning take part where they are installed.

    python benchmarks/torch_loop.py [--rows 20000] [--batch 128] [--rounds 7]
"""

import argparse
import logging
import os
import statistics
import time
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from runtree.algorithms.torch.tabular import TorchMLPClassifier

EPOCHS = 4
FEATURES = 30


class Clock:
    """Notes when epochs end; stands in for runtree's `report`."""

    start = best = None

    def __init__(self):
        self.ends = []

    def due(self, step):
        return True

    def __call__(self, *step, **told):
        self.ends.append(time.process_time())
        return False

    @property
    def epoch(self):
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def network():
    """Make the network that `torch_mlp` makes by default."""
    torch.manual_seed(0)
    hidden = (nn.Linear(FEATURES, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.2))
    return nn.Sequential(*hidden, nn.Linear(128, 2))


def adamw(weights, lr=0.001, weight_decay=0.01):
    """Make the optimizer."""
    return torch.optim.AdamW(weights, lr=lr, weight_decay=weight_decay, fused=True)


def bare(X, y, batch):
    """Loop over slices of a shuffled index, and do no more."""
    module, loss_of, clock = network(), nn.CrossEntropyLoss(), Clock()
    optimizer = adamw(module.parameters())
    for _ in range(EPOCHS):
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch):
            rows = order[start : start + batch]
            optimizer.zero_grad()
            loss_of(module(X[rows]), y[rows]).backward()
            optimizer.step()
        clock()
    return clock.epoch


def data_loader(X, y, batch):
    """Loop over torch's DataLoader."""
    module, loss_of, clock = network(), nn.CrossEntropyLoss(), Clock()
    optimizer, loader = adamw(module.parameters()), DataLoader(TensorDataset(X, y), batch_size=batch, shuffle=True)
    for _ in range(EPOCHS):
        for inputs, target in loader:
            optimizer.zero_grad()
            loss_of(module(inputs), target).backward()
            optimizer.step()
        clock()
    return clock.epoch


def ours(X, y, batch):
    """Fit runtree's estimator."""
    clock = Clock()
    model = TorchMLPClassifier(max_epochs=EPOCHS, batch_size=batch, random_state=0, device="cpu")
    model.fit(X.numpy().astype(np.float64), y.numpy(), report=clock)
    return clock.epoch


def skorch(X, y, batch):
    """Fit skorch's estimator, without its internal validation."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback

    clock = Clock()

    class Ends(Callback):
        def on_epoch_end(self, net, **told):
            clock()

    options = {"optimizer": torch.optim.AdamW, "optimizer__fused": True, "lr": 0.001, "optimizer__weight_decay": 0.01}
    made = NeuralNetClassifier(
        network, criterion=nn.CrossEntropyLoss, max_epochs=EPOCHS, batch_size=batch, train_split=None,
        iterator_train__shuffle=True, callbacks=[Ends()], callbacks__print_log=None, verbose=0, **options,
    )  # fmt: skip
    made.fit(X, y)
    return clock.epoch


def lightning(X, y, batch):
    """Train with Lightning's Trainer, its bars, logs and checkpoints switched off."""
    import lightning.pytorch as pl

    clock, criterion = Clock(), nn.CrossEntropyLoss()

    class Wrapped(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.module = network()

        def training_step(self, rows, number):
            return criterion(self.module(rows[0]), rows[1])

        def configure_optimizers(self):
            return adamw(self.parameters())

        def on_train_epoch_end(self):
            clock()

    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = pl.Trainer(max_epochs=EPOCHS, accelerator="cpu", **dict.fromkeys(off, False))
    trainer.fit(Wrapped(), DataLoader(TensorDataset(X, y), batch_size=batch, shuffle=True))
    return clock.epoch


def taking_part(contestants):
    """Return the contestants that can run here."""
    there = {}
    for name, run in contestants.items():
        try:
            run(torch.randn(64, FEATURES), torch.randint(2, (64,)), 32)
            there[name] = run
        except ImportError as error:
            print(f"{name}: left out, {error}")
    return there


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    X, y = torch.randn(asked.rows, FEATURES), torch.randint(2, (asked.rows,))
    contestants = taking_part(
        {"bare loop": bare, "runtree": ours, "DataLoader": data_loader, "skorch": skorch, "Lightning": lightning}
    )
    taken = {name: [] for name in contestants}
    for _ in range(asked.rounds):
        for name, run in contestants.items():
            taken[name].append(run(X, y, asked.batch))
    for name, seconds in taken.items():
        ratios = [floor / own for floor, own in zip(taken["bare loop"], seconds, strict=True)]
        rate = asked.rows / statistics.median(seconds)
        print(f"{name:12} {rate:12,.0f} rows/s   {statistics.median(ratios):.2f} of the bare loop")


if __name__ == "__main__":
    main()
