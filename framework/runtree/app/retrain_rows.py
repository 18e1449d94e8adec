"""Rows for a model that is trained again: those that are typed, its own table, or watched ones with labels."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.monitored_rows import MonitorRequest
from runtree.app.retrain_score import Side, WatchedLabels, read_labelled
from runtree.config.space.grammar import override
from runtree.contract.commands import command, override_key
from runtree.contract.errors import ConfigError, RequestError, RuntreeError
from runtree.contract.redaction import HIDDEN
from runtree.monitoring.options import MIN_ROWS
from runtree.records.sealed import is_sealed
from runtree.records.writer import write_bytes
from runtree.tables.numbers import is_numeric

if TYPE_CHECKING:
    import pandas as pd

TABLE_FILES = {"csv": "csv", "tsv": "csv", "parquet": "parquet", "pq": "parquet", "arrow": "arrow", "feather": "arrow",
               "json": "json", "jsonl": "json", "ndjson": "json", "xlsx": "excel", "xls": "excel"}  # fmt: skip
ANY_FILE = "file"
IDENTITY = ("name", "_target_", "path", "target")  # keys that another file has in any case
# keys that describe the table that was there, and not how tables of its kind are learnt from
OF_A_SOURCE = {"format", "separator", "decimal", "thousands", "encoding", "sheet", "storage", "max_download_mb",
               "parts", "join", "split_column", "split_file", "fingerprint", "sample", "batches"}  # fmt: skip
BY_COLUMN = ("drop", "types", "sensitive", "reweight")  # lists of columns, or mappings by them


def data_words(app: App, typed: Sequence[str], own: Mapping[str, Any]) -> list[str]:
    """Return overrides of `data`; a file is that of `data.path`, read by its suffix where that differs.

    Raises
    ------
    ConfigError
        One is of another group.
    """
    words: list[str] = []
    for text in typed:
        key = override_key(text) if "=" in text else ""
        if key == "data" or key.startswith("data."):
            words.append(text)
            continue
        if key and not Path(text).exists() and "/" not in key:
            raise ConfigError(
                f"--data {text}: only keys of data may differ from those of the champion",
                f"to train with other settings: {command('train', text)}",
            )
        kind = TABLE_FILES.get(Path(text.partition("?")[0]).suffix.lstrip(".").lower())
        if "path" not in own or (kind is not None and own.get("format") not in (kind, "auto")):
            words += file_words(app, own, text)
        else:
            words.append(override("data.path", text))
    return words


def file_words(
    app: App, own: Mapping[str, Any], path: str, columns: Mapping[str, Collection[str]] | None = None
) -> list[str]:
    """Return overrides that read another file as a table was learnt from: with its target, dropped columns, types …

    Parameters
    ----------
    own
        The `data` node of the config that is repeated.
    columns
        For keys that name columns, those that the file has; all where a key is not there.
    """
    node = app.catalogue.node("data", ANY_FILE)
    words = [f"data={ANY_FILE}", override("data.path", path), override("data.target", own["target"])]
    for key, default in node.items():
        if key in IDENTITY:
            continue
        value = default if key in OF_A_SOURCE else own.get(key, default)
        if key == "split" and value == "predefined":  # by a column or a file of the former rows
            value = default
        there = (columns or {}).get(key)
        if there is not None and isinstance(value, Mapping):
            value = {name: one for name, one in value.items() if name in there}
        elif there is not None and isinstance(value, list):
            value = [name for name in value if name in there]
        if HIDDEN in str(value):
            raise RequestError(f"data.{key} holds a secret, which is not recorded", "name secrets as ${secret:NAME}")
        if value != default or own.get(key, default) != default:
            words.append(override(f"data.{key}", value))
    return words


def find_new_rows(
    app: App, side: Side, watched: MonitorRequest | None, file: Path, trusted: tuple[str, ...]
) -> list[str]:
    """Return overrides of `data` for a request without rows of its own.

    The champion's table is read again if it has changed: a folder, a query, a file that has grown. Else the rows with
    labels that were watched become the table `file`, without those of the newest window, by which both versions are
    compared later.

    Raises
    ------
    RequestError
        There is nothing new to learn from; it says why.
    """
    current, name = side.current, side.version.name
    if not isinstance(current, str) and current.fingerprint != side.record.fingerprints.get("data"):
        return []
    reason = f"cannot be read ({current})" if isinstance(current, str) else "is as it was"
    hint = f"name new rows: {command('retrain', name, '--data', 'FILE')}"
    if watched is None:
        raise RequestError(f"{side.record.id}: its table {reason}; there is nothing new to learn", hint)

    def nothing(why: str) -> RequestError:
        return RequestError(f"nothing new to learn: the table of {side.record.id} {reason}, and {why}", hint)

    if watched.file is None and _seals(side.config, watched.log):
        raise nothing("the log is sealed: a table of its rows would be readable")
    try:
        found = read_labelled(app, side, watched)
    except RuntreeError as error:
        raise nothing(f"the rows that were watched cannot be read: {error.message}") from None
    chosen = found.older if len(found.older) >= MIN_ROWS else [*found.older, *found.newest]
    if len(chosen) < MIN_ROWS:
        raise nothing(f"{len(chosen)} of the rows that were watched have a label, {MIN_ROWS} are needed")
    frame = _as_learnt(side, found).iloc[sorted(chosen)]
    own = dict(side.config["data"])
    for key in ("group", "weight", "time"):
        if own.get(key) and own[key] not in frame.columns:
            raise nothing(f"the rows that were watched have no column '{own[key]}' (data.{key})")
    write_bytes(file, frame.to_parquet(index=False))
    names = list(map(str, frame.columns))
    unread = [name for name in names if not is_numeric(frame[name])]  # what was read as numbers needs no type any more
    return file_words(app, own, str(file), {key: unread if key == "types" else names for key in BY_COLUMN})


def _as_learnt(side: Side, found: WatchedLabels) -> "pd.DataFrame":
    """Return the inputs, the target and the columns with a role of all rows, as the table of a run has them."""
    import numpy as np

    raw, data = found.rows.raw, side.config["data"]
    roles = [data.get(key) for key in ("group", "weight", "time")]
    fairness = (side.config["evaluator"].get("fairness") or {}).get("columns") or []
    wanted = dict.fromkeys([*side.predictor.columns, *(name for name in roles if name), *fairness])
    frame = raw[[name for name in wanted if name in raw.columns and name != side.target]].copy()
    moment = data.get("time")
    if found.rows.time and moment and moment not in frame.columns:  # rows of a log are in the order of their answers
        frame[moment] = raw[found.rows.time]
    truth = found.rows.predictions.y_true
    classes = side.predictor.classes
    frame[side.target] = np.array(classes, dtype=object)[truth] if classes else truth
    return frame


def _seals(config: Mapping[str, Any], log: str) -> bool:
    folder = Path(log)
    files = folder.iterdir() if folder.is_dir() else iter(())
    return any((config.get("encrypt") or {}).values()) or any(file.is_file() and is_sealed(file) for file in files)
