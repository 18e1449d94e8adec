"""Which columns a model relies on: how much worse it is where the values of one are shuffled among the rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric
from runtree.lifecycle.examination.correlated import correlated
from runtree.lifecycle.examination.subject import Subject
from runtree.lifecycle.examination.variants import Sample, take_sample

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ASKED = {"auto": 30_000, "full": 400_000}  # rows that the model is asked about in all
REPEATS = {"auto": 5, "full": 10}
WIDEST = {"auto": 500, "full": 10_000}  # columns; of more, such as pixels, each alone says next to nothing
FEWEST = 30  # rows, where there are so many
LEFT_OUT = "explanation_left_out"


def importance(subject: Subject) -> dict[str, Any] | None:
    """Return the permutation importance of each column of the table, the greatest first; a loss is above 0.

    Breiman 2001, doi:10.1023/A:1010933404324. Mean and standard deviation over the shuffles equal those of
    scikit-learn's `permutation_importance` for the same rows and seed; here many shuffles are asked in one call.
    Columns are those of the table: what preprocessing makes of one is shuffled together.
    """
    run, asked = subject.run, subject.options.explain
    width = run.data.features.shape[1]
    if asked == "none":
        return None
    if not 1 < width <= WIDEST[asked]:
        subject.found[LEFT_OUT] = f"importance is found for 2 to {WIDEST[asked]:,} columns, and there are {width:,}"
        return None
    repeats = max(1, min(REPEATS[asked], ASKED[asked] // (width * FEWEST)))
    sample = take_sample(run, max(FEWEST, ASKED[asked] // (width * repeats)))
    losses = _losses(subject, sample, repeats)
    found = [
        {"feature": name, "mean": float(own.mean()), "sd": float(own.std())}
        for name, own in zip(sample.names, losses, strict=True)
    ]
    return {
        "method": "permutation",
        "part": sample.part,
        "metric": subject.metric.name,
        "rows": len(sample.features),
        "sampled": len(sample.features) < sample.whole,
        "repeats": repeats,
        "features": sorted(found, key=lambda one: -one["mean"]),
        **_warned(correlated(sample.features)),
    }


def _losses(subject: Subject, sample: Sample, repeats: int) -> "Array":
    """Return by how much the metric is worse, of shape (columns, repeats)."""
    import numpy as np

    metric, with_chances = subject.metric, subject.metric.needs == "probability"
    shuffles = shuffled(len(sample.features), repeats, subject.run.seed)
    columns = [column for _, column in sample.features.items()]
    changes = [(position, column.take(order)) for position, column in enumerate(columns) for order in shuffles]
    level = _value(sample.ask(sample.features, sample.truth, with_chances), metric)
    values = [_value(found, metric) for found in sample.variants(changes, with_chances)]
    losses = [-subject.gain(value, level) for value in values]
    return np.array(losses).reshape(len(sample.names), repeats)


def _value(found: Any, metric: Metric) -> float:
    value = found.value(metric)
    return float("nan") if value is None else float(value)


def shuffled(rows: int, repeats: int, seed: int) -> "list[Array]":
    """Return the orders that scikit-learn's `permutation_importance` shuffles each column into, one after the other."""
    import numpy as np

    first = np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1)
    rng, order, shuffle, found = np.random.RandomState(first), np.arange(rows), np.arange(rows), []
    for _ in range(repeats):
        rng.shuffle(shuffle)
        order = order[shuffle]
        found.append(order)
    return found


def _warned(alike: Sequence[Sequence[str]]) -> dict[str, Any]:
    if not alike:
        return {"correlated": []}
    shown = "; ".join(", ".join(names[:4]) + (", …" if len(names) > 4 else "") for names in alike[:3])
    advice = f"columns that say the same share their importance, so that each looks less than it is: {shown}"
    return {"correlated": [list(names) for names in alike], "advice": advice}
