"""Plots of a regression: predicted against actual values, and residuals."""

from typing import Any

from runtree.records.plot_writer import DrawnPlot
from runtree.reports.plots.style import BLUE, REFERENCE_LINE, finish, new_axes, sample_rows
from runtree.reports.run.content import RunContent

CLOUD = {"s": 20, "alpha": 0.6, "color": BLUE, "edgecolor": "none"}
MAX_VECTOR_MARKS = 400  # more become an image within the SVG, which keeps the file small


def predicted_actual(content: RunContent) -> DrawnPlot | None:
    caption = "On the dashed line both are equal."
    return _draw(content, "actual_vs_predicted", "Actual and predicted", "actual", caption)


def residuals(content: RunContent) -> DrawnPlot | None:
    caption = "Actual minus predicted. A trend, or a spread that grows to one side, is structure that the model missed."
    return _draw(content, "residual_vs_predicted", "Residuals", "actual - predicted", caption)


def _draw(content: RunContent, kind: str, title: str, y_label: str, caption: str) -> DrawnPlot | None:
    from matplotlib.ticker import MaxNLocator
    from sklearn.metrics import PredictionErrorDisplay

    predictions = content.predictions
    if predictions is None or predictions.classes:
        return None
    rows, target = len(predictions.y_true), str(content.data_entry("target").get("name") or "target")
    kept = sample_rows(rows)
    true, predicted = predictions.y_true[kept], predictions.y_pred[kept]
    axes = new_axes()
    marks: dict[str, Any] = {**CLOUD, "rasterized": len(kept) > MAX_VECTOR_MARKS}
    display = PredictionErrorDisplay(y_true=true, y_pred=predicted)
    display.plot(ax=axes, kind=kind, scatter_kwargs=marks, line_kwargs=REFERENCE_LINE)
    # scikit-learn sets equal axes, which leave most of the plot empty where the two ranges differ
    axes.set_aspect("auto")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    y_label = y_label.replace("actual", f"actual {target}", 1)
    figure = finish(axes, f"{title}, {content.split} set", f"predicted {target}", y_label)
    if len(kept) < rows:
        caption += f" {len(kept):,} of {rows:,} rows are drawn."
    data = {"actual": true.tolist(), "predicted": predicted.tolist(), "shown": len(kept), "of": rows}
    return figure, {"title": title, "says": caption, **data}
