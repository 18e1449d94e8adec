"""Whether probabilities hold what they say, and where they part yes from no."""

from collections.abc import Mapping
from typing import Any

from runtree.records.pictures import BEST, GREY, DrawnPlot
from runtree.reports.facts import Facts
from runtree.reports.numbers import metric_name, number
from runtree.reports.pictures.looks import BLUE, CHANCE, finish, new_axes

BINS = 10


def calibration(facts: Facts) -> DrawnPlot | None:
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


def _bins(facts: Facts) -> list[Mapping[str, Any]]:
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


def threshold(facts: Facts) -> DrawnPlot | None:
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
