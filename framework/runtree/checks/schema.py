"""The check of a table against its declared schema, before anything is fitted on it; and a schema to begin with."""

import json
import math
from typing import TYPE_CHECKING, Any

from runtree.checks.context import CheckContext, CheckResult, failed, passed, skipped, warned
from runtree.contract.errors import DataError, GateError
from runtree.contract.types import Finding, Table
from runtree.tables.schema import ERROR, Violation, read_schema
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    import pandas as pd

STAGE = "check_schema"
MAX_TOLD = 4  # violations in an error
ADVICE = "correct the table, or the schema"
MAX_LEVELS = 20  # of a category whose values an inferred schema lists
DIGITS = 3  # of an inferred limit
HEAD = """# What the table is today. Make it what the table must be: widen the ranges, remove what does not matter,
# and give severity: warn to what is no reason to stop. Choose it by schema=NAME of this file in conf/schema/.
id: null        # the column that names a row in messages; null: its number
strict: false   # true: no other columns than these
rules: []       # of a row, such as [end >= start, {rule: amount > 0 or kind == "free", severity: warn}]
"""


def check_schema(context: CheckContext) -> CheckResult:
    """Fail if the table is not as its schema declares; warn if it only fails what has the severity warn."""
    run = context.run
    if not declares_columns(run):
        return skipped("no schema is chosen: schema=NAME")
    found = violations(run)
    if not found:
        return passed(f"the table is as declared: {len(run.config.to_dict()['schema'].get('columns') or ())} columns")
    errors = [one for one in found if one.severity == ERROR] or found
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return (failed if errors[0].severity == ERROR else warned)(f"{errors[0].says}{more}", ADVICE)


def hold_to_schema(run: ActiveRun) -> None:
    """Refuse a table that is not as its schema declares; keep what is only reported.

    Raises
    ------
    GateError
        With the first violations.
    """
    if not declares_columns(run):
        return
    found = violations(run)
    errors = [one.says for one in found if one.severity == ERROR]
    if errors:
        hidden = len(errors) - MAX_TOLD + 1
        shown = errors if len(errors) <= MAX_TOLD else [*errors[: MAX_TOLD - 1], f"… {hidden:,} more: runtree check"]
        raise GateError(f"schema: {shown[0]}", *shown[1:])
    run.table_findings = tuple(Finding("table: schema", "note", one.says, ADVICE) for one in found)


def declares_columns(run: ActiveRun) -> bool:
    """Return whether a schema is chosen that says anything: not schema=none."""
    return bool(set(run.config.to_dict().get("schema") or ()) - {"name"})


def violations(run: ActiveRun) -> list[Violation]:
    """Return what the table of a run holds against its schema."""
    node = run.config.to_dict()["schema"]
    key = (run.data.fingerprint, json.dumps(node, sort_keys=True, default=str))
    found: list[Violation] = run.cached("schema", key, lambda: list(read_schema(node).validate(whole_frame(run.data))))
    return found


def whole_frame(table: Table) -> "pd.DataFrame":
    """Return all columns of a table, those that are no features among them."""
    import pandas as pd

    parts = [table.features, table.target.to_frame()]
    return pd.concat(parts if table.aside is None else [*parts, table.aside], axis=1)


# --- A schema to begin with.


def infer_schema(table: Table) -> str:
    """Return the YAML of a schema that a table passes, for a person to edit."""
    import yaml

    frame = whole_frame(table)
    columns = {str(name): _infer_column(column) for name, column in frame.items()}
    # the innermost mappings and lists on one line each
    text = yaml.safe_dump({"columns": columns}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return HEAD + text


def _infer_column(column: "pd.Series[Any]") -> dict[str, Any]:
    from pandas.api import types

    known = column.dropna()
    found: dict[str, Any] = {"dtype": "category", "nullable": len(known) < len(column)}
    if types.is_bool_dtype(known.dtype):
        return {**found, "dtype": "boolean"}
    if types.is_numeric_dtype(known.dtype):
        whole = types.is_integer_dtype(column.dtype)
        found["dtype"] = "integer" if whole else "number"
        finite = known[known.map(math.isfinite)]
        if len(finite) < len(known) or finite.empty:
            return found
        low, high = known.min().item(), known.max().item()
        limits = (low, high) if whole else (_outward(low, math.floor), _outward(high, math.ceil))
        return {**found, "checks": {"in_range": dict(zip(("min_value", "max_value"), limits, strict=True))}}
    dates = as_dates(known)
    if dates is not None:
        days = [dates.min().strftime("%Y-%m-%d"), dates.max().ceil("D").strftime("%Y-%m-%d")]
        limits_by_name = dict(zip(("min_value", "max_value"), days, strict=True))
        # without a zone a limit cannot be compared with a time that has one
        return {**found, "dtype": "date", **({} if dates.dt.tz else {"checks": {"in_range": limits_by_name}})}
    levels = sorted(map(str, known.unique()))
    if len(levels) == len(known) > MAX_LEVELS:
        return {**found, "unique": True}
    if 0 < len(levels) <= MAX_LEVELS:
        return {**found, "checks": {"isin": levels}}
    return found


def as_dates(known: "pd.Series[Any]") -> "pd.Series[Any] | None":
    """Return texts or dates as dates; None where one of them is none."""
    import numpy as np
    from pandas.api import types

    from runtree.tables.dates import find_format
    from runtree.tables.declared import read_as
    from runtree.tables.table import factorize_texts

    if known.empty or types.is_datetime64_any_dtype(known.dtype):
        return None if known.empty else known
    positions, texts = factorize_texts(known)
    if find_format(texts, np.bincount(positions)) is None:
        return None
    try:
        dates, misfits = read_as(known, "date")
    except DataError:  # two formats read other dates
        return None
    return dates if misfits is None else None


def _outward(value: float, to: Any) -> float:
    """Return a limit of a few digits that leaves a value inside."""
    if not value:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    limit = float(f"{to(value / unit) * unit:.{DIGITS}g}")
    # a limit of few digits may round to the wrong side of a number that has them, too
    inside = limit <= value if to is math.floor else limit >= value
    return limit if inside else value
