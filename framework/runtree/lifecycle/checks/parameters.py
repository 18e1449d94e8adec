"""Copies of an algorithm with some of its parameters changed: sooner done, or free to learn by heart."""

from collections.abc import Mapping
from typing import Any

BATCH = 16  # rows of a step, of which there are then several in an epoch
SOON = 30  # iterations or trees: what leaks shows at once
LENGTHS = ("max_epochs", "max_iter", "epochs", "n_estimators")
BY_GRADIENT = ("learning_rate_init", "eta0")  # what scikit-learn's algorithms that take steps call their first one
SEEDS = ("random_state", "seed")
UNHINDERED: Mapping[str, Any] = {  # what keeps a model from learning by heart
    "dropout": 0.0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "alpha": 1e-6,  # not 0: scikit-learn's schedule "optimal" divides by it
    "early_stopping": False,
    "tol": 0.0,
    "n_iter_no_change": 10**6,
}


def own(estimator: Any) -> dict[str, Any]:
    """Return an estimator's parameters, none where it does not tell them."""
    return dict(estimator.get_params(deep=False)) if hasattr(estimator, "get_params") else {}


def iterates_by_gradient(estimator: Any, node: Mapping[str, Any]) -> bool:
    """Tell whether an algorithm goes through the rows in epochs: as its option says, else by its parameters."""
    unit = (node.get("iterations") or {}).get("unit")
    return unit == "epoch" if unit else any(name in own(estimator) for name in BY_GRADIENT)


def sooner(estimator: Any, node: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted copy with few iterations or trees, and with a seed of its own where it is seeded."""
    from sklearn.base import clone

    known, copied = own(estimator), clone(estimator)
    changes: dict[str, Any] = {name: SOON for name in _lengths(node) if _counts(known.get(name)) and known[name] > SOON}
    changes |= {name: seed for name in SEEDS if _counts(known.get(name))}
    if "n_restarts_optimizer" in known:  # a Gaussian process, which is fitted some hundred times to find its kernel
        changes["optimizer"] = None
    return copied.set_params(**changes) if changes else copied


def unhindered(estimator: Any, node: Mapping[str, Any], epochs: int) -> Any:
    """Return an unfitted copy with so many iterations, and without what keeps it from learning by heart."""
    from sklearn.base import clone

    known = own(estimator)
    changes = {**UNHINDERED, **dict.fromkeys(_lengths(node), epochs)}
    if _counts(known.get("batch_size")):
        changes["batch_size"] = BATCH
    return clone(estimator).set_params(**{name: value for name, value in changes.items() if name in known})


def _lengths(node: Mapping[str, Any]) -> list[str]:
    named = ((node.get("iterations") or {}).get("honours") or {}).get("max_iterations")
    return [*LENGTHS, *([str(named)] if named else [])]


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
