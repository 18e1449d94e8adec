"""The other end of a fit that iterates: it hears of each iteration, keeps what is to be kept, says when to stop."""

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

Judge = Callable[[Any], Mapping[str, float]]
Tell = Callable[[int, Mapping[str, float]], None]


@dataclass
class BestIteration:
    """The best iteration so far, and how to come back to it."""

    step: int = 0
    snapshot: Any = None


@dataclass
class FitCallback:
    """What an algorithm's `fit` is given as `report`; see `contract.iteration.Report`.

    Parameters
    ----------
    rules
        When to stop.
    every, bound
        Iterations between two checks, and how many there are at most, where that is known.
    judge
        Scores a model on the rows that are watched.
    tell
        Told each check: the history, the hooks, the tuner. It raises `Pruned` where the run is given up.
    restores
        Whether the best iteration's model is put back.
    asked, checkpoints
        How often the state is kept, and where.
    """

    rules: StopRules
    every: int = 1
    bound: int | None = None
    judge: Judge = lambda model: {}
    tell: Tell = lambda step, metrics: None
    restores: bool = False
    asked: CheckpointOptions = field(default_factory=CheckpointOptions)
    checkpoints: Checkpoints | None = None
    reason: str | None = None
    step: int = 0
    start: Path | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._best = BestIteration()
        self._before = 0.0  # seconds of the sessions before this one
        found = self.checkpoints.whole() if self.checkpoints else []
        if found:
            self._go_on(found[0])
        self._scores = {kept.folder: self._score(kept.state["metrics"]) for kept in found}
        self._began = self._saved = self.clock()

    def _go_on(self, found: SavedCheckpoint) -> None:
        self.start, self.step = found.folder, found.step
        self._before = float(found.state["seconds"])
        self.rules.restore(found.state["rules"])
        best = found.state.get("best")
        self._best = BestIteration(best["step"], found.folder.parent / best["folder"]) if best else BestIteration()
        log.info("going on from %s", found.folder)

    @property
    def best(self) -> Any:
        """Return how to come back to the best iteration; None where the last one is the best, or all are alike."""
        return self._best.snapshot if self.restores and self._best.step != self.step else None

    @property
    def best_step(self) -> int:
        """Return the iteration whose model is kept."""
        return self._best.step if self.restores and self._best.step else self.step

    @property
    def seconds(self) -> float:
        """Return how long the fit takes so far, earlier sessions included."""
        return self._before + self.clock() - self._began

    def due(self, step: int) -> bool:
        """Tell whether iteration `step` is checked."""
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
        """Hear of an iteration, and answer whether it is the last."""
        self.step = int(step)
        if not self.due(self.step):
            return False
        found = dict(self.judge(model)) if model is not None else {}
        found |= {name: float(value) for name, value in metrics.items()}  # what the algorithm itself tells, counts
        found["seconds"] = round(self.seconds, 6)
        self.tell(self.step, found)
        self.reason = self.rules.check(self.step, found, self.seconds)
        if self.restores and self.rules.patience and self.rules.patience.improved and snapshot is not None:
            self._best = BestIteration(self.step, snapshot())
            self._keep(save, found, improved=True)
        else:
            self._keep(save, found)
        if self.reason is None and self.step == self.bound:
            self.reason = "max_iterations"
        return self.reason is not None

    def _keep(self, save: Callable[[Path], None] | None, found: Mapping[str, float], improved: bool = False) -> None:
        """Write a checkpoint where one is due; the best iteration needs one too, for a run that goes on."""
        ended = self.reason in ("tolerance", "patience")  # going on from there would go past the end
        if self.checkpoints is None or save is None or ended or not (improved or self._is_due()):
            return
        place = self.checkpoints.folder / f"{self.step:08d}"
        best = {"step": self._best.step, "folder": f"{self._best.step:08d}"} if self._best.step else None
        state = {"seconds": self.seconds, "rules": self.rules.state(), "best": best, "metrics": dict(found)}
        self.checkpoints.write(self.step, save, state)
        self._saved = self.clock()
        self._scores[place] = self._score(found)
        self.checkpoints.prune(self._wanted(place))

    def _is_due(self) -> bool:
        each, minutes = self.asked.every, self.asked.minutes
        return bool(each and self.step % each == 0) or bool(minutes and self.clock() - self._saved >= 60 * minutes)

    def _score(self, found: Mapping[str, float]) -> float:
        """Return what checkpoints are ranked by, less is better: what patience watches, else a loss."""
        rule = self.rules.patience or self.rules.tolerance
        if rule is not None:
            return -found[rule.metric] if rule.direction == "maximize" else found[rule.metric]
        return found.get("validation_loss", found.get("train_loss", 0.0))

    def _wanted(self, last: Path) -> set[Path]:
        ranked = sorted(self._scores, key=lambda place: (self._scores[place], place))
        kept = {last, *ranked[: self.asked.keep]}
        if self.restores and self._best.step:
            kept.add(last.parent / f"{self._best.step:08d}")
        self._scores = {place: score for place, score in self._scores.items() if place in kept}
        return kept
