"""Which pictures there are, and drawing all of those that apply to a run."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runtree.records.pictures import DrawnPlot, write_plot
from runtree.reports.plots import bars, classification, curves, regression
from runtree.reports.run.content import RunContent

PLOTS: Mapping[str, Callable[[RunContent], DrawnPlot | None]] = {
    "confusion": classification.confusion,
    "roc": classification.roc,
    "precision_recall": classification.precision_recall,
    "calibration": classification.calibration,
    "threshold": classification.threshold,
    "predicted_actual": regression.predicted_actual,
    "residuals": regression.residuals,
    "baselines": bars.baselines,
    "slices": bars.slices,
    "fairness": bars.fairness,
    "importance": bars.importance,
    "robustness": bars.robustness,
    "dependence": curves.dependence,
    "training_size": curves.training_size,
}
KNOWN: Mapping[str, tuple[str, str]] = {  # those drawn here tell their titles themselves
    **{name: (name, "") for name in PLOTS},
    "learning_curve": ("Learning by iterations", "The loss and the metrics as the fit went on."),
}


def draw_run_plots(facts: RunContent, folder: Path) -> list[str]:
    """Write each picture that applies, an SVG and what it shows as JSON; one that fails is a warning, and left out."""
    written: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font may lack a sign, a class may have no rows
        for name, picture in PLOTS.items():
            written += write_plot(folder, name, partial(picture, facts), once=True)
    return written
