"""Over- and underfitting: how far the train part's score carries, and how far it is from knowing nothing."""

import math
from collections.abc import Iterator

from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis import overrides
from runtree.lifecycle.examination.diagnosis.level import (
    FEW,
    RESAMPLES,
    judged,
    knowing_all,
    knowing_nothing,
    sample,
    standard_error,
    take,
    value,
)
from runtree.lifecycle.examination.subject import Subject

ERRORS = 3.0  # standard errors beyond which a gap is no chance: p < 0.002
LOST, MUCH = 0.1, 0.25  # share of what was learnt on the train part that does not carry over: a note, a warning
SKILL = 0.5  # share of the way from knowing nothing to knowing all, on the train part


def findings(subject: Subject) -> Iterator[Finding]:
    """Compare the train part with the one that a fit is judged by, and both with knowing nothing."""
    part = judged(subject)
    if part is None or "train" not in subject.answers:
        return
    nothing = _beats_nothing(subject, part)
    yield nothing
    gap = _gap(subject, part)
    if gap is not None:
        yield gap
    if nothing.level == "good" and (gap is None or gap.level == "good"):
        yield from _underfitting(subject)


def _beats_nothing(subject: Subject, part: str) -> Finding:
    """Hold the model against the train part's most common class, or its mean."""
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, answers, nothing = subject.metric, subject.answers[part], knowing_nothing(subject, part)
    some = sample(subject, part, FEW)
    pair = (take(answers, some), take(nothing, some))
    found = bootstrap_difference(*pair, metric, RESAMPLES, 0.95, subject.run.seed)
    mine, other = value(answers, metric), value(nothing, metric)
    better = subject.gain(mine, other)
    noise = (found.high - found.low) / 2 * math.sqrt(len(some) / len(answers.y_true))
    if math.isnan(noise):  # the difference is the same on every resample: then the model's own noise is all there is
        noise = 2 * standard_error(subject, part)
    values = {"part": part, "model": mine, "nothing": other, "noise": noise}
    answer = "the most common class" if subject.run.data.classes else "the mean"
    said = f"{metric.name} on {part}: {mine:.4g}, against {other:.4g} for always answering {answer}"
    if better > noise:
        return Finding("level", "good", said, values=values)
    if better > 0:
        advice = f"the difference may be chance: more rows, or columns that tell more; {overrides.TUNE}"
        return Finding("level", "warning", said, advice, values)
    return Finding("level", "warning", said, f"look at the data first: runtree check {_choice(subject)}", values)


def _choice(subject: Subject) -> str:
    return f"algorithm={subject.run.config.algorithm.get('name')}"


def _gap(subject: Subject, part: str) -> Finding | None:
    """Tell how much of what was learnt on the train part is lost on another."""
    metric = subject.metric
    train, other = (value(subject.answers[name], metric) for name in ("train", part))
    noise = math.hypot(*(standard_error(subject, name) for name in ("train", part)))
    gap, learnt = subject.gain(train, other), subject.gain(train, value(knowing_nothing(subject, part), metric))
    if not all(map(math.isfinite, (gap, learnt, noise))) or learnt <= 0:
        return None
    lost = max(gap / learnt, 0.0)
    values = {"train": train, part: other, "gap": gap, "noise": noise, "lost": lost}
    said = f"{metric.name}: {train:.4g} on train, {other:.4g} on {part}"
    if gap <= ERRORS * noise or lost < LOST:
        return Finding(
            "overfitting", "good", f"{said}: {lost:.0%} of what was learnt is lost, ± {noise:.2g}", "", values
        )
    brake = overrides.held_back(subject)
    steps = ["fit.patience.checks=10"] if overrides.honours(subject, "patience") else []
    more = " or ".join([*([brake] if brake else []), *steps]) or overrides.TUNE
    return Finding(
        "overfitting",
        "warning" if lost >= MUCH else "note",
        f"{said}: {lost:.0%} of what was learnt does not carry over (noise ± {noise:.2g})",
        f"hold it back: {more}; or more rows",
        values,
    )


def _underfitting(subject: Subject) -> Iterator[Finding]:
    """Tell where even the train part is not learnt; whether more can be learnt, another algorithm has to show."""
    metric, answers = subject.metric, subject.answers["train"]
    nothing = value(knowing_nothing(subject, "train"), metric)
    whole = subject.gain(value(knowing_all(answers), metric), nothing)
    skill = subject.gain(value(answers, metric), nothing) / whole if whole else math.nan
    if not math.isfinite(skill):
        return
    values = {"skill": skill, "train": value(answers, metric)}
    said = f"the model goes {skill:.0%} of the way from knowing nothing to knowing all, on the rows it learnt from"
    if skill >= SKILL:
        yield Finding("underfitting", "good", said, "", values)
        return
    other = overrides.let_go(subject)
    advice = f"noise, or too simple a model: try {other}" if other else f"noise, or too few columns; {overrides.TUNE}"
    yield Finding("underfitting", "note", said, advice, values)
