"""What to type: overrides that hold an algorithm back, or let it learn more, from what its own config has."""

from collections.abc import Mapping
from typing import Any

from runtree.lifecycle.examination.subject import Subject

# a parameter, by what to multiply it to hold the algorithm back, and whether it counts something
BRAKES: tuple[tuple[str, float, bool], ...] = (
    ("min_samples_leaf", 5, True),
    ("weight_decay", 10, False),
    ("l2_regularization", 10, False),
    ("alpha", 10, False),
    ("C", 0.1, False),
    ("n_neighbors", 3, True),
)
MORE = "algorithm=hist_gradient_boosting"
TUNE = "runtree train -m tuner=tpe tuner.stop.max_runs=30"


def held_back(subject: Subject) -> str:
    """Return an override under which the algorithm fits less closely; nothing where none is known."""
    return _turned(subject.run.config.plain()["algorithm"], lambda number, factor: number * factor)


def let_go(subject: Subject) -> str:
    """Return an override under which the algorithm fits more closely, or one for another algorithm."""
    name = subject.run.config.algorithm.get("name")
    own = _turned(subject.run.config.plain()["algorithm"], lambda number, factor: number / factor)
    return own or ("" if MORE.endswith(f"={name}") else MORE)


def _turned(node: Mapping[str, Any], turn: Any) -> str:
    for key, factor, counts in BRAKES:
        number = node.get(key)
        if isinstance(number, (int, float)) and not isinstance(number, bool) and number > 0:
            if counts and isinstance(number, float):
                continue
            new = turn(number, factor)
            new = max(1, round(new)) if counts else float(f"{new:.3g}")
            if new != number:
                return f"algorithm.{key}={new}"
    return ""


def honours(subject: Subject, key: str) -> bool:
    """Tell whether the algorithm honours a key of the block `fit`."""
    return key in subject.run.plan.iterations.honours
