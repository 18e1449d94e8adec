"""The page of a model: its windows as time series, with alarms marked and the band of the held-out rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from runtree.records.layout import MonitorFolder
from runtree.records.plot_writer import BEST, COLOURS, DrawnPlot, write_plot
from runtree.records.reader import read_json, read_lines
from runtree.records.writer import write_text
from runtree.reports.elements import Element, Page, Paragraph, Reason, Section, Verdict, table_of
from runtree.reports.formatting import format_interval, format_number, format_p_value, metric_label, pluralize
from runtree.reports.images import PlotGallery
from runtree.reports.model_page import alert_table
from runtree.reports.plots.style import BLUE, REFERENCE_LINE, SLANTED, finish, new_axes, shorten
from runtree.reports.render import render

MAX_WINDOWS = 60  # of a plot, the newest
MAX_KPIS = 6
MAX_LABELS = 12  # beside an axis
MAX_ROWS = 30  # of a table
WIDE = 5.6  # inches

Content = Mapping[str, Any]
Plot = Callable[[Sequence[Content]], DrawnPlot | None]


def write_page(folder: MonitorFolder) -> None:
    """Draw the plots of all windows of a model, and write its page."""
    windows = read_windows(folder)
    if not windows:
        return
    plots: dict[str, Plot] = {"quality": quality_plot, "drift": drift_plot, "rows": rows_plot, "latency": latency_plot}
    names = list(dict.fromkeys(name for window in windows for name in window.get("kpis") or {}))[:MAX_KPIS]
    plots |= {f"kpi-{name}": partial(kpi_plot, name=name) for name in names}
    for name, draw in plots.items():
        for file in (folder.plots / f"{name}.svg", folder.plots / f"{name}.json"):
            file.unlink(missing_ok=True)  # what does not apply any more must not stay on the page
        write_plot(folder.plots, name, partial(draw, windows[-MAX_WINDOWS:]), once=True)
    render_page(folder)


def render_page(folder: MonitorFolder) -> None:
    """Write the page with the plots that are there."""
    gallery, alerts = PlotGallery([folder.plots]), read_lines(folder.alerts)
    write_text(folder.report, render(monitor_page(folder.path.name, read_windows(folder), gallery, alerts)))


def read_windows(folder: MonitorFolder) -> list[Content]:
    """Return the results of all windows in the order of their time; those without one in that of their check.

    A result that cannot be read, or is none, is left out.
    """
    found = [read_json(place.result)[0] for place in folder.windows()]
    whole = [one for one in found if isinstance(one.get("window"), dict) and isinstance(one.get("drift"), list)]
    return sorted(whole, key=lambda one: (str(one["window"].get("begin") or one.get("checked")), _name(one)))


def _name(window: Content) -> str:
    return str(window["window"].get("name"))


# --- Plots: one point for each window.


def _axes(windows: Sequence[Content]) -> Any:
    axes = new_axes(width=WIDE, height=2.4)
    shown = range(0, len(windows), -(-len(windows) // MAX_LABELS))
    names = [shorten(_name(windows[place]), 14) for place in shown]
    axes.set_xticks(list(shown), names, **(SLANTED if len("".join(names)) > 40 else {}))
    axes.set_xlim(-0.5, len(windows) - 0.5)
    return axes


def _mark(axes: Any, places: Sequence[int], values: Sequence[float]) -> None:
    if places:
        axes.scatter(places, values, color=BEST, zorder=3, s=42, marker="D", label="alarm")


def quality_plot(windows: Sequence[Content]) -> DrawnPlot | None:
    """Draw the tested metric with its intervals; estimates without labels as hollow points."""
    results = [(place, window["quality"]) for place, window in enumerate(windows) if window.get("quality")]
    metric = next((found["metric"] for _, found in reversed(results)), None)
    estimates = [(place, window["estimate"]) for place, window in enumerate(windows) if window.get("estimate")]
    metric = metric or next((found["metric"] for _, found in reversed(estimates)), None)
    if not metric:
        return None
    axes = _axes(windows)
    for kind, points, style in (
        ("with labels", results, {"marker": "o", "color": BLUE}),
        ("estimate without labels", estimates, {"marker": "o", "color": COLOURS[3], "markerfacecolor": "none"}),
    ):
        known = [(place, found) for place, found in points if found["metrics"].get(metric) is not None]
        if not known:
            continue
        places, values = [place for place, _ in known], [found["metrics"][metric] for _, found in known]
        limits = [(found["intervals"] or {}).get(metric) or {} for _, found in known]
        ends = [(limit.get("low"), limit.get("high")) for limit in limits]
        below = [0.0 if low is None else max(0.0, value - low) for value, (low, _) in zip(values, ends, strict=True)]
        above = [0.0 if high is None else max(0.0, high - value) for value, (_, high) in zip(values, ends, strict=True)]
        axes.errorbar(places, values, yerr=[below, above], label=kind, capsize=2, linewidth=1.4, elinewidth=1, **style)
    held = next((window["hold_out"] for window in reversed(windows) if window.get("hold_out")), None)
    band = (held or {}).get(metric) or {}
    if band.get("value") is not None:
        axes.axhline(band["value"], label="held-out rows of the run", **REFERENCE_LINE)
        if band.get("low") is not None and band.get("high") is not None:
            axes.axhspan(band["low"], band["high"], color="#767676", alpha=0.13, linewidth=0)
    alarms = [
        (place, found["metrics"][metric]) for place, found in results if found["alarm"] and metric in found["metrics"]
    ]
    _mark(axes, [place for place, _ in alarms], [value for _, value in alarms])
    caption = "Bars are confidence intervals; the grey band is that of the rows that the run held out."
    data = {"title": f"Quality: {metric_label(metric)}", "says": caption, "windows": [_name(one) for one in windows],
            "quality": [found for _, found in results], "estimates": [found for _, found in estimates]}  # fmt: skip
    return finish(axes, "", "", metric_label(metric)), data


def drift_plot(windows: Sequence[Content]) -> DrawnPlot | None:
    """Draw the number of columns that drift."""
    tested = [(place, window) for place, window in enumerate(windows) if window["drift"]]
    if not tested:
        return None
    axes = _axes(windows)
    counts = [len({(one["column"], one["segment"]) for one in window["drift"] if one["alarm"]}) for _, window in tested]
    places = [place for place, _ in tested]
    axes.plot(places, counts, color=BLUE, marker="o", markersize=4, label="drifting")
    raised = [number for number, count in enumerate(counts) if count]
    _mark(axes, [places[number] for number in raised], [counts[number] for number in raised])
    axes.set_ylim(bottom=-0.2, top=max(1.0, max(counts) * 1.15))
    axes.yaxis.get_major_locator().set_params(integer=True)
    caption = "Inputs and predictions, and segments of them, that differ beyond the budget of false alarms."
    return finish(axes, "", "", "columns"), {
        "title": "Drift",
        "says": caption,
        "windows": [_name(one) for one in windows],
        "drifting": counts,
    }


def rows_plot(windows: Sequence[Content]) -> DrawnPlot | None:
    """Draw the number of rows, and of those with a label."""
    axes = _axes(windows)
    places, rows = list(range(len(windows))), [int(window.get("rows") or 0) for window in windows]
    labelled = [int(window.get("labelled") or 0) for window in windows]
    axes.bar(places, rows, color="#9CC5E2", width=0.7, label="rows")
    if any(labelled):
        axes.bar(places, labelled, color=BLUE, width=0.4, label="with a label")
        axes.set_ylim(top=1.35 * max(rows))  # room for the legend above the bars
    data = {
        "title": "Volume",
        "says": "Rows of each window.",
        "windows": [_name(one) for one in windows],
        "rows": rows,
        "labelled": labelled,
    }
    return finish(axes, "", "", "rows", legend=any(labelled)), data


def latency_plot(windows: Sequence[Content]) -> DrawnPlot | None:
    """Draw the median and the slowest answers of a service."""
    known = [(place, one["traffic"]["seconds"]) for place, one in enumerate(windows) if one.get("traffic")]
    if not known:
        return None
    axes = _axes(windows)
    for number, level in enumerate(("p50", "p95", "p99")):
        milliseconds = [1000 * seconds[level] for _, seconds in known]
        colour = COLOURS[number]
        axes.plot([place for place, _ in known], milliseconds, color=colour, marker="o", markersize=4, label=level)
    axes.set_ylim(bottom=0)
    caption = "Milliseconds in which half, 95 % and 99 % of the rows were answered."
    data = {"title": "Latency", "says": caption, "windows": [_name(one) for one in windows],
            "seconds": [seconds for _, seconds in known]}  # fmt: skip
    return finish(axes, "", "", "ms"), data


def kpi_plot(windows: Sequence[Content], name: str) -> DrawnPlot | None:
    """Draw a figure over the rows of each window."""
    values = [((window.get("kpis") or {}).get(name) or {}).get("value") for window in windows]
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if not known:
        return None
    axes = _axes(windows)
    axes.plot([place for place, _ in known], [value for _, value in known], color=BLUE, marker="o", markersize=4)
    missed = [
        (place, value)
        for place, value in known
        if any(text.startswith("require:") and f"kpi.{name}" in text for text in windows[place].get("alarms") or ())
    ]
    _mark(axes, [place for place, _ in missed], [value for _, value in missed])
    written = ((windows[-1].get("options") or {}).get("kpis") or {}).get(name, "")
    data = {"title": f"KPI: {name}", "says": str(written), "windows": [_name(one) for one in windows], "values": values}
    return finish(axes, "", "", name, legend=bool(missed)), data


# --- The page.


def monitor_page(name: str, windows: Sequence[Content], gallery: PlotGallery, alerts: Sequence[Content] = ()) -> Page:
    """Return the page; it begins with the newest window that was tested."""
    newest = next((window for window in reversed(windows) if window.get("state") != "small"), windows[-1])
    alarms = [str(text) for text in newest.get("alarms") or ()]
    raised = sum(window.get("state") == "alarm" for window in windows)
    if newest.get("state") == "small":
        verdict = Verdict(
            "note", "too few rows", f"{pluralize(int(newest.get('rows') or 0), 'row')} are not enough to test"
        )
    elif alarms:
        verdict = Verdict(
            "warning", "alarm", f"in the window {_name(newest)}", [Reason("warning", text) for text in alarms]
        )
    else:
        verdict = Verdict("good", "no alarm", f"nothing has changed beyond chance in the window {_name(newest)}")
    reference = newest.get("reference") or {}
    rows, model = int(reference.get("rows") or 0), newest.get("model") or {}
    source = "its table" if reference.get("source") == "table" else "what its record keeps"
    description = (
        f"{pluralize(len(windows), 'window')} of {model.get('reference')}, {raised} with an alarm, "
        f"compared with {pluralize(rows, 'row')} of the run ({source})."
    )
    sections = [
        Section(
            "windows",
            "Windows over time",
            [
                *gallery.figures("quality", "drift", "rows", "latency"),
                *_windows_table(windows),
                *_left_out(len(windows)),
                *alert_table(alerts),
            ],
        ),
        Section("drift", f"Drift in {_name(newest)}", _drift_elements(newest)),
        Section("quality", f"Quality in {_name(newest)}", _quality_elements(newest)),
    ]
    kpis = [*gallery.figures(*(n for n in gallery.names() if n.startswith("kpi-"))), *_kpi_elements(newest)]
    sections += [Section("kpis", "KPIs", kpis)] if kpis else []
    return Page(name, "Monitoring", description, verdict, None, [], sections)


def _left_out(count: int) -> list[Element]:
    """Say which windows plots and table leave out."""
    shown = [
        f"in the {where} the newest {most}"
        for most, where in ((MAX_ROWS, "table"), (MAX_WINDOWS, "plots"))
        if count > most
    ]
    return [Paragraph(f"Of {count:,} windows, {' and '.join(shown)} are shown.")] if shown else []


def _windows_table(windows: Sequence[Content]) -> list[Element]:
    rows = []
    for window in reversed(windows):
        said = [*(window.get("alarms") or ()), *(f"not checked: {text}" for text in window.get("unchecked") or ())]
        counts = [format_number(window.get(key)) for key in ("rows", "labelled")]
        rows.append([_name(window), *counts, str(window.get("state")), " / ".join(map(str, said))])
    marked = frozenset(place for place, row in enumerate(rows) if row[3] == "alarm")
    headings = ["window", "rows", "labelled", "state", "alarms"]
    return table_of("Windows, the newest first", headings, rows[:MAX_ROWS], numeric=frozenset({1, 2}), marked=marked)


def _drift_elements(window: Content) -> list[Element]:
    results = sorted(
        window["drift"], key=lambda one: (not one["alarm"], 2.0 if one["adjusted"] is None else one["adjusted"])
    )
    if not results:
        return [Paragraph("Inputs and predictions were not compared.")]
    rows = [
        [one["column"] or "all columns", one["segment"] or "all rows", one["detector"], format_number(one["score"]),
         format_number(one["threshold"]), format_p_value(one["adjusted"]), one["note"]]
        for one in results
    ]  # fmt: skip
    more = [Paragraph(f"{len(rows) - MAX_ROWS} more comparisons are in monitor.json.")] if len(rows) > MAX_ROWS else []
    headings = ["column", "rows", "detector", "score", "matters above", "corrected p", "note"]
    marked = frozenset(place for place, one in enumerate(results) if one["alarm"])
    return [
        *table_of(
            "Comparisons with the reference", headings, rows[:MAX_ROWS], numeric=frozenset({3, 4, 5}), marked=marked
        ),
        *more,
    ]


def _quality_elements(window: Content) -> list[Element]:
    quality, estimate = window.get("quality"), window.get("estimate")
    found = quality or estimate
    overrides = window.get("overrides") or {}
    people = []
    if overrides.get("reviewed"):
        looked, changed = pluralize(int(overrides["reviewed"]), "answer"), f"changed {overrides['changed']:,}"
        people.append(Paragraph(f"People decided on {looked} and {changed}: {100 * overrides['share']:.2g} % of all."))
    if not found:
        return [*people, Paragraph("Rows without labels, and no estimate: the quality is not known.")]
    said = (
        f"On {pluralize(int(quality['rows']), 'row')} with a label."
        if quality
        else "An estimate without labels, from the calibrated probabilities. "
        "It cannot see that the same inputs mean another label now."
    )
    rows = [
        [metric_label(name), format_number(value), format_interval((found["intervals"] or {}).get(name)),
         format_number((window.get("hold_out") or {}).get(name, {}).get("value"))]
        for name, value in found["metrics"].items()
    ]  # fmt: skip
    headings = [
        "metric",
        "these rows" if quality else "estimate",
        f"{100 * found['level']:g} % interval",
        "held-out rows of the run",
    ]
    parts = [
        [part["segment"], format_number(part["rows"]), format_number(part["value"]), format_interval(part),
         format_number(part["hold_out"]), part["note"]]
        for part in (quality or {}).get("segments") or ()
    ]  # fmt: skip
    marked = frozenset(place for place, part in enumerate((quality or {}).get("segments") or ()) if part["alarm"])
    own = ["segment", "rows", metric_label(found["metric"]), headings[2], headings[3], "note"]
    return [
        *people,
        Paragraph(said),
        *table_of("Metrics", headings, rows),
        *table_of("Segments", own, parts, numeric=frozenset({1, 2, 4}), marked=marked),
    ]


def _kpi_elements(window: Content) -> list[Element]:
    rows = []
    for name, kpi in (window.get("kpis") or {}).items():
        rows.append([name, "all rows", format_number(kpi["value"])])
        for column, levels in kpi["segments"].items():
            rows += [[name, f"{column} = {level}", format_number(value)] for level, value in levels.items()]
    return table_of(f"KPIs in {_name(window)}", ["KPI", "rows", "value"], rows[:MAX_ROWS], numeric=frozenset({2}))
