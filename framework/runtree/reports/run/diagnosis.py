"""What was found wrong or right: findings, calibration, threshold, slices, residuals, learning, robustness, groups."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.elements import Details, Element, Finding, HtmlTable, Paragraph, table_of
from runtree.reports.formatting import count_of, interval, metric_name, number, p_value, with_interval
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent

ORDER = {"warning": 0, "note": 1, "good": 2}


def findings(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell each finding and what to do about it, the most serious first."""
    found = sorted(map(finding, facts.findings), key=lambda one: ORDER[one.level])
    wrong, good = [one for one in found if one.level != "good"], [one for one in found if one.level == "good"]
    if not wrong:
        return [*good]
    return [*wrong, *([Details(f"{count_of(len(good), 'look')} that found nothing wrong", good)] if good else [])]


def finding(one: Mapping[str, Any]) -> Finding:
    """Return a finding as a block."""
    level = str(one.get("level"))
    name = str(one.get("name") or "").replace("_", " ")
    return Finding(level if level in ORDER else "note", name, str(one.get("says")), str(one.get("advice") or ""))  # type: ignore[arg-type]


def learning(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Show how it learned, by iterations and by rows."""
    more = facts.one("learning_curve").get("doubling") or {}
    blocks: list[Element] = [*gallery.pictures("learning_curve", "training_size")]
    if more.get("gain") is not None:
        told = with_interval({**more, "value": more["gain"]}, signed=True)
        blocks.append(
            Paragraph(f"What twice the rows would bring, by the end of this curve: {told}; above 0 is better.")
        )
    return blocks


def chances(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell whether its probabilities can be taken at their word, and where they part yes from no."""
    found, threshold = facts.one("calibration"), facts.one("threshold")
    blocks: list[Element] = [*gallery.pictures("calibration", "threshold")]
    if found.get("ece") is not None:
        says = f"Expected calibration error on the {found.get('part', 'test')} part: {number(found['ece'])}"
        if found.get("noise") is not None:
            says += f"; with so few rows chance alone comes to {number(found['noise'])}, p {p_value(found.get('p'))}"
        blocks.append(Paragraph(f"{says}. So far is a probability from what happens, on average."))
    if threshold.get("chosen") is not None:
        blocks.append(Paragraph(_threshold(threshold)))
    return blocks


def _threshold(found: Mapping[str, Any]) -> str:
    by = metric_name(str(found.get("by")))
    says = f"Best threshold on the {found.get('part', 'validation')} part by {by}: {number(found['chosen'])}"
    if found.get("chosen_value") is not None:
        says += f" ({by} {number(found['chosen_value'])}, with the usual one {number(found.get('default_value'))})"
    return f"{says}. {'The model uses it.' if found.get('used') else 'The model does not use it.'}"


def slices(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell where in the data it is worst."""
    found = facts.each("slices")
    rows = [
        [
            str(one.get("where")),
            number(one.get("rows")),
            number(one.get("value")),
            interval(one),
            number(one.get("overall")),
            p_value(one.get("p")),
        ]
        for one in found
    ]
    name = metric_name(str(found[0].get("metric") or facts.metric)) if found else ""
    headings = ["where", "rows", name, "interval", "overall", "p"]
    return [*gallery.pictures("slices"), *table_of("Where it is worst", headings, rows)]


def residuals(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Show predicted against actual numbers, and what is left."""
    blocks: list[Element] = [*gallery.pictures("predicted_actual", "residuals")]
    found = facts.one("residuals")
    bins = (found.get("by_prediction") or {}).get("bins") or ()
    rows = [
        [
            f"{number(one.get('low'))} to {number(one.get('high'))}",
            number(one.get("rows")),
            number(one.get("mean"), True),
        ]
        for one in bins
    ]
    return blocks + table_of("Mean of actual less predicted", ["predicted", "rows", "mean"], rows)


def robustness(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell what worse inputs cost."""
    found = facts.each("robustness")
    why = any(one.get("reason") for one in found)
    rows = [
        [str(one.get("shift")), number(one.get("value")), number(one.get("loss"), signed=True)]
        + ([str(one.get("reason") or "")] if why else [])
        for one in found
    ]
    name = metric_name(str(found[0].get("metric") or facts.metric)) if found else ""
    headings = ["inputs", name, "loss", *(["note"] if why else [])]
    return [*gallery.pictures("robustness"), *table_of("With worse inputs", headings, rows, numeric=frozenset({1, 2}))]


def groups(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell how each group is served, and how far apart groups are."""
    blocks: list[Element] = [*gallery.pictures("fairness")]
    for one in facts.each("fairness"):
        blocks += _column(one)
    return blocks


def _column(one: Mapping[str, Any]) -> list[Element]:
    groups_, gaps = one.get("groups") or (), one.get("gaps") or ()
    names = list(dict.fromkeys(key for group in groups_ for key, value in group.items() if _is_metric(key, value)))
    rows = [
        [_group(group), number(group.get("rows")), *(number(group.get(name)) for name in names)] for group in groups_
    ]
    told = table_of(f"Groups of {one.get('column')}", ["group", "rows", *map(metric_name, names)], rows)
    apart = [
        [metric_name(str(gap.get("metric"))), str(gap.get("kind")), with_interval(gap), _between(gap)] for gap in gaps
    ]
    bound = _bound(one.get("passed"))
    caption = f"Gaps between groups of {one.get('column')}: {bound}"
    return [
        *told,
        *([HtmlTable(caption, ["metric", "kind", "gap", "between"], apart, frozenset({2}))] if apart else []),
    ]


def _group(group: Mapping[str, Any]) -> str:
    return f"{group.get('group')}{' (few rows)' if group.get('small') else ''}"


def _between(gap: Mapping[str, Any]) -> str:
    ends = [str(gap[name]) for name in ("least", "most") if gap.get(name) is not None]
    return " and ".join(ends)


def _bound(passed: Any) -> str:
    if passed is None:
        return "no bound was set"
    return "within the bound" if passed else "wider than the bound"


def _is_metric(key: str, value: Any) -> bool:
    return key not in ("group", "rows") and isinstance(value, (int, float)) and not isinstance(value, bool)


def explanation(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell what the model goes by."""
    found = facts.one("importance")
    ranked = [one for one in found.get("features") or () if isinstance(one, Mapping)]
    rows = [[str(one.get("feature")), number(one.get("mean")), number(one.get("sd"))] for one in ranked[:30]]
    blocks: list[Element] = [*gallery.pictures("importance", "dependence")]
    metric = metric_name(str(found.get("metric") or facts.metric))
    caption = f"Loss of {metric} where a column is shuffled, {found.get('part', 'test')} part"
    if rows:
        blocks.append(Details("The figures", table_of(caption, ["column", "mean loss", "sd"], rows)))
    if found.get("advice"):
        blocks.append(Paragraph(f"Mind: {found['advice']}."))
    if len(ranked) > len(rows):
        blocks.append(Paragraph(f"And {count_of(len(ranked) - len(rows), 'more column')} in evaluation.json."))
    return blocks
