"""Evaluation contexts of made-up predictions."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtree.contract.predictions import Predictions
from runtree.contract.run import FrozenMapping
from runtree.contract.types import Split, Table
from runtree.evaluation.context import EvaluationContext
from runtree.evaluation.options import EvaluationOptions
from runtree.statistics import metrics
from runtree.training.active_run import RunOptions
from runtree.training.fit_plan import FitOptions, IterationSpec

CATALOGUE = {metric.name: metric for metric in metrics.BUILTIN}


def answers_of(truth: Any, predicted: Any, chance: Any = None, classes: tuple[Any, ...] = ("no", "yes")) -> Predictions:
    """Return predictions; `chance` is the probability of the second class, or of shape (rows, classes)."""
    if chance is not None:
        chance = np.asarray(chance, dtype=float)
        chance = np.column_stack([1 - chance, chance]) if chance.ndim == 1 else chance
    return Predictions(np.asarray(truth), np.asarray(predicted), chance, classes)


@pytest.fixture
def context(tmp_path) -> Callable[..., EvaluationContext]:
    """Return a function that makes a context of answers by part; `features` has a row for each, in the parts' order."""

    def make(
        parts: dict[str, Predictions],
        features: pd.DataFrame | None = None,
        metric: str | None = None,
        seed: int = 0,
        algorithm: dict[str, Any] | None = None,
        diagnose: str = "quick",
        history: list[dict[str, Any]] | None = None,
        ending: dict[str, Any] | None = None,
        honours: tuple[str, ...] = (),
        facts: dict[str, Any] | None = None,
        times: Any = None,
    ) -> EvaluationContext:
        one = next(iter(parts.values()))
        classes, task = one.classes, "classification" if one.classes else "regression"
        truth = np.concatenate([own.y_true for own in parts.values()])
        target = pd.Series(np.array(classes, dtype=object)[truth] if classes else truth, name="y")
        places = np.split(np.arange(len(truth)), np.cumsum([len(own.y_true) for own in parts.values()])[:-1])
        rows = {**dict.fromkeys(("train", "validation", "test"), np.arange(0)), **dict(zip(parts, places, strict=True))}
        table = features if features is not None else pd.DataFrame({"x": np.zeros(len(truth))})
        series = None if times is None else pd.Series(times)
        data = Table(table, target, task, classes, "", times=series)
        split = Split(rows["train"], rows["validation"], rows["test"], "")
        if history:
            (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))
        run = SimpleNamespace(
            config=FrozenMapping(
                {"algorithm": algorithm or {"name": "any"}, "evaluator": {}, "decision": {}, "data": {}}
            ),
            data=data,
            split=split,
            seed=seed,
            metadata={"split": "time" if times is not None else "random", **(facts or {})},
            catalogue=CATALOGUE,
            folder=tmp_path,
            fit_summary=ending or {},
            evaluator=SimpleNamespace(holds_out=True),
            plan=SimpleNamespace(
                steps=bool(history),
                iterations=IterationSpec(honours=dict.fromkeys(honours, "step")),
                options=FitOptions(),
            ),
            select=lambda name: (table.iloc[rows[name]], target.iloc[rows[name]]),
            refit=None,
            undefined={},
            options=RunOptions(("algorithm=any",)),
            table_findings=(),
        )
        ranked = CATALOGUE[metric or metrics.OBJECTIVES[task]]
        found = EvaluationContext(run, EvaluationOptions(diagnose=diagnose), [ranked], ranked, ranked.direction)
        found.__dict__.update({"_all_predictions": parts, "rows": {part: rows[part] for part in parts}})
        return found

    return make


@pytest.fixture
def answers() -> Callable[..., Predictions]:
    """Return a function that makes predictions."""
    return answers_of


@pytest.fixture
def guessing() -> Callable[..., dict[str, Predictions]]:
    """Return a function that makes splits whose rows are predicted right with a given probability, in every class."""

    def make(seed: int, sizes: dict[str, int], right: Any = 0.8) -> dict[str, Predictions]:
        draw = np.random.default_rng(seed)
        shares = right if isinstance(right, dict) else dict.fromkeys(sizes, right)
        made = {}
        for part, size in sizes.items():
            truth = draw.integers(0, 2, size)
            made[part] = answers_of(truth, np.where(draw.random(size) < shares[part], truth, 1 - truth))
        return made

    return make
