"""The gate: bounds that a run must keep, and a run that it must not fall behind."""

from collections.abc import Iterator, Sequence
from typing import Any

from runtree.lifecycle.examination.champion import champion, champion_answers
from runtree.lifecycle.examination.condition import CHAMPION, GAIN, Condition, read_condition
from runtree.lifecycle.examination.gain import gain, said, tied
from runtree.lifecycle.examination.subject import Subject
from runtree.lifecycle.metrics import SECONDS

AT_LEAST = "gain.champion >= 0"  # what a run to beat is worth without a bound of the user's own


def conditions(metrics: Sequence[str], run: str | int | None) -> list[Condition]:
    """Return the bounds that are asked for, the one that a run to beat brings along among them."""
    asked = [read_condition(text) for text in metrics]
    if run is not None and not any(found.parts == (GAIN, CHAMPION) for found in asked):
        asked.append(read_condition(AT_LEAST))
    return asked


def benchmark(subject: Subject) -> dict[str, Any] | None:
    """Return each condition with what was found, and whether all are kept; None where none is asked for."""
    asked = subject.options.benchmark
    wanted = conditions(asked.metrics, asked.run)
    if not wanted:
        return None
    rival = _rival(subject, asked.run)
    judged = [_judge(subject, condition, rival) for condition in wanted]
    failed = [one for one in judged if not one["passed"]]
    explanation = "; ".join(one["reason"] for one in failed) or f"all {len(judged)} conditions are kept"
    found = {"passed": not failed, "conditions": judged, "explanation": explanation}
    return {**found, "champion": rival} if rival else found


def _rival(subject: Subject, name: str | int | None) -> dict[str, Any] | None:
    if name is None:
        return None
    found = gain(subject, champion_answers(subject.run, name, subject.rows["test"]))
    return {"run": champion(subject.run, name).id, "gain": found}


def _judge(subject: Subject, condition: Condition, rival: dict[str, Any] | None) -> dict[str, Any]:
    value = _value(subject, condition, rival)
    passed = condition.holds(value)
    reason = "" if passed else _reason(condition, value, rival)
    return {"asked": condition.text, "found": value, "passed": passed, "reason": reason}


def _value(subject: Subject, condition: Condition, rival: dict[str, Any] | None) -> float | None:
    first, *others = condition.parts
    if first == SECONDS:
        return subject.run.seconds.get("fit")
    if first == GAIN:
        gains = dict(_gains(subject, rival))
        return gains.get(others[0], {}).get(condition.end or "value")
    if condition.end:
        return _interval(subject, others[0]).get(condition.end)
    return subject.run.metrics.get(first, {}).get(others[0])


def _gains(subject: Subject, rival: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for baseline in subject.found.get("baselines") or ():
        yield baseline["name"], baseline["gain"]
    if rival:
        yield CHAMPION, rival["gain"]


def _interval(subject: Subject, metric: str) -> dict[str, float]:
    known: dict[str, float] | None = (subject.found.get("intervals") or {}).get("test", {}).get(metric)
    return known if known is not None else _bootstrapped(subject, metric)


def _bootstrapped(subject: Subject, metric: str) -> dict[str, float]:
    from runtree.statistics.bootstrap import bootstrap

    asked = subject.options.intervals
    own = [one for one in subject.metrics if one.name == metric]
    groups = subject.groups("test")
    found = bootstrap(subject.answers["test"], own, asked.resamples, asked.level, subject.run.seed, groups)
    return {"low": found[metric].low, "high": found[metric].high} if metric in found else {}


def _reason(condition: Condition, value: float | None, rival: dict[str, Any] | None) -> str:
    shown = "not known" if value is None else f"{value:.4g}"
    first, *others = condition.parts
    if first != GAIN or rival is None or others[0] != CHAMPION:
        return f"{condition.name} is {shown}, and {condition.relation} {condition.bound:g} was asked"
    sure = ", within chance" if tied(rival["gain"]) else ""
    return (
        f"{rival['run']} is not beaten: test {rival['gain']['metric']} gain {said(rival['gain'])}{sure}, "
        f"and {condition.text} was asked"
    )
