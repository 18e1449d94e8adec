"""What a model is examined for, in the order in which it is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runtree.lifecycle.examination.baselines import baselines
from runtree.lifecycle.examination.benchmark import benchmark
from runtree.lifecycle.examination.dependence import dependence
from runtree.lifecycle.examination.diagnosis.questions import QUESTIONS
from runtree.lifecycle.examination.fairness import fairness
from runtree.lifecycle.examination.importance import importance
from runtree.lifecycle.examination.intervals import intervals
from runtree.lifecycle.examination.subject import Subject


@dataclass(frozen=True)
class Examination:
    """One question: `name` is the key of `evaluation.json` under which the answer stands; None is no answer."""

    name: str
    function: Callable[[Subject], Any]


EXAMINATIONS: tuple[Examination, ...] = (
    Examination("test_looks", lambda subject: dict(subject.run.test_looks)),
    Examination("intervals", intervals),
    Examination("baselines", baselines),
    Examination("benchmark", benchmark),
    Examination("fairness", fairness),
    Examination("importance", importance),
    Examination("dependence", dependence),
    *(Examination(name, function) for name, function in QUESTIONS.items()),  # the last, for findings read the others
)
