"""`runtree monitor`: rows that a model has met, window by window, beside the rows that it was made with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runtree.app.application import App
from runtree.app.evaluate import set_value
from runtree.app.explain import read_run_config
from runtree.app.monitored_rows import MonitorRequest, read_rows
from runtree.app.monitored_window import WindowWatch
from runtree.config.provenance import TypedWords
from runtree.contract.commands import override_key
from runtree.contract.errors import ConfigError, nearest, unknown
from runtree.contract.redaction import redact
from runtree.contract.types import RunRecord, Task
from runtree.evaluation.options import IntervalOptions, read_evaluation_options
from runtree.monitoring.drift import DriftMonitor, segment_texts
from runtree.monitoring.options import MonitorOptions, choose_detectors, read_options, read_requirements
from runtree.monitoring.page import read_windows, write_page
from runtree.monitoring.quality import QualityReference
from runtree.monitoring.reference import Reference, read_reference
from runtree.monitoring.windows import cut_windows, parse_kpis
from runtree.records.layout import MonitorFolder, not_writable_error, timestamp
from runtree.records.model_versions import registered_in
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.tables.fingerprint import frame_fingerprint
from runtree.tables.places import table_stem

SCHEMA = 1
GROUP, DEFAULT = "monitor", "default"
GROUPS = ("data", GROUP)
RESAMPLES = 1_000  # for intervals, where the run's own are switched off


@dataclass(frozen=True)
class MonitorResult:
    """The folder of the model, the content of `monitor.json` of each window, and notes on the rows."""

    folder: MonitorFolder
    windows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> list[Mapping[str, Any]]:
        """The windows that raise an alarm."""
        return [window for window in self.windows if window["state"] == "alarm"]


def monitor_run(app: App, request: MonitorRequest) -> MonitorResult:
    """Compare the rows of a file with those that the model was made with; write a record of each window and the page.

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
    predictor = replace(app.load_predictor(request.record, request.trusted), refuse=False)
    rows, notes = read_rows(app, request, own, predictor, trust, options)
    options = replace(options, ignore=[*options.ignore, *rows.absent])
    kpi_rows = rows.for_kpis() if options.kpis else rows.raw
    kpis = parse_kpis(options.kpis, [str(name) for name in kpi_rows.columns])
    for name in options.segments:
        if name not in rows.raw.columns:
            raise unknown("column at monitor.segments:", name, map(str, rows.raw.columns), error=ConfigError)
    print_of = frame_fingerprint(rows.raw)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", table_stem(request.file or "log")).strip("-") or "rows"
    windows = cut_windows(rows.raw, options.window, rows.time or own["data"].get("time"), f"{stem[:60]}-{print_of[:8]}")
    reference = read_reference(request.record, own, predictor, trust, options)
    watch = WindowWatch(
        options,
        DriftMonitor(
            reference.rows,
            reference.kinds,
            detectors,
            options.segments,
            options.window.minimum,
            reference.usable,
        ),
        _quality_reference(app, own, reference, options.segments),
        kpis,
        read_requirements(options),
    )
    shared = {
        "schema": SCHEMA,
        "checked": timestamp(),
        "model": _describe_model(request),
        "data": redact({"path": request.file or request.log, "labels": request.labels}),
        "fingerprint": print_of,
        "reference": {"source": reference.source, "rows": reference.count},
        "hold_out": watch.quality.summary() if watch.quality else {},
        "options": redact(node),
    }
    folder = MonitorFolder(request.output / model_name(request.record))
    results: list[dict[str, Any]] = []
    new = {window.name for window in windows}
    kept = [one for one in read_windows(folder) if one["window"]["name"] not in new and of_model(one, shared["model"])]
    for window in windows:
        earlier = [one for one in kept if str(one["window"]["begin"]) < str(window.begin)] if window.begin else []
        results.append({**shared, **watch.look(window, rows, kpi_rows, [*earlier, *results])})
    try:
        for result in results:
            place = folder.window(str(result["window"]["name"]))
            place.path.mkdir(parents=True, exist_ok=True)
            write_json(place.result, result)
        write_page(folder)
    except OSError as error:
        raise not_writable_error(folder.path, error) from None
    return MonitorResult(folder, tuple(results), (*notes, *reference.notes))


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
