"""What the run worked on: the table, its columns, how it was split."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.blocks import Block, Fold, Table, Text
from runtree.reports.facts import Facts
from runtree.reports.gallery import Gallery
from runtree.reports.numbers import counted, listed, number, share

SHOWN = 200  # columns named one by one


def asked(facts: Facts) -> str:
    """Return in one sentence what was asked for."""
    target = facts.of_data("target").get("name") or facts.record.config.get("data.target") or "the target"
    name = facts.data.get("name") or facts.record.config.get("data.name") or "a table"
    what = f"the class '{target}'" if facts.record.task == "classification" else f"'{target}'"
    kinds = f" ({listed(list(facts.classes), 4)})" if facts.classes else ""
    rows = facts.data.get("rows")
    sizes = f": {counted(rows, 'row')}, {counted(len(columns(facts)), 'column')}" if isinstance(rows, int) else ""
    by = facts.record.config.get("algorithm.name")
    return f"Predict {what}{kinds} of {name}{sizes}, by {by}."


def columns(facts: Facts) -> list[Mapping[str, Any]]:
    """Return what `data.json` tells of each column."""
    return [one for one in facts.data.get("columns") or () if isinstance(one, Mapping)]


def data(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell the table, the split and the columns."""
    if not facts.data:
        return []
    target, found = facts.of_data("target"), columns(facts)
    holes = [one for one in found if one.get("missing")]
    gaps = f"{counted(len(holes), 'column')} with missing values" if holes else "no missing values"
    says = f"{facts.data.get('name')}: {counted(int(facts.data.get('rows') or 0), 'row')}, "
    says += f"{counted(len(found), 'column')}, {gaps}. "
    says += f"Target '{target.get('name')}': {facts.data.get('task')}, since {facts.data.get('why')}."
    return [Text(says), *_split(facts), *_columns(found)]


def _split(facts: Facts) -> list[Block]:
    split = facts.of_data("split")
    sizes = {part: split[part] for part in ("train", "validation", "test") if isinstance(split.get(part), int)}
    whole = sum(sizes.values()) or 1
    use = {"train": "fitted on", "validation": "chosen by", "test": "reported, once, after selection"}
    if facts.folds:
        use |= {"train": "fitted on, fold by fold", "validation": "each row by the fold that left it out"}
    rows = [[part, number(count), share(count / whole), use[part]] for part, count in sizes.items()]
    return [Table("Split", ["part", "rows", "share", "use"], rows, frozenset({1, 2}))] if rows else []


def _columns(found: list[Mapping[str, Any]]) -> list[Block]:
    rows = [
        [str(one.get("name")), str(one.get("dtype")), number(one.get("missing")), number(one.get("distinct"))]
        for one in found[:SHOWN]
    ]
    if not rows:
        return []
    headings = ["column", "type", "missing", "distinct"]
    blocks: list[Block] = [Table("Columns", headings, rows, frozenset({2, 3}))]
    if len(found) > SHOWN:
        blocks.append(Text(f"And {len(found) - SHOWN:,} more in data.json."))
    return [Fold(f"{counted(len(found), 'column')}", blocks)]
