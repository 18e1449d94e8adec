"""Overrides to type next: those that regularize an algorithm, or relax it, from the parameters in its config."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.contract.redaction import redact_override
from runtree.contract.types import RunRecord
from runtree.evaluation.context import EvaluationContext
from runtree.records.commands import checking_command, tuning_command
from runtree.records.record import new_record

# (parameter, factor that regularizes the algorithm, whether the parameter is a count)
# in this order: the first that the algorithm has is suggested, and leaf size works on every kind of tree
REGULARIZERS: tuple[tuple[str, float, bool], ...] = (
    ("min_samples_leaf", 5, True),
    ("weight_decay", 10, False),
    ("l2_regularization", 10, False),
    ("alpha", 10, False),
    ("C", 0.1, False),
    ("n_neighbors", 3, True),
)
FLEXIBLE_ALGORITHM = "algorithm=hist_gradient_boosting"


def tuning_advice(context: EvaluationContext) -> str:
    """Return the command that tunes this run's algorithm on its data; another algorithm if it has nothing to tune."""
    return tuning_command(_record_of(context)) or FLEXIBLE_ALGORITHM


def check_command(context: EvaluationContext) -> str:
    """Return the command that checks the data of this run."""
    return checking_command(_record_of(context))


def _record_of(context: EvaluationContext) -> RunRecord:
    run, options = context.run, context.run.options
    frozen = FrozenConfig(run.config.to_dict(), options.fingerprint)
    overrides = [redact_override(text) for text in options.overrides]
    record = new_record("", "", "running", overrides, frozen.flat, options.fingerprint, run.folder)
    return replace(record, flags=options.flags)


def regularize_override(context: EvaluationContext) -> str:
    """Return an override that makes the algorithm fit less closely; empty if it has no such parameter."""
    return _change_parameter(context.run.config.to_dict()["algorithm"], lambda value, factor: value * factor)


def relax_override(context: EvaluationContext) -> str:
    """Return an override that makes the algorithm fit more closely, or one that selects a more flexible algorithm."""
    node = context.run.config.to_dict()["algorithm"]
    override = _change_parameter(node, lambda value, factor: value / factor)
    return override or ("" if FLEXIBLE_ALGORITHM.endswith(f"={node.get('name')}") else FLEXIBLE_ALGORITHM)


def _change_parameter(node: Mapping[str, Any], change: Callable[[float, float], float]) -> str:
    for name, factor, is_count in REGULARIZERS:
        value = node.get(name)
        # 0 stays 0 when multiplied, and null or "auto" cannot be scaled
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            continue
        if is_count and isinstance(value, float):  # a share of the rows, as `min_samples_leaf` may be
            continue
        changed = change(value, factor)
        new = max(1, round(changed)) if is_count else float(f"{changed:.3g}")
        if new != value:
            return f"algorithm.{name}={new}"
    return ""


def supports_fit_option(context: EvaluationContext, key: str) -> bool:
    """Return whether the algorithm honours a key of the block `fit`."""
    return key in context.run.plan.iterations.honours
