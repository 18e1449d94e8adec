"""`FitCallback`: receives each iteration of a fit, records it, keeps checkpoints, and decides when to stop."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.training.checkpoints import Checkpoints, SavedCheckpoint
from runtree.training.fit_plan import CheckpointOptions
from runtree.training.stopping import StopRules

log = logging.getLogger(__name__)

Scorer = Callable[[Any], Mapping[str, float]]
OnCheck = Callable[[int, Mapping[str, float]], None]


@dataclass
class BestIteration:
    """The best iteration so far; `snapshot` restores its model."""

    step: int = 0
    snapshot: Any = None


@dataclass
class FitCallback:
    """The `report` argument of an algorithm's `fit`; see `contract.iteration.Report`.

    Parameters
    ----------
    rules
        The stop criteria.
    every, bound
        Iterations between two checks, and the largest number of iterations if that is known.
    scorer
        Scores a model on the monitored rows.
    on_check
        Called with the metrics of each check: for the history, the hooks and the tuner. Raises `Pruned`.
    restores
        Whether the model of the best iteration is restored.
    verdict
        What was raised here. `end_fit` raises it after the fit, since an algorithm may wrap or swallow it.
    checkpoint_options, checkpoints
        How often a checkpoint is written, and where.
    """

    rules: StopRules
    every: int = 1
    bound: int | None = None
    scorer: Scorer = lambda model: {}
    on_check: OnCheck = lambda step, metrics: None
    restores: bool = False
    checkpoint_options: CheckpointOptions = field(default_factory=CheckpointOptions)
    checkpoints: Checkpoints | None = None
    reason: str | None = None
    verdict: BaseException | None = None
    step: int = 0
    start: Path | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._best = BestIteration()
        self._earlier_seconds = 0.0  # of the sessions before this one was resumed
        saved = self.checkpoints.complete() if self.checkpoints else []
        if saved:
            self._resume(saved[0])
        # the scores of earlier checkpoints come from their state, so that a resumed fit removes the same ones
        self._scores = {checkpoint.folder: self._rank_value(checkpoint.state["metrics"]) for checkpoint in saved}
        self._began = self._saved = self.clock()

    def _resume(self, checkpoint: SavedCheckpoint) -> None:
        self.start, self.step = checkpoint.folder, checkpoint.step
        self._earlier_seconds = float(checkpoint.state["seconds"])
        self.rules.restore(checkpoint.state["rules"])
        best = checkpoint.state.get("best")
        # a snapshot lives in memory and is lost by now; the folder of the best iteration's checkpoint replaces it
        self._best = BestIteration(best["step"], checkpoint.folder.parent / best["folder"]) if best else BestIteration()
        log.info("resuming from %s", checkpoint.folder)

    @property
    def best(self) -> Any:
        """The snapshot to restore; None if the last iteration is the best, or none is restored."""
        return self._best.snapshot if self.restores and self._best.step != self.step else None

    @property
    def best_step(self) -> int:
        """The iteration whose model is kept."""
        return self._best.step if self.restores and self._best.step else self.step

    @property
    def seconds(self) -> float:
        """The duration of the fit so far, earlier sessions included."""
        return self._earlier_seconds + self.clock() - self._began

    def due(self, step: int) -> bool:
        """Return whether iteration `step` is checked."""
        return step % self.every == 0 or step == self.bound

    def __call__(
        self,
        step: int,
        *,
        model: Any = None,
        snapshot: Callable[[], Any] | None = None,
        save: Callable[[Path], None] | None = None,
        **metrics: float,
    ) -> bool:
        """Take an iteration, and return whether it is the last."""
        if self.verdict is not None:  # the algorithm has caught what was raised: it must end, too
            return True
        try:
            return self._take(step, model, snapshot, save, metrics)
        except BaseException as error:
            self.verdict = error
            raise

    def _take(
        self,
        step: int,
        model: Any,
        snapshot: Callable[[], Any] | None,
        save: Callable[[Path], None] | None,
        metrics: Mapping[str, float],
    ) -> bool:
        self.step = int(step)
        # an algorithm may report every iteration; scoring a model is often slower than an iteration, hence `every`
        if not self.due(self.step):
            return False
        values = dict(self.scorer(model)) if model is not None else {}
        values |= {name: float(value) for name, value in metrics.items()}  # a loss that the algorithm reports wins
        values["seconds"] = round(self.seconds, 6)
        # the history and the tuner come first: the check that ends the fit, or diverges, belongs to both
        self.on_check(self.step, values)
        self.reason = self.rules.check(self.step, values, self.seconds)
        # a snapshot copies the model, so it is taken for a new best one only
        if self.restores and self.rules.patience and self.rules.patience.improved and snapshot is not None:
            self._best = BestIteration(self.step, snapshot())
            self._save_if_due(save, values, improved=True)
        else:
            self._save_if_due(save, values)
        # last: a stop criterion that is met at the same step is more informative than the maximum
        if self.reason is None and self.step == self.bound:
            self.reason = "max_iterations"
        return self.reason is not None

    def end_fit(self, fault: BaseException | None) -> None:
        """Raise what was raised in a report, if the fit has ended in another way: without an error, or with `fault`."""
        if self.verdict is not None and self.verdict is not fault:
            raise self.verdict from fault

    def _save_if_due(
        self, save: Callable[[Path], None] | None, values: Mapping[str, float], improved: bool = False
    ) -> None:
        """Write a checkpoint if one is due, or if this iteration is the best: a resumed fit restores it."""
        # after tolerance or patience there is none: a fit resumed from it would run past its end
        ended = self.reason in ("tolerance", "patience")
        if self.checkpoints is None or save is None or ended or not (improved or self._is_due()):
            return
        # zero-padded: the order of the names is the order of the steps
        folder = self.checkpoints.folder / f"{self.step:08d}"
        best = {"step": self._best.step, "folder": f"{self._best.step:08d}"} if self._best.step else None
        state = {"seconds": self.seconds, "rules": self.rules.state(), "best": best, "metrics": dict(values)}
        self.checkpoints.write(self.step, save, state)
        self._saved = self.clock()
        self._scores[folder] = self._rank_value(values)
        self.checkpoints.prune(self._folders_to_keep(folder))

    def _is_due(self) -> bool:
        # minutes count from the last checkpoint written, not from the start: one for a new best model counts, too
        every, minutes = self.checkpoint_options.every, self.checkpoint_options.minutes
        return bool(every and self.step % every == 0) or bool(minutes and self.clock() - self._saved >= 60 * minutes)

    def _rank_value(self, values: Mapping[str, float]) -> float:
        """Return the value that checkpoints are ranked by, less is better: the stop criterion's metric, else a loss."""
        rule = self.rules.patience or self.rules.tolerance
        if rule is not None:
            return -values[rule.metric] if rule.direction == "maximize" else values[rule.metric]
        # without any loss all checkpoints are equal, and the earliest ones are kept beside the last
        return values.get("validation_loss", values.get("train_loss", 0.0))

    def _folders_to_keep(self, last: Path) -> set[Path]:
        # ties go to the earlier step, so that a resumed fit keeps the same checkpoints as one without interruption
        ranked = sorted(self._scores, key=lambda folder: (self._scores[folder], folder))
        # the last one is needed to resume, the best ones by the user, and that of the best iteration to restore its
        # model
        kept = {last, *ranked[: self.checkpoint_options.keep]}
        if self.restores and self._best.step:
            kept.add(last.parent / f"{self._best.step:08d}")
        self._scores = {folder: score for folder, score in self._scores.items() if folder in kept}
        return kept
