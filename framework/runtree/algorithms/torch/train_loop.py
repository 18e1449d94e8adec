"""The training loop: weighted loss, epochs, checkpointable state, and a report after each epoch."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from runtree.algorithms.torch.checkpoints import read_state, write_state
from runtree.algorithms.torch.devices import autocast, seeded
from runtree.algorithms.torch.optimizers import Schedule, make_optimizer
from runtree.algorithms.torch.table_encoder import Batch, Inputs, Rows, sequential_batches, shuffled_batches
from runtree.contract.errors import ConfigError
from runtree.contract.iteration import Report


class MeanLoss:
    """Mean of the weighted per-row losses; the weights have mean 1 over the train rows.

    Parameters
    ----------
    criterion
        A torch loss, called with outputs and targets.
    weighted
        Whether rows have weights; `criterion` must then have a `reduction` attribute, as torch's losses do.
    """

    def __init__(self, criterion: nn.Module, weighted: bool) -> None:
        if weighted:
            if not hasattr(criterion, "reduction"):
                raise ConfigError(
                    f"algorithm.loss: {type(criterion).__name__} has no 'reduction' attribute, which row weights need",
                    "leave out sample_weight and class_weight, or use a loss that has 'reduction', as torch's have",
                )
            criterion = copy.deepcopy(criterion)  # the loss is a parameter of the estimator and must not change
            criterion.reduction = "none"  # type: ignore[assignment]
        self.criterion = criterion

    def __call__(self, outputs: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return a scalar tensor; outputs of a regression may lack their trailing axis of length 1."""
        outputs = outputs.unsqueeze(-1) if outputs.ndim < target.ndim else outputs
        loss: Tensor = self.criterion(outputs, target)
        return loss if weight is None else (loss.reshape(len(weight), -1).mean(1) * weight).mean()


# --- Epochs of one network and its checkpointable state.


@dataclass(frozen=True)
class BatchShard:
    """The shard of every batch that this process trains on."""

    rank: int = 0
    world_size: int = 1

    @property
    def min_batch_rows(self) -> int:
        """The smallest batch: two rows per process, because batch normalisation of one row has no variance."""
        return 2 * self.world_size

    def rows_of(self, batch_rows: Tensor) -> Tensor:
        """Return the rows of a batch that belong to this rank."""
        return batch_rows if self.world_size == 1 else batch_rows[self.rank :: self.world_size]

    def loss_factor(self, shard_rows: int, batch_rows: int) -> float:
        """Return the factor that makes the mean of the shards' losses the mean over all rows of the batch.

        Shards of the last batch may differ by one row, and DistributedDataParallel averages gradients over processes.
        """
        return shard_rows * self.world_size / batch_rows

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over processes; a collective call that every rank must make."""
        if self.world_size > 1:
            distributed.all_reduce(value)
            value /= self.world_size
        return value

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Return the module wrapped so that its gradients are averaged over processes."""
        if self.world_size == 1:
            return module
        if device.type == "cuda":  # SyncBatchNorm is implemented for CUDA only
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(module, device_ids=[device.index] if device.type == "cuda" else None)


SINGLE_PROCESS = BatchShard()


@dataclass(frozen=True)
class TrainingSettings:
    """The training parameters of an estimator, with `random_state` drawn as an integer seed."""

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: Any
    scheduler: Any
    gradient_clip: float | None
    precision: str
    compile: bool
    workers: int
    seed: int


@dataclass(frozen=True)
class TrainingData:
    """Train rows, optional validation rows, the loss, and the augmentation applied to train batches.

    `stream` reads the train rows of an epoch from files, part by part, in at most `stream_batches` batches; `train` are
    then some of them.
    """

    train: Rows
    validation: Rows | None
    criterion: nn.Module
    augment: Callable[..., Inputs]
    stream: Callable[[], Iterable[Rows]] | None = None
    stream_batches: int = 0


class LocalTrainer:
    """Trains a network in this process.

    Each epoch seeds its row order and its dropout from the run's seed and the epoch's number. So a checkpoint needs no
    generator state, and code that draws random numbers between two epochs (a report, a metric) changes nothing.
    """

    def __init__(
        self,
        module: nn.Module,
        settings: TrainingSettings,
        data: TrainingData,
        device: torch.device,
        shard: BatchShard = SINGLE_PROCESS,
    ) -> None:
        self.module = module.to(device)
        self.settings, self.device, self.shard, self.augment = settings, device, shard, data.augment
        self.train = data.train.to(device)
        self.validation = None if data.validation is None else data.validation.to(device)
        criterion = copy.deepcopy(data.criterion).to(device)  # it may hold class weights, which must be on the device
        self.loss = MeanLoss(criterion, self.train.weight is not None)
        self.validation_criterion = MeanLoss(criterion, False)  # validation rows have no weights
        self.optimizer = make_optimizer(settings.optimizer, self.module, settings.learning_rate, settings.weight_decay)
        self.stream = data.stream
        batches = data.stream_batches or -(-len(self.train) // settings.batch_size)  # rounded up
        self.schedule = Schedule(settings.scheduler, self.optimizer, settings.max_epochs, batches)
        self.scaler = torch.amp.GradScaler(device.type) if settings.precision == "fp16" else None
        # `self.module` stays unwrapped, so that names of weights are the same with and without DistributedDataParallel.
        wrapped = shard.wrap(self.module, device)
        self.forward: Callable[..., Tensor] = torch.compile(wrapped) if settings.compile else wrapped
        self.epochs_done = 0

    def epoch(self) -> float:
        """Train on every row once; return the mean loss over the train rows."""
        self.epochs_done += 1
        self.module.train()
        if self.stream is not None:
            return self.stream_epoch(self.stream())
        with seeded(self.device, self.settings.seed, self.epochs_done):
            # Without the rank in the seed: all ranks must draw the same order, of which each then takes its shard.
            batches = shuffled_batches(len(self.train), self.settings.batch_size, self.shard.min_batch_rows)
        losses, shards = [], [self.shard.rows_of(rows) for rows in batches]
        with seeded(self.device, self.settings.seed, self.epochs_done, self.shard.rank):
            # With the rank: dropout and augmentation must differ between shards.
            for batch, rows in zip(self.train.batches(shards, self.settings.workers), batches, strict=True):
                losses.append(self.train_step(batch, len(rows)))
                self.schedule.after_batch()
        loss = float(self.shard.mean(self.mean(losses, [len(rows) for rows in batches])))
        self.schedule.after_epoch(self.scheduler_loss(loss) if self.schedule.watches_loss else loss)
        return loss

    def stream_epoch(self, parts: Iterable[Rows]) -> float:
        """Train once on rows that are read part by part, each shuffled; return their mean loss."""
        losses, sizes = [], []
        for number, part in enumerate(parts, 1):
            rows = part.to(self.device)
            with seeded(self.device, self.settings.seed, self.epochs_done, number):
                batches = shuffled_batches(len(rows), self.settings.batch_size, self.shard.min_batch_rows)
                for batch, chosen in zip(rows.batches(batches, self.settings.workers), batches, strict=True):
                    losses.append(self.train_step(batch, len(chosen)))
                    sizes.append(len(chosen))
                    self.schedule.after_batch()
        loss = float(self.mean(losses, sizes))
        self.schedule.after_epoch(self.scheduler_loss(loss) if self.schedule.watches_loss else loss)
        return loss

    def train_step(self, batch: Batch, batch_rows: int) -> Tensor:
        """Take one optimizer step; return the loss as a tensor, because reading its value would wait for the GPU.

        `batch_rows` counts the rows of all shards of the batch.
        """
        self.optimizer.zero_grad()
        loss = self.compute_loss(batch)
        if self.shard.world_size > 1:
            loss = loss * self.shard.loss_factor(len(batch.target), batch_rows)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        if self.settings.gradient_clip is not None:
            self.clip_gradients(self.settings.gradient_clip)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    def compute_loss(self, batch: Batch) -> Tensor:
        with autocast(self.settings.precision, self.device):
            outputs = self.forward(*self.augment(*batch.inputs))
        # The loss is computed in float32: sums of half-precision numbers lose digits.
        return self.loss(outputs.float(), batch.target, batch.weight)

    def clip_gradients(self, norm: float) -> None:
        """Rescale the gradient to at most this norm (Pascanu et al. 2013, arXiv 1211.5063)."""
        if self.scaler is not None:  # fp16 gradients are multiplied by the loss scale until they are unscaled
            self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.module.parameters(), norm)

    def mean(self, losses: list[Tensor], sizes: list[int]) -> Tensor:
        """Return the mean over rows, from the batches' mean losses and row counts."""
        weights = torch.tensor(sizes, dtype=torch.float32, device=self.device)
        return (torch.stack(losses) * weights).sum() / weights.sum()

    def scheduler_loss(self, train_loss: float) -> float:
        """Return the loss for "plateau": on the validation rows if there are any, else on the train rows."""
        return train_loss if self.validation is None else self.validation_loss()

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        assert self.validation is not None
        self.module.eval()
        losses, sizes = [], []
        with torch.inference_mode():
            batches = sequential_batches(len(self.validation), self.validation.inputs)
            for batch in self.validation.batches(batches, self.settings.workers):
                losses.append(self.validation_criterion(self.module(*batch.inputs), batch.target, None))
                sizes.append(len(batch.target))
        return float(self.mean(losses, sizes))

    @property
    def learning_rate(self) -> float:
        """The learning rate at the start of the next epoch."""
        return float(self.optimizer.param_groups[0]["lr"])

    def weights(self) -> dict[str, Tensor]:
        """Return the current weights and buffers, not copied."""
        return dict(self.module.state_dict())

    def state(self) -> dict[str, Any]:
        """Return the state that resumes training exactly; weights and optimizer moments are not copied."""
        scheduler = self.schedule.scheduler
        return {
            "epochs_done": self.epochs_done,
            "seed": self.settings.seed,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if scheduler is None else scheduler.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state that `state` returned."""
        self.epochs_done = state["epochs_done"]
        # Epochs draw from the run's seed: a resumed fit needs the one it started with, also where random_state is None.
        self.settings = replace(self.settings, seed=state["seed"])
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule.scheduler is not None:
            self.schedule.scheduler.load_state_dict(state["scheduler"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])


# --- The loop over epochs, which reports each one; the report may end the fit.


class Trainer(Protocol):
    """`LocalTrainer`, or `DistributedTrainer` with the same methods in other processes."""

    @property
    def epochs_done(self) -> int:
        """Number of completed epochs."""
        ...

    @property
    def learning_rate(self) -> float:
        """The learning rate at the start of the next epoch."""
        ...

    def epoch(self) -> float:
        """Train on every row once; return the mean loss over the train rows."""
        ...

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the state that resumes training exactly."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state that `state` returned."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return the current weights and buffers, not copied."""
        ...


def run_epochs(training: Trainer, network: Any, report: Report, has_validation: bool) -> None:
    """Train until `max_epochs` or until `report` returns true; then restore the best weights if `report` kept some.

    Parameters
    ----------
    training
        The trainer; its weights are copied to `network.module_` before each report.
    has_validation
        Whether there are validation rows; their loss is reported too.
    """
    if report.start is not None:
        training.restore(read_state(report.start))
    network.n_iter_ = training.epochs_done
    for step in range(training.epochs_done + 1, network.max_epochs + 1):
        rate = training.learning_rate  # read before the epoch, after which the schedule has already moved on
        metrics = {"train_loss": training.epoch(), "learning_rate": rate}
        network.n_iter_ = step
        if report.due(step) and _report_epoch(report, step, training, network, metrics, has_validation):
            break
    network.take_weights(_weights_to_keep(report.best, training))


def _weights_to_keep(best: Any, training: Trainer) -> dict[str, Tensor]:
    """Return the last weights, or those of the best epoch: `best` is a copy, or the folder of a checkpoint."""
    if best is None:
        return training.weights()
    weights: dict[str, Tensor] = read_state(best)["module"] if isinstance(best, Path) else best
    return weights


def _report_epoch(
    report: Report, step: int, training: Trainer, network: Any, metrics: dict[str, float], has_validation: bool
) -> bool:
    if has_validation:
        metrics["validation_loss"] = training.validation_loss()
    network.take_weights(training.weights())

    def save(folder: Path) -> None:
        write_state(training.state(), folder)

    return report(step, model=network, snapshot=network.copy_weights, save=save, **metrics)
