"""The page of a registered model for everybody who has to do with it: what it is for, how it does, who decided what."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtree.contract.commands import command
from runtree.contract.errors import NotFoundError
from runtree.contract.model_version import ModelVersion
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.model_versions import RegisteredModel, describe_entry
from runtree.records.record import read_record
from runtree.records.retrain_requests import RetrainRequest
from runtree.reports.elements import Code, Element, Page, Paragraph, Reason, Section, Verdict, table_of
from runtree.reports.formatting import (
    format_estimate,
    format_interval,
    format_number,
    join_words,
    metric_label,
    pluralize,
)
from runtree.reports.images import PlotGallery
from runtree.reports.run import provenance, results
from runtree.reports.run.content import RunContent
from runtree.reports.run.page import unless_damaged

CHAMPION = "champion"
MAX_SENTENCES = 3  # alarms at the top
MAX_ROWS = 200  # of a table, the newest
TEXTS: frozenset[int] = frozenset()  # no column of a table is numeric

Content = Mapping[str, Any]


def model_page(
    model: RegisteredModel,
    version: ModelVersion,
    content: RunContent,
    windows: Sequence[Content],
    gallery: PlotGallery,
    requests: Sequence[RetrainRequest] = (),
    alerts: Sequence[Content] = (),
    overrides: Sequence[Content] = (),
) -> Page:
    """Return the page of a model, with one version in view.

    Parameters
    ----------
    content
        The files of that version.
    windows
        What `runtree monitor` recorded of the model, the oldest first.
    gallery
        The plots of these windows.
    requests
        Those to train it again, the oldest first.
    alerts
        The lines of ``alerts.jsonl``.
    overrides
        The lines of the audit log on predictions that people decided on.
    """
    own = [window for window in windows if (window.get("model") or {}).get("version") == version.number]
    tested = next((window for window in reversed(own) if window.get("state") != "small"), None)
    labelled = next((window for window in reversed(own) if window.get("quality")), None)
    role = f"{join_words(list(version.aliases))}, version {version.number}" if version.aliases else version.reference
    sections = [
        Section("use", "What it is for", _use(content)),
        Section("quality", "Quality, promised and now", _quality(content, version, labelled, gallery)),
        Section("drift", "Do its rows still look as in training?", _drift(version, tested, gallery)),
        Section("kpis", "Figures of the business", _kpis(version, tested, gallery)),
        Section("incidents", "Incidents", [*_incidents(model, windows), *alert_table(alerts)]),
        Section("retraining", "Was it to be trained again?", _retraining(requests)),
        Section("versions", "Versions and where they come from", _versions(model)),
        Section("decisions", "Who decided what", [*_decisions(model), *_overrides(overrides)]),
    ]
    return Page(
        title=model.name,
        eyebrow=f"registered model · {role} · {pluralize(len(model.versions), 'version')}",
        description=unless_damaged(lambda: provenance.describe_run(content), ""),
        verdict=_verdict(model, version, content, tested, labelled),
        headline=unless_damaged(lambda: results.headline(content), None),
        next_steps=_next_steps(version, own, requests),
        sections=sections,
        problem=_stated(content),
    )


def _verdict(
    model: RegisteredModel, version: ModelVersion, content: RunContent, tested: Content | None, labelled: Content | None
) -> Verdict:
    """Say how the model does, for a reader who knows none of the terms."""
    reasons = [*_reasons(model, version, content, labelled)]
    if model.faults:
        reasons.insert(0, Reason("stop", f"The log of the model was changed by hand: {model.faults[0]}."))
        return Verdict("warning", "Do not rely on it", "its records are not as they were written.", reasons)
    if not version.aliases:
        return Verdict("note", "Not in use", f"no alias, such as {CHAMPION}, means version {version.number}.", reasons)
    if tested is None:
        return Verdict("note", "Not watched", "nobody has checked yet how it does on rows that came later.", reasons)
    name = _window_name(tested)
    alarms = [Reason("warning", str(text)) for text in tested.get("alarms") or ()]
    if tested.get("state") == "alarm":
        return Verdict(
            "warning",
            "Needs attention",
            f"in the newest window that was checked, {name}, something has changed beyond chance.",
            [*reasons, *alarms[:MAX_SENTENCES]],  # plain words first, then what was measured
        )
    return Verdict("good", "In order", f"nothing has changed beyond chance in the newest window, {name}.", reasons)


def _reasons(
    model: RegisteredModel, version: ModelVersion, content: RunContent, labelled: Content | None
) -> Iterator[Reason]:
    metric = content.metric
    promised = _promised(content).get(metric) or {}
    if promised.get("value") is not None:
        yield Reason(
            "note",
            f"Promised: {metric_label(metric)} {format_estimate(promised)} on rows that training had not seen.",
        )
    if labelled:
        quality = labelled["quality"]
        now = {
            "value": quality["metrics"].get(quality["metric"]),
            **_limits((quality["intervals"] or {}).get(quality["metric"])),
        }
        says = f"{metric_label(quality['metric'])} {format_estimate(now)} on {pluralize(quality['rows'], 'row')}"
        if quality.get("alarm"):
            yield Reason("warning", f"Now: {says} whose outcome is known; worse than promised, beyond chance.")
        else:
            yield Reason("good", f"Now: {says} whose outcome is known; not worse than promised beyond chance.")
    decided = [entry for entry in model.entries if entry["act"] == "approve" and entry["version"] == version.number]
    if decided:
        last = decided[-1]
        yield Reason("good", f"Approved by {last['by']} on {last['time'][:10]}: {last['reason']}")
    else:
        yield Reason("note", "Nobody has approved it.")
    refused = [entry for entry in model.entries if _is_refusal(entry)]
    if refused:
        yield Reason("note", f"{pluralize(len(refused), 'decision')} went against a version; see below.")


def _promised(content: RunContent) -> dict[str, dict[str, Any]]:
    """Return value and interval of each metric on the test rows."""
    intervals = content.result("intervals").get("test") or {}
    intervals = intervals if isinstance(intervals, Mapping) else {}
    values = content.record.metrics.get("test") or {}
    return {name: {"value": value, **_limits(intervals.get(name))} for name, value in values.items()}


def _limits(interval: Any) -> dict[str, Any]:
    return {key: interval.get(key) for key in ("low", "high")} if isinstance(interval, Mapping) else {}


def _stated(content: RunContent) -> list[tuple[str, str]]:
    nothing: list[tuple[str, str]] = []
    return unless_damaged(lambda: provenance.problem(content), nothing)


def _use(content: RunContent) -> list[Element]:
    stated = _stated(content)
    elements = table_of("Problem card", ["about", "stated"], [list(pair) for pair in stated], numeric=TEXTS)
    if not stated:
        elements = [
            Paragraph("Nobody has stated what it is for. The next training may, with the keys of problem."),
            Code("state it with the training", command("train", "problem.goal=TEXT")),
        ]
    card = [[str(key), str(text)] for key, text in content.data_entry("card").items()]
    if card:
        return [*elements, *table_of("Data card", ["about", "stated"], card, numeric=TEXTS)]
    return [
        *elements,
        Paragraph("The data has no card: where it comes from, and what it may be used for, is not stated."),
        Code("state it with the training", command("train", "data.card.source=TEXT")),
    ]


def _watch(version: ModelVersion, *options: str) -> Code:
    word = f"models:/{version.name}@{version.aliases[0]}" if version.aliases else version.reference
    return Code("check it on newer rows", command("monitor", word, *options))


def _quality(
    content: RunContent, version: ModelVersion, labelled: Content | None, gallery: PlotGallery
) -> list[Element]:
    quality = labelled["quality"] if labelled else {"metrics": {}, "intervals": {}}
    found, now = _promised(content), quality["metrics"]
    names = [name for name in found if not labelled or name in now] or list(found)
    rows = [
        [metric_label(name), format_number(found[name]["value"]), format_interval(found[name]),
         format_number(now.get(name)), format_interval((quality["intervals"] or {}).get(name))]
        for name in names
    ]  # fmt: skip
    headings = ["metric", "promised", "interval", "now", "interval"]
    elements: list[Element] = []
    if labelled:
        elements.append(
            Paragraph(
                f"Now: window {_window_name(labelled)}, {pluralize(quality['rows'], 'row')} with a known outcome."
            )
        )
    elements += table_of("Promised by the test rows of its training, and found since", headings, rows)
    if not labelled:
        elements += [
            Paragraph("How good it is now is not known: no outcome of its predictions has been compared yet."),
            _watch(version, "--labels", "TRUTHS.csv", "--key", "id"),
        ]
    return [*elements, *gallery.figures("quality")]


def _drift(version: ModelVersion, tested: Content | None, gallery: PlotGallery) -> list[Element]:
    if tested is None:
        return [Paragraph("Not known: no window of this version has been checked."), _watch(version)]
    drifting = {one["column"]: one for one in tested.get("drift") or () if one.get("alarm")}
    names = [str(name or "the rows as a whole") for name in drifting]
    differing = f"differ beyond chance: {join_words(names)}" if names else "no column differs beyond chance"
    return [
        Paragraph(
            f"In window {_window_name(tested)}, with {pluralize(int(tested.get('rows') or 0), 'row')}: {differing}."
        ),
        *gallery.figures("drift", "rows"),
    ]


def _kpis(version: ModelVersion, tested: Content | None, gallery: PlotGallery) -> list[Element]:
    kpis = (tested or {}).get("kpis") or {}
    if not kpis:
        return [Paragraph("None is set, or none was measured."), _watch(version, 'monitor.kpis.NAME="mean(COLUMN)"')]
    rows = [[str(name), format_number(kpi.get("value"))] for name, kpi in kpis.items()]
    figures = gallery.figures(*(name for name in gallery.names() if name.startswith("kpi-")))
    return [*table_of(f"Window {_window_name(tested or {})}", ["figure", "value"], rows), *figures]


def _incidents(model: RegisteredModel, windows: Sequence[Content]) -> list[Element]:
    """Return alarms, each with the window that ended it, and versions that were taken back."""
    rows = []
    for span in alarm_spans(windows):
        first, end = span[0] or {}, span[-1]
        texts = dict.fromkeys(str(text) for window in span[:-1] if window for text in window.get("alarms") or ())
        rows.append([_moment(first), _window_name(end) if end else "not over", "alarm", " / ".join(texts)])
    for entry in model.entries:
        if entry.get("rollback"):
            rows.append([str(entry["time"])[:16].replace("T", " "), "", "taken back", describe_entry(entry)])
    rows = sorted(rows, reverse=True)[:MAX_ROWS]
    if not rows:
        said = (
            "No alarm, and no version was taken back." if windows else "No version was taken back; it is not watched."
        )
        return [Paragraph(said)]
    return table_of("The newest first", ["began", "over with window", "what", "why"], rows, numeric=TEXTS)


def alert_table(lines: Sequence[Content]) -> list[Element]:
    """Return the alerts that were sent."""
    sent = [line for line in reversed(lines) if line.get("time")]
    keys = ("event", "channel", "window")
    rows = [[str(line["time"])[:16].replace("T", " "), *(str(line.get(key)) for key in keys)] for line in sent]
    return table_of(
        "Alerts that were sent, the newest first",
        ["time (UTC)", "alert", "to", "window"],
        rows[:MAX_ROWS],
        numeric=TEXTS,
    )


def alarm_spans(windows: Sequence[Content]) -> Iterator[list[Any]]:
    """Yield the windows of each alarm, and last the one that ended it, None if there is none yet.

    One that is still growing ends none: with few rows a shift is easily missed.
    """
    span: list[Any] = []
    for window in windows:
        if window.get("state") == "alarm":
            span.append(window)
        elif span and window.get("state") == "ok" and (window.get("window") or {}).get("closed", True):
            yield [*span, window]
            span = []
    if span:
        yield [*span, None]


def _versions(model: RegisteredModel) -> list[Element]:
    rows = []
    for version in sorted(model.versions.values(), key=lambda one: -one.number):
        record = _record(version)
        metric = str(record.objective.get("metric") or "") if record else ""
        score = (record.metrics.get("test") or {}).get(metric) if record else None
        data = str(record.fingerprints.get("data") or "")[:8] if record else ""
        rows.append(
            [str(version.number), version.state, ", ".join(version.aliases), metric_label(metric), format_number(score),
             version.registered[:10], version.by, version.run, data]
        )  # fmt: skip
    headings = ["version", "state", "alias", "metric", "test", "registered", "by", "run", "data"]
    marked = frozenset(place for place, row in enumerate(rows) if row[2])
    return table_of(
        "The newest first; equal marks under data mean equal data", headings, rows[:MAX_ROWS],
        numeric=frozenset({4}), marked=marked,
    )  # fmt: skip


def _record(version: ModelVersion) -> RunRecord | None:
    try:
        return read_record(RunFolder(version.folder))
    except NotFoundError:
        return None


def _decisions(model: RegisteredModel) -> list[Element]:
    entries = list(reversed(model.entries))
    rows = [[str(e["time"])[:16].replace("T", " "), str(e["by"]), describe_entry(e)] for e in entries[:MAX_ROWS]]
    marked = frozenset(place for place, entry in enumerate(entries[:MAX_ROWS]) if _is_refusal(entry))
    more = len(entries) - len(rows)
    left = [Code(f"{more:,} earlier lines", command("models", "history", model.name))] if more else []
    headings = ["time (UTC)", "by", "what, and why"]
    return [*table_of("The newest first; refusals are marked", headings, rows, numeric=TEXTS, marked=marked), *left]


def _overrides(entries: Sequence[Content]) -> list[Element]:
    """Return the predictions that people decided on, and how many of them they changed."""
    if not entries:
        return []
    # as texts: the prediction is logged as one, and the decision as the class
    decided = [(entry, str(entry.get("predicted")), str(entry.get("value"))) for entry in reversed(entries)]
    changed = sum(predicted != value for _, predicted, value in decided)
    rows = [
        [str(e["time"])[:16].replace("T", " "), str(e["by"]), f"{e.get('request')}/{e.get('row')}",
         str(e.get("version")), predicted, value, str(e.get("reason"))]
        for e, predicted, value in decided[:MAX_ROWS]
    ]  # fmt: skip
    headings = ["time (UTC)", "by", "request", "version", "predicted", "decided", "why"]
    said = f"People decided on {pluralize(len(decided), 'prediction')}, and changed {changed:,}."
    return [
        Paragraph(said),
        *table_of("Predictions that people decided on, the newest first", headings, rows, numeric=TEXTS),
    ]


def _is_refusal(entry: Content) -> bool:
    return entry["act"] == "reject" or (entry["act"] == "gate" and not entry["gate"].get("passed"))


def _retraining(requests: Sequence[RetrainRequest]) -> list[Element]:
    """Return each request: what was seen, and how it ended."""
    if not requests:
        return [Paragraph("Nobody has asked for it, and no trigger has fired.")]
    rows = []
    for request in list(reversed(requests))[:MAX_ROWS]:
        challenger, reasons = request.state.get("challenger"), request.state.get("reasons") or ()
        ended = " / ".join(map(str, reasons)) if isinstance(reasons, list) else ""
        rows.append(
            [str(request.content.get("created"))[:16].replace("T", " "), str(request.content.get("version")),
             request.cause, str(request.outcome or "open"), "" if challenger is None else str(challenger), ended]
        )  # fmt: skip
    marked = frozenset(place for place, row in enumerate(rows) if row[3] == "open")
    headings = ["time (UTC)", "version", "what was seen", "outcome", "new version", "why"]
    return table_of("The newest first; open ones are marked", headings, rows, numeric=TEXTS, marked=marked)


def _next_steps(version: ModelVersion, own: Sequence[Content], requests: Sequence[RetrainRequest]) -> list[Element]:
    steps: list[Element] = [] if own else [_watch(version)]
    if any(not request.outcome for request in requests):
        steps.append(Code("train it again, as was asked for", command("retrain", version.name)))
    if version.state == "pending":
        place = f"{version.name}/{version.number}"
        steps.append(Code("decide on it", command("models", "approve", place, "--reason", "…")))
    return steps


def _window_name(window: Content) -> str:
    return str((window.get("window") or {}).get("name"))


def _moment(window: Content) -> str:
    begin = (window.get("window") or {}).get("begin") or window.get("checked")
    return str(begin)[:16].replace("T", " ")
