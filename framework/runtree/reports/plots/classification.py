"""How well classes are told apart: confusion, ROC, precision against recall."""

from collections.abc import Mapping
from typing import Any

from runtree.records.pictures import BEST, COLOURS, GREY, DrawnPlot
from runtree.reports.formatting import metric_name, number
from runtree.reports.plots.style import BLUE, CHANCE, HEIGHT, finish, new_axes, short, thin
from runtree.reports.run.content import RunContent

NUMBERED = 12  # classes up to which a cell holds its count
NAMED = 40  # … and up to which each class is named
CURVES = 10  # classes that have a curve each
LEGEND = 7  # COLOURS


def confusion(facts: RunContent) -> DrawnPlot | None:
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


def roc(facts: RunContent) -> DrawnPlot | None:
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


def precision_recall(facts: RunContent) -> DrawnPlot | None:
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


def _title(name: str, facts: RunContent) -> str:
    return f"{name}, {facts.part} part"


def _curves(facts: RunContent, draw: Any) -> list[dict[str, Any]]:
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


def _worst(facts: RunContent, curves: list[dict[str, Any]], area: str) -> str:
    if len(curves) == 1:
        return f"{area} {curves[0]['area']:.3f} for {curves[0]['class']}."
    worst = min(curves, key=lambda one: one["area"])
    of = " Each class against all others." + (
        f" The {len(curves)} classes that are found least often, of {len(facts.classes)}."
        if len(curves) < len(facts.classes)
        else ""
    )
    return f"Lowest {area}: {worst['area']:.3f} for {worst['class']}.{of}"


# --- Whether probabilities hold what they say, and where they part yes from no.

BINS = 10


def calibration(facts: RunContent) -> DrawnPlot | None:
    """Draw how often a class came true against how likely it was said to be: by the bins of the evaluation, or anew."""
    import numpy as np
    from sklearn.calibration import CalibrationDisplay

    found = _bins(facts)
    if not found:
        return None
    axes = new_axes()
    mean, share, rows = (np.array([one[name] for one in found], dtype=float) for name in ("mean", "share", "rows"))
    CalibrationDisplay(share, mean, np.repeat(mean, rows.astype(int))).plot(
        ax=axes, color=BLUE, marker="", ref_line=False
    )
    axes.scatter(mean, share, s=12 + 120 * rows / rows.max(), color=BLUE, zorder=3)
    axes.plot([0, 1], [0, 1], label="said and came true alike", **CHANCE)
    axes.lines[0].set_label("this model; the larger the mark, the more rows")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    title = f"Calibration, {facts.part} part"
    figure = finish(axes, title, "probability that was said", "share that came true")
    says = "Above the dashed line the model says too little, below it too much."
    return figure, {"title": "Calibration", "says": says, "bins": found}


def _bins(facts: RunContent) -> list[Mapping[str, Any]]:
    told = facts.one("calibration").get("bins") or ()
    found = [one for one in told if one.get("rows") and one.get("mean") is not None and one.get("share") is not None]
    if found or facts.answers is None or facts.answers.score is None or len(facts.classes) != 2:
        return found
    return _binned(facts.answers.y_true == 1, facts.answers.score[:, 1])


def _binned(true: Any, score: Any) -> list[Mapping[str, Any]]:
    """Return bins of equal width that hold rows: how many, their mean probability, their share of the class."""
    import numpy as np

    place = np.minimum((score * BINS).astype(int), BINS - 1)
    kept = [code for code in range(BINS) if (place == code).any()]
    return [
        {
            "rows": int((place == code).sum()),
            "mean": float(score[place == code].mean()),
            "share": float(true[place == code].mean()),
        }
        for code in kept
    ]


def threshold(facts: RunContent) -> DrawnPlot | None:
    """Draw what each threshold would come to, with the usual and the best one."""
    found = facts.one("threshold")
    curve = [one for one in found.get("curve") or () if one.get("value") is not None]
    if len(curve) < 2:
        return None
    axes = new_axes()
    axes.plot([one["threshold"] for one in curve], [one["value"] for one in curve], color=BLUE, linewidth=1.8)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1, label="usual: 0.5")
    if found.get("chosen") is not None:
        axes.axvline(found["chosen"], color=BEST, linewidth=1.2, label=f"best: {number(found['chosen'])}")
    by = metric_name(str(found.get("by") or "value"))
    figure = finish(axes, f"Threshold, {found.get('part', 'validation')} part", "threshold", by)
    says = f"What {by} would be if a row were taken for the class above each probability."
    return figure, {"title": "Decision threshold", "says": says, "curve": curve}
