"""The training loop: weighted loss, epochs of batches, resumable state, and a report of each epoch."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from runtree.algorithms.torch.checkpoints import read_state, write_state
from runtree.algorithms.torch.devices import autocast, seeded
from runtree.algorithms.torch.optimizers import Schedule, make_optimizer
from runtree.algorithms.torch.table_encoder import Batch, Inputs, Rows, in_order, shuffled
from runtree.contract.errors import ConfigError
from runtree.contract.iteration import Report


class MeanLoss:
    """The mean over rows of weight times loss; the weights themselves have the mean 1 over all train rows.

    Parameters
    ----------
    criterion
        A loss of torch's, called with outputs and targets.
    weighted
        Whether rows weigh differently; then `criterion` must have torch's `reduction`.
    """

    def __init__(self, criterion: nn.Module, weighted: bool) -> None:
        if weighted:
            if not hasattr(criterion, "reduction"):
                raise ConfigError(
                    f"algorithm.loss: {type(criterion).__name__} has no 'reduction', which weights of rows need",
                    "leave out sample_weight and class_weight, or give the loss a 'reduction' as torch's have",
                )
            criterion = copy.deepcopy(criterion)
            criterion.reduction = "none"  # type: ignore[assignment]
        self.criterion = criterion

    def __call__(self, outputs: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return a tensor of one number; a regression's outputs may lack their last axis of one."""
        outputs = outputs.unsqueeze(-1) if outputs.ndim < target.ndim else outputs
        loss: Tensor = self.criterion(outputs, target)
        return loss if weight is None else (loss.reshape(len(weight), -1).mean(1) * weight).mean()


# --- The training of one network: epochs of batches, and the state that lets it go on exactly.


@dataclass(frozen=True)
class BatchShard:
    """The place of this process among all: together they take each batch, a share each."""

    rank: int = 0
    world: int = 1

    @property
    def least(self) -> int:
        """Return how many rows a batch needs: two for each process, for one alone has no variance."""
        return 2 * self.world

    def of(self, part: Tensor) -> Tensor:
        """Return this process's rows of a batch."""
        return part if self.world == 1 else part[self.rank :: self.world]

    def scale(self, own: int, whole: int) -> float:
        """Return what a loss is multiplied by, so that the mean over processes is the mean over the batch's rows."""
        return own * self.world / whole

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over processes."""
        if self.world > 1:
            distributed.all_reduce(value)
            value /= self.world
        return value

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Return a module whose gradients are the mean over processes."""
        if self.world == 1:
            return module
        if device.type == "cuda":  # the other backends have no common batch statistics
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(module, device_ids=[device.index] if device.type == "cuda" else None)


ALONE = BatchShard()


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: the parameters of the estimator that say so, and a seed that is a number."""

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
    """What a network is trained with: its rows, those that are only watched, and what is done to batches."""

    train: Rows
    validation: Rows | None
    criterion: nn.Module
    augment: Callable[..., Inputs]


class LocalTrainer:
    """A network that is being trained.

    An epoch draws its order and its dropout from a seed that is made of the run's seed and the number of the epoch, so
    that nothing needs to be remembered of generators, and nobody's use of them between two epochs is felt.
    """

    def __init__(
        self,
        module: nn.Module,
        settings: TrainingSettings,
        lesson: TrainingData,
        device: torch.device,
        share: BatchShard = ALONE,
    ) -> None:
        self.module = module.to(device)
        self.settings, self.device, self.share, self.augment = settings, device, share, lesson.augment
        self.train = lesson.train.to(device)
        self.validation = None if lesson.validation is None else lesson.validation.to(device)
        criterion = copy.deepcopy(lesson.criterion).to(device)  # it may hold weights of classes
        self.loss = MeanLoss(criterion, self.train.weight is not None)
        self.plain_loss = MeanLoss(criterion, False)
        self.optimizer = make_optimizer(settings.optimizer, self.module, settings.learning_rate, settings.weight_decay)
        batches = -(-len(self.train) // settings.batch_size)
        self.schedule = Schedule(settings.scheduler, self.optimizer, settings.max_epochs, batches)
        self.scaler = torch.amp.GradScaler(device.type) if settings.precision == "fp16" else None
        shared = share.wrap(self.module, device)
        self.forward: Callable[..., Tensor] = torch.compile(shared) if settings.compile else shared
        self.epochs_done = 0

    def epoch(self) -> float:
        """Learn from every train row once; return the mean loss over them."""
        self.epochs_done += 1
        self.module.train()
        with seeded(self.device, self.settings.seed, self.epochs_done):
            parts = shuffled(len(self.train), self.settings.batch_size, self.share.least)
        losses, own = [], [self.share.of(part) for part in parts]
        with seeded(self.device, self.settings.seed, self.epochs_done, self.share.rank):
            for batch, part in zip(self.train.batches(own, self.settings.workers), parts, strict=True):
                losses.append(self.learn(batch, len(part)))
                self.schedule.after_batch()
        loss = float(self.share.mean(self.mean(losses, [len(part) for part in parts])))
        self.schedule.after_epoch(self.judged(loss) if self.schedule.watches_loss else loss)
        return loss

    def learn(self, batch: Batch, whole: int) -> Tensor:
        """Take one step; return the loss without waiting for it. `whole` counts the rows of all shares of the batch."""
        self.optimizer.zero_grad()
        loss = self.loss_of(batch)
        if self.share.world > 1:
            loss = loss * self.share.scale(len(batch.target), whole)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        if self.settings.gradient_clip is not None:
            self.clip(self.settings.gradient_clip)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    def loss_of(self, batch: Batch) -> Tensor:
        """Run forward."""
        with autocast(self.settings.precision, self.device):
            outputs = self.forward(*self.augment(*batch.inputs))
        return self.loss(outputs.float(), batch.target, batch.weight)

    def clip(self, norm: float) -> None:
        """Shorten the gradient to a length (Pascanu et al. 2013, 1211.5063)."""
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.module.parameters(), norm)

    def mean(self, losses: list[Tensor], sizes: list[int]) -> Tensor:
        """Return the mean over rows of batches' mean losses."""
        weights = torch.tensor(sizes, dtype=torch.float32, device=self.device)
        return (torch.stack(losses) * weights).sum() / weights.sum()

    def judged(self, train_loss: float) -> float:
        """Return the loss that a schedule watches: of the validation rows, or else of the train rows."""
        return train_loss if self.validation is None else self.validation_loss()

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        assert self.validation is not None
        self.module.eval()
        losses, sizes = [], []
        with torch.inference_mode():
            parts = in_order(len(self.validation), self.validation.inputs)
            for batch in self.validation.batches(parts, self.settings.workers):
                losses.append(self.plain_loss(self.module(*batch.inputs), batch.target, None))
                sizes.append(len(batch.target))
        return float(self.mean(losses, sizes))

    @property
    def learning_rate(self) -> float:
        """Return what the next epoch begins with."""
        return float(self.optimizer.param_groups[0]["lr"])

    def weights(self) -> dict[str, Tensor]:
        """Return the weights and buffers as they are now, not copied."""
        return dict(self.module.state_dict())

    def state(self) -> dict[str, Any]:
        """Return all that a training needs to go on exactly: weights and moments are not copied."""
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
        """Go on from a state."""
        self.epochs_done = state["epochs_done"]
        self.settings = replace(self.settings, seed=state["seed"])
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule.scheduler is not None:
            self.schedule.scheduler.load_state_dict(state["scheduler"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])


# --- The walk through the epochs of a fit: each is told of, and the answer may end the fit.


class Trainer(Protocol):
    """A training here, or one in other processes."""

    @property
    def epochs_done(self) -> int:
        """Return how many epochs the weights have seen."""
        ...

    @property
    def learning_rate(self) -> float:
        """Return what the next epoch begins with."""
        ...

    def epoch(self) -> float:
        """Learn from every train row once; return the mean loss over them."""
        ...

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        ...

    def state(self) -> dict[str, Any]:
        """Return all that a training needs to go on exactly."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return the weights and buffers as they are now, not copied."""
        ...


def run_epochs(training: Trainer, network: Any, report: Report, watched: bool) -> None:
    """Train `network` to its last epoch, or until `report` says stop; then the best weights are put back, if asked.

    Parameters
    ----------
    training
        What learns; `network.module_` holds its weights whenever the report looks.
    watched
        Whether there are validation rows, whose loss is told too.
    """
    if report.start is not None:
        training.restore(read_state(report.start))
    network.n_iter_ = training.epochs_done
    for step in range(training.epochs_done + 1, network.max_epochs + 1):
        rate = training.learning_rate
        told = {"train_loss": training.epoch(), "learning_rate": rate}
        network.n_iter_ = step
        if report.due(step) and _tell(report, step, training, network, told, watched):
            break
    network.take_weights(_weights_to_keep(report.best, training))


def _weights_to_keep(best: Any, training: Trainer) -> dict[str, Tensor]:
    """Return the last weights, or the best iteration's: a copy, or in a fit that went on a checkpoint's folder."""
    if best is None:
        return training.weights()
    weights: dict[str, Tensor] = read_state(best)["module"] if isinstance(best, Path) else best
    return weights


def _tell(report: Report, step: int, training: Trainer, network: Any, told: dict[str, float], watched: bool) -> bool:
    if watched:
        told["validation_loss"] = training.validation_loss()
    network.take_weights(training.weights())

    def save(folder: Path) -> None:
        write_state(training.state(), folder)

    return report(step, model=network, snapshot=network.copy_weights, save=save, **told)
