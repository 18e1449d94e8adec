"""`history.jsonl`, one line for each check of a fit, and the learning curve drawn from it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.records.layout import RunFolder
from runtree.records.plot_writer import BEST, COLOURS, GREY, DrawnPlot, write_plot
from runtree.records.writer import write_text


def read_history(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history; an incomplete last line, left by a killed process, is dropped."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def trim_history(file: Path, step: int) -> None:
    """Drop the lines after `step`: a fit that resumes from there reports those iterations again."""
    if file.is_file():
        write_text(file, "".join(json.dumps(line) + "\n" for line in read_history(file) if line["step"] <= step))


MONITORED_SPLITS = ("train", "validation")
SPLIT_COLOURS = dict(zip(MONITORED_SPLITS, COLOURS, strict=False))
MAX_PANELS = 4  # one for each metric, the loss first


def write_learning_curve(folder: RunFolder, ending: Mapping[str, Any]) -> list[str]:
    """Write `plots/learning_curve.svg` if the fit has a history."""
    lines = list(read_history(folder.history))
    # a single check is a point, not a curve
    if len(lines) < 2:
        return []
    return write_plot(folder.plots, "learning_curve", lambda: draw_learning_curve(lines, ending))


def draw_learning_curve(lines: Sequence[Mapping[str, Any]], ending: Mapping[str, Any]) -> DrawnPlot | None:
    """Draw a panel for each metric that was monitored on a split."""
    # `Figure` itself and not pyplot: no global state, no window system, and figures need not be closed
    from matplotlib.figure import Figure

    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for line in lines for name in line):
        split, metric = split_name(name)
        # "seconds" and "learning_rate" are of no split, and have another scale
        if split:
            panels.setdefault(metric, []).append(name)
    if not panels:
        return None
    shown = sorted(panels, key=lambda metric: metric != "loss")[:MAX_PANELS]
    figure = Figure(figsize=(4.6 * len(shown), 3.2), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _panel(axes, metric, panels[metric], lines, ending)
    return figure, {"history": list(lines), "ending": dict(ending)}


def _panel(
    axes: Any, metric: str, names: Sequence[str], lines: Sequence[Mapping[str, Any]], ending: Mapping[str, Any]
) -> None:
    for name in names:
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        split = split_name(name)[0]
        mark = "o" if len(points) < 30 else None  # markers of many points hide the line
        axes.plot(
            *zip(*points, strict=True), color=SPLIT_COLOURS.get(split, GREY), label=split, marker=mark, markersize=3
        )
    if ending.get("best"):
        axes.axvline(ending["best"], color=BEST, linewidth=1, linestyle="--", label=f"kept: {ending['best']}")
    axes.set(title=metric, xlabel=ending.get("unit", "step"))
    axes.grid(alpha=0.25)
    axes.legend()


def split_name(name: str) -> tuple[str, str]:
    """Return the split and the metric of a name such as ``validation_roc_auc``; the split is "" if there is none."""
    split, _, metric = name.partition("_")
    return (split, metric) if split in MONITORED_SPLITS else ("", name)
