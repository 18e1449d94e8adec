"""Plots of a classifier: confusion matrix, ROC, precision and recall, calibration, decision threshold."""

from collections.abc import Callable, Mapping
from typing import Any

from runtree.contract.predictions import Predictions
from runtree.records.plot_writer import BEST, COLOURS, GREY, DrawnPlot
from runtree.reports.formatting import format_number, metric_label
from runtree.reports.plots.style import BLUE, HEIGHT, REFERENCE_LINE, SLANTED, finish, new_axes, shorten, thin_curve
from runtree.reports.run.content import RunContent

MAX_COUNTED_CLASSES = 12  # up to which a cell of the confusion matrix shows its count
MAX_NAMED_CLASSES = 40  # up to which each class has its label
MAX_CURVES = 10
CALIBRATION_BINS = 10


def confusion(content: RunContent) -> DrawnPlot | None:
    """Draw the confusion matrix, shaded by the share of the true class."""
    import numpy as np
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    predictions = content.predictions
    if predictions is None or not predictions.classes:
        return None
    classes = predictions.classes
    counts = confusion_matrix(predictions.y_true, predictions.y_pred, labels=range(len(classes)))
    # shaded by share and labelled by count: with counts a frequent class would outshine all others
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(6.5, max(HEIGHT, 0.42 * len(classes)))
    axes = new_axes(side, side)
    counted = len(classes) <= MAX_COUNTED_CLASSES
    display = ConfusionMatrixDisplay(shares, display_labels=[shorten(name, 14) for name in classes])
    display.plot(ax=axes, include_values=counted, cmap="Blues", colorbar=not counted, im_kw={"vmin": 0, "vmax": 1})
    if counted:  # the display writes the shares that it shades by
        for place, text in np.ndenumerate(display.text_):
            text.set(text=f"{counts[place]:,}", fontsize=10 if len(classes) < 6 else 9)
    _label_classes(axes, classes)
    figure = finish(axes, f"Confusion matrix, {content.split} set", "predicted", "true", legend=False)
    axes.grid(False)
    correct = float(np.trace(counts) / max(counts.sum(), 1))
    caption = f"{correct:.1%} of {counts.sum():,} rows are on the diagonal: their class is predicted correctly."
    return figure, {"title": "Confusion matrix", "says": caption, "classes": classes, "counts": counts.tolist()}


def _label_classes(axes: Any, classes: tuple[str, ...]) -> None:
    names = [shorten(name, 14) for name in classes]
    # of many classes every second or third is named, or the labels would overlap
    step = 1 + len(names) // (MAX_NAMED_CLASSES + 1)
    places = range(0, len(names), step)
    slanted = max(len(name) for name in names) * len(places[:MAX_COUNTED_CLASSES]) > 24
    axes.set_xticks(places, names[::step], **(SLANTED | {"rotation": 45} if slanted else {}))
    axes.set_yticks(places, names[::step])


def roc(content: RunContent) -> DrawnPlot | None:
    """Draw the ROC curve; for several classes one each, against the rest."""
    from sklearn.metrics import RocCurveDisplay

    axes = new_axes()

    def draw(true: Any, score: Any) -> Any:
        return RocCurveDisplay.from_predictions(true, score, ax=axes, despine=True)

    curves = _draw_curves(content.predictions, draw)
    if not curves:
        return None
    axes.plot([0, 1], [0, 1], label="chance", **REFERENCE_LINE)
    figure = finish(axes, f"ROC, {content.split} set", "false positive rate", "true positive rate")
    caption = f"Closer to the upper left corner is better. {_describe_areas(content, curves, 'ROC AUC')}"
    return figure, {"title": "ROC curve", "says": caption.strip(), "curves": curves}


def precision_recall(content: RunContent) -> DrawnPlot | None:
    """Draw precision against recall; for several classes one curve each, against the rest."""
    from sklearn.metrics import PrecisionRecallDisplay

    axes = new_axes()

    def draw(true: Any, score: Any) -> Any:
        return PrecisionRecallDisplay.from_predictions(true, score, ax=axes, drop_intermediate=True, despine=True)

    curves = _draw_curves(content.predictions, draw)
    if not curves:
        return None
    axes.set_ylim(-0.02, 1.02)
    figure = finish(axes, f"Precision and recall, {content.split} set", "recall", "precision")
    caption = f"Closer to the upper right corner is better. {_describe_areas(content, curves, 'average precision')}"
    return figure, {"title": "Precision and recall", "says": caption.strip(), "curves": curves}


def _draw_curves(predictions: Predictions | None, draw: Callable[[Any, Any], Any]) -> list[dict[str, Any]]:
    """Draw a curve for the second of two classes, or for each of several; for many, those with the lowest recall."""
    if predictions is None or predictions.score is None or len(predictions.classes) < 2:
        return []
    # of two classes the curves mirror each other
    codes = [1] if len(predictions.classes) == 2 else list(range(len(predictions.classes)))
    rows = len(predictions.y_true)
    codes = [code for code in codes if 0 < (predictions.y_true == code).sum() < rows]  # both outcomes are needed
    if len(codes) > MAX_CURVES:
        y_true, y_pred = predictions.y_true, predictions.y_pred
        recalls = {code: float((y_pred[y_true == code] == code).mean()) for code in codes}
        codes = sorted(sorted(codes, key=lambda code: recalls[code])[:MAX_CURVES])
    curves = []
    for place, code in enumerate(codes):
        display = draw(predictions.y_true == code, predictions.score[:, code])
        area = getattr(display, "roc_auc", None) or getattr(display, "average_precision", None)
        colour = BLUE if len(codes) == 1 else COLOURS[place % len(COLOURS)]
        # a line, or in newer versions of scikit-learn a list of lines, here of one
        [line] = [display.line_] if hasattr(display.line_, "get_xydata") else display.line_
        style = "-" if place < len(COLOURS) else ":"  # beyond the palette colours repeat
        name = predictions.classes[code]
        line.set(color=colour, linewidth=1.8, linestyle=style, label=f"{shorten(name, 18)} {float(area or 0):.3f}")
        curves.append({"class": name, "area": area, "points": thin_curve(line)})
    return curves


def _describe_areas(content: RunContent, curves: list[dict[str, Any]], area: str) -> str:
    if len(curves) == 1:
        return f"{area} {curves[0]['area']:.3f} for {curves[0]['class']}."
    worst = min(curves, key=lambda curve: curve["area"])
    text = f"Lowest {area}: {worst['area']:.3f} for {worst['class']}. Each class against the rest."
    if len(curves) < len(content.classes):
        text += f" Shown are the {len(curves)} of {len(content.classes)} classes with the lowest recall."
    return text


def calibration(content: RunContent) -> DrawnPlot | None:
    """Draw observed frequency against predicted probability, in the bins of the evaluation if there are any."""
    import numpy as np
    from sklearn.calibration import CalibrationDisplay

    bins = _calibration_bins(content)
    if not bins:
        return None
    axes = new_axes()
    mean, share, rows = (np.array([entry[name] for entry in bins], dtype=float) for name in ("mean", "share", "rows"))
    # the display asks for the probability of each row, which is not kept: it serves a histogram that is not drawn
    display = CalibrationDisplay(share, mean, np.repeat(mean, rows.astype(int)))
    display.plot(ax=axes, color=BLUE, marker="", ref_line=False)
    axes.scatter(mean, share, s=12 + 120 * rows / rows.max(), color=BLUE, zorder=3)
    axes.plot([0, 1], [0, 1], label="perfect calibration", **REFERENCE_LINE)
    axes.lines[0].set_label("this model; larger marks hold more rows")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    title = f"Calibration, {content.split} set"
    figure = finish(axes, title, "predicted probability", "observed frequency")
    caption = "Above the dashed line the predicted probabilities are too low, below it too high."
    return figure, {"title": "Calibration", "says": caption, "bins": bins}


def _calibration_bins(content: RunContent) -> list[Mapping[str, Any]]:
    """Return rows, mean probability and observed frequency of each bin that holds rows."""
    import numpy as np

    bins = [
        entry
        for entry in content.result("calibration").get("bins") or ()
        if entry.get("rows") and entry.get("mean") is not None and entry.get("share") is not None
    ]
    predictions = content.predictions
    if bins or predictions is None or predictions.score is None or len(content.classes) != 2:
        return bins
    true, score = predictions.y_true == 1, predictions.score[:, 1]
    # a probability of exactly 1 belongs to the last bin
    place = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    masks = [place == code for code in range(CALIBRATION_BINS) if (place == code).any()]
    return [
        {"rows": int(mask.sum()), "mean": float(score[mask].mean()), "share": float(true[mask].mean())}
        for mask in masks
    ]


def threshold(content: RunContent) -> DrawnPlot | None:
    """Draw the metric by the decision threshold, with the default and the best one."""
    result = content.result("threshold")
    curve = [entry for entry in result.get("curve") or () if entry.get("value") is not None]
    if len(curve) < 2:
        return None
    axes = new_axes()
    axes.plot([entry["threshold"] for entry in curve], [entry["value"] for entry in curve], color=BLUE, linewidth=1.8)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1, label="default: 0.5")
    if result.get("chosen") is not None:
        axes.axvline(result["chosen"], color=BEST, linewidth=1.2, label=f"best: {format_number(result['chosen'])}")
    metric = metric_label(str(result.get("by") or "value"))
    title = f"Decision threshold, {result.get('part', 'validation')} set"
    figure = finish(axes, title, "threshold", metric)
    caption = f"{metric} if a row is assigned to the class from this probability on."
    return figure, {"title": "Decision threshold", "says": caption, "curve": curve}
