"""Runs as one pandas table: a row a run, a column for each thing that is told of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from runtree.records.index import RunIndex, picked, query_index
from runtree.records.query import RunQuery, matching_rows
from runtree.records.record import SUMMARY_FIELDS

TIMES = ("started", "finished")


def load_runs(
    outputs: str | Path = "outputs", where: str | Sequence[str] = (), experiment: str | None = None
) -> pd.DataFrame:
    """Return every run below an output folder, the newest first.

    Parameters
    ----------
    where
        Conditions as `runtree runs --where` takes them: ``"algorithm.name=ridge"``, ``"test.accuracy>0.9"``. All hold.
    experiment
        The runs of one experiment alone.

    Returns
    -------
    pandas.DataFrame
        Fields (id, experiment, state, reason, task, started, finished, seconds), metrics (``validation.f1``), config
        keys (``algorithm.alpha``), fingerprints (``fingerprint.data``), objective, error, folder. Numbers are numbers,
        times have a time zone; a key of numbers here and words there, or of lists, is text, lists as JSON.

    Raises
    ------
    RequestError
        A condition that cannot be read, a name that no run has, an experiment that is not there.
    """
    wish = RunQuery(experiment, (where,) if isinstance(where, str) else tuple(where))
    return query_index(Path(outputs), lambda runs: _table(runs, matching_rows(runs, wish)), each=True)


def _table(runs: RunIndex, rows: Sequence[int]) -> pd.DataFrame:
    columns = {}
    for name, key in column_names(runs).items():
        whole = runs.column(key)
        values = picked(whole, rows)
        if key in SUMMARY_FIELDS or _is_told(values) or not _is_told(whole):
            columns[name] = _series(key, values)
    folders = runs.folders()
    columns["objective"] = _series("objective", picked(runs.column("objective:metric"), rows))
    columns["error"] = _series("error", picked(runs.column("error:message"), rows))
    columns["folder"] = _series("folder", [str(runs.outputs / folders[row]) for row in rows])
    return pd.DataFrame(columns)


def column_names(runs: RunIndex) -> dict[str, str]:
    """Return by its name in the table each column of runs: fields, metrics, config keys, fingerprints."""
    names = {name: name for name in SUMMARY_FIELDS}
    for prefix, shown in (("metrics:", ""), ("config:", ""), ("fingerprint:", "fingerprint.")):
        for key in runs.column_names():
            if key.startswith(prefix):
                names.setdefault(shown + key.removeprefix(prefix), key)
    return names


def _is_told(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _series(key: str, values: list[Any]) -> "pd.Series[Any]":
    """Return values in the narrowest type that holds them all."""
    kinds = set(map(type, values)) - {type(None)}
    if key in TIMES:
        texts = pd.Series(values, dtype="string")
        return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").dt.as_unit("ms")
    if kinds <= {int, float} and (float in kinds or key == "seconds" or key.startswith("metrics:")):
        return pd.Series(values, dtype="float64")
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pd.Series(values, dtype="Int64")
    return pd.Series([_text(value) for value in values], dtype="string")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
