"""How far predicted numbers are from the actual ones."""

from typing import Any

from runtree.records.pictures import GREY, DrawnPlot
from runtree.reports.plots.style import BLUE, finish, new_axes, of_rows, sample
from runtree.reports.run.content import RunContent

CLOUD = {"s": 20, "alpha": 0.6, "color": BLUE, "edgecolor": "none"}
LINE = {"color": GREY, "linestyle": "--", "linewidth": 1}
DENSE = 400  # marks from which on they are kept as an image: a small file


def predicted_actual(facts: RunContent) -> DrawnPlot | None:
    """Draw actual against predicted numbers."""
    return _drawn(
        facts, "actual_vs_predicted", "Actual and predicted", "actual", "On the dashed line both are the same."
    )


def residuals(facts: RunContent) -> DrawnPlot | None:
    """Draw what is left, actual less predicted, against the prediction."""
    says = "Actual less predicted. A shape in this cloud, or one side wider than the other, is what the model missed."
    return _drawn(facts, "residual_vs_predicted", "Residuals", "actual - predicted", says)


def _drawn(facts: RunContent, kind: str, title: str, up: str, says: str) -> DrawnPlot | None:
    from matplotlib.ticker import MaxNLocator
    from sklearn.metrics import PredictionErrorDisplay

    answers = facts.answers
    if answers is None or answers.classes:
        return None
    kept, target = sample(len(answers.y_true)), str(facts.of_data("target").get("name") or "target")
    true, predicted = answers.y_true[kept], answers.y_pred[kept]
    axes = new_axes()
    look: dict[str, Any] = {**CLOUD, "rasterized": len(kept) > DENSE}
    PredictionErrorDisplay(y_true=true, y_pred=predicted).plot(
        ax=axes, kind=kind, scatter_kwargs=look, line_kwargs=LINE
    )
    axes.set_aspect("auto")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    figure = finish(
        axes, f"{title}, {facts.part} part", f"predicted {target}", up.replace("actual", f"actual {target}", 1)
    )
    told = {"actual": true.tolist(), "predicted": predicted.tolist(), "shown": len(kept), "of": len(answers.y_true)}
    return figure, {"title": title, "says": says + of_rows(len(kept), len(answers.y_true)), **told}
