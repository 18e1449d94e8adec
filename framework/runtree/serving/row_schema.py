"""The schema of a row, as training learnt it: each record is checked alone, against types, ranges and categories."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from runtree.contract.errors import DataError, RuntreeError, nearest
from runtree.lifecycle.predict import ColumnContract, Predictor
from runtree.serving.settings import PolicyOptions, check_action
from runtree.tables.csv_files import AUTO
from runtree.tables.dates import UNIX, UNIX_NAMES, parse_dates
from runtree.tables.nested import parents_of, unfold_record
from runtree.tables.numbers import parse_number, shorten

Type = str  # number, boolean, text, date or any
DEFAULTS = PolicyOptions(missing="refuse", unseen="warn", range="warn")
JSON_TYPES = {"number": "number", "boolean": "boolean", "text": "string", "date": "string"}
SCALARS = (str, int, float, bool, type(None))
LARGEST = sys.float_info.max
MAX_TEXT = 100_000  # characters of one value
MAX_FAULTS = 5  # reported of one row
EXAMPLE_DATE = datetime(2026, 1, 31)
_ABSENT = object()


class RowError(RuntreeError):
    """A row does not fit the schema; one hint for each field beyond the first."""

    exit_code = 2


@dataclass(frozen=True)
class RowField:
    """A field of a row.

    Attributes
    ----------
    type
        number, boolean, text, date, or any: a column that the model does not read.
    low, high
        The range of the train rows, as numbers; of dates as datetimes. None if it is not known.
    levels
        The categories of the train rows; empty if they are not known.
    unix
        The format of dates that may be given as numbers since 1970: unix or unix_ms.
    protects
        What becomes of a value before the model gets it: hash, mask:2, or "".
    """

    contract: ColumnContract
    type: Type
    low: Any = None
    high: Any = None
    levels: frozenset[str] = frozenset()
    unix: str = ""
    protects: str = ""

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.contract.name

    @property
    def is_optional(self) -> bool:
        """Whether it may be missing: it was in training, or the model does not read it."""
        return self.type == "any" or self.contract.missing > 0

    @property
    def typical(self) -> Any:
        """The value that stands for a missing one; None if none is kept."""
        return self.contract.typical


@dataclass(frozen=True)
class CheckedRow:
    """A row that fits: a value for each column of the model, in its order, and what was noticed."""

    values: list[Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowSchema:
    """The fields of a row and the policy for values that training has not seen."""

    fields: tuple[RowField, ...]
    policy: PolicyOptions = DEFAULTS
    missing_words: frozenset[Any] = frozenset()  # texts and numbers that meant a missing value in the table

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all fields."""
        return frozenset(one.name for one in self.fields)

    @cached_property
    def parents(self) -> frozenset[str]:
        """What may hold an object or a list of fields: ``address`` where there is a field ``address.city``."""
        return frozenset(parents_of(self.names))

    def unfold(self, record: Any) -> Any:
        """Return a record whose objects and lists are fields of the model, as those of a table are its columns."""
        if not self.parents or type(record) is not dict:
            return record
        try:
            return unfold_record(record, self.names, self.parents)
        except DataError as error:
            raise RowError(error.message.removeprefix("data: ")) from None

    @cached_property
    def _quick(self) -> list[tuple[str, Type, Any, Any, RowField]]:
        """For each field its name, type, and what a value that needs no second look lies within."""
        return [
            (
                one.name,
                one.type,
                -LARGEST if one.low is None else one.low,
                LARGEST if one.high is None else one.high,
                one,
            )
            if one.type == "number"
            else (one.name, one.type, one.levels or None, None, one)
            for one in self.fields
        ]

    def check(self, record: Any) -> CheckedRow:
        """Return the values of a record in the order of the columns.

        Raises
        ------
        RowError
            It is no object, has other fields, or values of another type, or such as the policy refuses.
        """
        if type(record) is not dict:
            raise RowError(f"a row is an object of fields and values, not {_describe(record)}")
        values: list[Any] = []
        faults: list[str] = []
        notes: list[str] = []
        found = 0
        for name, kind, low, high, one in self._quick:
            value = record.get(name, _ABSENT)
            if value is not _ABSENT:
                found += 1
            # nearly all values pass here; what does not is looked at again, in words
            given = type(value)
            if kind == "number":
                if (given is float or given is int) and low <= value <= high:
                    values.append(float(value))
                    continue
            elif kind == "text" and given is str and low is not None and value in low:
                values.append(value)
                continue
            values.append(self._amend(one, value, faults, notes))
        if found < len(record):
            faults += [self._unknown_field(str(name)) for name in record if name not in self.names]
        if faults:
            more = [f"… ({len(faults)} in all)"] if len(faults) > MAX_FAULTS else []
            raise RowError(faults[0], *faults[1:MAX_FAULTS], *more)
        return CheckedRow(values, tuple(notes))

    def _unknown_field(self, name: str) -> str:
        close = nearest(name, self.names, 1)
        return f"field '{shorten(name)}' is not one of the model" + (f"; did you mean '{close[0]}'?" if close else "")

    def _amend(self, one: RowField, value: Any, faults: list[str], notes: list[str]) -> Any:
        """Return what the model gets for a value that the quick check did not pass."""
        if value is _ABSENT or value is None or (type(value) in (str, int, float) and value in self.missing_words):
            if one.is_optional:
                return None
            said = f"field '{one.name}' is missing, and never was in training"
            return self._apply("missing", one, said, None, one.typical, faults, notes)
        value = _read_unix(one, value) if one.unix else value
        fault = _type_fault(one, value)
        if fault:
            faults.append(f"field '{one.name}': {fault}")
            return None
        if one.type == "text" and one.levels and value not in one.levels:
            said = f"field '{one.name}': '{shorten(value)}' is a category that training has not seen"
            return self._apply("unseen", one, said, value, one.typical, faults, notes)
        kept = float(value) if one.type == "number" else value
        place = _read_date(value, one.contract.detail) if one.type == "date" and one.low is not None else kept
        if one.low is not None and not one.low <= place <= one.high:
            ends = [write_date(end, one) if one.type == "date" else f"{end:g}" for end in (one.low, one.high)]
            said = f"field '{one.name}': {shorten(str(value))} is outside of the range of training, {' to '.join(ends)}"
            nearest_end = one.low if place < one.low else one.high
            bound = write_date(nearest_end, one) if one.type == "date" else nearest_end
            return self._apply("range", one, said, kept, bound, faults, notes)
        return kept

    def _apply(
        self, case: str, one: RowField, said: str, as_is: Any, instead: Any, faults: list[str], notes: list[str]
    ) -> Any:
        action = getattr(self.policy, case)
        if action == "refuse":
            faults.append(said)
        elif action == "impute" and instead is not None:
            notes.append(f"{said}; {instead!r} is taken instead")
            return float(instead) if one.type == "number" else instead
        else:
            notes.append(said)
        return as_is

    # --- What the schema looks like from outside.

    def example(self) -> dict[str, Any]:
        """Return a record of typical values; it passes the check without a warning."""
        return {one.name: example_value(one) for one in self.fields if one.type != "any"}

    def document(self) -> dict[str, Any]:
        """Return the JSON schema of a record: what it refuses, the policy refuses."""
        nested = ", ".join(sorted(one for one in self.parents if "." not in one))
        said = {"description": f"{nested}: may also be given as in training, as objects and lists"} if nested else {}
        return {
            "type": "object",
            **said,
            "properties": {one.name: self._document(one) for one in self.fields},
            "required": [one.name for one in self.fields if self.is_required(one)],
            "additionalProperties": False,
            "example": self.example(),
        }

    def is_required(self, one: RowField) -> bool:
        """Return whether a row without a field is refused."""
        return not one.is_optional and self.policy.missing == "refuse"

    def _document(self, one: RowField) -> dict[str, Any]:
        if one.type == "any":
            return {"type": ["string", "number", "boolean", "null"], "description": "not read by the model"}
        kind = JSON_TYPES[one.type]
        node: dict[str, Any] = {"type": kind if self.is_required(one) else [kind, "null"]}
        if one.type == "text":
            node["maxLength"] = MAX_TEXT
        said = []
        if one.type == "date":
            written = UNIX_NAMES[one.unix] + " since 1970" if one.unix else one.contract.detail
            said.append(f"a date as {written}, or in ISO 8601" if written else "a date in ISO 8601")
            if one.unix:
                node["type"] = ["number", *([kind] if isinstance(node["type"], str) else node["type"])]
            node["format"] = "date-time" if one.contract.dtype.startswith("datetime") else "date"
            if one.low is not None:
                said.append(" to ".join(write_date(end, one) for end in (one.low, one.high)) + " in training")
        if one.type == "number" and one.low is not None:
            if self.policy.range == "refuse":
                node |= {"minimum": one.low, "maximum": one.high}
            said.append(f"{one.low:g} to {one.high:g} in training")
        if one.protects:
            said.append(f"given as it is, and kept as {one.protects.replace('hash', 'a hash')}")
        elif one.levels:
            if self.policy.unseen == "refuse":
                node["enum"] = [*sorted(one.levels), *([] if self.is_required(one) else [None])]
            else:
                node["examples"] = sorted(one.levels)[:10]
        if one.contract.missing:
            said.append(f"missing in {one.contract.missing:.0%} of the rows of training")
        return node | ({"description": "; ".join(said)} if said else {})


def make_schema(predictor: Predictor, tags: Mapping[str, str], policy: PolicyOptions) -> RowSchema:
    """Return the schema of a model; the policy is that of the settings, else of the model's tags, else the default.

    Raises
    ------
    ConfigError
        A tag such as ``serve.missing`` names no action.
    """
    chosen = {}
    for case in ("missing", "unseen", "range"):
        tag = tags.get(f"serve.{case}")
        check_action(tag, f"the tag serve.{case} of the model")
        chosen[case] = getattr(policy, case) or tag or getattr(DEFAULTS, case)
    fields = tuple(_field(contract, predictor) for contract in predictor.columns.values())
    words = [word for word in predictor.reading.missing if word != AUTO]
    numbers = [number for word in words if (number := parse_number(word)) is not None]
    return RowSchema(fields, replace(DEFAULTS, **chosen), frozenset([*words, *numbers]))


def _field(contract: ColumnContract, predictor: Predictor) -> RowField:
    declared = predictor.reading.types.get(contract.name)
    kind = _type_of(contract, declared)
    if kind == "text":
        protects = predictor.protection.ways.get(contract.name, "") if predictor.protection else ""
        return RowField(contract, kind, levels=frozenset(map(str, contract.values)), protects=protects)
    unix = declared if kind == "date" and declared in UNIX else ""
    if kind not in ("number", "date") or contract.low is None:
        return RowField(contract, kind, unix=unix)
    try:
        low, high = (_end(value, kind) for value in (contract.low, contract.high))
    except (TypeError, ValueError):  # of another make: a range that cannot be read is none
        return RowField(contract, kind)
    return RowField(contract, kind, low, high, unix=unix)


def _end(value: Any, kind: Type) -> Any:
    return float(value) if kind == "number" else _naive(datetime.fromisoformat(value))


def _type_of(contract: ColumnContract, declared: str | None) -> Type:
    if contract.kind == "dropped":
        return "any"
    if declared is not None:
        return {"number": "number", "decimal_comma": "number", "category": "text", "text": "text"}.get(declared, "date")
    if contract.dtype in ("bool", "boolean"):
        return "boolean"
    return contract.expects or "text"


def _type_fault(one: RowField, value: Any) -> str:
    """Return what is wrong with the type of a value; empty if nothing is."""
    if one.type == "any":
        return "" if isinstance(value, SCALARS) else f"one value is expected, not {_describe(value)}"
    if one.type == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"a number is expected, not {_describe(value)}"
        return "" if -LARGEST <= value <= LARGEST else "a finite number is expected"
    if one.type == "boolean":
        return "" if isinstance(value, bool) else f"true or false is expected, not {_describe(value)}"
    if not isinstance(value, str):
        return f"a text is expected, not {_describe(value)}"
    if len(value) > MAX_TEXT:
        return f"a text of at most {MAX_TEXT:,} characters is expected, not of {len(value):,}"
    if one.type == "date" and _read_date(value, one.contract.detail) is None:
        expected = f"as {one.contract.detail}" if one.contract.detail else "in ISO 8601"
        return f"a date {expected} is expected, not '{shorten(value)}'"
    return ""


def _read_unix(one: RowField, value: Any) -> Any:
    """Return a number since 1970 as a date in ISO 8601; whatever else it is, as it is."""
    if type(value) not in (int, float) and not (type(value) is str and value.isdigit()):
        return value
    [date] = parse_dates([str(value)], one.unix)
    return value if date != date else str(date).removesuffix(".000000")


def _read_date(text: str, date_format: str) -> datetime | None:
    """Return a date as the tables read it; None if the text is none."""
    [date] = parse_dates([text], date_format)
    return None if date != date else _naive(datetime.fromisoformat(str(date)[:26]))


def write_date(date: datetime, one: RowField) -> str:
    """Return a date in the spelling of a field."""
    spelling = one.contract.detail
    # a zone cannot be written: dates are compared in UTC
    return date.strftime(spelling) if spelling and "%z" not in spelling else date.isoformat()


def _naive(date: datetime) -> datetime:
    return date.replace(tzinfo=None)


def _describe(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the text '{shorten(value)}'"
    kinds = {dict: "an object", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(value), "such a value")


def example_value(one: RowField) -> Any:
    """Return a typical value of a field, such as one that training has seen."""
    if one.typical is not None:
        if one.type == "date":
            return one.typical
        return {"number": float, "boolean": bool}.get(one.type, str)(one.typical)
    if one.type == "date":
        return write_date(one.low or EXAMPLE_DATE, one)
    return {"number": one.low or 0.0, "boolean": False, "text": "text"}[one.type]
