"""Precision and recall of each class, classes with low recall, and the pair of classes that is confused most."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext
from runtree.training.imbalance import WEIGHTED

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

    ClassRow = dict[str, Any]

MIN_CLASS_ROWS = 10  # below, the recall of a class says next to nothing
ALPHA = 0.05
MIN_RECALL_GAP = 0.1  # below the recall of the other classes
MAX_NAMED = 3


def class_report(context: EvaluationContext) -> "list[ClassRow] | None":
    """Return precision, recall and F1 of each class, and the class that most of its missed rows are predicted as."""
    import numpy as np

    split, classes = context.reporting_split, context.run.data.classes
    if split is None or not classes:
        return None
    counts = confusion_matrix(context, split)
    rows, predicted, hits = counts.sum(1), counts.sum(0), np.diagonal(counts)
    # a class that never occurs, or is never predicted, gets 0, as in scikit-learn's report
    precision, recall = (np.divide(hits, by, out=np.zeros(len(classes)), where=by > 0) for by in (predicted, rows))
    total = rows + predicted
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


def confusion_matrix(context: EvaluationContext, split: str) -> "Array":
    """Return counts of rows of shape (true classes, predicted classes)."""
    import numpy as np

    predictions, count = context.predictions[split], len(context.run.data.classes)
    cells = np.bincount(predictions.y_true * count + predictions.y_pred, minlength=count**2)
    return cells.reshape(count, count)


def class_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name classes with too few rows, classes with a low recall, and the most confused pair."""
    report, split = context.results.get("classes"), context.reporting_split
    if not report or split is None:
        return
    yield from _small_classes(report, split)
    yield from _weak_classes(context, report, split)
    if len(report) > 2:
        yield from _confused_pair(context, report, split)


def _small_classes(report: "list[ClassRow]", split: str) -> Iterator[Finding]:
    small = [row for row in report if row["rows"] < MIN_CLASS_ROWS]
    if small:
        named = ", ".join(f"{row['class']!r} ({row['rows']})" for row in small[:MAX_NAMED])
        more = f" and {len(small) - MAX_NAMED} more" if len(small) > MAX_NAMED else ""
        yield Finding(
            "small classes",
            "note",
            f"fewer than {MIN_CLASS_ROWS} rows on {split}, too few to judge: {named}{more}",
            "use more rows: a larger data.test_size, or more rows of these classes",
            {"classes": [row["class"] for row in small]},
        )


def _weak_classes(context: EvaluationContext, report: "list[ClassRow]", split: str) -> Iterator[Finding]:
    """Compare each class's recall with that of all others: Fisher's exact test, one-sided, corrected by Holm."""
    from scipy.stats import hypergeom

    from runtree.statistics.comparison import holm

    rows = sum(row["rows"] for row in report)
    missed = [round(row["rows"] * (1 - row["recall"])) for row in report]
    p_values = holm(
        [
            # the upper tail of the hypergeometric distribution is the
            # one-sided Fisher test, without scipy's table for each class
            float(hypergeom.sf(lost - 1, rows, sum(missed), row["rows"])) if row["rows"] else 1.0
            for row, lost in zip(report, missed, strict=True)
        ]
    )
    weak = []
    for row, lost, p in zip(report, missed, p_values, strict=True):
        others = 1 - (sum(missed) - lost) / max(rows - row["rows"], 1)
        # with many rows a tiny difference is significant, so its size must matter as well
        if p < ALPHA and others - row["recall"] > MIN_RECALL_GAP:
            weak.append((p, row, others))
    for p, row, others in sorted(weak, key=lambda entry: entry[0])[:MAX_NAMED]:
        yield Finding(
            "weak class",
            "warning",
            f"recall of {row['class']!r} is {row['recall']:.0%} of {row['rows']:,} rows on {split}, of the others "
            f"{others:.0%}; it is mostly predicted as {row['confused_with']!r}",
            _recall_advice(context),
            {"class": row["class"], "recall": row["recall"], "others": others, "p": p},
        )
    if not weak:
        yield Finding("weak class", "good", f"no class has a significantly lower recall than the others on {split}")


def _recall_advice(context: EvaluationContext) -> str:
    config = context.run.config.to_dict()
    block = config.get("imbalance") or {}
    weighted = any((config["algorithm"].get("class_weight"), block.get("class_weight"), block.get("resample")))
    if not weighted and config["algorithm"].get("name") in WEIGHTED:
        return "give rare classes more weight: imbalance.class_weight=balanced"
    if len(context.run.data.classes) == 2 and not context.run.metadata.get("decision"):
        return "predict it from a lower probability: decision.threshold=balanced_accuracy"
    return "get more rows of it, or columns that separate it from the other"


def _confused_pair(context: EvaluationContext, report: "list[ClassRow]", split: str) -> Iterator[Finding]:
    """Name the pair of classes with most errors, if that is significant (binomial test, Bonferroni over pairs)."""
    import numpy as np
    from scipy.stats import binom

    counts = confusion_matrix(context, split)
    # both directions of a confusion count, each pair once
    both = np.triu(counts + counts.T, 1)
    errors, pairs = int(both.sum()), len(counts) * (len(counts) - 1) // 2
    first, second = np.unravel_index(both.argmax(), both.shape)
    most = int(both[first, second])
    rows = counts.sum(1)
    # under the null hypothesis a missed row is predicted as any other class with the same probability
    expected = float((rows[first] + rows[second]) / (len(counts) - 1) / rows.sum())
    # times the number of pairs, because the largest of all was picked
    significant = pairs * float(binom.sf(most - 1, errors, expected)) < ALPHA
    if errors and most >= MIN_CLASS_ROWS and significant and most > errors / 3:
        labels = [report[int(first)]["class"], report[int(second)]["class"]]
        yield Finding(
            "confused pair",
            "note",
            f"{most} of the {errors} errors on {split} confuse {labels[0]!r} and {labels[1]!r}",
            "add a column that separates these two, or check their labels",
            {"classes": labels, "errors": most, "of": errors},
        )
