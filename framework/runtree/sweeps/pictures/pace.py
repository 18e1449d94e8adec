"""How soon it was found: the best so far by the seconds that the sweep had worked, and of each algorithm."""

from collections.abc import Sequence
from typing import Any

from runtree.records.pictures import BEST, DrawnPlot
from runtree.sweeps.pictures.columns import short
from runtree.sweeps.pictures.looks import colour_of, finish_figure, focus_on, frame_axes, plain_numbers, put_stars
from runtree.sweeps.pictures.points import Point
from runtree.sweeps.pictures.scene import Scene


def pace(scene: Scene) -> DrawnPlot | None:
    """Draw the best so far by seconds: of the sweep, and where it has several algorithms of each."""
    from matplotlib.figure import Figure

    counted = sorted((point for point in scene.points if point.counts and point.at > 0), key=lambda point: point.at)
    if len(counted) < 2:
        return None
    figure = Figure()
    axes = figure.subplots()
    last = counted[-1].at
    for name in scene.names if len(scene.names) > 1 else ():
        own = best_so_far([point for point in counted if point.family == name], scene.directions[0])
        if own:
            _steps(axes, own, last, color=colour_of(scene, own[0]), linewidth=1.1, label=short(name))
    best = best_so_far(counted, scene.directions[0])
    _steps(axes, best, last, color=BEST, linewidth=2.2, label="best so far")
    put_stars(axes, [(best[-1].at, best[-1].value())], f"run {best[-1].run} after {best[-1].at:.3g} s")
    focus_on(axes, [point.value() for point in counted], scene.directions[0])
    plain_numbers(axes.xaxis, most=8)
    frame_axes(axes, "seconds that the sweep had worked", scene.metric())
    finish_figure(figure, (7, 4.5), scene.of("How soon it was found", len(counted), len(counted)))
    steps = [{"run": point.run, "seconds": point.at, "value": point.value()} for point in best]
    return figure, {"metric": scene.metric(), "best_so_far": steps}


def best_so_far(found: Sequence[Point], direction: str) -> list[Point]:
    """Return those that were better than all before them."""
    sign, kept = 1 if direction == "maximize" else -1, list[Point]()
    for point in found:
        if not kept or sign * point.value() > sign * kept[-1].value():
            kept.append(point)
    return kept


def _steps(axes: Any, found: Sequence[Point], last: float, **look: Any) -> None:
    seconds, values = [point.at for point in found], [point.value() for point in found]
    axes.plot([*seconds, last], [*values, values[-1]], drawstyle="steps-post", **look)
