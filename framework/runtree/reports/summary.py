"""The verdict of a page: ship, do not ship, or undecided, from gate, fairness, baselines and findings."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtree.reports.elements import Reason, Verdict
from runtree.reports.formatting import format_interval, format_number, join_words, metric_label, pluralize
from runtree.reports.run.content import RunContent

BASELINE_LABELS: Mapping[str, str] = {"dummy": "guessing", "linear": "a linear model", "boosted": "boosted trees"}
SIMPLE_BASELINES = ("dummy", "linear")  # preferable to a model that is no better


def decide_verdict(content: RunContent) -> Verdict:
    """Weigh all reasons.

    A failed run, a failed gate or fairness bound, and a better baseline forbid shipping. Warnings, a simple baseline
    that is as good, and having nothing to compare with leave it undecided, unless a quality gate was set and passed:
    then the user has decided beforehand what is good enough.
    """
    # nothing else counts: files of an unfinished run are missing or from an earlier stage
    if content.record.state != "completed":
        return _unfinished(content)
    reasons = [
        *_gate_reasons(content),
        *_fairness_reasons(content),
        *_baseline_reasons(content),
        *(Reason("warning", str(entry.get("says"))) for entry in content.findings if entry.get("level") == "warning"),
        *_test_set_reasons(content),
    ]
    stops = [reason.says for reason in reasons if reason.level == "stop"]
    warnings = [reason.says for reason in reasons if reason.level == "warning"]
    # a failed gate outweighs everything, since the user has defined it
    if stops:
        return Verdict("warning", "Do not ship", _sentence(stops), reasons)
    if content.result("benchmark").get("passed") is True:
        also = f"; see {pluralize(len(warnings), 'warning')} below" if warnings else ""
        return Verdict("good", "Ship", f"it passes the quality gate{also}.", reasons)
    if warnings:
        return Verdict("note", "Undecided", _sentence(warnings), reasons)
    if not content.results("baselines"):
        says = (
            "there is no baseline and no quality gate to compare with: a score alone does not say whether it is good."
        )
        return Verdict("note", "Undecided", says, reasons)
    beaten = [
        baseline_label(baseline)
        for baseline in content.results("baselines")
        if ((baseline.get("gain") or {}).get("low") or 0) > 0
    ]
    better = f"it is better than {join_words(beaten)}" if beaten else "no baseline is better"
    return Verdict("good", "Ship", f"{better}, and no check failed.", reasons)


def baseline_label(baseline: Mapping[str, Any]) -> str:
    name = str(baseline.get("name"))
    return BASELINE_LABELS.get(name, name.replace("_", " "))


def _unfinished(content: RunContent) -> Verdict:
    record = content.record
    error = record.error or {}
    message = str(error.get("message") or "").strip().partition("\n")[0]
    detail = f": {message}" if message else f" ({record.reason})" if record.reason else ""
    hints = [Reason("stop", str(hint)) for hint in error.get("hints") or ()]
    word = "Not yet" if record.state == "running" else "No model"
    return Verdict("warning", word, f"the run is {record.state}{detail}.", hints)


def _sentence(says: list[str]) -> str:
    """Return the first reason as a sentence, and how many more there are."""
    more = f" {pluralize(len(says) - 1, 'more reason')} below." if len(says) > 1 else ""
    first = says[0]
    # an abbreviation such as "ROC AUC" keeps its capital
    return f"{first[:1].lower() if first[1:2].islower() else first[:1]}{first[1:].rstrip('.')}.{more}"


def _gate_reasons(content: RunContent) -> Iterator[Reason]:
    gate = content.result("benchmark")
    conditions = gate.get("conditions") or ()
    for condition in conditions:
        if condition.get("passed") is False:
            values = f"required {condition.get('condition')}, got {format_number(condition.get('value'))}"
            yield Reason("stop", f"quality gate failed: {condition.get('reason') or values}")
    if gate.get("passed") is False and all(condition.get("passed") for condition in conditions):
        yield Reason("stop", str(gate.get("explanation") or "quality gate failed"))
    if gate.get("passed") is True:
        names = [str(condition.get("condition")) for condition in conditions]
        yield Reason("good", f"quality gate passed: {join_words(names)}")


def _fairness_reasons(content: RunContent) -> Iterator[Reason]:
    for column in content.results("fairness"):
        name = column.get("column")
        if column.get("passed") is False:
            why = column.get("explanation") or "the gap exceeds the bound"
            yield Reason("stop", f"groups of {name} are treated differently: {why}")
        elif column.get("passed") is True:
            yield Reason("good", f"groups of {name} are treated alike, within the bound")


def _baseline_reasons(content: RunContent) -> Iterator[Reason]:
    for baseline in content.results("baselines"):
        lift, label = baseline.get("gain") or {}, baseline_label(baseline)
        # without an interval a difference may be chance, and chance decides nothing
        if lift.get("low") is None or lift.get("high") is None:
            continue
        value = f"{format_number(lift.get('value'), signed=True)} "
        value += f"{metric_label(str(lift.get('metric') or content.metric))} ({format_interval(lift, signed=True)})"
        if lift["low"] > 0:
            yield Reason("good", f"better than {label}: {value}")
        elif lift["high"] < 0:
            yield Reason("stop", f"worse than {label}: {value}")
        # a tie with guessing is a reason against the model; a tie with boosted trees is none
        elif baseline.get("name") == "dummy":
            yield Reason("stop", f"not shown to be better than {label}: {value}")
        elif baseline.get("name") in SIMPLE_BASELINES:
            yield Reason("warning", f"no better than {label}, which is simpler: {value}")
        else:
            yield Reason("note", f"no better than {label}: {value}")


def _test_set_reasons(content: RunContent) -> Iterator[Reason]:
    used = content.result("test_looks")
    count = used.get("configurations", used.get("count"))
    # one use is what a test set is for
    if isinstance(count, int) and count > 1:
        says = f"{count} configurations were scored on this test set: a score selected by it is too good"
        yield Reason("note", says)
