"""The gate before a protected alias moves: bounds of the policy on figures of a version and of the one before it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.expression import Bound, parse
from runtree.contract.model_version import ModelVersion
from runtree.contract.protocols import Hooks
from runtree.contract.types import SPLITS
from runtree.records.model_versions import RegisteredModel
from runtree.registry.figures import CHANGES, COMPARED, FACTS, HELD_OUT, NEW, Figures, GateRows, ScoredRows

PATH = "policy.require"
# where the policy has no bound on the change, a version that replaces another must not be worse beyond chance
NOT_WORSE = "change.high >= 0"
POSSIBLE = (
    "possible: test.METRIC, test.METRIC.low, new.METRIC, change, change.low, change.relative, held_out.high, "
    "fairness_gap, latency_ms, size_mb",
    'for example: require=\'["test.f1 >= 0.9","change.low > 0","latency_ms < 20"]\'',
)


@dataclass(frozen=True)
class Requirement:
    """A bound of the policy as it was typed, and as it was parsed."""

    text: str
    bound: Bound


def parse_requirement(text: str) -> Requirement:
    """Parse ``change.low > 0``.

    Raises
    ------
    ConfigError
        It is no bound, or names a figure that the gate does not know.
    """
    bound = parse(str(text), source=PATH, error=ConfigError).bound
    if bound is None:
        raise ConfigError(f"{PATH}: '{text}' is not a bound", *POSSIBLE)
    split, _, rest = bound.name.partition(".")
    if bound.name not in (*COMPARED, *FACTS) and not (split in (*SPLITS, NEW) and rest):
        raise ConfigError(f"{PATH}: the gate knows no '{bound.name}'", *POSSIBLE)
    return Requirement(str(text).strip(), bound)


def check_gate(
    model: RegisteredModel,
    version: ModelVersion,
    alias: str,
    hooks: Hooks,
    rows: GateRows | None = None,
    trust: Iterable[str] = (),
    also: Iterable[str] = (),
) -> dict[str, Any]:
    """Return each condition of the policy with its value, and whether all are met.

    Parameters
    ----------
    also
        Further conditions.
    rows
        Without any that are named the test rows of both count, if they are the same, else what the log has of an
        earlier comparison of the two, else the rows that the present version had held out.
    trust
        The types that the model may hold besides those of runtree and of plugins.
    """
    present = model.last_meant(alias)
    other = model.versions[present] if present is not None else None
    figures = Figures(version, other, hooks, rows, tuple(trust), _measured(model, version, present))
    conditions = [parse_requirement(text) for text in (*model.policy.require, *also)]
    if other is not None and not any(condition.bound.name in CHANGES for condition in conditions):
        conditions.append(parse_requirement(NOT_WORSE))
    if other is None:
        # nothing to compare with: the first champion is the best there is
        conditions = [condition for condition in conditions if condition.bound.name not in COMPARED]
    results = [_check(condition, figures) for condition in conditions]
    failed = [result["reason"] for result in results if not result["passed"]]
    met = ", ".join(str(result["condition"]) for result in results)
    explanation = "; ".join(failed) or (f"met: {met}" if results else "no condition is set")
    gate: dict[str, Any] = {"passed": not failed, "conditions": results, "explanation": explanation}
    if isinstance(scored := figures.scored, ScoredRows):
        gate["new"] = {"metric": figures.metric.name, "value": figures.value_on(scored), "rows": scored.about}
    if other is not None:
        gate["present"] = other.number
        for key, names in (("change", CHANGES), ("held_out", HELD_OUT)):
            if any(condition.bound.name in names for condition in conditions):
                gate[key] = getattr(figures, key)
    return gate


def _measured(model: RegisteredModel, version: ModelVersion, present: int | None) -> Mapping[str, Any]:
    """Return what the log has of earlier comparisons of two versions: `change` and `held_out`."""
    gates = [entry["gate"] for entry in model.entries if entry["act"] == "gate" and entry["version"] == version.number]
    return {
        key: gate[key]
        for gate in gates
        for key in ("change", "held_out")
        if gate.get("present") == present and "value" in gate.get(key, {})
    }


def _check(condition: Requirement, figures: "Figures") -> dict[str, Any]:
    bound = condition.bound
    value, why = figures.value(bound.name)
    passed = bound.holds(value)
    shown = f"{value:.4g}" if value is not None and math.isfinite(value) else f"not known ({why or 'no such figure'})"
    reason = "" if passed else f"{bound.name} is {shown}, required {bound.operator} {bound.limit:g}"
    return {"condition": condition.text, "value": value, "passed": passed, "reason": reason}
