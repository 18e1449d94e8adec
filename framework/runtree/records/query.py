"""The runs of a listing, their order, and the meaning of names in conditions.

A full name is a field of the record (`state`), a metric of a split (`test.accuracy`) or a config path
(`algorithm.alpha`). docs/expressions.md describes the conditions.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError, nearest, unknown
from runtree.contract.expression import Expression, parse, parse_shorthand
from runtree.contract.types import SPLITS, RunRecord
from runtree.records.index import FINGERPRINT, TABLE, TABLE_KEYS, RunIndex
from runtree.records.record import SUMMARY_FIELDS
from runtree.tables.places import table_name

METRICS = "metrics."
# validation first: a ranking by the test split would use it for a choice
PREFERRED = ("validation", "test", "train")  # the split that a bare metric name means, in this order
MAX_HINT_VALUES = 12
SHORTHAND = re.compile(r"(?P<name>[^\s()\[\]'\"=!<>~]+)\s*(?P<sign>!=|<=|>=|==|=|<|>|~)\s*(?P<value>.*)", re.DOTALL)
# what follows `and` looks like another condition, so the rest of the text is not the value of the first
JOINED = re.compile(r"\s(and|or)\s+(not\s+)?\(*[\w.]+\s*(=|!=|<|>|~)")
DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")
OPERATOR = re.compile(r"['\"()\[\]=!<>]|\b(and|or|not|in)\b|[-+*/]\s")


@dataclass(frozen=True)
class RunQuery:
    """Which runs a listing shows: of one experiment, for which all conditions hold, sorted, at most `most`."""

    experiment: str | None = None
    where: tuple[str, ...] = ()
    sort: str | None = None
    reverse: bool = False
    most: int | None = None


@dataclass(frozen=True)
class RunSelection:
    """The runs that a listing shows.

    Attributes
    ----------
    matching, total
        How many runs match the query, and how many there are.
    by, largest_first
        The full name they are sorted by, and in which direction.
    names
        The full names in the conditions and the sorting.
    hints
        Where no run matches: the values that there are under each name that was compared with ``=``.
    """

    records: tuple[RunRecord, ...]
    matching: int
    total: int
    by: str = "started"
    largest_first: bool = True
    reverse: bool = False
    names: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """Return "12 runs", "3 of 12 runs", "30 of 400 that match, of 5,000 runs"."""
        runs = f"{self.total:,} run{'' if self.total == 1 else 's'}"
        shown = len(self.records)
        if shown < self.matching < self.total:
            return f"{shown:,} of {self.matching:,} that match, of {runs}"
        return runs if shown == self.total else f"{shown:,} of {runs}"


def select_runs(runs: RunIndex, query: RunQuery, directions: Callable[[], Mapping[str, str]]) -> RunSelection:
    """Filter, sort and cut. `directions` returns the direction of each metric; it is called only to sort by a metric.

    Raises
    ------
    RequestError
        A condition that cannot be parsed, a name that no run has, an unknown experiment.
    """
    conditions, total = read_conditions(runs, query), len(runs)
    if not total:
        return RunSelection((), 0, 0)
    by = resolve_name(query.sort, runs.names()) if query.sort else "started"
    largest_first = is_descending(by, directions() if is_metric(by) else {}) != query.reverse
    names = dict.fromkeys([*(name for condition in conditions for name in condition.names), *([by] * bool(query.sort))])
    matching = runs.count(conditions, query.experiment)
    return RunSelection(
        records=tuple(runs.read_records(runs.rows(conditions, query.experiment, by, largest_first, query.most))),
        matching=matching,
        total=total,
        by=by,
        largest_first=largest_first,
        reverse=query.reverse,
        names=tuple(names),
        hints=() if matching else tuple(_hints(runs, conditions)),
    )


def matching_rows(runs: RunIndex, query: RunQuery) -> list[int]:
    """Return the rows that match, the newest run first.

    Raises
    ------
    RequestError
        As `select_runs` does.
    """
    return runs.rows(read_conditions(runs, query), query.experiment, "started")


def read_conditions(runs: RunIndex, query: RunQuery) -> list[Expression]:
    """Parse the conditions of a query; refuse an unknown experiment."""
    if not len(runs):
        for text in query.where:
            read_where(text, None)
        return []
    if query.experiment is not None and query.experiment not in (known := set(runs.distinct("experiment"))):
        raise unknown("experiment", query.experiment, known)
    names = runs.names() if query.where else set()
    return [read_where(text, names) for text in query.where]


def _hints(runs: RunIndex, conditions: Sequence[Expression]) -> list[str]:
    """Return "data.name is iris or wine" for each name that equals in no run what it was compared with."""
    lines = []
    for name, wanted in (pair for condition in conditions for pair in condition.equalities()):
        values = runs.distinct(name, MAX_HINT_VALUES + 1)
        same = parse_shorthand(f"{name}={wanted}")
        if len(values) <= MAX_HINT_VALUES and not any(same and same.evaluate({name: value}) for value in values):
            lines.append(f"{name} is {' or '.join(sorted(map(str, values)))}")
    return lines


def read_where(text: str, known: Collection[str] | None) -> Expression:
    """Parse one ``--where``: the shorthand NAME=VALUE, whose value needs no quotes, or an expression.

    `known` are the full names that runs have, None if there are no runs.

    Raises
    ------
    RequestError
        It cannot be parsed, or has a name that no run has.
    """
    plain = text.strip().replace("\n", " ")

    def resolve(name: str) -> str:
        try:
            return name if known is None else resolve_name(name, known)
        except RequestError as error:
            # a dotted word is hardly meant as text
            text = () if "." in name else (f"if it is text, put it in quotes: '{name}'",)
            raise RequestError(f"--where: {error.message}", *error.hints, *text) from None

    if is_shorthand(plain):
        condition = parse_shorthand(plain, resolve)
        assert condition is not None, "both look for NAME, an operator and a value"
        return condition
    # a bare word is the text it says unless it is a whole name: algorithm.name == ridge
    return parse(
        plain,
        source="--where",
        resolve=resolve,
        word_as_name=lambda word: word if known is not None and word in known else None,
        known=known or (),
        kind="key or metric",
    )


def is_shorthand(text: str) -> bool:
    """Return whether a text is NAME=VALUE and not an expression.

    Raises
    ------
    RequestError
        It is ``a=1 and b=2``, which as a shorthand would compare a with "1 and b=2".
    """
    match = SHORTHAND.fullmatch(text)
    # a number or `not` at the beginning: the text is an expression
    if match is None or match["name"][0] in "+-.0123456789" or match["name"] == "not":
        return False
    if match["sign"] in ("=", "~"):  # no expression has these
        joined = JOINED.search(text)
        if joined:
            raise RequestError(
                f"--where: '{text}' at position {joined.start(1) + 1}, '{text[joined.start(1) :][:12]}': "
                f"conditions that are joined with '{joined[1]}' are written with ==",
                "e.g. --where 'algorithm.name == ridge and (test.r2 > 0.8 or seed in [1, 2])'",
            )
        return True
    # `a == "x" and …` is an expression as soon as the value has quotes, operators or parentheses
    if not match["value"] or OPERATOR.search(match["value"]):
        return False
    # after < and > a dotted word is a name: test.f1 < train.f1
    return match["sign"] in ("==", "!=") or DOTTED.fullmatch(match["value"]) is None


def record_value(record: RunRecord, name: str) -> Any:
    """Return the value of a record under a full name, None if it has none."""
    if name in SUMMARY_FIELDS:
        return getattr(record, name)
    if name in record.config:
        return record.config[name]
    if name == TABLE:
        return table_name(*map(record.config.get, TABLE_KEYS))
    if name.startswith(f"{FINGERPRINT}."):
        return record.fingerprints.get(name.partition(".")[2])
    part, _, metric = name.partition(".")
    return record.metrics[part].get(metric) if part in SPLITS and part in record.metrics else None


def resolve_name(name: str, known: Collection[str]) -> str:
    """Return the full name for a full or a short one.

    `accuracy` is `validation.accuracy`, `algorithm` is `algorithm.name`, `alpha` is `algorithm.alpha` if no other key
    ends so. ``metrics.`` may be written before a metric.

    Raises
    ------
    RequestError
        A name that no run has, or that several keys end in.
    """
    if name.startswith(METRICS) and name not in known:
        name = name.removeprefix(METRICS)
    # the whole name first, so that a short reading never hides an existing key
    for candidate in (name, f"{name}.name", *(f"{part}.{name}" for part in PREFERRED)):
        if candidate in known:
            return candidate
    ending = sorted(
        full
        for full in known
        if full.endswith(f".{name}") and ".space." not in full and not full.startswith(f"{FINGERPRINT}.")
    )
    if len(ending) > 1:
        raise RequestError(f"'{name}' may be any of {len(ending)} keys: {', '.join(ending[:6])}", "type the whole key")
    if ending:
        return ending[0]
    # full names are suggested for a dotted name, last parts otherwise; names that contain it if none is near
    pool = known if "." in name else {full.rpartition(".")[2] for full in known}
    suggestions = pool if nearest(name, pool) else [full for full in known if name in full] or pool
    raise unknown("key or metric", name, suggestions)


def is_metric(name: str) -> bool:
    """Return whether a full name is that of a metric."""
    return name.partition(".")[0] in SPLITS


def is_descending(name: str, directions: Mapping[str, str]) -> bool:
    """Return whether the best, or the newest, is the largest."""
    if is_metric(name):
        return directions.get(name.partition(".")[2], "maximize") == "maximize"
    return name in ("started", "finished")
