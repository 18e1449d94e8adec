"""What was found wrong or right: findings, calibration, threshold, slices, residuals, learning, robustness, groups."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.blocks import Block, Finding, Table, Text, table
from runtree.reports.facts import Facts
from runtree.reports.gallery import Gallery
from runtree.reports.numbers import (
    chance,
    counted,
    interval,
    metric_name,
    number,
    with_interval,
)

ORDER = {"warning": 0, "note": 1, "good": 2}


def findings(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell each finding and what to do about it, the most serious first."""
    ranked = sorted(facts.findings, key=lambda one: ORDER.get(str(one.get("level")), 1))
    return [finding(one) for one in ranked]


def finding(one: Mapping[str, Any]) -> Finding:
    """Return a finding as a block."""
    level = str(one.get("level"))
    name = str(one.get("name") or "").replace("_", " ")
    return Finding(level if level in ORDER else "note", name, str(one.get("says")), str(one.get("advice") or ""))  # type: ignore[arg-type]


def learning(facts: Facts, gallery: Gallery) -> list[Block]:
    """Show how it learned, by iterations and by rows."""
    return [*gallery.pictures("learning_curve", "training_size")]


def chances(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell whether its probabilities can be taken at their word, and where they part yes from no."""
    found, threshold = facts.evaluation.get("calibration") or {}, facts.evaluation.get("threshold") or {}
    blocks: list[Block] = [*gallery.pictures("calibration", "threshold")]
    if found.get("ece") is not None:
        says = f"Expected calibration error on the {found.get('part', 'test')} part: {number(found['ece'])}. "
        blocks.append(Text(f"{says}So far is a probability from what happens, on average."))
    if threshold.get("chosen") is not None:
        blocks.append(Text(_threshold(threshold)))
    return blocks


def _threshold(found: Mapping[str, Any]) -> str:
    by = metric_name(str(found.get("by")))
    says = f"Best threshold on the {found.get('part', 'validation')} part by {by}: {number(found['chosen'])}"
    if found.get("chosen_value") is not None:
        says += f" ({by} {number(found['chosen_value'])}, with the usual one {number(found.get('default_value'))})"
    return f"{says}. {'The model uses it.' if found.get('used') else 'The model does not use it.'}"


def slices(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell where in the data it is worst."""
    found = [one for one in facts.evaluation.get("slices") or () if isinstance(one, Mapping)]
    rows = [
        [
            str(one.get("where")),
            number(one.get("rows")),
            number(one.get("value")),
            interval(one),
            number(one.get("overall")),
            chance(one.get("p")),
        ]
        for one in found
    ]
    name = metric_name(str(found[0].get("metric") or facts.metric)) if found else ""
    headings = ["where", "rows", name, "interval", "overall", "p"]
    return [*gallery.pictures("slices"), *table("Where it is worst", headings, rows)]


def residuals(facts: Facts, gallery: Gallery) -> list[Block]:
    """Show predicted against actual numbers, and what is left."""
    blocks: list[Block] = [*gallery.pictures("predicted_actual", "residuals")]
    found = facts.evaluation.get("residuals")
    plain = (
        {key: value for key, value in found.items() if isinstance(value, (int, float, str))}
        if isinstance(found, Mapping)
        else {}
    )
    rows = [[key.replace("_", " "), number(value)] for key, value in plain.items()]
    return blocks + table("What is left", ["", "value"], rows)


def robustness(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell what worse inputs cost."""
    found = [one for one in facts.evaluation.get("robustness") or () if isinstance(one, Mapping)]
    rows = [[str(one.get("shift")), number(one.get("value")), number(one.get("loss"), signed=True)] for one in found]
    name = metric_name(str(found[0].get("metric") or facts.metric)) if found else ""
    return [*gallery.pictures("robustness"), *table("With worse inputs", ["inputs", name, "loss"], rows)]


def groups(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell how each group is served, and how far apart groups are."""
    blocks: list[Block] = [*gallery.pictures("fairness")]
    for one in facts.evaluation.get("fairness") or ():
        blocks += _column(one)
    return blocks


def _column(one: Mapping[str, Any]) -> list[Block]:
    groups_, gaps = one.get("groups") or (), one.get("gaps") or ()
    names = list(dict.fromkeys(key for group in groups_ for key, value in group.items() if _is_metric(key, value)))
    rows = [
        [str(group.get("group")), number(group.get("rows")), *(number(group.get(name)) for name in names)]
        for group in groups_
    ]
    told = table(f"Groups of {one.get('column')}", ["group", "rows", *map(metric_name, names)], rows)
    apart = [[metric_name(str(gap.get("metric"))), str(gap.get("kind")), with_interval(gap)] for gap in gaps]
    bound = _bound(one.get("passed"))
    caption = f"Gaps between groups of {one.get('column')}: {bound}"
    return [*told, *([Table(caption, ["metric", "kind", "gap"], apart, frozenset({2}))] if apart else [])]


def _bound(passed: Any) -> str:
    if passed is None:
        return "no bound was set"
    return "within the bound" if passed else "wider than the bound"


def _is_metric(key: str, value: Any) -> bool:
    return key not in ("group", "rows") and isinstance(value, (int, float)) and not isinstance(value, bool)


def explanation(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell what the model goes by."""
    found = facts.evaluation.get("importance") or {}
    ranked = [one for one in found.get("features") or () if isinstance(one, Mapping)]
    rows = [[str(one.get("feature")), number(one.get("mean")), number(one.get("sd"))] for one in ranked[:30]]
    blocks: list[Block] = [*gallery.pictures("importance", "dependence")]
    metric = metric_name(str(found.get("metric") or facts.metric))
    caption = f"Loss of {metric} where a column is shuffled, {found.get('part', 'test')} part"
    blocks += table(caption, ["column", "mean loss", "sd"], rows)
    if len(ranked) > len(rows):
        blocks.append(Text(f"And {counted(len(ranked) - len(rows), 'more column')} in evaluation.json."))
    return blocks
