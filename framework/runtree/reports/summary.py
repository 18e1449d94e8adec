"""Ship, do not ship, or undecided: what the gate, the groups, the baselines and the findings say together."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtree.reports.elements import Reason, Verdict
from runtree.reports.formatting import count_of, interval, join_words, metric_name, number
from runtree.reports.run.content import RunContent

CALLED: Mapping[str, str] = {"dummy": "guessing", "linear": "a linear model", "boosted": "boosted trees"}
SIMPLE = ("dummy", "linear")  # what one would rather have where it does as well


def verdict(facts: RunContent) -> Verdict:
    """Weigh all that was found.

    A run that failed, a gate or bound that is missed and a baseline that is better forbid. Warnings, a simple baseline
    that does as well, and having nothing to compare with leave it undecided, but not where a gate that was asked for is
    met: then it was decided before what is good enough.
    """
    if facts.record.state != "completed":
        return _unfinished(facts)
    reasons = [*gate(facts), *groups(facts), *baselines(facts), *warnings(facts), *looks(facts)]
    stops = [one.says for one in reasons if one.level == "stop"]
    doubts = [one.says for one in reasons if one.level == "warning"]
    met = facts.one("benchmark").get("passed") is True
    if stops:
        return Verdict("warning", "Do not ship", _sentence(stops), reasons)
    if met:
        care = f", but mind {count_of(len(doubts), 'warning')} below" if doubts else ""
        return Verdict("good", "Ship", f"it meets every condition that was set{care}.", reasons)
    if doubts:
        return Verdict("note", "Undecided", _sentence(doubts), reasons)
    if not facts.each("baselines"):
        says = "there is no baseline and no gate to hold it against: the score alone does not tell whether it is good."
        return Verdict("note", "Undecided", says, reasons)
    return Verdict("good", "Ship", f"{_better(facts)}, and nothing found speaks against it.", reasons)


def _unfinished(facts: RunContent) -> Verdict:
    record = facts.record
    error = record.error or {}
    first = str(error.get("message") or "").strip().partition("\n")[0]
    says = f"the run is {record.state}" + (f": {first}" if first else f" ({record.reason})" if record.reason else "")
    hints = [Reason("stop", str(hint)) for hint in error.get("hints") or ()]
    word = "Not yet" if record.state == "running" else "No model"
    return Verdict("warning", word, f"{says}.", hints)


def _sentence(says: list[str]) -> str:
    """Return the first reason, and how many more there are."""
    more = f" And {count_of(len(says) - 1, 'more reason')} below." if len(says) > 1 else ""
    first = says[0]
    return f"{first[:1].lower() if first[1:2].islower() else first[:1]}{first[1:].rstrip('.')}.{more}"


def gate(facts: RunContent) -> Iterator[Reason]:
    """Yield each condition that is missed, or that all are met."""
    asked = facts.one("benchmark")
    conditions = asked.get("conditions") or ()
    for one in conditions:
        if one.get("passed") is False:
            found = f"{one.get('condition')} is required, and the value is {number(one.get('value'))}"
            yield Reason("stop", f"the gate is missed: {one.get('reason') or found}")
    if asked.get("passed") is False and all(one.get("passed") for one in conditions):
        yield Reason("stop", str(asked.get("explanation") or "the gate is missed"))
    if asked.get("passed") is True:
        yield Reason("good", f"every condition is met: {join_words([str(one.get('asked')) for one in conditions])}")


def groups(facts: RunContent) -> Iterator[Reason]:
    """Yield of each column whether its groups are served alike; where no bound was set, nothing."""
    for one in facts.each("fairness"):
        if one.get("passed") is False:
            why = one.get("explanation") or "the gap is wider than allowed"
            yield Reason("stop", f"the groups of {one.get('column')} are not served alike: {why}")
        elif one.get("passed") is True:
            yield Reason("good", f"the groups of {one.get('column')} are served alike, within the bound")


def baselines(facts: RunContent) -> Iterator[Reason]:
    """Yield of each baseline whether the model is better, by the interval of its gain."""
    for one in facts.each("baselines"):
        gain, name = one.get("gain") or {}, called(one)
        if gain.get("low") is None or gain.get("high") is None:
            continue
        by = f"{number(gain.get('value'), signed=True)} {metric_name(str(gain.get('metric') or facts.metric))}"
        between = f"{by} ({interval(gain, signed=True)})"
        if gain["low"] > 0:
            yield Reason("good", f"better than {name}: {between}")
        elif gain["high"] < 0:
            yield Reason("stop", f"{name} is better: {between}")
        elif one.get("name") == "dummy":
            yield Reason("stop", f"it is not shown to be better than {name}: {between}")
        else:
            level, what = ("warning", " and is simpler") if one.get("name") in SIMPLE else ("note", "")
            yield Reason(level, f"{name} does as well{what}: {between}")  # type: ignore[arg-type]


def called(baseline: Mapping[str, Any]) -> str:
    """Return a baseline as people call it."""
    name = str(baseline.get("name"))
    return CALLED.get(name, name.replace("_", " "))


def warnings(facts: RunContent) -> Iterator[Reason]:
    """Yield what the diagnosis warns of."""
    for one in facts.findings:
        if one.get("level") == "warning":
            yield Reason("warning", str(one.get("says")))


def looks(facts: RunContent) -> Iterator[Reason]:
    """Yield by how many configurations the test part was looked at, where it is more than one."""
    found = facts.one("test_looks")
    count = found.get("configurations", found.get("count"))
    if isinstance(count, int) and count > 1:
        says = f"the test part of these rows was scored by {count} configurations: chosen by it, the number flatters"
        yield Reason("note", says)


def _better(facts: RunContent) -> str:
    found = facts.each("baselines")
    beaten = [called(one) for one in found if ((one.get("gain") or {}).get("low") or 0) > 0]
    return f"it is better than {join_words(beaten)}" if beaten else "no baseline is better"
