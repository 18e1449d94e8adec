"""Runs for programs: one JSON document, or CSV with every column."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

SCHEMA = 1


def full(record: "RunRecord") -> dict[str, Any]:
    """Return all that a record holds."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def print_as_json(records: "Sequence[RunRecord]") -> None:
    """Print the records as one document."""
    from runtree.cli.tables import print_json

    print_json({"schema": SCHEMA, "runs": [full(record) for record in records]})


def print_as_csv(records: "Sequence[RunRecord]") -> None:
    """Print a row for each run and a column for each field, metric, fingerprint and config key."""
    from runtree.cli.tables import print_csv
    from runtree.records.query import record_value
    from runtree.records.record import SUMMARY_FIELDS

    metrics = dict.fromkeys(
        f"{part}.{name}" for record in records for part, own in record.metrics.items() for name in own
    )
    prints = dict.fromkeys(name for record in records for name in record.fingerprints)
    names = [*SUMMARY_FIELDS, *metrics, *dict.fromkeys(key for record in records for key in record.config)]
    rows = [
        [*(record_value(record, name) for name in names), *map(record.fingerprints.get, prints), *_rest(record)]
        for record in records
    ]
    print_csv([*names, *(f"fingerprint.{name}" for name in prints), "objective", "error", "folder"], rows)


def _rest(record: "RunRecord") -> list[Any]:
    """Return the last columns: the metric that the run is ranked by, its error, its folder."""
    return [record.objective.get("metric"), (record.error or {}).get("message"), str(record.folder)]
