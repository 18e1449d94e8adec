"""What is found and missed of each class, and for which other it is taken."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEW = 10  # rows of a class below which its recall says next to nothing
LEVEL = 0.05
MUCH = 0.1  # by which a recall is below the others' before it is worth a word
NAMED = 3


def class_report(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return precision, recall and F1 of each class on the test part, and for what most of its misses were taken."""
    import numpy as np

    part = context.reporting_split
    classes = context.run.data.classes
    if part is None or not classes:
        return None
    counts = confusion(context, part)
    rows, taken, hits = counts.sum(1), counts.sum(0), np.diagonal(counts)
    precision, recall = (np.divide(hits, by, out=np.zeros(len(classes)), where=by > 0) for by in (taken, rows))
    total = rows + taken
    f1 = np.divide(2 * hits, total, out=np.zeros(len(classes)), where=total > 0)
    missed = counts - np.diag(hits)
    return [
        {
            "class": label,
            "rows": int(rows[code]),
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[code]),
            "confused_with": classes[int(missed[code].argmax())] if missed[code].any() else None,
            "confused_rows": int(missed[code].max()),
        }
        for code, label in enumerate(classes)
    ]


def confusion(context: EvaluationContext, part: str) -> "Array":
    """Return counts of rows, true class by predicted class."""
    import numpy as np

    answers, count = context.predictions[part], len(context.run.data.classes)
    return np.bincount(answers.y_true * count + answers.y_pred, minlength=count**2).reshape(count, count)


def class_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name classes that are too small to tell, that are found less than the others, and the pair most confused."""
    found = context.results.get("classes")
    part = context.reporting_split
    if not found or part is None:
        return
    yield from _small(found, part)
    yield from _weak(context, found, part)
    if len(found) > 2:
        yield from _pair(context, found, part)


def _small(found: list[dict[str, Any]], part: str) -> Iterator[Finding]:
    small = [f"{one['class']!r} ({one['rows']})" for one in found if one["rows"] < FEW]
    if small:
        more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
        yield Finding(
            "small classes",
            "note",
            f"fewer than {FEW} rows on {part}, too few to tell: {', '.join(small[:NAMED])}{more}",
            "judge by more rows: a larger data.test_size, or more rows of these classes",
            {"classes": [one["class"] for one in found if one["rows"] < FEW]},
        )


def _weak(context: EvaluationContext, found: list[dict[str, Any]], part: str) -> Iterator[Finding]:
    """Hold each class's recall against that of all others: Fisher's exact test, one-sided, corrected by Holm."""
    from scipy.stats import hypergeom

    from runtree.statistics.comparison import holm

    rows = sum(one["rows"] for one in found)
    missed = [round(one["rows"] * (1 - one["recall"])) for one in found]
    ps = holm(
        [
            float(hypergeom.sf(lost - 1, rows, sum(missed), one["rows"])) if one["rows"] else 1.0
            for one, lost in zip(found, missed, strict=True)
        ]
    )
    weak = []
    for one, lost, p in zip(found, missed, ps, strict=True):
        others = 1 - (sum(missed) - lost) / max(rows - one["rows"], 1)
        if p < LEVEL and others - one["recall"] > MUCH:
            weak.append((p, one, others))
    for p, one, others in sorted(weak, key=lambda item: item[0])[:NAMED]:
        values = {"class": one["class"], "recall": one["recall"], "others": others, "p": p}
        yield Finding(
            "weak class",
            "warning",
            f"{one['class']!r} is found in {one['recall']:.0%} of its {one['rows']:,} rows on {part}, the others in "
            f"{others:.0%}; mostly taken for {one['confused_with']!r}",
            _remedy(context),
            values,
        )
    if not weak:
        yield Finding("weak class", "good", f"no class is found less often than the others on {part}, beyond chance")


def _remedy(context: EvaluationContext) -> str:
    node: Mapping[str, Any] = context.run.config.to_dict()["algorithm"]
    if "class_weight" in node and node["class_weight"] is None:
        return "weigh rare classes more: algorithm.class_weight=balanced"
    if len(context.run.data.classes) == 2 and not context.run.metadata.get("decision"):
        return "answer it from a lower chance on: decision.threshold=balanced_accuracy"
    return "more rows of it, or columns that tell it from the other"


def _pair(context: EvaluationContext, found: list[dict[str, Any]], part: str) -> Iterator[Finding]:
    """Name the pair of classes that most errors fall on, if that is no chance (binomial, Bonferroni)."""
    import numpy as np
    from scipy.stats import binom

    counts = confusion(context, part)
    both = np.triu(counts + counts.T, 1)
    errors, pairs = int(both.sum()), len(counts) * (len(counts) - 1) // 2
    one, other = np.unravel_index(both.argmax(), both.shape)
    most = int(both[one, other])
    rows = counts.sum(1)
    likely = float((rows[one] + rows[other]) / (len(counts) - 1) / rows.sum())  # a row is missed in favour of any other
    if errors and most >= FEW and pairs * float(binom.sf(most - 1, errors, likely)) < LEVEL and most > errors / 3:
        first, second = found[int(one)]["class"], found[int(other)]["class"]
        yield Finding(
            "confused pair",
            "note",
            f"{most} of the {errors} errors on {part} take {first!r} and {second!r} for each other",
            "a column that tells these two apart would help most; or are their labels right?",
            {"classes": [first, second], "errors": most, "of": errors},
        )
