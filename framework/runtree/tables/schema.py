"""Declared schemas of tables: what columns and rows must be, in the YAML format of pandera, and what is otherwise.

A schema is data. Only the checks in `CHECKS` are built, with numbers, texts and lists as arguments: pandera's own
reader would look up any name on its class `Check`, registered functions among them.
"""

import datetime
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import ConfigError, MissingError, first_line, nearest, possible, unknown
from runtree.contract.expression import Expression, add_functions, parse
from runtree.contract.expression_tree import stored
from runtree.tables.declared import read_as
from runtree.tables.table import as_text

Array = np.ndarray[Any, Any]

MAX_SHOWN = 5  # rows that a message names
ERROR, WARN = "error", "warn"
CHECKS = (
    *("equal_to", "not_equal_to", "greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to"),
    *("in_range", "isin", "notin", "unique_values_eq"),
    *("str_matches", "str_contains", "str_startswith", "str_endswith", "str_length"),
)
OF_VALUES = ("equal_to", "not_equal_to", "isin", "notin", "unique_values_eq")  # compare with values themselves
ALIASES = {
    "eq": "equal_to",
    "ne": "not_equal_to",
    "gt": "greater_than",
    "ge": "greater_than_or_equal_to",
    "lt": "less_than",
    "le": "less_than_or_equal_to",
}
ROOT_KEYS = ("columns", "rules", "strict", "unique", "id")
# what pandera writes besides, and does not change what is checked here
IGNORED_KEYS = ("schema_type", "version", "api", "index", "name", "title", "description", "report_duplicates", "dtype")
COLUMN_KEYS = ("dtype", "nullable", "unique", "required", "severity", "checks", "title", "description")
RULE_KEYS = ("rule", "severity")
OPTIONS = ("raise_warning", "ignore_na", "name", "error")  # of a check; of these raise_warning alone changes anything
KINDS = ("number", "integer", "category", "date", "boolean")
INSTALL = "install it: pip install 'runtree[schema]'"


@dataclass(frozen=True)
class Violation:
    """What a table holds against its schema: `what` names the fault, `says` adds rows and an example.

    `count` is that of rows, 0 where a whole column is meant.
    """

    what: str
    says: str
    severity: str
    count: int = 0


@dataclass(frozen=True)
class ColumnSchema:
    """What a column must be; `checks` are those of pandera with their severity."""

    kind: str = ""
    nullable: bool = False
    unique: bool = False
    required: bool = True
    severity: str = ERROR
    checks: tuple[tuple[str, Any, str], ...] = ()


@dataclass(frozen=True)
class TableSchema:
    """A schema.

    Attributes
    ----------
    rules
        Conditions on several columns of a row, with their severity.
    strict
        Whether columns that it does not name are refused.
    unique
        Columns that together differ in every row.
    id
        The column that names a row in messages; None: its number.
    """

    columns: Mapping[str, ColumnSchema]
    rules: tuple[tuple[Expression, str], ...] = ()
    strict: bool = False
    unique: tuple[str, ...] = ()
    id: str | None = None

    def validate(
        self, frame: pd.DataFrame, whole: bool = True, first: int = 1, labels: "pd.Series[Any] | None" = None
    ) -> Iterator[Violation]:
        """Yield what a table holds against the schema.

        Parameters
        ----------
        whole
            False for some rows of the features alone, such as a batch to predict: what is unique in them says nothing,
            and a column that is not there, such as the target, is no fault.
        first
            The number of the first row in messages.
        labels
            What names each row there instead; by default the column `id`, else its number.
        """
        names = list(map(str, frame.columns))
        if whole:
            yield from self._absent(names)
        if self.strict:
            yield from (
                Violation(name, f"column '{name}' is not in the schema", ERROR)
                for name in names
                if name not in self.columns
            )
        read: dict[str, pd.Series[Any]] = {}
        if labels is None:
            labels = frame[self.id] if self.id in names else pd.Series(range(first, first + len(frame)), name="row")
        for name, column in self.columns.items():
            if name in names:
                read[name], found = _read(frame[name], column)
                found += list(_check(read[name], column, whole))
                yield from (_violation(f"column '{name}'", *one, frame[name], labels) for one in found)
        if whole and self.unique and all(name in names for name in self.unique):
            copies = frame.duplicated(list(self.unique), keep=False).to_numpy()
            if copies.any():
                yield _violation(
                    f"columns {', '.join(self.unique)}", copies, "not unique together", ERROR, None, labels
                )
        for rule, severity in self.rules:
            if all(name in names for name in rule.names):
                broken = _broken_rows(rule, frame.assign(**read))
                if broken.any():
                    yield _violation(f"rule {rule.text}", broken, "against it", severity, None, labels)

    def _absent(self, names: list[str]) -> Iterator[Violation]:
        """Yield what names a column that is not there: a misspelt rule would hold of every table."""
        for name, column in self.columns.items():
            if column.required and name not in names:
                yield Violation(name, f"column '{name}' is not in the table", column.severity)
        for rule, _ in self.rules:
            _read_rule(rule.text, "schema.rules", names)
        named = [(f"rule {rule.text}", one, severity) for rule, severity in self.rules for one in rule.names]
        named += [("unique", one, ERROR) for one in self.unique] + [("id", str(self.id), ERROR)] * bool(self.id)
        for where, name, severity in named:
            if name not in names and name not in self.columns:
                close = nearest(name, names)
                meant = f"; did you mean '{close[0]}'?" if close else ""
                yield Violation(f"{where}: {name}", f"{where}: column '{name}' is not in the table{meant}", severity)


def read_schema(node: Mapping[str, Any], path: str = "schema") -> TableSchema:
    """Read a schema from a config node.

    Raises
    ------
    ConfigError
        A key, type, check or argument that is not possible.
    MissingError
        pandera is not installed.
    """
    _check_keys(node, path, (*ROOT_KEYS, *IGNORED_KEYS))
    columns = node.get("columns") or {}
    if not isinstance(columns, Mapping):
        raise ConfigError(
            f"{path}.columns: {columns!r} is no mapping of columns", "such as columns: {age: {nullable: true}}"
        )
    read = {str(name): _read_column(entry or {}, f"{path}.columns.{name}") for name, entry in columns.items()}
    rules = []
    for place, entry in enumerate(node.get("rules") or ()):
        at = f"{path}.rules[{place}]"
        entry = {"rule": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or "rule" not in entry:
            raise ConfigError(f"{at}: {entry!r} is no rule", "such as {rule: end >= start, severity: warn}")
        _check_keys(entry, at, RULE_KEYS)
        rules.append((_read_rule(str(entry["rule"]), at, read), _severity(entry, at)))
    unique = node.get("unique") or ()
    unique = (unique,) if isinstance(unique, str) else tuple(map(str, unique))
    return TableSchema(read, tuple(rules), node.get("strict") is True, unique, node.get("id"))


def _read_rule(text: str, path: str, columns: Iterable[str]) -> Expression:
    """Read a rule; any name may be a column, and a bare word that is one of these cannot be a text."""
    return parse(text, source=path, word_as_name={name: name for name in columns}.get, kind="column", error=ConfigError)


def _check_keys(node: Any, path: str, known: Sequence[str]) -> None:
    if not isinstance(node, Mapping):
        raise ConfigError(f"{path}: {node!r} is no mapping", possible(known))
    for key in node:
        if key not in known:
            raise unknown(f"key at {path}:", str(key), known, error=ConfigError)


def _severity(node: Mapping[str, Any], path: str, otherwise: str = ERROR) -> str:
    severity = node.get("severity", otherwise)
    if severity not in (ERROR, WARN):
        raise ConfigError(f"{path}.severity: {severity!r} is not possible", possible((ERROR, WARN)))
    return str(severity)


def _read_column(node: Any, path: str) -> ColumnSchema:
    names = [*CHECKS, *ALIASES]
    _check_keys(node, path, [*COLUMN_KEYS, *names])
    severity = _severity(node, path)
    listed = node.get("checks") or {}
    if not isinstance(listed, Mapping):
        raise ConfigError(
            f"{path}.checks: {listed!r} is no mapping of checks",
            "such as checks: {in_range: {min_value: 0, max_value: 9}}",
        )
    for name in listed:
        if name not in names:
            raise unknown(f"check at {path}.checks:", str(name), names, error=ConfigError)
    # pandera writes checks beside the other keys, too
    given = {**listed, **{key: value for key, value in node.items() if key in names}}
    kind = _kind(node.get("dtype"), path)
    places = {str(name): f"{path}.checks.{name}" if name in listed else f"{path}.{name}" for name in given}
    checks = tuple(_build(str(name), value, kind, severity, places[str(name)]) for name, value in given.items())
    flags = {}
    for key, default in (("nullable", False), ("unique", False), ("required", True)):
        flags[key] = node.get(key, default)
        if not isinstance(flags[key], bool):
            raise ConfigError(f"{path}.{key}: {flags[key]!r} is not possible", possible(("true", "false")))
    return ColumnSchema(kind, severity=severity, checks=checks, **flags)


def _kind(dtype: Any, path: str) -> str:
    """Return a type of `data.types` for that type, or for a type of pandas; "" for none."""
    if dtype is None or dtype in KINDS:
        return dtype or ""
    if dtype == "text":
        return "category"
    try:
        found = types.pandas_dtype(str(dtype))
    except (TypeError, ValueError):
        raise unknown(f"type at {path}.dtype:", str(dtype), KINDS, error=ConfigError) from None
    for kind, holds in (
        ("boolean", types.is_bool_dtype),
        ("integer", types.is_integer_dtype),
        ("number", types.is_numeric_dtype),
        ("date", types.is_datetime64_any_dtype),
    ):
        if holds(found):
            return kind
    return "category"


def _build(name: str, value: Any, kind: str, severity: str, path: str) -> tuple[str, Any, str]:
    """Return a check of pandera with its text and severity; limits of dates are dates."""
    try:
        from pandera.pandas import Check
    except ImportError:
        raise MissingError("schema: a declared schema needs pandera", INSTALL) from None

    name = ALIASES.get(name, name)
    arguments = dict(value) if isinstance(value, Mapping) else {"value": value}
    options = {**dict(arguments.pop("options", None) or {})}
    options |= {key: arguments.pop(key) for key in OPTIONS if key in arguments}
    _check_keys(options, f"{path}.options", OPTIONS)
    severity = WARN if options.get("raise_warning") is True else severity
    if name.startswith("str_") and kind not in ("", "category"):
        raise ConfigError(f"{path}: a check of texts in a column of type {kind}", "texts are of dtype: category")
    unary = list(arguments) == ["value"]
    try:
        plain = {key: _plain(argument, kind, name in OF_VALUES) for key, argument in arguments.items()}
        build = getattr(Check, name)
        check = build(plain["value"]) if unary else build(**plain)
    except Exception as error:  # whatever an argument of another type leads to
        hint = "see the check of this name in pandera's documentation"
        raise ConfigError(f"{path}: {first_line(error)}", hint) from None
    said = ", ".join(f"{key}={item}" for key, item in arguments.items() if item is not None)
    shown = arguments["value"] if unary else said
    return f"{name}({shown})", check, severity


def _plain(value: Any, kind: str, of_values: bool) -> Any:
    """Return an argument of a check: a number, a text, a date, or a list of these.

    The values of a category are texts, and so is what they are compared with: `isin: [1, 2]`.
    """
    if isinstance(value, list | tuple):
        return [_plain(item, kind, of_values) for item in value]
    if value is not None and not isinstance(value, str | int | float | bool | datetime.date):
        raise TypeError(f"{value!r} is not a number, a text, or a list of these")
    if kind == "category" and isinstance(value, bool):
        raise TypeError(f"{str(value).lower()} is no text; YAML reads yes, no, on and off so: write them in quotes")
    if kind == "category" and of_values and isinstance(value, int | float):
        return as_text(value)
    return pd.Timestamp(value) if kind == "date" and not isinstance(value, bool | None) else value


# --- What a table holds against it.

Found = tuple[Array, str, str]  # a mask of rows, what they are, severity


def _read(column: "pd.Series[Any]", schema: ColumnSchema) -> "tuple[pd.Series[Any], list[Found]]":
    """Return a column as its type, and the rows that are of another one."""
    kind = {"integer": "number"}.get(schema.kind, schema.kind)
    if kind == "boolean":
        values = column.dropna()
        strange = ~column.isin([True, False, "true", "false", "True", "False"]) & column.notna()
        return column, [(strange.to_numpy(), "no boolean", schema.severity)] if strange[values.index].any() else []
    if not kind:
        return column, []
    read, misfits = read_as(column, kind)
    if misfits is not None:
        return read, [(misfits.rows, f"no {misfits.expected}", schema.severity)]
    if schema.kind == "integer":
        numbers = read.to_numpy(dtype=float, na_value=np.nan)
        with np.errstate(invalid="ignore"):
            broken = ~np.isnan(numbers) & (numbers != np.floor(numbers))
        return read, [(broken, "no whole number", schema.severity)] if broken.any() else []
    return read, []


def _check(column: "pd.Series[Any]", schema: ColumnSchema, whole: bool) -> Iterator[Found]:
    missing = column.isna().to_numpy()
    if missing.any() and not schema.nullable:
        yield missing, "missing", schema.severity
    if whole and schema.unique:
        copies = column.duplicated(keep=False).to_numpy() & ~missing
        if copies.any():
            yield copies, "not unique", schema.severity
    known = column[~missing]
    for text, check, severity in schema.checks:
        if text.startswith("unique_values_eq") and not whole:
            continue
        try:
            passed = np.asarray(check(known).check_output)
        # such as a text that is compared with a number: of these values none is as it must be
        except Exception as error:
            yield np.ones(len(column), dtype=bool), f"not to be compared by {text} ({first_line(error)})", severity
            continue
        broken = np.zeros(len(column), dtype=bool)
        broken[~missing] = ~passed.astype(bool) if passed.ndim else not passed
        if broken.any():
            yield broken, f"against {text}", severity


def _broken_rows(rule: Expression, frame: pd.DataFrame) -> Array:
    """Return which rows do not meet a rule; where one of its columns is missing, it says nothing."""
    columns = frame[list(rule.names)]
    known = np.flatnonzero(columns.notna().all(axis=1))
    columns = columns.iloc[known].apply(_without_zone)
    dates = columns.select_dtypes("datetime")
    # as texts, which have the order of the dates; a day is written as in a rule: start >= "2024-01-31"
    unit = "D" if (dates == dates.apply(lambda column: column.dt.normalize())).all(axis=None) else "s"
    values = [_cells(columns[name], unit) for name in rule.names]
    # by SQLite, which is twenty times as quick as a walk through the tree of the rule for each row
    cells = ", ".join(f"c{place}" for place in range(len(values)))
    condition, parameters = rule.to_sql(dict(zip(rule.names, cells.split(", "), strict=True)).get)
    with closing(sqlite3.connect(":memory:")) as memory:
        add_functions(memory)
        memory.execute(f"create table row (place, {cells})")
        rows = zip(known.tolist(), *values, strict=True)
        memory.executemany(f"insert into row values (?{', ?' * len(values)})", rows)
        found = memory.execute(f"select place from row where not ({condition})", parameters).fetchall()
    broken = np.zeros(len(frame), dtype=bool)
    broken[[place for (place,) in found]] = True
    return broken


def _without_zone(column: "pd.Series[Any]") -> "pd.Series[Any]":
    zoned = isinstance(column.dtype, pd.DatetimeTZDtype)
    return column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column


def _cells(column: "pd.Series[Any]", unit: str) -> list[Any]:
    """Return values as SQLite stores them."""
    if types.is_datetime64_any_dtype(column.dtype):
        return list(map(str, np.datetime_as_string(column.to_numpy(), unit=unit)))  # type: ignore[call-overload]
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        return column.tolist()
    codes, levels = pd.factorize(column)
    kept = [*map(stored, levels.tolist())]
    return [kept[code] for code in codes]


def _violation(
    what: str, rows: Array, fault: str, severity: str, column: "pd.Series[Any] | None", labels: "pd.Series[Any]"
) -> Violation:
    places = np.flatnonzero(rows)
    value = "" if column is None or fault == "missing" else f", such as {_shown(column.iloc[places[0]])}"
    shown = ", ".join(str(label) for label in labels.iloc[places[:MAX_SHOWN]])
    more = ", …" if len(places) > MAX_SHOWN else ""
    thing = "row" if column is None else "value"
    counted = f"1 {thing} is" if len(places) == 1 else f"{len(places):,} {thing}s are"
    says = f"{what}: {counted} {fault}{value} ({labels.name} {shown}{more})"
    return Violation(f"{what}: {fault}", says, severity, len(places))


def _shown(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return f"'{value}'" if isinstance(value, datetime.date) else repr(value)
