"""A comparison's lines: what configurations differ in, and all that is told of each, for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.compare.pairwise_test import PairwiseTest
    from runtree.records.compare.table import ComparisonRow, ComparisonTable

SCHEMA = 1


def naming_keys(lines: "Sequence[ComparisonRow]") -> list[str]:
    """Return the config keys that tell the configurations apart; the algorithm's name where there is one alone."""
    from runtree.contract.science import counts
    from runtree.records.diff import varying_keys

    found = varying_keys([_less_seeds(line) for line in lines])
    return [key for key in found if counts(key)] or ["algorithm.name"]


def _less_seeds(line: "ComparisonRow") -> "RunRecord":
    """Return a configuration's first record without what its runs differ in."""
    record = line.records[0]
    config = {key: value for key, value in record.config.items() if key not in line.followers}
    typed = tuple(text for text in record.overrides if text.lstrip("+~").partition("=")[0] not in line.followers)
    return replace(record, config=config, overrides=typed)


def named(line: "ComparisonRow", keys: Sequence[str]) -> dict[str, Any]:
    """Return the settings by which a configuration is told from the others."""
    return {key: line.records[0].config.get(key) for key in keys if key not in line.followers}


def document(table: "ComparisonTable") -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    keys = naming_keys(table.lines)
    return {
        "schema": SCHEMA,
        "metric": table.measure.name,
        "direction": table.measure.direction,
        "alpha": table.request.alpha,
        "correction": table.request.correction,
        "runs": table.runs,
        "left_out": {"not_completed": table.unfinished, "without_the_metric": table.unscored},
        "configurations": table.total,
        "test_looks": table.test_looks,
        "forced_over": [obstacle.line for obstacle in table.obstacles],
        "lines": [told_line(line, keys) for line in table.lines],
    }


def told_line(line: "ComparisonRow", keys: Sequence[str]) -> dict[str, Any]:
    """Return one configuration as JSON has it."""
    found = line.spread
    return {
        "rank": line.rank,
        "settings": named(line, keys),
        "n": found.n,
        "mean": found.mean,
        "sd": found.sd,
        "interval": {"low": found.low, "high": found.high, "over": found.over, "why_not": found.why},
        "tied": line.tied,
        "against_best": told_duel(line.best, line.p),
        "is_baseline": line.is_baseline,
        "against_baseline": told_duel(line.baseline, line.p_baseline),
        "fit_seconds": line.fit_seconds,
        "bytes": line.bytes,
        "runs": [{"id": record.id, "folder": record.folder} for record in line.records],
        "repeats_left_out": line.repeated,
    }


def told_duel(duel: "PairwiseTest | None", corrected: float | None) -> dict[str, Any] | None:
    """Return what came of a test; `p` is as it is, `corrected_p` for several at once."""
    if duel is None:
        return None
    plain: Mapping[str, Any] = duel.comparison.plain() if duel.comparison is not None else {}
    return {**plain, "over": duel.over, "corrected_p": corrected, "why_not": duel.why}


def print_as_json(table: "ComparisonTable") -> None:
    """Print it as one document."""
    from runtree.cli.tables import print_json

    print_json(document(table))


def print_as_csv(table: "ComparisonTable") -> None:
    """Print a row for each configuration, numbers in full."""
    from runtree.cli.tables import print_csv

    keys = naming_keys(table.lines)
    facts = ["rank", "n", "mean", "sd", "low", "high", "tied", "p", "p_baseline", "fit_seconds", "bytes", "runs"]
    rows = []
    for line in table.lines:
        settings, found = named(line, keys), line.spread
        ids = " ".join(record.id for record in line.records)
        told = [line.rank, found.n, found.mean, found.sd, found.low, found.high, line.tied, line.p, line.p_baseline]
        rows.append([*map(settings.get, keys), *told, line.fit_seconds, line.bytes, ids])
    print_csv([*keys, *facts], rows)
