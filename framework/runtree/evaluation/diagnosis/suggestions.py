"""What to type: overrides that hold an algorithm back, or let it learn more, from what its own config has."""

from collections.abc import Mapping
from typing import Any

from runtree.evaluation.context import EvaluationContext

# a parameter, by what to multiply it to hold the algorithm back, and whether it counts something
REGULARIZERS: tuple[tuple[str, float, bool], ...] = (
    ("min_samples_leaf", 5, True),
    ("weight_decay", 10, False),
    ("l2_regularization", 10, False),
    ("alpha", 10, False),
    ("C", 0.1, False),
    ("n_neighbors", 3, True),
)
FLEXIBLE_ALGORITHM = "algorithm=hist_gradient_boosting"
TUNE_COMMAND = "runtree train -m tuner=tpe tuner.stop.max_runs=30"


def regularize_override(context: EvaluationContext) -> str:
    """Return an override under which the algorithm fits less closely; nothing where none is known."""
    return _turned(context.run.config.to_dict()["algorithm"], lambda number, factor: number * factor)


def relax_override(context: EvaluationContext) -> str:
    """Return an override under which the algorithm fits more closely, or one for another algorithm."""
    name = context.run.config.algorithm.get("name")
    own = _turned(context.run.config.to_dict()["algorithm"], lambda number, factor: number / factor)
    return own or ("" if FLEXIBLE_ALGORITHM.endswith(f"={name}") else FLEXIBLE_ALGORITHM)


def _turned(node: Mapping[str, Any], turn: Any) -> str:
    for key, factor, counts in REGULARIZERS:
        number = node.get(key)
        if isinstance(number, (int, float)) and not isinstance(number, bool) and number > 0:
            if counts and isinstance(number, float):
                continue
            new = turn(number, factor)
            new = max(1, round(new)) if counts else float(f"{new:.3g}")
            if new != number:
                return f"algorithm.{key}={new}"
    return ""


def supports_fit_option(context: EvaluationContext, key: str) -> bool:
    """Tell whether the algorithm honours a key of the block `fit`."""
    return key in context.run.plan.iterations.honours
