"""The summary plot: a beeswarm for one output, stacked bars for several classes; with the plot_data data as JSON.

Figures are made without pyplot, which has global state.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from runtree_shap.explanation import ExplainedRows
from runtree_shap.files import importance_table

Array = np.ndarray[Any, Any]

NAME = "shap_summary"
STYLE: Any = {"svg.hashsalt": NAME, "svg.fonttype": "none"}  # reproducible bytes, searchable text
BINS, WIDTH = 60, 0.38


def write_plot(folder: Path, explained: ExplainedRows, shown: int) -> None:
    """Write the plot_data data and the SVG."""
    folder.mkdir(exist_ok=True)
    data = plot_data(explained, shown)
    (folder / f"{NAME}.json").write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
    with rc_context(STYLE):
        draw(data).savefig(folder / f"{NAME}.svg", format="svg", metadata={"Date": None})


def plot_data(explained: ExplainedRows, shown: int) -> dict[str, Any]:
    """Return the plot_data data of the most important features: values and inputs, or importance by class."""
    features = importance_table(explained)["feature"].tolist()[:shown]
    places = [explained.features.index(name) for name in features]
    values = explained.explanation.values[:, places, :]
    data: dict[str, Any] = {
        "explains": explained.explanation.explains,
        "outputs": explained.outputs,
        "features": features,
    }
    if len(explained.outputs) > 1:
        return data | {"kind": "bars", "importance": np.abs(values).mean(axis=0).T.tolist()}
    inputs = explained.inputs[:, places].T
    return data | {
        "kind": "swarm",
        "values": values[:, :, 0].T.tolist(),
        "inputs": [[None if np.isnan(each) else float(each) for each in column] for column in inputs],
    }


def draw(data: dict[str, Any]) -> Figure:
    """Return the figure."""
    figure = Figure(figsize=(8, 1.6 + 0.32 * len(data["features"])), layout="constrained")
    axes = figure.add_subplot()
    (draw_swarm if data["kind"] == "swarm" else draw_bars)(figure, axes, data)
    axes.set_yticks(range(len(data["features"])), [shortened(name) for name in data["features"]])
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_swarm(figure: Any, axes: Any, data: dict[str, Any]) -> None:
    """Draw a point for each row and feature, coloured by the feature's value."""
    colours = colormaps["coolwarm"].with_extremes(bad="#999999")
    axes.axvline(0, color="#999999", linewidth=0.8, zorder=0)
    for place, (values, inputs) in enumerate(zip(data["values"], data["inputs"], strict=True)):
        heights = place + spread(np.asarray(values))
        axes.scatter(
            values, heights, c=scaled(inputs), cmap=colours, vmin=0, vmax=1, s=10, linewidths=0, plotnonfinite=True
        )
    bar = figure.colorbar(ScalarMappable(cmap=colours), ax=axes, ticks=[0, 1], fraction=0.03, aspect=50, pad=0.02)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value of the feature")
    bar.outline.set_visible(False)
    output = data["outputs"][0]
    of = "" if output == "prediction" else f" of {output}"
    axes.set_xlabel(f"SHAP value: what the feature adds to the {data['explains']}{of}")


def draw_bars(figure: Any, axes: Any, data: dict[str, Any]) -> None:
    """Draw a bar for each feature, stacked by class."""
    colours = colormaps["tab10" if len(data["outputs"]) <= 10 else "tab20"]
    left = np.zeros(len(data["features"]))
    for place, (output, lengths) in enumerate(zip(data["outputs"], data["importance"], strict=True)):
        axes.barh(range(len(left)), lengths, left=left, color=colours(place % colours.N), label=output, height=0.7)
        left += lengths
    axes.legend(title="class", frameon=False, loc="lower right")
    axes.set_xlabel(f"mean |SHAP value|, in the {data['explains']}, summed over classes")


def scaled(inputs: list[float | None]) -> Array:
    """Scale the values of a feature to [0, 1] between its 5th and 95th percentile; NaN if missing."""
    values = np.array(inputs, dtype=float)
    known = values[~np.isnan(values)]
    low, high = np.percentile(known, [5, 95]) if len(known) else (0.0, 0.0)
    if high <= low:
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.where(np.isnan(values), np.nan, 0.5)


def spread(values: Array) -> Array:
    """Return vertical offsets of overlapping points, alternately above and below."""
    span = float(np.ptp(values)) or 1.0
    bins = np.round((values - values.min()) / span * BINS).astype(int)
    heights = np.zeros(len(values))
    for each in np.unique(bins):
        members = np.flatnonzero(bins == each)
        steps = (np.arange(len(members)) + 1) // 2 * np.where(np.arange(len(members)) % 2, 1, -1)
        heights[members] = steps
    return heights / max(1.0, float(np.abs(heights).max())) * min(WIDTH, 0.05 * float(np.abs(heights).max()))


def shortened(name: str, length: int = 32) -> str:
    """Return a name cut to `length` letters."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
