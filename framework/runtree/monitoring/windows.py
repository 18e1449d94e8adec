"""Windows of rows, and the figures over the rows of a window: KPIs in the expression language."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.expression import RowsExpression, add_functions, parse_rows
from runtree.contract.expression_tree import (
    ComparisonNode,
    FilterNode,
    LiteralNode,
    MembershipNode,
    NameNode,
    Node,
    stored,
)
from runtree.monitoring.options import PERIODS, WindowOptions
from runtree.tables.table import to_texts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

PERCENTILES = (50, 95, 99)  # of the seconds of an answer
MAX_SEGMENT_VALUES = 20  # of a column, the most frequent in the window


@dataclass(frozen=True)
class Window:
    """A window: its name, the first and last time of its rows where that is known, and their positions.

    It is `closed` if no rows will be added to it; `traffic` are the positions of all answers of a log in it.
    """

    name: str
    begin: str | None
    end: str | None
    rows: "Array"
    closed: bool = True
    traffic: "Array | None" = None


def cut_windows(raw: "pd.DataFrame", options: WindowOptions, default_time: str | None, name: str) -> list[Window]:
    """Cut rows into windows, in the order of time where it is known.

    Parameters
    ----------
    default_time
        The time column of the run, for options that name none.
    name
        What windows by count are named after; those by time are named after their period.

    Raises
    ------
    RuntreeError
        There is no such column, or it holds no times.
    """
    import numpy as np

    times = read_window_times(raw, options, default_time)
    order = np.arange(len(raw)) if times is None else np.argsort(times.to_numpy(), kind="stable")
    if options.every is None:
        size = options.rows or len(raw)
        pieces = [order[start : start + size] for start in range(0, len(order), size)]
        names = [name if options.rows is None else f"{name}-{number + 1:04d}" for number in range(len(pieces))]
    else:
        assert times is not None
        plain = times.dt.tz_convert(None) if getattr(times.dtype, "tz", None) is not None else times
        periods = plain.dt.to_period(PERIODS[options.every]).iloc[order]
        starts = np.array([period_name(start, options.every) for start in periods.dt.start_time], dtype=object)
        names = list(dict.fromkeys(starts.tolist()))
        pieces = [order[starts == start] for start in names]
    return [
        Window(label, *((_moment(times, piece[0]), _moment(times, piece[-1]))), piece)
        for label, piece in zip(names, pieces, strict=True)
    ]


def period_name(start: Any, period: str) -> str:
    """Return the name of the window of a period that begins at a moment."""
    return str(start.strftime("%Y-%m-%dT%H" if period == "hour" else "%Y-%m-%d"))


def read_window_times(raw: "pd.DataFrame", options: WindowOptions, default: str | None) -> "pd.Series[Any] | None":
    """Return the time column that windows are cut by; None if there is none, and none is needed."""
    from runtree.tables.roles import read_times

    name = options.time or (default if default in raw.columns else None)
    if name is None:
        if options.every is not None:
            raise ConfigError(
                "monitor.window.every needs a time column", "type: monitor.window.time=COLUMN", _columns(raw)
            )
        return None
    if name not in raw.columns:
        raise unknown("column at monitor.window.time:", name, map(str, raw.columns), error=DataError)
    try:
        times, _ = read_times(raw[name])
    except DataError as error:
        hints = [hint.replace(", before training", "").replace(" before training", "") for hint in error.hints]
        raise DataError(error.message.replace("data.time", "monitor.window.time"), *hints) from None
    if options.every is not None and times.dtype.kind != "M":
        raise DataError(
            f"monitor.window.time: column '{name}' holds no dates", "cut by count: monitor.window.rows=1000"
        )
    return times


def _columns(raw: "pd.DataFrame") -> str:
    return f"columns: {', '.join(map(str, raw.columns[:8]))}"


def _moment(times: "pd.Series[Any] | None", row: Any) -> str | None:
    if times is None:
        return None
    moment = times.iloc[row]
    return moment.isoformat() if hasattr(moment, "isoformat") else str(moment)


def measure_traffic(answers: "pd.DataFrame") -> dict[str, Any]:
    """Return volume, latency and routes of all answers of a model in a window, those of its other versions, too.

    The columns are time, version, route, seconds, and whether each is an error.
    """
    seconds = answers["seconds"].quantile([level / 100 for level in PERCENTILES])
    return {
        "rows": len(answers),
        "errors": int(answers["error"].sum()),
        "seconds": {f"p{level}": float(value) for level, value in zip(PERCENTILES, seconds, strict=True)},
        "routes": {str(name): int(count) for name, count in answers["route"].value_counts().items()},
        "versions": {str(name): int(count) for name, count in answers["version"].value_counts().items()},
    }


# --- KPIs.


def parse_kpis(kpis: Mapping[str, str], columns: Sequence[str]) -> dict[str, RowsExpression]:
    """Parse the figures of `monitor.kpis`.

    Raises
    ------
    ConfigError
        One cannot be parsed, or names a column that there is not.
    """
    known = set(columns)
    return {
        name: parse_rows(
            text,
            source=f"monitor.kpis.{name}",
            resolve=lambda word: word if word in known else None,
            known=columns,
            error=ConfigError,
        )
        for name, text in kpis.items()
    }


def check_kpis(kpis: Mapping[str, RowsExpression], rows: "pd.DataFrame", classes: Sequence[Any]) -> None:
    """Refuse figures that would be 0 or empty whatever the rows hold.

    Raises
    ------
    ConfigError
        Text or dates are added up, or a prediction is compared with what is no class of the model.
    """
    for name, expression in kpis.items():
        path = f"monitor.kpis.{name}"
        for aggregate in expression.aggregates:
            for column in _value_names(aggregate) if aggregate.function != "count" else ():
                if (holds := _not_numeric(rows[column])) is not None:
                    raise ConfigError(
                        f"{path}: column '{column}' holds {holds}, and {aggregate.function} needs numbers",
                        f"count rows instead, such as count({column} == VALUE)",
                    )
        for node in expression.root.walk() if classes else ():
            equality = isinstance(node, ComparisonNode) and node.operator in ("==", "!=")
            first, *others = node.children() if equality or isinstance(node, MembershipNode) else (node,)
            if not isinstance(first, NameNode) or first.path not in ("y_pred", "y_true"):
                continue
            for item in others:
                if isinstance(item, LiteralNode) and item.content is not None and item.content not in classes:
                    known = ", ".join(map(repr, classes[:MAX_SEGMENT_VALUES]))
                    raise ConfigError(f"{path}: {first.path} is never {item.content!r}", f"possible: {known}")


def _value_names(node: Node) -> Iterator[str]:
    """Yield the columns whose values an aggregate is of, and not those of its conditions."""
    if isinstance(node, NameNode):
        yield node.path
    for child in (node.part,) if isinstance(node, FilterNode) else node.children():
        yield from _value_names(child)


def _not_numeric(column: "pd.Series[Any]") -> str | None:
    """Return what a column without any number holds."""
    import pandas as pd

    values: Any = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "string":
        return "text"
    return "dates" if kind in ("datetime64", "datetime", "date", "period") else None


def measure_kpis(
    kpis: Mapping[str, RowsExpression], rows: "pd.DataFrame", segments: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the value of each figure over all rows, and over the rows of each value of the segment columns.

    SQLite computes the aggregates, so that a figure means what the same words mean in every other condition.
    """
    if not kpis:
        return {}
    read = {name for expression in kpis.values() for name in expression.names}
    names = [*dict.fromkeys([*sorted(read), *(name for name in segments if name in rows.columns)])]
    levels = {name: to_texts(rows[name]) for name in segments if name in rows.columns}
    places = {name: f"c{number}" for number, name in enumerate(names)}
    columns = [[_plain(value) for value in rows[name].tolist()] for name in names if name in read]
    own = [*(places[name] for name in names if name in read), *(f"s{number}" for number in range(len(levels)))]
    with closing(sqlite3.connect(":memory:")) as connection:
        add_functions(connection)
        # a column of its own, since SQLite has no table without one
        connection.execute(f"CREATE TABLE rows ({', '.join(['r', *own])})")
        columns += [values.tolist() for values in levels.values()]
        filled = zip(range(len(rows)), *columns, strict=True)
        connection.executemany(f"INSERT INTO rows VALUES ({','.join('?' * (len(own) + 1))})", filled)
        results: dict[str, dict[str, Any]] = {}
        for name, expression in kpis.items():
            values = _aggregate(connection, expression, places, None)
            results[name] = {"value": values.get(None), "segments": {}}
            for number, segment in enumerate(levels):
                found = _aggregate(connection, expression, places, f"s{number}")
                results[name]["segments"][segment] = found
    return results


def _aggregate(
    connection: sqlite3.Connection, expression: RowsExpression, places: Mapping[str, str], by: str | None
) -> dict[Any, float | None]:
    """Return the figure for each value of a column, or for all rows under None."""
    parts = [node.sql(lambda name: places[name]) for node in expression.aggregates]
    selected = ", ".join(part.text for part in parts)
    parameters = [value for part in parts for value in part.parameters]
    grouping = "" if by is None else f" GROUP BY {by} ORDER BY COUNT(*) DESC, {by} LIMIT {MAX_SEGMENT_VALUES}"
    query = f"SELECT {by or 'NULL'}, {selected} FROM rows{grouping}"
    texts = [node.text for node in expression.aggregates]
    return {
        level: expression.value(dict(zip(texts, found, strict=True)))
        for level, *found in connection.execute(query, parameters)
    }


def _plain(value: Any) -> Any:
    """Return a value as SQLite stores it: a moment as its text, and what is missing as null."""
    import pandas as pd

    if value is pd.NaT or value is pd.NA:
        return None
    return stored(value.isoformat() if hasattr(value, "isoformat") else value)
