"""The learning curve by training size: what fewer rows would have scored, and so whether more would help."""

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, ask
from runtree.contract.finding import Finding
from runtree.lifecycle.checks.sample import hold_out
from runtree.lifecycle.examination.diagnosis.level import value
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

SHARES = (0.125, 0.25, 0.5, 1.0)
LEAST = 20  # rows to fit on
RESAMPLES = 400


def examine(subject: Subject) -> dict[str, Any] | None:
    """Fit the pipeline again on nested samples of the train part, each twice the one before, and score them."""
    run = subject.run
    if subject.options.diagnose != "full" or run.refit is None:
        return None
    learnt, judged = hold_out(run)
    points: list[dict[str, Any]] = []
    last: Answers | None = None
    before: Answers | None = None
    for rows in nested(learnt, run.data.target, run.data.classes, run.seed):
        clock = time.monotonic()
        model = run.refit(run.data.features.iloc[rows], run.data.target.iloc[rows].to_numpy())
        before, last = last, _answers(subject, model, judged)
        own = value(_answers(subject, model, rows), subject.metric)
        points.append({"rows": len(rows), "train": own, "validation": value(last, subject.metric)})
        log.info("learning curve: %d rows in %.2f s", len(rows), time.monotonic() - clock)
    if last is None or before is None:
        return None
    return {"metric": subject.metric.name, "points": points, "doubling": _doubling(subject, last, before)}


def nested(rows: "Rows", target: Any, classes: tuple[Any, ...], seed: int) -> "Iterator[Rows]":
    """Yield samples of the rows, each holding the one before, each class in its share."""
    import numpy as np

    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(rows)
    if classes:  # the places of a class are spread evenly, so that any beginning has its share
        labels = target.iloc[shuffled].to_numpy()
        places = np.empty(len(shuffled))
        for label in np.unique(labels):
            own = labels == label
            places[own] = (np.arange(own.sum()) + generator.random()) / own.sum()
        shuffled = shuffled[np.argsort(places, kind="stable")]
    for share in SHARES:
        count = round(share * len(shuffled))
        some = np.sort(shuffled[:count])
        if count >= LEAST and (not classes or len(set(target.iloc[some])) == len(classes)):
            yield some


def _answers(subject: Subject, model: Any, rows: "Rows") -> Answers:
    data = subject.run.data
    truth = actual(data.target.iloc[rows], data.classes)
    return ask(model[-1], model[:-1].transform(data.features.iloc[rows]), truth, data.classes)


def _doubling(subject: Subject, last: Answers, before: Answers) -> dict[str, Any]:
    """Return what the last doubling of the rows brought, with limits from the same resamples of the judged rows."""
    from runtree.statistics.bootstrap import bootstrap_difference

    found = bootstrap_difference(last, before, subject.metric, RESAMPLES, 0.95, subject.run.seed)
    low, high = sorted((subject.gain(found.low, 0), subject.gain(found.high, 0)))
    return {"gain": subject.gain(found.value, 0), "low": low, "high": high, "p": found.p}


def findings(subject: Subject) -> Iterator[Finding]:
    """Say whether more rows would help."""
    found = subject.found.get("learning_curve")
    if not found:
        return
    last, gain = found["points"][-1], found["doubling"]
    said = (
        f"the last doubling, to {last['rows']:,} rows, bettered {found['metric']} on validation by {gain['gain']:.2g} "
        f"({gain['low']:.2g} to {gain['high']:.2g})"
    )
    if gain["low"] <= 0 or gain["gain"] <= 0:
        yield Finding("more rows", "good", f"{said}: more rows would hardly help", "", gain)
        return
    sampled = subject.run.config.data.get("sample")
    advice = (
        "use all rows: data.sample=null" if sampled else "more rows would help: gather some before you tune further"
    )
    yield Finding("more rows", "note", said, advice, gain)
