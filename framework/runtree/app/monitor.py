"""`runtree monitor`: rows that a model has met, window by window, beside the rows that it was made with."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtree.app.application import App
from runtree.app.evaluate import set_value
from runtree.app.explain import read_run_config
from runtree.app.log_parts import open_log, whole_windows
from runtree.app.monitored_rows import MonitorRequest, NewRows, read_rows
from runtree.app.monitored_window import WindowWatch
from runtree.app.retrain_request import request_retraining
from runtree.config.allowlist import AllowList
from runtree.config.provenance import TypedWords
from runtree.contract.commands import override_key
from runtree.contract.errors import ConfigError, nearest, unknown
from runtree.contract.expression import RowsExpression
from runtree.contract.redaction import redact
from runtree.contract.types import RunRecord, Task
from runtree.evaluation.options import IntervalOptions, read_evaluation_options
from runtree.lifecycle.predict import Predictor
from runtree.monitoring.alerts import open_channels
from runtree.monitoring.drift import DriftMonitor, segment_texts
from runtree.monitoring.log_windows import cut_log, recorded_windows, utc, utc_values
from runtree.monitoring.options import (
    ChosenDetector,
    MonitorOptions,
    choose_detectors,
    read_options,
    read_requirements,
)
from runtree.monitoring.page import read_windows, render_page, write_page
from runtree.monitoring.quality import QualityReference
from runtree.monitoring.reference import Reference, read_reference
from runtree.monitoring.windows import Window, check_kpis, cut_windows, parse_kpis, read_window_times
from runtree.records.layout import MonitorFolder, not_writable_error, timestamp
from runtree.records.model_versions import registered_in
from runtree.records.retrain_requests import RetrainRequest
from runtree.records.writer import dump_json, write_json
from runtree.statistics import metrics
from runtree.tables.fingerprint import frame_fingerprint
from runtree.tables.places import table_stem
from runtree.tables.schema import TableSchema

SCHEMA = 1
GROUP, DEFAULT = "monitor", "default"
GROUPS = ("data", GROUP)
RESAMPLES = 1_000  # for intervals, where the run's own are switched off


@dataclass(frozen=True)
class MonitorResult:
    """The folder of the model, the content of `monitor.json` of each window, notes, and what triggers asked for.

    `tested` are the names of those that were not as they had been recorded; `failures` says which alerts failed.
    """

    folder: MonitorFolder
    windows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    request: RetrainRequest | None = None
    tested: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def alarms(self) -> list[Mapping[str, Any]]:
        """The windows that raise an alarm."""
        return [window for window in self.windows if window["state"] == "alarm"]


def monitor_run(app: App, request: MonitorRequest) -> MonitorResult:
    """Compare the rows of a file with those that the model was made with; write a record of each window and the page.

    A window whose rows, labels and options are those of its record is not tested again.

    Raises
    ------
    RuntreeError
        The run has no model, an option is not possible, the rows do not fit, or the folder cannot be written to.
    """
    trust = app.allow_list(TypedWords(request.overrides, request.trusted))
    own = read_run_config(request.record)
    node = monitor_node(app, request, own)
    options = read_options(node)
    detectors = choose_detectors(options, app.plugins.contributions("register_detectors"))
    alerts = open_channels(options, app.plugins.contributions("register_alerts"), request.is_watching)
    predictor = replace(app.load_predictor(request.record, request.trusted), refuse=False)
    shared = {
        "schema": SCHEMA,
        "checked": timestamp(),
        "model": _describe_model(request),
        "data": redact({"path": request.file or request.log, "labels": request.labels}),
        "options": redact(node),
    }
    folder = MonitorFolder(request.output / model_name(request.record))
    look = _Look(app, request.record, own, predictor, trust, detectors, shared, read_windows(folder))
    with open_log(request, options.window) as (part, ends):
        for end in ends:
            part = replace(part, until=end)
            # the windows say what is against the schema, each of its own rows
            rows, more = read_rows(app, part, own, replace(predictor, schema=None), trust, options)
            look.notes += [note for note in more if note not in look.notes]
            goes_on = part.since != request.since
            windows = cut_rows(part, rows, options, own, look.known, goes_on)
            windows, since = whole_windows(windows, rows, options.window, part.since, end)
            look.add(rows, windows, options)
            part = replace(part, since=since)
    results, notes, before, tested = look.results, look.notes, look.before, look.tested
    # the newest says when it was looked at last, also where nothing has changed
    results[-1] = {**results[-1], "checked": shared["checked"]}
    try:
        for result in results:
            name = str(result["window"]["name"])
            if result is not before.get(name):
                folder.window(name).path.mkdir(parents=True, exist_ok=True)
                write_json(folder.window(name).result, result)
        write_page(folder)  # before the alerts, which name it
        failures = tuple(alerts.send(folder))
        if alerts.channels:
            render_page(folder)
    except OSError as error:
        raise not_writable_error(folder.path, error) from None
    asked, held_back = request_retraining(options, request, folder)
    return MonitorResult(folder, tuple(results), (*notes, *held_back), asked, tuple(tested), failures)


@dataclass
class _Look:
    """One look at a model: the results so far, of one part of its rows after the other."""

    app: App
    record: RunRecord
    own: Mapping[str, Any]
    predictor: Predictor
    trust: AllowList
    detectors: Sequence[ChosenDetector]
    shared: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    results: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    is_changed: bool = False

    def __post_init__(self) -> None:
        self.before = {str(one["window"]["name"]): one for one in self.records}
        self._watch: tuple[Any, WindowWatch, Mapping[str, Any]] | None = None

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The records of earlier looks that are not replaced, and those of this one."""
        new = {one["window"]["name"] for one in self.results}
        return [*(one for one in self.records if one["window"]["name"] not in new), *self.results]

    def add(self, rows: NewRows, windows: Sequence[Window], options: MonitorOptions) -> None:
        """Look at windows, which come after those so far."""
        options = replace(options, ignore=[*options.ignore, *rows.absent])
        kpi_rows = rows.for_kpis() if options.kpis else rows.raw
        kpis = parse_kpis(options.kpis, [str(name) for name in kpi_rows.columns])
        check_kpis(kpis, kpi_rows, rows.predictions.classes)
        for name in options.segments:
            if name not in rows.raw.columns:
                raise unknown("column at monitor.segments:", name, map(str, rows.raw.columns), error=ConfigError)
        windows = [own_name(window, self.shared["model"], self.known) for window in windows]
        new = {window.name for window in windows}
        kept = [one for one in self.known if one["window"]["name"] not in new and of_model(one, self.shared["model"])]
        for window in windows:
            fingerprint = fingerprint_window(self.app, self.shared, self.detectors, window, rows)
            record = self.before.get(window.name) or {}
            is_known = record.get("fingerprint") == fingerprint and not self.is_changed
            if is_partial(record, self.shared, window) or is_known:
                self.results.append(record)
                kept.append(record)
                continue
            watch, facts = self._watch_for(rows, options, kpis)
            earlier = [one for one in kept if str(one["window"]["begin"]) < str(window.begin)] if window.begin else []
            looks = int((record.get("window") or {}).get("looks") or 0)
            found = watch.look(window, rows, kpi_rows, earlier, looks)
            self.tested.append(window.name)
            self.results.append({**self.shared, "fingerprint": fingerprint, **facts, **found})
            kept.append(self.results[-1])
            # what is found in a sequence depends on the windows before it, too
            self.is_changed = self.is_changed or record.get("stream") != found["stream"]

    def _watch_for(
        self, rows: NewRows, options: MonitorOptions, kpis: Mapping[str, RowsExpression]
    ) -> tuple[WindowWatch, Mapping[str, Any]]:
        """Return what windows are compared with, and facts on it: late, since reading the run's table takes longest."""
        if self._watch is None or self._watch[0] != rows.absent:
            reference = read_reference(self.record, self.own, self.predictor, self.trust, options)
            watch = _make_watch(self.app, self.own, options, self.detectors, reference, kpis, self.predictor.schema)
            facts = {
                "reference": {"source": reference.source, "rows": reference.count},
                "hold_out": watch.quality.summary() if watch.quality else {},
            }
            self.notes += [note for note in reference.notes if note not in self.notes]
            self._watch = (rows.absent, watch, facts)
        return self._watch[1:]


def _make_watch(
    app: App,
    own: Mapping[str, Any],
    options: MonitorOptions,
    detectors: Sequence[ChosenDetector],
    reference: Reference,
    kpis: Mapping[str, RowsExpression],
    schema: TableSchema | None,
) -> WindowWatch:
    minimum = options.window.minimum
    drift = DriftMonitor(reference.rows, reference.kinds, detectors, options.segments, minimum, reference.usable)
    quality = _quality_reference(app, own, reference, options.segments)
    return WindowWatch(options, drift, quality, kpis, read_requirements(options), schema)


# --- The windows.


def cut_rows(
    request: MonitorRequest,
    rows: NewRows,
    options: MonitorOptions,
    own: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    goes_on: bool = False,
) -> list[Window]:
    """Cut the rows of a file, or those of a log, whose windows go on from the recorded ones.

    `goes_on`: the rows are the next part of a log, and no row of a recorded window is left out.
    """
    import numpy as np

    times = read_window_times(rows.raw, options.window, rows.time) if rows.time else None
    if times is None or times.dtype.kind != "M" or rows.traffic is None:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", table_stem(request.file or "log")).strip("-") or "rows"
        name = f"{stem[:60]}-{frame_fingerprint(rows.raw)[:8]}"
        return cut_windows(rows.raw, options.window, own["data"].get("time"), name)
    answered = rows.traffic["time"]
    is_own = options.window.time in (None, rows.time)
    recorded = recorded_windows(records, request.record.id, request.log, options.window)
    if goes_on:
        recorded = [one for one in recorded if one.end >= np.datetime64(utc(request.since))]
    windows = cut_log(
        utc_values(times),
        utc_values(answered) if is_own else None,
        options.window,
        recorded,
        [str(one["window"]["name"]) for one in records],
    )
    if is_own:
        return windows
    moments = rows.raw[rows.time]  # by a column of the rows: answers between the first and the last of them
    spans = [moments.iloc[window.rows] for window in windows]
    return [
        replace(window, traffic=answered.between(span.min(), span.max()).to_numpy().nonzero()[0])
        for window, span in zip(windows, spans, strict=True)
    ]


def own_name(window: Window, model: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Window:
    """Return a window under a name that no window of another version has."""
    other = any(one["window"]["name"] == window.name and one["model"]["run"] != model["run"] for one in records)
    return replace(window, name=f"{window.name}-v{model['version'] or model['run'][-8:]}") if other else window


def is_partial(record: Mapping[str, Any], shared: Mapping[str, Any], window: Window) -> bool:
    """Return whether a window of a log was recorded with earlier rows than are read now: its record is worth more."""
    same = window.traffic is not None and all(record.get(name) == shared[name] for name in ("options", "data"))
    begin = (record.get("window") or {}).get("begin")
    return bool(same and begin and window.begin and utc(begin) < utc(window.begin))


def fingerprint_window(
    app: App,
    shared: Mapping[str, Any],
    detectors: Sequence[ChosenDetector],
    window: Window,
    rows: NewRows,
) -> str:
    """Return a hash of all that the result of a window depends on."""
    versions = {one.plugin: app.plugins.versions.get(one.plugin) for one in detectors}
    traffic = None if rows.traffic is None or window.traffic is None else rows.traffic.iloc[window.traffic]
    facts = [
        {name: shared[name] for name in ("schema", "model", "data", "options")},
        [window.closed, versions, frame_fingerprint(rows.raw.iloc[window.rows])],
        traffic is not None and frame_fingerprint(traffic),
        rows.overrides is not None and frame_fingerprint(rows.overrides.iloc[window.rows].to_frame()),
    ]
    return hashlib.sha256(dump_json(facts)).hexdigest()


def model_name(record: RunRecord) -> str:
    """Return the name of the registered model that a record is a version of, else the id of the run."""
    registered = registered_in(record.folder)
    return registered.name if registered else record.id.replace("/", "-")


def of_model(window: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether a window is one of this run, and has a time."""
    return (window.get("model") or {}).get("run") == model["run"] and bool(window["window"].get("begin"))


def _describe_model(request: MonitorRequest) -> dict[str, Any]:
    registered = registered_in(request.record.folder)
    version = int(request.record.folder.name) if registered else None
    return {"reference": request.reference, "run": request.record.id, "version": version}


def _quality_reference(
    app: App, config: Mapping[str, Any], reference: Reference, segments: Sequence[str]
) -> QualityReference | None:
    if reference.held_out is None:
        return None
    from runtree.statistics.bootstrap import bootstrap

    known = metrics.catalogue(app.plugins.contributions("register_metrics"), config)
    task: Task = "classification" if reference.held_out.classes else "regression"
    selected = metrics.select_metrics(config["evaluator"].get("metrics", "auto"), task, known)
    metric, direction = metrics.objective(config["objective"], task, known)
    intervals = read_evaluation_options(config["evaluator"]).intervals
    intervals = intervals if intervals.resamples else IntervalOptions(intervals.level, RESAMPLES)
    scored = selected if metric in selected else [*selected, metric]
    limits = bootstrap(reference.held_out, scored, intervals.resamples, intervals.level, int(config["seed"]))
    return QualityReference(
        reference.held_out,
        scored,
        metric,
        direction,
        reference.held_out.values(scored),
        {name: interval.to_dict() for name, interval in limits.items()},
        intervals,
        {
            name: segment_texts(reference.rows.raw[name].loc[reference.rows.outputs.index]).to_numpy()
            for name in segments
            if reference.source == "table" and name in reference.rows.raw.columns
        },
    )


# --- The config: the option that was typed, else the one that the run recorded, with the keys that were typed.


def monitor_node(app: App, request: MonitorRequest, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `monitor` node.

    Raises
    ------
    ConfigError
        There is no such option or key.
    """
    from omegaconf import OmegaConf

    for text in request.overrides:
        group, dot, rest = override_key(text).partition(".")
        if group not in GROUPS or text.startswith("~"):
            # a key of the group without its name, or the name of a group misspelt
            meant = [f"{GROUP}.{group}"] if group in MonitorOptions.__dataclass_fields__ else nearest(group, GROUPS, 1)
            hints = [f"did you mean: {meant[0]}{dot}{rest}?"] if meant else []
            raise ConfigError(f"{text}: monitor takes keys of {' and '.join(GROUPS)}", *hints)
    words = [text.lstrip("+") for text in request.overrides if override_key(text).partition(".")[0] == GROUP]
    chosen = [text.partition("=")[2] for text in words if override_key(text) == GROUP]
    if chosen or not isinstance(own.get(GROUP), Mapping):
        node = OmegaConf.to_container(OmegaConf.create(app.catalogue.node(GROUP, (chosen or [DEFAULT])[-1])))
    else:
        node = dict(own[GROUP])
    config: dict[str, Any] = {GROUP: node}
    for text in words:
        if override_key(text) != GROUP:
            config = set_value(config, text)
    return dict(config[GROUP])
