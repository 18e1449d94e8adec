"""All runs as one pandas table: one row for a run, one column for each key."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from runtree.records.index import RunIndex, query_index
from runtree.records.query import RunQuery, matching_rows
from runtree.records.record import SUMMARY_FIELDS

TIMES = ("started", "finished")


def load_runs(
    outputs: str | Path = "outputs", where: str | Sequence[str] = (), experiment: str | None = None
) -> pd.DataFrame:
    """Return every run below an output folder, the newest first.

    Parameters
    ----------
    outputs
        The output folder.
    where
        Conditions as `runtree runs --where` takes them: ``"algorithm.name=ridge"``, ``"test.accuracy>0.9"``. All must
        hold.
    experiment
        Only the runs of one experiment.

    Returns
    -------
    pandas.DataFrame
        Fields (id, experiment, state, reason, task, started, finished, seconds), metrics (``validation.f1``), config
        keys (``algorithm.alpha``), fingerprints (``fingerprint.data``), objective, error, folder. Numbers are numbers,
        times have a time zone; a key that holds numbers in some runs and text in others is text, and so are lists, as
        JSON.

    Raises
    ------
    RequestError
        A condition that cannot be parsed, a name that no run has, an unknown experiment.
    """
    query = RunQuery(experiment, (where,) if isinstance(where, str) else tuple(where))
    # nothing is read from the tree after this, so each run is compared with its file
    return query_index(Path(outputs), lambda runs: _make_table(runs, matching_rows(runs, query)), verify_each=True)


def _make_table(runs: RunIndex, rows: Sequence[int]) -> pd.DataFrame:
    keys = {name: name for name in SUMMARY_FIELDS}
    for section, prefix in (("metrics", ""), ("config", ""), ("fingerprint", "fingerprint.")):
        for name in runs.keys(section):
            keys.setdefault(prefix + name, f"{section}:{name}")
    places = {row: place for place, row in enumerate(runs.rows())}
    series = {}
    for name, (key, column) in zip(keys, runs.columns(list(keys.values())), strict=True):
        values = [column[places[row]] for row in rows]
        # a column of nulls alone is left out if only runs that are not in the table have values there
        if key in SUMMARY_FIELDS or not _is_empty(values) or _is_empty(column):
            series[name] = _make_series(key, values)
    folders = runs.folders()
    for name, key in (("objective", "objective:metric"), ("error", "error:message")):
        by_row = runs.column(key)
        series[name] = _make_series(name, [by_row[row] for row in rows])
    series["folder"] = _make_series("folder", [str(runs.outputs / folders[row]) for row in rows])
    return pd.DataFrame(series)


def _is_empty(values: Iterable[Any]) -> bool:
    return all(value is None for value in values)


def _make_series(key: str, values: list[Any]) -> "pd.Series[Any]":
    """Return values in the narrowest type that holds them all."""
    # exact types, because bool is an int to isinstance, and a column of both is text
    kinds = set(map(type, values)) - {type(None)}
    if key in TIMES:
        texts = pd.Series(values, dtype="string")
        return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").dt.as_unit("ms")
    # seconds and metrics are float in every table, even where all of one happen to be whole numbers
    if kinds <= {int, float} and (float in kinds or key == "seconds" or key.startswith("metrics:")):
        return pd.Series(values, dtype="float64")
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    # Int64 has room for missing values, which int64 has not; longer integers do not fit
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pd.Series(values, dtype="Int64")
    return pd.Series([_text(value) for value in values], dtype="string")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
