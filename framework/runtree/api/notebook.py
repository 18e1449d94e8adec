"""What a notebook shows: the bar of a sweep and of a fit while they work, and runs and sweeps as tables.

A display of IPython is updated in place, as text and as HTML, by the thread that works: no widget has to be installed,
and neither a thread nor an event loop is begun.
"""

import html
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtree.cli.evaluation_summary import with_intervals
from runtree.cli.format import command, format_cell, format_setting
from runtree.cli.progress import RunProgress, format_iteration
from runtree.cli.sweep.live_panel import LivePanel
from runtree.cli.sweep.live_view import PanelView, SweepView, make_view
from runtree.records.commands import run_command

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.types import RunRecord
    from runtree.records.reader import RunReader
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState
    from runtree.training.active_run import ActiveRun

UPDATE_SECONDS = 0.25  # each update is a message to the browser
BAR_CELLS = 28  # of the bar as text
SHOWN_RUNS = 10  # of a sweep
SHOWN_FINDINGS = 3
CURVE_WIDTH, CURVE_HEIGHT = 320, 80  # pixels
MUTED = "color:#6b7280"


def in_notebook() -> bool:
    """Return whether this code runs in a kernel of Jupyter, which shows HTML."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def run_progress(wanted: bool) -> RunProgress:
    """Return what shows the progress of a run."""
    return (NotebookRun() if in_notebook() else RunProgress()) if wanted else HiddenRun()


def sweep_view(wanted: bool) -> SweepView:
    """Return what shows the progress of a sweep."""
    return (NotebookSweep() if in_notebook() else make_view()) if wanted else SweepView()


class NotebookDisplay:
    """An output of the cell that is replaced by the next one."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._next = 0.0

    def show(self, text: str, content: str, at_once: bool = False) -> None:
        """Show a text, and the same as HTML; too many updates are left out unless they are due `at_once`."""
        now = time.monotonic()
        if now < self._next and not at_once:
            return
        self._next = now + UPDATE_SECONDS
        bundle = {"text/plain": text, "text/html": content}
        if self._handle is None:
            from IPython.display import display

            show: Any = display  # it has no types
            self._handle = show(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def clear(self) -> None:
        """Leave nothing of it."""
        if self._handle is not None:
            self.show("", "", at_once=True)


class HiddenRun(RunProgress):
    """Shows nothing."""

    def on_stage(self, name: str) -> None:
        """Do nothing."""


class NotebookRun(RunProgress):
    """Shows the stage of a run in a notebook, and while a fit iterates how far it is; removed at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._display, self._stage = NotebookDisplay(), ""

    def on_stage(self, name: str) -> None:
        self._stage = name
        self._show(name, None)

    def on_iteration(self, run: "ActiveRun", line: Mapping[str, Any]) -> None:
        if run.is_set("plan"):
            plan = run.plan
            limit = run.estimator.get_params(deep=False).get(plan.bound) if plan.bound else None
            text = format_iteration(line, plan.iterations.unit, limit, 2)
            self._show(f"{self._stage}: {text}", int(line["step"]) / limit if limit else None)

    def _show(self, text: str, fraction: float | None) -> None:
        bar = "" if fraction is None else bar_html(fraction)
        self._display.show(text, f"{bar}<span style='{MUTED}'>{html.escape(text)}</span>")

    def stop(self) -> None:
        self._display.clear()


class NotebookSweep(PanelView):
    """The panel of a sweep in a notebook; its last state stays above the result."""

    def __init__(self) -> None:
        SweepView.__init__(self)  # the panel of a terminal is not made
        self._display = NotebookDisplay()
        self._title, self._note, self._next_draw = "", "", 0.0
        self._last: LivePanel | None = None

    def show_progress(self, driver: "Driver", entry: "RunState | None") -> None:
        if self.progress is not None:
            running = {number: time.monotonic() - began for number, began in driver.running.items()}
            self._last = LivePanel.of(self._title, self.progress, driver.seconds, running, self._note)
            self._draw(self._last)

    def show_note(self, driver: "Driver", text: str) -> None:
        super().show_note(driver, text)
        self.show_progress(driver, None)

    def _draw(self, content: "LivePanel | str", at_once: bool = False) -> None:
        if isinstance(content, str):  # a step before or after the runs
            known = self._last
            panel = LivePanel(known.title, content, 1.0, (), known.note) if known else LivePanel(content, "", None, ())
            self._display.show(panel_text(panel), panel_html(panel), at_once=True)
        else:
            self._display.show(panel_text(content), panel_html(content), at_once)

    def close(self) -> None:
        if self._last is not None:
            self._draw(self._last, at_once=True)
        else:  # it was refused before its first run
            self._display.clear()


def panel_text(panel: LivePanel) -> str:
    """Return a panel as lines."""
    done = round(BAR_CELLS * (panel.fraction or 0.0))
    bar = [f"[{'#' * done}{'.' * (BAR_CELLS - done)}] {panel.status}"] if panel.status else []
    return "\n".join([panel.title, *bar, *panel.lines, *([panel.note] if panel.note else [])])


def panel_html(panel: LivePanel) -> str:
    """Return a panel as HTML."""
    bar = f"{bar_html(panel.fraction)}{html.escape(panel.status)}" if panel.status else ""
    lines = "\n".join(html.escape(line) for line in panel.lines)
    note = f"<div style='color:#b45309'>{html.escape(panel.note)}</div>" if panel.note else ""
    return (
        f"<div><b>{html.escape(panel.title)}</b></div><div>{bar}</div>{note}"
        f"<pre style='margin:2px 0;background:none'>{lines}</pre>"
    )


def bar_html(fraction: float | None) -> str:
    """Return a bar that any notebook shows, also one that removes styles and scripts; empty where no end is known."""
    known = "" if fraction is None else f" value='{min(1.0, fraction):.3f}'"
    return f"<progress max='1'{known} style='width:260px;vertical-align:middle'></progress> "


def run_html(record: "RunRecord", reader: "RunReader") -> str:
    """Return a run: metrics with intervals, the curve of the fit, findings, next steps."""
    parts = list(record.metrics)
    names = dict.fromkeys(name for values in record.metrics.values() for name in values)
    rows = [[name, *(record.metrics[part].get(name) for part in parts)] for name in names]
    evaluation = reader.evaluation
    head = f"<div><b>{html.escape(record.id)}</b> {html.escape(_describe(record))}</div>"
    missed = "".join(f"<div style='color:#b91c1c'>gate failed: {html.escape(text)}</div>" for text in record.missed)
    error = record.error or {}
    failed = f"<pre>{html.escape(str(error.get('message')))}</pre>" if error.get("message") else ""
    table = table_html(*with_intervals(["metric", *parts], rows, evaluation)) if rows else ""
    curve = curve_html(reader.history, str(record.objective.get("metric")))
    steps = ["run.model.predict(rows)", "run.explain(0)", "run.report()"] if record.state == "completed" else []
    return (
        head
        + missed
        + failed
        + table
        + curve
        + _findings_html(evaluation.get("findings") or ())
        + _steps_html(steps, run_command("show", record))
    )


def _describe(record: "RunRecord") -> str:
    algorithm, data = record.config.get("algorithm.name"), record.config.get("data.name")
    seconds = f", {record.seconds:.3g} s" if record.seconds is not None else ""
    return f"{record.state}: {algorithm} on {data}{seconds}"


def _findings_html(findings: Sequence[Mapping[str, Any]]) -> str:
    if not findings:
        return ""
    items = "".join(
        f"<li>{html.escape(str(found.get('level')))}: {html.escape(str(found.get('says')))}</li>"
        for found in findings[:SHOWN_FINDINGS]
    )
    more = len(findings) - SHOWN_FINDINGS
    rest = f"<li>{more} more: run.findings</li>" if more > 0 else ""
    return f"<ul style='margin:4px 0'>{items}{rest}</ul>"


def _steps_html(steps: Sequence[str], typed: str) -> str:
    codes = " ".join(f"<code>{html.escape(step)}</code>" for step in [*steps, typed])
    return f"<div style='{MUTED}'>next: {codes}</div>"


def curve_html(history: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Return the reported values of a metric by step as a small picture; empty where there are fewer than two."""
    wanted = (f"validation_{metric}", metric, "validation_loss", "loss")
    name = next((key for key in wanted if any(_is_number(line.get(key)) for line in history)), None)
    values = [(float(line["step"]), float(line[name])) for line in history if name and _is_number(line.get(name))]
    if name is None or len(values) < 2:
        return ""
    (first, last), (low, high) = (values[0][0], values[-1][0]), (min(y for _, y in values), max(y for _, y in values))
    across, up = CURVE_WIDTH / ((last - first) or 1), (CURVE_HEIGHT - 6) / ((high - low) or 1)
    marks = " ".join(f"{(x - first) * across:.1f},{CURVE_HEIGHT - 3 - (y - low) * up:.1f}" for x, y in values)
    label = f"{name} by step, {first:g} to {last:g}: from {format_cell(values[0][1])} to {format_cell(values[-1][1])}"
    return (
        f"<svg width='{CURVE_WIDTH}' height='{CURVE_HEIGHT}' role='img' style='background:#f8fafc'>"
        f"<title>{html.escape(label)}</title>"
        f"<polyline fill='none' stroke='#2563eb' stroke-width='1.5' points='{marks}'/></svg>"
        f"<div style='{MUTED}'>{html.escape(label)}</div>"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def sweep_html(name: str, stop: Mapping[str, Any], trials: "pd.DataFrame") -> str:
    """Return a sweep: why it stopped, its best runs, next steps."""
    why = str(stop.get("explanation") or stop.get("criterion") or "not finished")
    rows = trials.dropna(axis="columns", how="all").head(SHOWN_RUNS)
    # what differs between the runs, and the objective: the table of all is `sweep.trials()`
    same = [name for name in ("family", "state", "runs") if name in rows and rows[name].nunique() < 2]
    rows = rows.drop(columns=[*same, *(name for name in rows.columns if str(name).startswith("test."))])
    cells = rows.astype(object).to_numpy().tolist()
    short = [[None if value != value else format_setting(value) for value in row] for row in cells]  # NaN: no key
    table = table_html([str(column).removeprefix("algorithm.") for column in rows.columns], short)
    more = f"<div style='{MUTED}'>{len(rows)} of {len(trials)}: sweep.trials()</div>" if len(trials) > len(rows) else ""
    head = f"<div><b>{html.escape(name)}</b> {html.escape(why)}</div>"
    return head + table + more + _steps_html(["sweep.best", "sweep.plot_history()"], command("report", name))


def table_html(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table whose numbers are those that the command line prints."""

    def cell(value: Any) -> str:
        return "" if value is None else html.escape(format_cell(value))

    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
