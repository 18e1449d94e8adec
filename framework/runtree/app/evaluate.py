"""`runtree evaluate`: the model of a run, scored on labelled rows that are read as its own table was."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App, typed_words
from runtree.app.explain import read_run_config
from runtree.app.rerun import recorded_flags
from runtree.config.allowlist import AllowList
from runtree.config.freeze import freeze
from runtree.config.hydra_engine import OPEN_PREFIXES, force_open_parameters
from runtree.config.hydra_errors import translate_error
from runtree.config.provenance import TypedWords, check_recorded
from runtree.contract.commands import command, override_key
from runtree.contract.errors import ConfigError, RequestError, unknown
from runtree.contract.redaction import HIDDEN, redact
from runtree.contract.types import RunRecord
from runtree.evaluation.context import EvaluationContext
from runtree.evaluation.gate import failed_gates
from runtree.evaluation.new_rows import SPLIT, check_bounds, evaluate_rows, make_context, with_applicable_gate
from runtree.lifecycle.labelled_rows import (
    LabelledRows,
    TrainedRows,
    compare_with_trained,
    encode_known,
    predict_labelled,
    read_labelled,
    read_new_rows,
)
from runtree.lifecycle.predict import Predictor
from runtree.lifecycle.predict_file import batches
from runtree.lifecycle.table_options import TABLE_KEYS, table_options
from runtree.records.folder_claims import folder_time, make_unique_folder
from runtree.records.layout import EvaluationFolder, RunFolder, timestamp
from runtree.records.model_versions import registered_in
from runtree.records.reader import RunReader
from runtree.records.sealed import plain_source
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun
from runtree.training.decision import DECISION_KEY

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
GROUPS = ("data", "evaluator", "objective")  # whose keys may differ from those of the run
ANY_FILE = "file"  # the option of the group `data` that reads a file of any format


@dataclass(frozen=True)
class EvaluationRequest:
    """What is scored, and how.

    Attributes
    ----------
    file
        The rows; None if `overrides` name them.
    overrides
        Keys of `data`, `evaluator` and `objective` that differ from those of the run.
    refuse
        Whether values that the model was not trained with, and missing columns, are refused.
    trained
        Whether the run's own table is read again, to find rows that the model was made with.
    output
        The folder of the result; None: a new one below that of the run.
    """

    record: RunRecord
    file: str | None = None
    overrides: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    refuse: bool = True
    trained: bool = True
    output: Path | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """The content of `scores.json`, its folder, and a sentence for each gate that failed."""

    content: dict[str, Any]
    folder: EvaluationFolder
    failed: tuple[str, ...]


def evaluate_run(app: App, request: EvaluationRequest) -> EvaluationResult:
    """Score the model of a run on labelled rows, and write the scores and the predictions.

    Raises
    ------
    RuntreeError
        The run has no model, the rows do not fit it, or the folder cannot be written to.
    """
    record = request.record
    trust = app.allow_list(TypedWords(request.overrides, request.trusted))
    own = read_run_config(record)
    config = with_overrides(app, request, own)
    predictor = app.load_predictor(record, request.trusted)
    predictor = replace(predictor, refuse=request.refuse)
    rows = read_labelled(config, predictor, trust, str(predictor.card.get("target")))
    # before the predictions, which may take long
    folder = _open_folder(request, rows)
    try:
        context = labelled_context(app, request, config, predictor, trust, rows)
        trained = compare_with_trained(rows, predictor, record, own, trust) if request.trained else TrainedRows()
    except BaseException:
        with suppress(OSError):  # one that the user named may hold other files
            folder.path.rmdir()
        raise
    reader = RunReader(record.folder)
    limits = (reader.evaluation.get("intervals") or {}).get(SPLIT)
    results = evaluate_rows(context, _trained_target(record, predictor), record.metrics.get(SPLIT) or {}, limits)
    content = {
        "schema": SCHEMA,
        "run": record.id,
        "evaluated": timestamp(),
        "algorithm": record.config.get("algorithm.name"),
        "fingerprints": {**record.fingerprints, "rows": rows.table.fingerprint},
        "data": redact(source_of(config)),
        "target": str(rows.table.target.name),
        "rows": rows.counts["rows"],
        "objective": {"metric": context.metric.name, "direction": context.direction},
        "found": {**{key: value for key, value in rows.counts.items() if key != "rows"}, **trained.counts},
        "notes": [*rows.notes, *trained.notes, *results.pop("notes")],
        **{key: value for key, value in results.items() if value is not None},
        **_without_seen(context, trained),
    }
    write_json(folder.result, content)
    context.run.predictions.assign(part="new").to_parquet(folder.predictions, index=False)
    return EvaluationResult(content, folder, failed_gates(with_applicable_gate(context)))


def labelled_context(
    app: App,
    request: EvaluationRequest,
    config: Mapping[str, Any],
    predictor: Predictor,
    trust: AllowList,
    rows: LabelledRows,
) -> EvaluationContext:
    """Return the context in which the predictions of a model for labelled rows are evaluated."""
    catalogue = metrics.catalogue(app.plugins.contributions("register_metrics"), config)
    run = ActiveRun(config, request.record.folder, app.plugins, trust, catalogue)
    if predictor.card.get(DECISION_KEY):
        run.metadata[DECISION_KEY] = predictor.card[DECISION_KEY]
    run.model = predictor.model
    context = make_context(run, rows.table, predict_labelled(predictor, rows.table.features, rows.y_true))
    check_bounds(context, [name for name, metric in catalogue.items() if rows.table.task in metric.tasks])
    return context


def _trained_target(record: RunRecord, predictor: Predictor) -> Any:
    """Return the encoded target of the rows that the model was fitted on, None if the run kept no predictions."""
    import pandas as pd

    try:
        table = pd.read_parquet(plain_source(RunFolder(record.folder).predictions), columns=["part", "y_true"])
    except (OSError, ValueError):
        return None
    # under cross-validation the train rows are those that the folds were scored on
    target = next((own for name in ("train", "validation") if len(own := table["y_true"][table["part"] == name])), None)
    if target is None:
        return None
    return encode_known(target, predictor.classes) if predictor.classes else target.to_numpy(dtype=float)


def _without_seen(context: EvaluationContext, trained: TrainedRows) -> dict[str, Any]:
    """Return the scores of the rows that the model was not made with, if there are both kinds."""
    if trained.seen is None or not trained.seen.any() or trained.seen.all() or SPLIT not in context.predictions:
        return {}
    others = context.predictions[SPLIT].take(~trained.seen)
    return {"without_seen": {"rows": len(others.y_true), "metrics": others.values(context.metrics)}}


def _open_folder(request: EvaluationRequest, rows: LabelledRows) -> EvaluationFolder:
    if request.output is None:
        registered = registered_in(request.record.folder)
        # a version never changes, and its files are what `runtree models verify` checks
        parent = registered.evaluations if registered else RunFolder(request.record.folder).evaluations
        return EvaluationFolder(make_unique_folder(parent, f"{folder_time()}-{rows.table.fingerprint[:8]}"))
    folder = EvaluationFolder(request.output)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"-o {request.output}: cannot be written ({error.strerror})") from None
    if folder.result.exists():
        raise RequestError(f"-o {request.output} already holds an evaluation", "choose another folder")
    return folder


def rows_to_predict(app: App, request: EvaluationRequest, predictor: Predictor) -> "pd.DataFrame | str":
    """Return the rows to predict: a table, or the name of the file if its rows can be read in batches as they are.

    A table is read whole where `data` is typed, such as a query, and where the model was trained on a join and the file
    lacks columns of the other tables: these are joined as in training.
    """
    own = read_run_config(request.record)
    if not request.overrides and request.file is not None:
        if not own["data"].get("join"):
            return request.file
        first = next(batches(request.file, predictor, (), 1), None)
        if first is None or all(
            name in first.columns for name, contract in predictor.columns.items() if contract.kind != "dropped"
        ):
            return request.file
    config = with_overrides(app, request, own, ("data",))
    trust = app.allow_list(TypedWords(request.overrides, request.trusted))
    return read_new_rows(config, predictor, trust)


# --- The config: that of the run, with other rows.

NAMES_ROWS = ("data", "data.path", "data.query", "data.table", "data.url")


def source_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of `data` that say which rows were read."""
    node = config["data"]
    return {key: node[key] for key in ("name", "path", "target", "sample") if node.get(key) is not None}


def with_overrides(
    app: App, request: EvaluationRequest, own: Mapping[str, Any], groups: Sequence[str] = GROUPS
) -> dict[str, Any]:
    """Return the run's config with other rows, and the keys that were typed; they are of `groups`.

    Raises
    ------
    RequestError
        Neither a file nor keys of `data` are named, or a key is none of `data`, `evaluator` and `objective`.
    """
    for text in request.overrides:
        group, dot, _ = override_key(text).partition(".")
        if group not in groups or text.startswith("~") or (not dot and group != "data"):
            raise ConfigError(
                f"{text}: the model is trained; only keys of {', '.join(groups)} may differ",
                f"to train with other settings: {command('train', text)}",
            )
    words = [text for text in request.overrides if override_key(text).partition(".")[0] == "data"]
    if request.file is None and not any(override_key(text) in NAMES_ROWS for text in words):
        example = command("evaluate", request.record.id, "FILE.csv")
        raise RequestError("which rows? name a file, or a table by data=OPTION or data.path=FILE", f"type: {example}")
    node = {**own["data"], "batches": False, "split_file": None}
    if any(override_key(text) in ("data.query", "data.table") for text in words):
        node |= {key: None for key in ("query", "table") if key in node}  # one of the two
    chosen = next((text.partition("=")[2] for text in words if override_key(text) == "data"), None)
    is_file = {"path", "format"} <= node.keys()
    names_file = request.file is not None or any(override_key(text) == "data.path" for text in words)
    if chosen is None and names_file and not is_file:
        chosen = ANY_FILE
    if chosen is not None and chosen != node.get("name"):
        node = _compose_data(app, request, chosen, own)
    if request.file is not None:
        node |= {"path": request.file, "format": "auto"}
    # a sample of the run's table says nothing about other rows
    config = {**own, "data": {**node, "sample": None}}
    for text in request.overrides:
        if override_key(text) != "data":
            config = set_value(config, text)
    hidden = [key for key, value in config["data"].items() if HIDDEN in str(value)]
    if hidden:
        raise RequestError(
            f"data.{hidden[0]} held a secret, which the run has not recorded",
            f"type: data.{hidden[0]}='${{secret:NAME}}'",
        )
    table_options(config["data"])
    return config


def _compose_data(app: App, request: EvaluationRequest, chosen: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node of another option of `data`, with what the run says about the table where nothing is typed."""
    words = [f"data={chosen}", *(text for text in request.overrides if text.lstrip("+").startswith("data."))]
    if request.file is not None:
        words.append(f"data.path='{request.file}'")
    # a placeholder: the target is that of the run
    named = [] if any(override_key(text) == "data.target" for text in words) else ["++data.target=target"]
    flags = recorded_flags(request.record, (), words)
    flags.trusted = list(request.trusted)
    typed = typed_words(flags)
    check_recorded(flags.recorded, typed, "the record")
    composing = [*flags.recorded, *force_open_parameters(words), *named]
    try:
        composed = freeze(app.engine(flags, app.allow_list(typed)).compose(composing)).config["data"]
    except Exception as error:
        raise translate_error(error, words, app.catalogue) from error
    kept = {key: own["data"][key] for key in TABLE_KEYS if key in own["data"]}
    return {**composed, **kept}


def set_value(config: Mapping[str, Any], override: str) -> dict[str, Any]:
    """Return a config with the value of an override.

    Raises
    ------
    ConfigError
        It cannot be parsed, has several values, or names a key that there is not.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Override
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise translate_error(error, [override], App().catalogue) from None
    if parsed.is_sweep_override():
        raise ConfigError(f"{override} has several values, but this is one evaluation", "evaluate one after the other")
    path = str(parsed.key_or_group)
    known = [*_paths(config), *(f"data.{key}" for key in TABLE_KEYS)]
    is_section = any(key.startswith(f"{path}.") for key in known)
    if path not in known and not is_section and not path.startswith(OPEN_PREFIXES):
        inside = [key for key in known if key.startswith(f"{path.partition('.')[0]}.") and "_target_" not in key]
        raise unknown("config key", path, inside, error=ConfigError)
    value: Any = parsed.value()
    return _with_value(config, path.split("."), Override._convert_value(value))


def _paths(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _with_value(node: Mapping[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    name, *rest = names
    return {**node, name: _with_value(node.get(name) or {}, rest, value) if rest else value}
