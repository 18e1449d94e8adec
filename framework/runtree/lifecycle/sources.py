"""From the sources of a config to one table of rows: one source, several parts, and sources that are joined to it."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runtree.config.build import build
from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import SPLITS
from runtree.lifecycle.sensitive import Protection
from runtree.tables.csv_files import Reading
from runtree.tables.places import file_name

if TYPE_CHECKING:
    import pandas as pd

HOW = ("left", "inner")
# what reads an item of `data.join` that does not say so itself, by a key that it has
READERS = {"url": "runtree.data.sql.Database", "path": "runtree.data.files.TableFile"}


@dataclass(frozen=True)
class SourceRows:
    """The rows of all sources.

    Attributes
    ----------
    frame
        Features and target together.
    parts
        For each row the split that `data.parts` puts it in; None without parts.
    sources
        Where the rows came from, as `data.json` says it.
    content
        A hash of content that the rows only refer to, such as images; or "".
    columns
        Of all sources, those that are sensitive and dropped included.
    """

    frame: "pd.DataFrame"
    parts: "pd.Series[Any] | None" = None
    sources: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    content: str = ""
    columns: tuple[str, ...] = ()


def read_sources(
    node: Mapping[str, Any],
    parts: Mapping[str, Any],
    joins: Sequence[Any],
    reading: Reading,
    drop: Sequence[str],
    trust: TargetResolver,
    protection: Protection,
) -> SourceRows:
    """Return the rows that a `data` node describes, without the values of sensitive columns.

    Parameters
    ----------
    node
        The keys of the source.
    parts, joins
        `data.parts` and `data.join`.
    drop
        Columns of which nothing is noted.
    """
    from runtree.tables.fingerprint import frame_fingerprint

    if parts:
        rows = _read_parts(node, parts, reading, drop, trust, protection)
    else:
        rows = _read(node, "data", reading, drop, trust)
        if joins:  # else it is that of the table
            whole = frame_fingerprint(protection.frame(rows.frame))
            rows = replace(rows, sources=tuple({**source, "fingerprint": whole} for source in rows.sources))
    for place, item in enumerate(joins):
        rows = _join(rows, item, f"data.join[{place}]", node, reading, trust, protection)
    # after the joins: a mask would make one key of many
    frame = protection.frame(rows.frame)
    notes = protection.notes(rows.frame.rename(columns=str), frame.rename(columns=str))
    return replace(rows, frame=frame, notes=(*rows.notes, *notes), columns=tuple(map(str, rows.frame.columns)))


def _read(
    node: Mapping[str, Any], path: str, reading: Reading, drop: Sequence[str], trust: TargetResolver
) -> SourceRows:
    from runtree.tables.nested import unfold

    source = build(node, path, trust)
    if not callable(getattr(source, "load", None)):
        raise ConfigError(f"{path}: {type(source).__name__} is not a data source: it has no method 'load'")
    frame, unfolded = unfold(load_frame(source, reading), reading.types, drop, reading.fields)
    notes = tuple(unfolded)
    if callable(getattr(source, "notes", None)):
        shown = frame.drop(columns=[name for name in drop if name in frame.columns])
        # a note may quote values
        for name in [name for name in shown.columns if str(name) in reading.hidden]:
            shown[name] = None
        notes += tuple(source.notes(shown, reading))
    origin = getattr(source, "origin", None)
    described = origin.describe() if origin else {"kind": type(source).__name__, "name": path, "rows": len(frame)}
    content = source.fingerprint(frame) if callable(getattr(source, "fingerprint", None)) else ""
    return SourceRows(frame, None, (described,) if origin or path != "data" else (), notes, content)


def load_frame(source: Any, reading: Reading) -> "pd.DataFrame":
    """Return the rows of a data source, with the words of `data.missing` as missing values."""
    from runtree.tables.declared import apply_missing

    if "reading" in inspect.signature(source.load).parameters:
        frame: pd.DataFrame = source.load(reading=reading)
        return frame
    return apply_missing(source.load(), reading)


# --- Parts.


def _read_parts(
    node: Mapping[str, Any],
    parts: Mapping[str, Any],
    reading: Reading,
    drop: Sequence[str],
    trust: TargetResolver,
    protection: Protection,
) -> SourceRows:
    import pandas as pd

    from runtree.tables.fingerprint import frame_fingerprint
    from runtree.tables.stacking import stack

    for name in parts:
        if name not in SPLITS:
            raise unknown("part at data.parts:", name, SPLITS, error=ConfigError)
    # the source itself is the train part, unless it is named
    chosen = {"train": parts.get("train") or {}, **{name: parts[name] for name in SPLITS[1:] if parts.get(name)}}
    read: dict[str, SourceRows] = {}
    for name, item in chosen.items():
        read[name] = _read(part_node(node, item, f"data.parts.{name}"), f"data.parts.{name}", reading, drop, trust)
        if name == "train":  # whose nested cells say what columns those of the other parts become
            reading = replace(reading, fields=frozenset(map(str, read[name].frame.columns)))
    frame = stack({f"the {name} part": rows.frame for name, rows in read.items()}, "data.parts", reading.hidden)
    labels = [name for name, rows in read.items() for _ in range(len(rows.frame))]
    sources = tuple(
        {**source, "part": name, "fingerprint": frame_fingerprint(protection.frame(rows.frame))}
        for name, rows in read.items()
        for source in rows.sources
    )
    notes = tuple(dict.fromkeys(note for rows in read.values() for note in rows.notes))
    content = "".join(rows.content for rows in read.values())
    return SourceRows(frame, pd.Series(labels, dtype="str"), sources, notes, content)


def part_node(node: Mapping[str, Any], item: Any, path: str) -> dict[str, Any]:
    """Return the keys of the source of a part: those of the table, and what the part says otherwise."""
    if isinstance(item, Mapping):
        return {**node, **item}
    if not isinstance(item, str):
        raise ConfigError(f"{path}: {item!r} is neither a path nor keys of a source", f"such as {path}=FILE")
    if "path" in node:
        return {**node, "path": item}
    if "query" in node:
        # a table has no space in its name, and a query does
        return {**node, "query": item if " " in item else None, "table": None if " " in item else item}
    raise ConfigError(f"{path}: this source has no path", f"name the keys that differ: {path}={{KEY: VALUE}}")


# --- Joins.


@dataclass(frozen=True)
class _Keys:
    """The columns that two tables are joined on."""

    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)


def _join(
    rows: SourceRows,
    item: Any,
    path: str,
    node: Mapping[str, Any],
    reading: Reading,
    trust: TargetResolver,
    protection: Protection,
) -> SourceRows:
    from runtree.tables.fingerprint import frame_fingerprint

    if not isinstance(item, Mapping) or "on" not in item:
        raise ConfigError(
            f"{path}: names no columns to join on", "such as 'data.join=[{path: customers.csv, on: customer_id}]'"
        )
    how = str(item.get("how", "left"))
    if how not in HOW:
        raise unknown(f"join at {path}.how:", how, HOW, error=ConfigError)
    other = _read(joined_node(node, item, path), path, reading, (), trust)
    source = dict(other.sources[0])
    title = str(item.get("table") or (file_name(str(source["name"])) if source["name"] != path else path))
    keys = _read_keys(item["on"], rows.frame, other.frame, path, title)
    hidden = protection.of_joined(dict(zip(keys.left, keys.right, strict=True)))
    reading = replace(reading, hidden=reading.hidden | {*hidden.ways})
    _refuse_renamed(rows.frame, other.frame, keys, path, title, protection)
    frame, parts, facts, notes = join_tables(rows.frame, other.frame, rows.parts, keys, how, path, title, reading)
    source |= {"on": keys.left, "how": how, **facts, "fingerprint": frame_fingerprint(hidden.frame(other.frame))}
    return replace(
        rows,
        frame=frame,
        parts=parts,
        sources=(*rows.sources, source),
        notes=(*rows.notes, *other.notes, *notes),
        content=rows.content + other.content,
    )


def joined_node(node: Mapping[str, Any], item: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the keys of the source of an item of `data.join`."""
    own = {key: value for key, value in item.items() if key not in ("on", "how")}
    if "_target_" in own:
        return own
    if "path" not in own and "url" not in own and ("query" in own or "table" in own) and "url" in node:
        own["url"] = node["url"]
    reader = next((reader for key, reader in READERS.items() if key in own), None)
    if reader is None:
        raise ConfigError(f"{path}: names no source", "possible: path: FILE, or url: with table: or query:")
    return {"_target_": reader, **own}


def _read_keys(on: Any, left: "pd.DataFrame", right: "pd.DataFrame", path: str, title: str) -> _Keys:
    """Read `on`: a column, a list of columns, or a mapping of the table's columns to those of the other one."""
    pairs = (
        dict(on) if isinstance(on, Mapping) else {str(name): name for name in (on if isinstance(on, list) else [on])}
    )
    keys = _Keys([str(name) for name in pairs], [str(name) for name in pairs.values()])
    for name, frame, where in [(n, left, "the table") for n in keys.left] + [(n, right, title) for n in keys.right]:
        if name not in frame.columns:
            raise unknown(f"column at {path}.on: {where} has no", name, map(str, frame.columns), error=DataError)
    return keys


def _renamed(left: "pd.DataFrame", right: "pd.DataFrame", keys: _Keys, title: str) -> dict[str, str]:
    """Return the new names of the columns that both tables have."""
    known = {*left.columns}
    stem = title.partition(".")[0]
    return {name: f"{name}_{stem}" for name in right.columns if name in known and name not in keys.right}


def _refuse_renamed(
    left: "pd.DataFrame", right: "pd.DataFrame", keys: _Keys, path: str, title: str, protection: Protection
) -> None:
    for old, new in _renamed(left, right, keys, title).items():
        if old in protection.ways and new not in protection.ways:
            raise ConfigError(
                f"{path}: column '{old}' of {title} becomes '{new}', of which data.sensitive says nothing",
                f"type: data.sensitive.{new}={protection.ways[old]}",
            )


def join_tables(
    left: "pd.DataFrame",
    right: "pd.DataFrame",
    parts: "pd.Series[Any] | None",
    keys: _Keys,
    how: str,
    path: str,
    title: str,
    reading: Reading,
) -> "tuple[pd.DataFrame, pd.Series[Any] | None, dict[str, int], list[str]]":
    """Return the joined rows in the order of `left`, their parts, what was lost and multiplied, and notes about it.

    Raises
    ------
    DataError
        Two keys hold values of different kinds, or no row has a partner.
    """
    import pandas as pd

    from runtree.tables.stacking import example

    ids = [f"\0{place}" for place in range(len(keys.left))]
    one, two = pd.DataFrame(index=left.index), pd.DataFrame(index=right.index)
    for name, mine, theirs in zip(ids, keys.left, keys.right, strict=True):
        one[name], two[name] = consistent_keys(left[mine], right[theirs], path, title, reading)
    # pandas would join missing keys with missing keys
    known = two.notna().all(axis=1)
    two = two.assign(**{"\0right": range(len(two))})[known]
    one = one.assign(**{"\0left": range(len(one))})
    pairs = one.merge(two, on=ids, how="inner" if how == "inner" else "left")
    matched = pairs["\0right"].notna()
    if not matched.any():
        here, there = example(left[keys.left[0]], reading.hidden), example(right[keys.right[0]], reading.hidden)
        first = f"{here} in the table, and '{keys.right[0]}' {there} in {title}"
        raise DataError(f"{path}.on: no row has a partner in {title}", f"'{keys.left[0]}' is for example {first}")
    found = pairs.loc[matched, "\0left"]
    alone = len(left) - found.nunique()
    copies = len(found) - found.nunique()
    several = int((found.value_counts() > 1).sum())
    further = right.drop(columns=keys.right)
    renamed = _renamed(left, right, keys, title)
    further = further.rename(columns=renamed)
    positions = pairs["\0right"].fillna(-1).astype(int)
    taken = further.reset_index(drop=True).reindex(positions).reset_index(drop=True)
    frame = pd.concat([left.iloc[pairs["\0left"].to_numpy()].reset_index(drop=True), taken], axis=1)
    notes = _join_notes(title, keys, how, len(left), alone, several, copies, renamed)
    facts = {"unmatched": alone, "multiplied": several, "added": copies}
    return frame, parts.iloc[pairs["\0left"]].reset_index(drop=True) if parts is not None else None, facts, notes


def _join_notes(
    title: str, keys: _Keys, how: str, rows: int, alone: int, several: int, copies: int, renamed: Mapping[str, str]
) -> list[str]:
    begin = f"join with {title} on {', '.join(repr(name) for name in keys.left)}:"
    notes = []
    if alone:
        fate = "are left out" if how == "inner" else "have no values in its columns"
        notes.append(f"{begin} {alone:,} of {rows:,} rows have no partner and {fate}")
    if several:
        notes.append(
            f"{begin} {several:,} rows have several partners, which adds {copies:,} rows; "
            f"if that is not meant, make {keys.right[0]!r} unique in {title}"
        )
    if renamed:
        notes.append(f"{begin} {', '.join(f'its {old!r} is {new!r}' for old, new in renamed.items())}")
    return notes


def consistent_keys(
    left: "pd.Series[Any]", right: "pd.Series[Any]", path: str, title: str, reading: Reading
) -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Return two key columns in one type: numbers, dates or texts.

    Raises
    ------
    DataError
        Numbers and texts that are not their usual spelling, or dates and texts that are none.
    """
    import pandas as pd

    from runtree.tables.declared import read_as, type_override
    from runtree.tables.numbers import parse_declared_number, parse_number
    from runtree.tables.stacking import example, kind_of
    from runtree.tables.table import to_texts

    declared = reading.types.get(str(left.name))
    if declared is not None:
        return read_as(left, declared)[0], read_as(right, declared)[0]

    def as_texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
        return pd.Series(to_texts(column), index=column.index, dtype="str").where(column.notna())

    kinds = kind_of(left), kind_of(right)
    if "" in kinds or kinds[0] == kinds[1]:
        return (left, right) if kinds[0] in ("number", "date") else (as_texts(left), as_texts(right))
    text = left if kinds[0] == "text" else right
    other = right if text is left else left
    as_numbers = False
    if set(kinds) == {"number", "text"}:
        words = as_texts(text).dropna()
        as_numbers = all(parse_declared_number(word) is not None for word in words.unique())
        plain = words[words.map(lambda word: parse_number(word) is not None)]
        # 007 is not 7; where the numbers among the texts are spelled as numbers are, texts compare well
        if len(plain) and (as_texts(pd.to_numeric(plain)) == plain).all():
            return as_texts(left), as_texts(right)
    if set(kinds) == {"date", "text"}:
        dates, misfits = read_as(text, "date")
        if misfits is None:
            return (dates, other) if text is left else (other, dates)
    raise DataError(
        f"{path}.on: column '{left.name}' holds {kinds[0]}s ({example(left, reading.hidden)}), and '{right.name}' in "
        f"{title} holds {kinds[1]}s ({example(right, reading.hidden)})",
        f"to compare both as numbers, type: {type_override(str(left.name), 'number')}" if as_numbers else "",
        f"to compare both as text, type: {type_override(str(left.name), 'category')}",
    )
