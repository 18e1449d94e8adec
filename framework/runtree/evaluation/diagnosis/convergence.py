"""Convergence of an iterative fit: did it stop too early, or long after its best iteration?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext
from runtree.evaluation.diagnosis.suggestions import supports_fit_option
from runtree.records.layout import RunFolder
from runtree.training.history import read_history

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MIN_POINTS = 8  # of a history; fewer have no shape
SIGNIFICANT_ERRORS = 3.0
MIN_RISE = 0.02  # of the whole range: a smaller rise is not worth more iterations
MIN_FALL = 0.05
EARLY_BEST = 2 / 3  # a best iteration before this share of all is early
# only these reasons are limits that the user can raise
LIMITS = {"max_iterations": "fit.max_iterations", "max_seconds": "fit.max_seconds"}


@dataclass(frozen=True)
class CurveShape:
    """The end of a curve of gains, in which higher is better.

    Attributes
    ----------
    rising, error
        The rise over the last third, and its standard error.
    best
        Position of the best point of the smoothed curve.
    fallen
        How far the end of the smoothed curve lies below its best point.
    noise
        Standard deviation of one point.
    total
        The range of the curve.
    """

    rising: float
    error: float
    best: int
    fallen: float
    noise: float
    total: float


def convergence_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Judge the history of the ranking metric or the loss; without one, the reason why the fit ended."""
    run = context.run
    lines = list(read_history(RunFolder(run.folder).history)) if run.plan.steps else []
    monitored = _monitored_curve(lines, context)
    if monitored is None:
        yield from _solver_limit(context)
        return
    name, steps, gains = monitored
    shape = fit_curve_shape(gains)
    yield from _stopped_early(context, name, steps, shape)
    yield from _stopped_late(context, name, steps, shape)


def _monitored_curve(
    lines: Sequence[Mapping[str, Any]], context: EvaluationContext
) -> "tuple[str, list[int], Array] | None":
    import numpy as np

    for name, sign in ((f"validation_{context.metric.name}", context.gain(1, 0)), ("validation_loss", -1.0)):
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        if len(points) >= MIN_POINTS:
            return name, [step for step, _ in points], sign * np.array([value for _, value in points], dtype=float)
    return None


def fit_curve_shape(gains: "Array") -> CurveShape:
    """Fit a line through the last third of a curve, and estimate the noise of single points.

    The noise comes from second differences (Gasser, Sroka & Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625), and is
    at least a thousandth of the range, because a metric of few rows moves in steps and may look noiseless.
    """
    import numpy as np

    total = float(gains.max() - gains.min())
    # second differences cancel a linear trend; those of independent noise have 1² + 2² + 1² = 6 times its variance
    noise = max(float(np.std(np.diff(gains, 2)) / np.sqrt(6)), 1e-3 * total)
    last = max(len(gains) // 3, 4)
    places = np.arange(last) - (last - 1) / 2
    # least squares with centred places: the mean of the gains drops out
    slope = float(places @ gains[-last:] / (places @ places))
    width = min(5, len(gains) // 3) | 1  # odd, so that the moving average is centred
    # padded by the edge value, so that the first and the last point are not pulled towards 0
    smooth = np.convolve(np.pad(gains, width // 2, mode="edge"), np.ones(width) / width, mode="valid")
    best = int(smooth.argmax())
    error = noise / float(np.sqrt(places @ places)) * (last - 1)
    return CurveShape(slope * (last - 1), error, best, float(smooth[best] - smooth[-1]), noise, total)


def _stopped_early(context: EvaluationContext, name: str, steps: Sequence[int], shape: CurveShape) -> Iterator[Finding]:
    summary = context.run.fit_summary
    path = LIMITS.get(str(summary.get("reason")))
    if path is None:
        return
    last, unit = steps[-1], summary["unit"]
    values = {"metric": name, "rising": shape.rising, "error": shape.error, "iterations": last}
    if shape.rising <= max(SIGNIFICANT_ERRORS * shape.error, MIN_RISE * shape.total):
        yield Finding("budget", "good", f"{name} no longer improves at {unit} {last}", "", values)
        return
    seconds = context.run.plan.options.max_seconds
    doubled = 2 * last if path == LIMITS["max_iterations"] else f"{2 * (seconds or 0):g}"
    yield Finding(
        "budget",
        "note",
        f"{name} was still improving at the last of {last:,} {unit}s: by {shape.rising:.2g} (± {shape.error:.1g}) "
        "over the last third",
        f"train longer: {path}={doubled}",
        values,
    )


def _stopped_late(context: EvaluationContext, name: str, steps: Sequence[int], shape: CurveShape) -> Iterator[Finding]:
    summary = context.run.fit_summary
    best, last = steps[shape.best], steps[-1]
    # a late best or a fall within the noise is what a healthy curve looks like
    if best > EARLY_BEST * last or shape.fallen <= max(SIGNIFICANT_ERRORS * shape.noise, MIN_FALL * shape.total):
        return
    kept, unit = summary.get("best"), summary["unit"]
    message = f"{name} was best at {unit} {best} of {last}, and {shape.fallen:.2g} worse at the end"
    values = {"metric": name, "best": best, "iterations": last, "fallen": shape.fallen}
    if kept and kept < last:
        yield Finding("overtraining", "good", f"{message}; the model of {unit} {kept} is kept", "", values)
    elif supports_fit_option(context, "patience"):
        yield Finding("overtraining", "warning", message, "keep the best: fit.patience.checks=10", values)
    else:
        yield Finding("overtraining", "warning", message, f"stop earlier: fit.max_iterations={best}", values)


def _solver_limit(context: EvaluationContext) -> Iterator[Finding]:
    """Note a solver that reached its limit; trees and boosting rounds always do."""
    summary = context.run.fit_summary
    # the unit of trees is not "iteration": their number is a choice, and reaching it says nothing
    if summary.get("reason") != "max_iterations" or summary.get("unit") != "iteration":
        return
    iterations = summary["iterations"]
    advice = "train longer: see runtree describe algorithm"
    if supports_fit_option(context, "max_iterations"):
        advice = f"train longer: fit.max_iterations={5 * iterations}"
    message = f"the solver stopped after {iterations:,} iterations, before it converged"
    yield Finding("budget", "note", message, advice, {"iterations": iterations})
