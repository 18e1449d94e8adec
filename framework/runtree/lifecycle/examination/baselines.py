"""How much better a model is than the models that anybody would have tried first."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.answers import Answers, actual, ask
from runtree.contract.errors import RuntreeError, first_line
from runtree.contract.finding import Finding, Level
from runtree.contract.run import Run
from runtree.lifecycle.examination.baseline_models import BASELINES, NAMES, Baseline
from runtree.lifecycle.examination.gain import gain, said, tied
from runtree.lifecycle.examination.prepared import Prepared, nothing, prepare_rows, taking
from runtree.lifecycle.examination.subject import Subject

LEFT_OUT = "baselines_left_out"
NOTHING_LEARNT = "nothing was learnt from the columns: look at target and columns with runtree check"


@dataclass(frozen=True)
class Fitted:
    """A baseline that was fitted and asked; `rows` of the train part were learnt from."""

    algorithm: str
    answers: Mapping[str, Answers]
    seconds: float
    rows: int


def wanted(asked: str | list[str]) -> list[Baseline]:
    """Return the baselines that are asked for: all for "auto"."""
    names = NAMES if asked == "auto" else () if asked == "none" else [asked] if isinstance(asked, str) else asked
    return [one for one in BASELINES if one.name in names]


def baselines(subject: Subject) -> list[dict[str, Any]] | None:
    """Return each baseline with its metrics and the model's gain over it; why others are left out is noted beside it.

    They are fitted on the train part and never by folds: under cross-validation they have no validation metrics.
    """
    run = subject.run
    asked = wanted(subject.options.baselines)
    if not asked or "test" not in subject.answers:
        return None
    left: dict[str, str] = {one.name: itself for one in asked if (itself := _itself(run, one))}
    found = []
    rows: Prepared | None = None
    for one in (one for one in asked if one.name not in left):
        try:
            rows = rows or prepare_rows(run)
            fitted = _recalled(run, one, rows)
        except (RuntreeError, ValueError, ArithmeticError, MemoryError) as error:
            left[one.name] = first_line(error)
        else:
            found.append(_told(subject, one, fitted))
    if left:
        subject.found[LEFT_OUT] = [{"name": name, "reason": reason} for name, reason in left.items()]
    return found


def _itself(run: Run, one: Baseline) -> str:
    last = type(run.model.steps[-1][1] if hasattr(run.model, "steps") else run.model).__name__
    return f"the model is a {last} itself" if last in one.kin else ""


def _recalled(run: Run, one: Baseline, rows: Prepared) -> Fitted:
    obstacle = rows.obstacle if one.reads else ""
    if obstacle:
        raise ValueError(obstacle)
    key = (run.preprocessed, run.seed, one.name)
    found: Fitted = run.recall("baseline", key, lambda: _fit(run, one, rows))
    return found


def _fit(run: Run, one: Baseline, rows: Prepared) -> Fitted:
    """Fit a baseline and ask it; whatever its library warns of is no matter of the user's."""
    model = one.make(run.data.task, len(run.data.classes), run.seed)
    take = taking(rows.learnt) if one.reads else nothing
    clock = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(take(rows.learnt), rows.target)
        answers = {
            part: ask(model, take(block), actual(run.part(part)[1], run.data.classes), run.data.classes)
            for part, block in rows.parts.items()
        }
    name = type(model[-1] if hasattr(model, "steps") else model).__name__
    return Fitted(name, answers, round(time.monotonic() - clock, 6), len(rows.target))


def _told(subject: Subject, one: Baseline, fitted: Fitted) -> dict[str, Any]:
    found = gain(subject, fitted.answers["test"])
    metrics = {part: answers.values(subject.metrics) for part, answers in fitted.answers.items()}
    return {
        "name": one.name,
        "algorithm": fitted.algorithm,
        "rows": fitted.rows,
        "sampled": fitted.rows < len(subject.run.split.train),
        "seconds": fitted.seconds,
        "metrics": metrics,
        "gain": found,
        "finding": _finding(subject, one, found).plain(),
    }


def _finding(subject: Subject, one: Baseline, found: dict[str, Any]) -> Finding:
    name, shown = f"against {one.name}", f"test {found['metric']} {said(found)}"
    if found["value"] is None:
        return Finding(name, "note", f"not compared with {one.name}: {shown}", "choose another objective.metric")
    if found["value"] > 0 and not tied(found):
        return Finding(name, "good", f"better than {one.name}: {shown}")
    instead = one.instead.get(subject.run.data.task)
    advice = f"prefer it, or tune the model: algorithm={instead}" if instead else NOTHING_LEARNT
    level: Level = "note" if instead else "warning"
    return Finding(name, level, f"no better than {one.name}: {shown}", advice)
