"""The history of a fit: whether it ended too soon, or long after it was at its best."""

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

POINTS = 8  # checks below which a curve has no shape
ERRORS = 3.0
MATTERS = 0.02  # of all that was gained: what less is worth no more iterations
EARLY = 2 / 3  # a best before this share of the iterations is long ago
LIMITS = {"max_iterations": "fit.max_iterations", "max_seconds": "fit.max_seconds"}


@dataclass(frozen=True)
class CurveShape:
    """How a curve ends. Gains: above 0 is better.

    Attributes
    ----------
    rising
        By how much it rose over its last third.
    error
        The standard error of that.
    best
        Position of the best of the smoothed curve.
    fallen
        By how much its end is below that best.
    noise
        Standard deviation of one check.
    total
        From the worst to the best.
    """

    rising: float
    error: float
    best: int
    fallen: float
    noise: float
    total: float


def convergence_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Look at the watched metric of the history, or else at why the fit ended."""
    run = context.run
    lines = list(read_history(RunFolder(run.folder).history)) if run.plan.steps else []
    told = _watched(lines, context)
    if told is None:
        yield from _unwatched(context)
        return
    name, steps, gains = told
    shape = fit_curve_shape(gains)
    yield from _too_soon(context, name, steps, shape)
    yield from _too_late(context, name, steps, gains, shape)


def _watched(lines: Sequence[Mapping[str, Any]], context: EvaluationContext) -> "tuple[str, list[int], Array] | None":
    import numpy as np

    for name, sign in ((f"validation_{context.metric.name}", context.gain(1, 0)), ("validation_loss", -1.0)):
        told = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        if len(told) >= POINTS:
            return name, [step for step, _ in told], sign * np.array([found for _, found in told], dtype=float)
    return None


def fit_curve_shape(gains: "Array") -> CurveShape:
    """Tell how a curve ends: a line through its last third, against the scatter of single checks.

    The scatter comes from second differences (Gasser, Sroka & Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625), and
    at least from a thousandth of the range: a metric of few rows moves in jumps.
    """
    import numpy as np

    total = float(gains.max() - gains.min())
    noise = max(float(np.std(np.diff(gains, 2)) / np.sqrt(6)), 1e-3 * total)
    last = max(len(gains) // 3, 4)
    places = np.arange(last) - (last - 1) / 2
    slope = float(places @ gains[-last:] / (places @ places))
    width = min(5, len(gains) // 3) | 1
    smooth = np.convolve(np.pad(gains, width // 2, mode="edge"), np.ones(width) / width, mode="valid")
    best = int(smooth.argmax())
    error = noise / float(np.sqrt(places @ places)) * (last - 1)
    return CurveShape(slope * (last - 1), error, best, float(smooth[best] - smooth[-1]), noise, total)


def _too_soon(context: EvaluationContext, name: str, steps: Sequence[int], shape: CurveShape) -> Iterator[Finding]:
    ending = context.run.fit_summary
    path = LIMITS.get(str(ending.get("reason")))
    if path is None:
        return
    values = {"metric": name, "rising": shape.rising, "error": shape.error, "iterations": steps[-1]}
    unit = ending["unit"]
    if shape.rising <= max(ERRORS * shape.error, MATTERS * shape.total):
        yield Finding("budget", "good", f"{name} has stopped improving by {unit} {steps[-1]}", "", values)
        return
    asked = (
        2 * steps[-1] if path == LIMITS["max_iterations"] else f"{2 * (context.run.plan.options.max_seconds or 0):g}"
    )
    yield Finding(
        "budget",
        "note",
        f"{name} was still improving at the last of {steps[-1]:,} {unit}s: by {shape.rising:.2g} (± {shape.error:.1g}) "
        "over the last third",
        f"give it more: {path}={asked}",
        values,
    )


def _too_late(
    context: EvaluationContext, name: str, steps: Sequence[int], gains: "Array", shape: CurveShape
) -> Iterator[Finding]:
    ending, fallen = context.run.fit_summary, shape.fallen
    best, last = steps[shape.best], steps[-1]
    if best > EARLY * last or fallen <= max(ERRORS * shape.noise, 0.05 * shape.total):
        return
    kept = ending.get("best")
    said = f"{name} was best at {ending['unit']} {best} of {last}, and {fallen:.2g} worse at the end"
    values = {"metric": name, "best": best, "iterations": last, "fallen": fallen}
    if kept and kept < last:
        yield Finding("turned", "good", f"{said}; the model is that of {ending['unit']} {kept}", "", values)
    elif supports_fit_option(context, "patience"):
        yield Finding("turned", "warning", said, "keep the best: fit.patience.checks=10", values)
    else:
        yield Finding("turned", "warning", said, f"end sooner: fit.max_iterations={best}", values)


def _unwatched(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where a solver was cut off; trees and rounds always go on to their last."""
    ending = context.run.fit_summary
    if ending.get("reason") == "max_iterations" and ending.get("unit") == "iteration":
        done = ending["iterations"]
        if supports_fit_option(context, "max_iterations"):
            more = f"give it more: fit.max_iterations={5 * done}"
        else:
            more = "give it more: runtree describe algorithm tells how"
        said = f"the solver was cut off after {done:,} iterations, before its tolerance was met"
        yield Finding("budget", "note", said, more, {"iterations": done})
