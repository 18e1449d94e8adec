"""How well classes are told apart: confusion, ROC, precision against recall."""

from typing import Any

from runtree.records.pictures import COLOURS, DrawnPlot
from runtree.reports.facts import Facts
from runtree.reports.pictures.looks import BLUE, CHANCE, HEIGHT, finish, new_axes, short, thin

NUMBERED = 12  # classes up to which a cell holds its count
NAMED = 40  # … and up to which each class is named
CURVES = 10  # classes that have a curve each
LEGEND = 7  # COLOURS


def confusion(facts: Facts) -> DrawnPlot | None:
    """Draw how many rows of each class were taken for which, shaded by the share of the true class."""
    import numpy as np
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    answers = facts.answers
    if answers is None or not answers.classes:
        return None
    count = len(answers.classes)
    counts = confusion_matrix(answers.y_true, answers.y_pred, labels=range(count))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(6.5, max(HEIGHT, 0.42 * count))
    axes = new_axes(side, side)
    shown = ConfusionMatrixDisplay(shares, display_labels=[short(name, 14) for name in answers.classes])
    few = count <= NUMBERED
    shown.plot(ax=axes, include_values=few, cmap="Blues", colorbar=not few, im_kw={"vmin": 0, "vmax": 1})
    if few:
        for place, text in np.ndenumerate(shown.text_):
            text.set(text=f"{counts[place]:,}", fontsize=10 if count < 6 else 9)
    _name_classes(axes, answers.classes)
    right = float(np.trace(counts) / max(counts.sum(), 1))
    figure = finish(axes, f"Confusion, {facts.part} part", "predicted", "true", legend=False)
    axes.grid(False)
    says = f"{right:.1%} of {counts.sum():,} rows are on the diagonal, where predicted and true class are the same."
    return figure, {"title": "Confusion", "says": says, "classes": answers.classes, "counts": counts.tolist()}


def _name_classes(axes: Any, classes: tuple[str, ...]) -> None:
    names = [short(name, 14) for name in classes]
    step = 1 + len(names) // (NAMED + 1)
    places = range(0, len(names), step)
    slant = max(len(name) for name in names) * len(places[:NUMBERED]) > 24
    look: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slant else {}
    axes.set_xticks(places, names[::step], **look)
    axes.set_yticks(places, names[::step])


def roc(facts: Facts) -> DrawnPlot | None:
    """Draw the ROC curve; of several classes one each, against all others."""
    from sklearn.metrics import RocCurveDisplay

    axes = new_axes()
    curves = _curves(facts, lambda true, score: RocCurveDisplay.from_predictions(true, score, ax=axes, despine=True))
    if not curves:
        return None
    axes.plot([0, 1], [0, 1], label="chance", **CHANCE)
    title = _title("ROC", facts)
    figure = finish(axes, title, "false positive rate", "true positive rate")
    says = f"The nearer to the upper left corner, the better. {_worst(facts, curves, 'ROC AUC')}"
    return figure, {"title": "ROC curve", "says": says.strip(), "curves": curves}


def precision_recall(facts: Facts) -> DrawnPlot | None:
    """Draw precision against recall; of several classes one each, against all others."""
    from sklearn.metrics import PrecisionRecallDisplay

    axes = new_axes()

    def draw(true: Any, score: Any) -> Any:
        return PrecisionRecallDisplay.from_predictions(true, score, ax=axes, drop_intermediate=True, despine=True)

    curves = _curves(facts, draw)
    if not curves:
        return None
    axes.set_ylim(-0.02, 1.02)
    figure = finish(axes, _title("Precision and recall", facts), "recall", "precision")
    says = f"The nearer to the upper right corner, the better. {_worst(facts, curves, 'average precision')}"
    return figure, {"title": "Precision and recall", "says": says.strip(), "curves": curves}


def _title(name: str, facts: Facts) -> str:
    return f"{name}, {facts.part} part"


def _curves(facts: Facts, draw: Any) -> list[dict[str, Any]]:
    """Draw a curve for the second of two classes, or for each of several; the worst ones where they are many."""
    answers = facts.answers
    if answers is None or answers.score is None or len(answers.classes) < 2:
        return []
    codes = [1] if len(answers.classes) == 2 else list(range(len(answers.classes)))
    there = [code for code in codes if 0 < (answers.y_true == code).sum() < len(answers.y_true)]
    if len(there) > CURVES:
        there = _hardest(answers, there)
    found = []
    for place, code in enumerate(there):
        shown = draw(answers.y_true == code, answers.score[:, code])
        area = getattr(shown, "roc_auc", None) or getattr(shown, "average_precision", None)
        colour = BLUE if len(there) == 1 else COLOURS[place % LEGEND]
        [line] = [shown.line_] if hasattr(shown.line_, "get_xydata") else shown.line_
        name = short(answers.classes[code], 18)
        style = "-" if place < LEGEND else ":"
        line.set(color=colour, linewidth=1.8, linestyle=style, label=f"{name} {float(area or 0):.3f}")
        found.append({"class": answers.classes[code], "area": area, "points": thin(line)})
    return found


def _hardest(answers: Any, codes: list[int]) -> list[int]:
    """Return the classes that are found least often."""
    found = {code: float((answers.y_pred[answers.y_true == code] == code).mean()) for code in codes}
    return sorted(sorted(codes, key=lambda code: found[code])[:CURVES])


def _worst(facts: Facts, curves: list[dict[str, Any]], area: str) -> str:
    if len(curves) == 1:
        return f"{area} {curves[0]['area']:.3f} for {curves[0]['class']}."
    worst = min(curves, key=lambda one: one["area"])
    of = " Each class against all others." + (
        f" The {len(curves)} classes that are found least often, of {len(facts.classes)}."
        if len(curves) < len(facts.classes)
        else ""
    )
    return f"Lowest {area}: {worst['area']:.3f} for {worst['class']}.{of}"
