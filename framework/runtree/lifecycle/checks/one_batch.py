"""Can an algorithm that learns by gradients learn a few rows by heart? One that cannot learns nothing from many."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import actual, ask
from runtree.lifecycle.checks.context import Context, silent
from runtree.lifecycle.checks.finding import Finding, failed, passed, skipped
from runtree.lifecycle.checks.parameters import iterates_by_gradient, unhindered
from runtree.lifecycle.checks.sample import sample

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TRIES = ((64, 100), (64, 1000), (32, 1000), (16, 1000), (8, 1000))
"""Rows and epochs: more epochs where few do not do, fewer rows where a linear model cannot tell so many apart."""
GOOD: Mapping[str, float] = {"classification": 0.95, "regression": 0.9}


def one_batch(context: Context) -> Finding:
    """Fit on a few train rows with many iterations, and score these very rows."""
    if not iterates_by_gradient(context.run.estimator, context.algorithm):
        return skipped(f"{context.algorithm.get('name')} does not iterate by gradients")
    _, prepared = context.prepare(context.train)
    measure, value, rows = "accuracy" if context.classes else "R²", 0.0, 0
    for places, epochs in _batches(context):
        value, rows = learnt(context, prepared[places], context.train[places], epochs), len(places)
        if value >= GOOD[context.run.data.task]:
            return passed(f"{rows} rows learnt by heart: train {measure} {value:.3f}")
    return failed(
        f"not even {rows} rows can be learnt by heart: train {measure} {value:.3f}",
        "look at loss, gradients and learning rate, or scale the inputs and the target",
    )


def _batches(context: Context) -> "Iterator[tuple[Array, int]]":
    """Yield places in the sampled train rows, and for how many epochs to learn them."""
    import numpy as np

    target, places = context.target(context.train), np.arange(len(context.train))
    least = 2 * len(context.classes)
    for size, epochs in TRIES:
        if size >= least or size == TRIES[0][0]:
            yield sample(places, target, context.classes, size, context.run.seed), epochs


def learnt(context: Context, prepared: "Array", rows: "Array", epochs: int) -> float:
    """Return accuracy or R² on the rows that an unhindered copy of the algorithm was fitted on."""
    from sklearn.metrics import accuracy_score, r2_score

    algorithm = unhindered(context.run.estimator, context.algorithm, epochs)
    with context.session(context.run.seed), silent():
        algorithm.fit(prepared, context.target(rows).to_numpy())
        answers = ask(algorithm, prepared, actual(context.target(rows), context.classes), context.classes)
        return float((accuracy_score if context.classes else r2_score)(answers.y_true, answers.y_pred))
