"""`history.jsonl`, read and cut: a line a check."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.records.layout import RunFolder
from runtree.records.plot_writer import BEST, COLOURS, GREY, DrawnPlot, write_plot
from runtree.records.writer import write_text


def read_history(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history; a torn last one is dropped."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def trim_history(file: Path, step: int) -> None:
    """Drop what came after `step`: a run that goes on from there tells it again."""
    if file.is_file():
        write_text(file, "".join(json.dumps(line) + "\n" for line in read_history(file) if line["step"] <= step))


# --- The learning curve of a run: its losses and metrics, iteration by iteration.

MONITORED_SPLITS = ("train", "validation")
LOOKS = dict(zip(MONITORED_SPLITS, COLOURS, strict=False))
PANELS = 4  # metrics side by side at most, the loss first


def write_learning_curve(folder: RunFolder, ending: Mapping[str, Any]) -> list[str]:
    """Write `plots/learning_curve.svg` where the fit has a history."""
    lines = list(read_history(folder.history))
    if len(lines) < 2:
        return []
    return write_plot(folder.plots, "learning_curve", lambda: draw_learning_curve(lines, ending))


def draw_learning_curve(lines: Sequence[Mapping[str, Any]], ending: Mapping[str, Any]) -> DrawnPlot | None:
    """Draw a panel for each metric that is told of a part."""
    from matplotlib.figure import Figure

    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for line in lines for name in line):
        part, metric = split_name(name)
        if part:
            panels.setdefault(metric, []).append(name)
    if not panels:
        return None
    shown = sorted(panels, key=lambda metric: metric != "loss")[:PANELS]
    figure = Figure(figsize=(4.6 * len(shown), 3.2), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _panel(axes, metric, panels[metric], lines, ending)
    return figure, {"history": list(lines), "ending": dict(ending)}


def _panel(
    axes: Any, metric: str, names: Sequence[str], lines: Sequence[Mapping[str, Any]], ending: Mapping[str, Any]
) -> None:
    for name in names:
        told = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        part = split_name(name)[0]
        mark = "o" if len(told) < 30 else None
        axes.plot(*zip(*told, strict=True), color=LOOKS.get(part, GREY), label=part, marker=mark, markersize=3)
    if ending.get("best"):
        axes.axvline(ending["best"], color=BEST, linewidth=1, linestyle="--", label=f"kept: {ending['best']}")
    axes.set(title=metric, xlabel=ending.get("unit", "step"))
    axes.grid(alpha=0.25)
    axes.legend()


def split_name(name: str) -> tuple[str, str]:
    """Return the part and the metric of ``validation_roc_auc``."""
    part, _, metric = name.partition("_")
    return (part, metric) if part in MONITORED_SPLITS else ("", name)
