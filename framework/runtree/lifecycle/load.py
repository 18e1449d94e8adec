"""The stage load: a source becomes a table, each column read as its type, checked and described."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.protocols import TargetResolver
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, Table
from runtree.lifecycle.row_choice import find_repeats, read_split_file, sample_rows
from runtree.lifecycle.sources import read_sources
from runtree.lifecycle.table_options import TableOptions, source_node, table_options
from runtree.lifecycle.target import check_classes, choose_task, holds_few_whole_numbers, put_positive_last, read_target
from runtree.tables.fingerprint import TableHash

# --- Checks of a table, before anything is fitted on it.

if TYPE_CHECKING:
    import pandas as pd


def check_frame(frame: "pd.DataFrame", options: TableOptions, noted: "Sequence[str]" = ()) -> None:
    """Refuse an empty table, repeated column names, unknown columns, and lists that are not unfolded.

    `noted` of the reading, such as the sheet that was chosen, may say why a column is not there.
    """
    from runtree.tables.nested import refuse_nested

    if len(frame) == 0:
        raise DataError("data: the table has no rows")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"data: two columns are named '{repeated[0]}'", "rename one of them")
    # a frame of a plugin may have integers as column names, but the names in a config are texts
    columns = [str(column) for column in frame.columns]
    required = {"data.target": [options.target], "data.drop": options.drop or []}
    required |= {
        "data.group": [options.group] if options.group else [],
        "data.time": [options.time] if options.time else [],
        "data.weight": [options.weight] if options.weight else [],
        "data.split_column": [options.split_column] if options.split_column else [],
    }
    for path, names in required.items():
        for name in names:
            if name not in columns:
                error = unknown(f"column at {path}:", name, columns, error=DataError)
                raise DataError(error.message, *error.hints, *noted[:MAX_NOTED])
    for path in ("data.group", "data.time", "data.split_column", "data.weight"):
        if required[path] == [options.target]:
            raise ConfigError(
                f"{path}: column '{options.target}' is the target", f"name another column, or type: {path}=null"
            )
    declared = {name for name, kind in options.reading.types.items() if kind == "drop"}
    refuse_nested(frame, {*(options.drop or ()), *declared})


# --- The stage itself: from a data source to a checked table.

if TYPE_CHECKING:
    import pandas as pd

MAX_NOTED = 2
PART, GIVEN = "\0part", "\0given"  # columns with the parts of rows, and with their splits, while they are sampled


def load(config: Mapping[str, Any], trust: TargetResolver) -> Table:
    """Build the data source and return its table."""
    options = table_options(config["data"])
    if options.batches:
        from runtree.lifecycle.batches import load_batches

        return load_batches(config, options)
    node = source_node(config["data"])
    options.protection.refuse_kept(node.get("path"))
    rows = read_sources(
        node, options.parts, options.join, options.reading, options.drop or (), trust, options.protection
    )
    options.protection.check_columns([str(name) for name in rows.columns])
    decimal = str(config["data"].get("decimal", "."))
    name = str(config["data"].get("name", "data"))
    given = read_split_file(len(rows.frame), options) if options.split_file else None
    table = to_table(rows.frame, options, name, int(config["seed"]), decimal, rows.parts, given, rows.notes)
    table = replace(table, notes=(*table.notes, *rows.notes), sources=rows.sources)
    if not rows.content:
        return table
    # a table of file names stays equal when the content of the files changes, so the source adds a hash of the content
    both = f"{table.fingerprint}:{rows.content}"
    return replace(table, fingerprint=hashlib.sha256(both.encode()).hexdigest())


def to_table(
    frame: "pd.DataFrame",
    options: TableOptions,
    name: str,
    seed: int,
    decimal: str = ".",
    parts: "pd.Series[Any] | None" = None,
    given: "pd.Series[Any] | None" = None,
    noted: Sequence[str] = (),
) -> Table:
    """Check a data frame and separate features, target, and the columns to split by; each is read as its type."""
    from runtree.tables import declared, roles
    from runtree.tables.notes import TypeDecision, apply_decisions, decide_types, notes_of
    from runtree.tables.strata import read_given

    check_frame(frame, options, noted)
    # sampled before the task is chosen: task, classes and fingerprint describe the rows that are used
    beside = {name: column.to_numpy() for name, column in ((PART, parts), (GIVEN, given)) if column is not None}
    frame = sample_rows(frame.assign(**beside) if beside else frame, options, seed)
    parts = None if parts is None else frame.pop(PART)
    given = frame.pop(GIVEN).rename(str(given.name)) if given is not None else None
    types = {**dict.fromkeys(options.protection.kept, "category"), **options.reading.types}
    declared.check_types(types, [str(column) for column in frame.columns])
    types = declared.settle_dates(frame, types, options.date_format or "")
    frame = declared.apply_types(frame, types, decimal)
    times, timed = None, {}
    if options.time:
        times, kind = roles.read_times(frame[options.time])
        if kind:
            # as a feature it is read as it is for the split, and so it will be in later rows
            if options.time not in types:
                timed = {options.time: TypeDecision("date", f"all values are dates as {kind}, by data.time", "")}
            types[options.time] = kind
            frame = frame.assign(**{options.time: times})
    if "drop" in types.values():
        dropped = [name for name, kind in types.items() if kind == "drop"]
        options, types = (
            replace(options, drop=[*(options.drop or ()), *dropped]),
            {name: kind for name, kind in types.items() if kind != "drop"},
        )
    target, kind = read_target(frame[options.target], options, types, decimal)
    if kind:
        types[options.target] = kind
        frame = frame.assign(**{options.target: target})
    # what looks like a quantity but is text would be a class for each value
    are_classes = options.task != "regression" and holds_few_whole_numbers(target)
    target_notes = () if are_classes else notes_of(decide_types(target.to_frame(), types, decimal))
    task, reason = choose_task(target, options, *target_notes)
    classes = check_classes(target, options.target, *target_notes) if task == "classification" else ()
    # the group column would identify the rows of a group, so it is no feature. The time column stays one unless dropped
    if options.split_column:
        given = read_given(frame[options.split_column], "data.split_column")
    weights = read_weights(frame[options.weight]) if options.weight else None
    roles_aside = [name for name in (options.group, options.split_column, options.weight) if name]
    aside = [*(options.drop or ()), *roles_aside]
    excluded = [options.target, *aside]
    features = frame.drop(columns=excluded)
    if features.shape[1] == 0:
        raise DataError("data: no feature columns are left", f"target and dropped: {', '.join(excluded)}")
    groups = roles.read_groups(frame[options.group]) if options.group else None
    decided = decide_types(features, types, decimal, options.date_format or "")
    features = apply_decisions(features, decided, decimal)
    types |= {name: decision.read_as for name, decision in decided.items() if decision.read_as}
    decided |= {name: decision for name, decision in timed.items() if name in features.columns}
    hashed = TableHash()
    hashes = hashed.update(features, target)
    counts = (
        [] if parts is None else [(str(part), int(count)) for part, count in parts.value_counts(sort=False).items()]
    )
    fingerprint = fingerprint_beside(hashed.fingerprint, counts, weights)
    firsts, repeated = find_repeats(hashes, options.duplicates, features)
    return Table(
        features=features,
        target=target,
        task=task,
        classes=put_positive_last(classes, options.positive),
        fingerprint=fingerprint,
        sketch=hashed.sketch,
        parts=parts,
        name=name,
        reason=reason,
        groups=groups,
        times=times,
        given=given,
        firsts=firsts,
        repeated=repeated,
        aside=frame[list(dict.fromkeys(aside))] if aside else None,
        types=types,
        weights=weights,
        decided=decided,
        notes=(*target_notes, *roles.spelling_notes(target, groups), *notes_of(decided)),
    )


def fingerprint_beside(fingerprint: str, parts: "Sequence[tuple[str, int]]", weights: "pd.Series[Any] | None") -> str:
    """Return the fingerprint of a table with named parts, each with its rows, and with weights."""
    digest = hashlib.sha256(fingerprint.encode())
    if not parts and weights is None:
        return fingerprint
    digest.update(",".join(f"{part}={rows}" for part, rows in parts).encode())
    if weights is not None:
        digest.update(weights.to_numpy("<f8").tobytes())
    return digest.hexdigest()


def read_weights(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the weights of rows as float64.

    Raises
    ------
    DataError
        One is no number, missing, infinite or negative, or all are 0.
    """
    import numpy as np

    from runtree.tables.declared import read_as

    values, misfits = read_as(column, "number")
    if misfits is not None:
        raise DataError(f"data.weight: {misfits.describe()}")
    weights = values.astype("float64")
    for fault, bad in (
        ("is missing", weights.isna()),
        ("is infinite", np.isinf(weights)),
        ("is negative", weights < 0),
    ):
        if bad.any():
            row = int(np.argmax(bad)) + 1
            raise DataError(
                f"data.weight: column '{column.name}' {fault} in {int(bad.sum()):,} rows, such as row {row:,}"
            )
    if not weights.any():
        raise DataError(f"data.weight: column '{column.name}' is 0 in every row")
    return weights


def describe_table(run: Run) -> dict[str, Any]:
    """Return the content of `data.json`."""
    parts = {part: run.split.count(part) for part in SPLITS}
    notes = [*run.data.notes, *run.split.notes]
    options = table_options(run.config.to_dict()["data"])
    card, ways = options.card, dict(options.protection.ways)
    stated = {key: text for key, text in card.items() if text is not None}
    return {
        **describe_content(run.data),
        **({"card": stated} if stated else {}),
        **({"sensitive": ways} if ways else {}),
        "notes": notes,
        "split": {"id": run.split.id, **parts},
    }


def row_count(table: Table) -> int:
    """Return the number of rows, those included that are not in memory."""
    return int(table.streamed.rows) if table.streamed is not None else len(table.features)


def describe_column(name: str, column: "pd.Series[Any]", table: Table) -> dict[str, Any]:
    """Return the type of a column, what shows it, and how many of its values do not fit."""
    from runtree.tables.column_types import describe_type

    decision = table.decided.get(name)
    if decision is not None:
        record: dict[str, Any] = decision.record()
        return record
    return describe_type(column, str(table.types.get(name, "")))


def describe_content(table: Table) -> dict[str, Any]:
    """Return what `data.json` says about a table before it is split."""
    from runtree.tables.table import count_distinct

    return {
        "name": table.name,
        "rows": row_count(table),
        "sources": [dict(source) for source in table.sources],
        "notes": list(table.notes),
        "task": table.task,
        "why": table.reason,
        "target": {
            "name": str(table.target.name),
            "dtype": str(table.target.dtype),
            "classes": list(table.classes),
            "positive": table.positive,
        },
        "columns": [
            {
                "name": str(name),
                "dtype": str(column.dtype),
                **describe_column(str(name), column, table),
                "missing": int(column.isna().sum()),
                "distinct": count_distinct(column),
            }
            for name, column in table.features.items()
        ],
        "fingerprint": table.fingerprint,
        "sketch": dict(table.sketch),
    }
