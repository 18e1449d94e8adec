"""The verdict of a page: how the model compares; and whether to ship it, where the user has set what is good enough."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtree.contract.types import Level
from runtree.reports.elements import Reason, Verdict
from runtree.reports.formatting import format_estimate, format_number, join_words, metric_label, pluralize
from runtree.reports.run.content import RunContent

BASELINE_LABELS: Mapping[str, str] = {"dummy": "guessing", "linear": "a linear model", "boosted": "boosted trees"}
SIMPLE_BASELINES = ("dummy", "linear")  # preferable to a model that is no better


def decide_verdict(content: RunContent) -> Verdict:
    """Describe the run, and decide only where a target was set.

    "Ship" and "Do not ship" follow a quality gate or a bound on fairness, which alone say what is good enough: a model
    may be better than every baseline and useless, or no better by one metric and excellent by the others. Without a
    target the verdict says what the model is better than, and by which metrics.
    """
    # nothing else counts: files of an unfinished run are missing or from an earlier stage
    if content.record.state != "completed":
        return _unfinished(content)
    reasons = [
        *_gate_reasons(content),
        *_fairness_reasons(content),
        *_baseline_reasons(content),
        *_warnings(content),
        *_test_set_reasons(content),
    ]
    stops = [reason.says for reason in reasons if reason.level == "stop"]
    warned = sum(reason.level == "warning" for reason in reasons)
    if stops:
        return Verdict("warning", "Do not ship", _sentence(stops), reasons)
    if content.result("benchmark").get("passed") is True:
        also = f"; see {pluralize(warned, 'warning')} below" if warned else ""
        return Verdict("good", "Ship", f"it passes the quality gate{also}.", reasons)
    level, word, sentence = _compare(content)
    also = f" See {pluralize(warned, 'warning')} below." if warned else ""
    return Verdict(level, word, f"{sentence}; no target was set.{also}", reasons)


def _compare(content: RunContent) -> tuple[Level, str, str]:
    """Return level, headline and sentence on the baselines; never "good", which is for a target that was met."""
    compared = content.results("baselines")
    if not compared:
        says = "there is no baseline and no quality gate to compare with: a score alone does not say whether it is good"
        return "note", "Not compared", says
    by: dict[str, list[Mapping[str, Any]]] = {}
    for baseline in compared:
        by.setdefault(_relation(baseline.get("gain") or {}), []).append(baseline)
    beaten, worse, tied = (by.get(relation, []) for relation in ("better", "worse", "tied"))
    guessing = next((baseline for baseline in [*worse, *tied] if baseline.get("name") == "dummy"), None)
    if guessing is not None:
        others = _better_by(guessing)
        if not others:
            return (
                "warning",
                "Not better than guessing",
                f"by no metric is it shown to be better ({_estimate(guessing)})",
            )
        names = join_words(others)
        return "note", "Better than guessing by some metrics", f"it is better by {names}, not by {_estimate(guessing)}"
    if worse:
        # the worst first: the others are mostly beaten by the same model
        named = join_words([baseline_label(baseline) for baseline in worse])
        others = _better_by(worse[0])
        also = f", and better by {join_words(others)}" if others else ""
        return "note", f"Worse than {named}", f"it is worse by {_estimate(worse[0])}{also}"
    simple = [baseline for baseline in tied if baseline.get("name") in SIMPLE_BASELINES]
    if simple:
        label = baseline_label(simple[0])
        return "note", f"As good as {label}", f"{label}, which is simpler, is as good: {_estimate(simple[0])}"
    if not beaten:
        label = join_words([baseline_label(baseline) for baseline in tied or compared])
        if tied:
            return "note", f"As good as {label}", f"neither is shown to be better: {_estimate(tied[0])}"
        return "note", "Not compared", f"whether it is better than {label} was not tested"
    labels = join_words([baseline_label(baseline) for baseline in beaten])
    word = "Better than the baselines" if len(beaten) == len(compared) > 1 else f"Better than {labels}"
    also = f", and as good as {join_words([baseline_label(baseline) for baseline in tied])}" if tied else ""
    return "note", word, f"it is better than {labels}{also} by {metric_label(content.metric)}"


def _relation(gain: Mapping[str, Any]) -> str:
    low, high = gain.get("low"), gain.get("high")
    if low is None or high is None:
        return "untested"
    return "better" if low > 0 else "worse" if high < 0 else "tied"


def _better_by(baseline: Mapping[str, Any]) -> list[str]:
    """Return the other metrics by which the model is better than the baseline beyond chance."""
    others = [entry for entry in baseline.get("other_metrics") or () if isinstance(entry, Mapping)]
    return [metric_label(str(entry.get("metric"))) for entry in others if entry.get("better") is True]


def _estimate(baseline: Mapping[str, Any]) -> str:
    """Return ``log loss: +0.34 (-0.55 to +0.54)``."""
    gain = baseline.get("gain") or {}
    return f"{metric_label(str(gain.get('metric')))}: {format_estimate(gain, signed=True)}"


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


def _warnings(content: RunContent) -> Iterator[Reason]:
    for entry in content.findings:
        # a better baseline is a reason of its own, with its interval
        if entry.get("level") == "warning" and not (
            entry.get("name") == "baseline gap" and content.results("baselines")
        ):
            yield Reason("warning", str(entry.get("says")))


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
        label, value = baseline_label(baseline), _estimate(baseline)
        relation, others = _relation(baseline.get("gain") or {}), _better_by(baseline)
        also = f"; better by {join_words(others)}" if others else ""
        if relation == "better":
            yield Reason("good", f"better than {label} by {value}")
        elif relation == "worse":
            yield Reason("warning", f"worse than {label} by {value}{also}")
        # without an interval a difference may be chance, and chance decides nothing
        elif relation == "untested":
            continue
        # a tie with guessing is a reason against the model; a tie with boosted trees is none
        elif baseline.get("name") == "dummy":
            yield Reason("note" if others else "warning", f"not shown to be better than {label} by {value}{also}")
        elif baseline.get("name") in SIMPLE_BASELINES:
            yield Reason("warning", f"no better than {label}, which is simpler, by {value}{also}")
        else:
            yield Reason("note", f"no better than {label} by {value}{also}")


def _test_set_reasons(content: RunContent) -> Iterator[Reason]:
    used = content.result("test_looks")
    count = used.get("configurations", used.get("count"))
    # one use is what a test set is for
    if isinstance(count, int) and count > 1:
        says = f"{count} configurations were scored on this test set: a score selected by it is too good"
        yield Reason("note", says)
