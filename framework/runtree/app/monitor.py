"""`runtree monitor`: rows that a model has met, window by window, beside the rows that it was made with."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.evaluate import set_value
from runtree.app.explain import read_run_config
from runtree.app.monitored_rows import MonitorRequest, NewRows, read_rows
from runtree.config.provenance import TypedWords
from runtree.contract.commands import override_key
from runtree.contract.errors import ConfigError, nearest, unknown
from runtree.contract.expression import Expression, RowsExpression
from runtree.contract.redaction import redact
from runtree.contract.types import RunRecord, Task
from runtree.evaluation.options import IntervalOptions, read_evaluation_options
from runtree.monitoring.drift import DriftMonitor, DriftResult
from runtree.monitoring.options import AUTO, NONE, MonitorOptions, choose_detectors, read_options, read_requirements
from runtree.monitoring.page import write_page
from runtree.monitoring.quality import QualityReference, estimate_quality, measure_quality
from runtree.monitoring.reference import PREDICTION, Reference, read_reference
from runtree.monitoring.windows import Window, cut_windows, measure_kpis, parse_kpis
from runtree.records.layout import MonitorFolder, not_writable_error, timestamp
from runtree.records.model_versions import registered_in
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.tables.fingerprint import frame_fingerprint
from runtree.tables.places import table_stem

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

SCHEMA = 1
GROUP, DEFAULT = "monitor", "default"
GROUPS = ("data", GROUP)
RESAMPLES = 1_000  # for intervals, where the run's own are switched off
MAX_SHOWN_ALARMS = 3  # columns in one sentence


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
    rows, notes = read_rows(app, request, own, predictor, trust)
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
    watch = _Watch(
        options,
        DriftMonitor(
            reference.rows,
            reference.kinds,
            detectors,
            options.segments,
            options.window.minimum,
            reference.usable,
        ),
        _quality_reference(app, request.record, own, reference),
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
    results = [{**shared, **watch.look(window, rows, kpi_rows)} for window in windows]
    folder = MonitorFolder(request.output / model_name(request.record))
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


def _describe_model(request: MonitorRequest) -> dict[str, Any]:
    registered = registered_in(request.record.folder)
    version = int(request.record.folder.name) if registered else None
    return {"reference": request.reference, "run": request.record.id, "version": version}


def _quality_reference(
    app: App, record: RunRecord, config: Mapping[str, Any], reference: Reference
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


# --- One window.


@dataclass(frozen=True)
class _Watch:
    options: MonitorOptions
    drift: DriftMonitor
    quality: QualityReference | None
    kpis: Mapping[str, RowsExpression]
    require: list[Expression]

    def look(self, window: Window, rows: NewRows, kpi_rows: "pd.DataFrame") -> dict[str, Any]:
        """Return the content of `monitor.json` about one window."""
        import numpy as np

        options, count = self.options, len(window.rows)
        labelled = window.rows[rows.labelled[window.rows]]
        small = count < options.window.minimum
        tests_quality = options.quality != NONE and len(labelled) >= options.window.minimum and self.quality is not None
        # both families of tests share the budget
        budget = options.budget / (2 if tests_quality and self.drift.detectors else 1)
        drift: list[DriftResult] = []
        quality = estimate = None
        if not small:
            watched = rows.watched(window.rows, self.drift.reference.inputs.columns)
            drift = self.drift.compare(watched, budget)
        if not small and self.quality is not None and options.quality != NONE:
            if tests_quality:
                quality = measure_quality(self.quality, rows.predictions.take(labelled), budget)
            elif options.quality == AUTO:
                estimate = estimate_quality(self.quality, rows.predictions.take(window.rows))
        found: dict[str, Any] = {
            "window": {"name": window.name, "begin": window.begin, "end": window.end},
            "rows": count,
            "labelled": int(np.size(labelled)),
            "drift": [result.to_dict() for result in drift],
            "quality": quality,
            "estimate": estimate,
            "kpis": measure_kpis(self.kpis, kpi_rows.iloc[window.rows], options.segments),
        }
        alarms = [] if small else list(describe_alarms(found))
        missed, unchecked = check_requirements(self.require, found)
        alarms += [] if small else missed
        state = "small" if small else "alarm" if alarms else "ok"
        return {**found, "state": state, "alarms": alarms, "unchecked": unchecked}


def describe_alarms(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for the drift of a window, the column with the largest shift first, and one for its quality."""
    alarms = [result for result in found["drift"] if result["alarm"]]
    if alarms:
        by_place: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for result in sorted(alarms, key=lambda item: -1.0 if item["adjusted"] is None else item["adjusted"]):
            by_place.setdefault((result["column"], result["segment"]), []).append(result)
        places = [
            f"{column_label(column)}{f' where {segment}' if segment else ''} "
            f"({', '.join(_scored(result) for result in results[:2])})"
            for (column, segment), results in by_place.items()
        ]
        more = f" and {len(places) - MAX_SHOWN_ALARMS} more" if len(places) > MAX_SHOWN_ALARMS else ""
        yield f"drift: {'; '.join(places[:MAX_SHOWN_ALARMS])}{more}"
    quality = found["quality"]
    if quality and quality["alarm"]:
        name = quality["metric"]
        here, there = quality["metrics"].get(name), quality["hold_out"][name]
        yield f"quality: {name} {here:.4f}, on the rows that the run held out {there:.4f} (p {quality['p']:.2g})"


def column_label(column: str) -> str:
    """Return what a drift is in."""
    return "the predictions" if column == PREDICTION else f"'{column}'" if column else "the rows as a whole"


def _scored(result: Mapping[str, Any]) -> str:
    if result["p"] is None:
        return str(result["note"] or f"{result['detector']} {result['score']:.3g}")
    note = f", {result['note']}" if result["note"] else ""
    return f"{result['detector']} {result['score']:.3g}{note}"


def figures_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a window that conditions name."""
    drift = found["drift"]
    columns = {result["column"] for result in drift if result["column"]}
    drifting = {result["column"] for result in drift if result["column"] and result["alarm"]}
    figures: dict[str, Any] = {"rows": found["rows"]}
    if columns:
        figures |= {"drift.columns": len(drifting), "drift.share": len(drifting) / len(columns)}
    for kind in ("quality", "estimate"):
        figures |= {f"{kind}.{name}": value for name, value in ((found[kind] or {}).get("metrics") or {}).items()}
    for name, change in ((found["quality"] or {}).get("differences") or {}).items():
        figures[f"change.{name}"] = change["value"]
    return figures | {f"kpi.{name}": kpi["value"] for name, kpi in found["kpis"].items()}


def check_requirements(require: list[Expression], found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return a sentence for each condition that is not met, and the conditions on figures that there are not."""
    figures = figures_of(found)
    missed, unchecked = [], []
    for condition in require:
        if any(figures.get(name) is None for name in condition.names):
            unchecked.append(condition.text)
        elif not condition.evaluate(figures):
            shown = ", ".join(f"{name} is {figures[name]:.4g}" for name in condition.names)
            missed.append(f"require: {condition.text}; {shown}")
    return missed, unchecked
