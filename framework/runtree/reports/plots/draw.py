"""The plots of a run, and drawing those that apply to it."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runtree.records.plot_writer import DrawnPlot, write_plot
from runtree.reports.plots import bars, classification, curves, regression
from runtree.reports.run.content import RunContent

PLOTS: Mapping[str, Callable[[RunContent], DrawnPlot | None]] = {  # None: it does not apply to this run
    "confusion": classification.confusion,
    "roc": classification.roc,
    "precision_recall": classification.precision_recall,
    "calibration": classification.calibration,
    "threshold": classification.threshold,
    "predicted_actual": regression.predicted_actual,
    "residuals": regression.residuals,
    "baselines": bars.baselines,
    "slices": bars.segments,
    "fairness": bars.fairness,
    "importance": bars.importance,
    "robustness": bars.robustness,
    "dependence": curves.dependence,
    "training_size": curves.training_size,
    "learning_curve": curves.learning_curve,
}


def draw_run_plots(content: RunContent, folder: Path) -> list[str]:
    """Write each plot that applies, an SVG and its data as JSON. One that fails is left out with a warning."""
    written: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font may lack a sign, a class may have no rows
        for name, plot in PLOTS.items():
            # these figures have no layout engine, so one pass is enough
            written += write_plot(folder, name, partial(plot, content), once=True)
    return written
