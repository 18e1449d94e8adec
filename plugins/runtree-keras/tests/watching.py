"""What the tests share: a `report` that remembers, and rows to learn from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Watcher:
    """A report that remembers what it is told, and does what a test asks."""

    start: Path | None = None
    stop_at: int | None = None
    save_at: int | None = None
    folder: Path | None = None
    best_at: int | None = None
    every: int = 1
    look: Callable[[Any], Any] = lambda model: None
    best: Any = None
    told: list[dict[str, float]] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)

    def due(self, step: int) -> bool:
        return step % self.every == 0

    def __call__(self, step: int, *, model: Any, snapshot: Any, save: Any, **metrics: float) -> bool:
        self.told.append({"step": step, **metrics})
        self.seen.append(self.look(model))
        if step == self.best_at:
            self.best = snapshot()
        if step == self.save_at and self.folder is not None:
            save(self.folder)
        return step == self.stop_at


def labelled(rows: int = 90, seed: int = 0) -> tuple[Any, Any]:
    """Return numbers and labels whose sorted order is not that in which they appear."""
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, np.array(["yes", "no", "maybe"])[(X[:, 0] > 0.4).astype(int) + (X[:, 1] > 0.4)]


def measured(rows: int = 90, seed: int = 0) -> tuple[Any, Any]:
    """Return numbers and a target that is far from standardised."""
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, 1e5 + 3e3 * (X[:, 0] - 2 * X[:, 1])
