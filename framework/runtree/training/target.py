"""The block `target`: a regression is fitted on a transformed target, and predicts in the units of the original one.

The fitted algorithm is wrapped in scikit-learn's `TransformedTargetRegressor`, so that whatever predicts, scores,
explains or serves the model gets original units. Only the fit itself sees transformed values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError, DataError
from runtree.training.active_run import ActiveRun

NONE, STANDARD, LOG, YEO_JOHNSON = "none", "standard", "log", "yeo_johnson"
KINDS = (NONE, STANDARD, LOG, YEO_JOHNSON)
AUTO = "auto"
TARGET_KEY = "target_transform"  # in `run.metadata`, `model.json`, and the default in an algorithm's config


@dataclass(frozen=True)
class TargetOptions:
    """All of the block; see docs/training.md."""

    transform: Literal["auto", "none", "standard", "log", "yeo_johnson"] = "auto"


def target_options(node: Mapping[str, Any]) -> TargetOptions:
    """Read a `target` node.

    Raises
    ------
    ConfigError
        An unknown key or transformation.
    """
    return read_block(TargetOptions, node, "target", {})


def target_kind(run: ActiveRun) -> str:
    """Return the transformation of a run's target; auto: the one that the algorithm's config asks for."""
    config = run.config.to_dict()
    options = target_options(config.get("target") or {})
    if run.data.task != "regression":
        return NONE
    return str(config["algorithm"].get(TARGET_KEY) or NONE) if options.transform == AUTO else options.transform


def check_target(run: ActiveRun) -> None:
    """Refuse a transformation that the task or the values of the target do not allow.

    Raises
    ------
    ConfigError, DataError
        The target is a class; or has no logarithm.
    """
    asked = target_options(run.config.to_dict().get("target") or {}).transform
    if run.data.task != "regression" and asked not in (AUTO, NONE):
        raise ConfigError(
            f"target.transform: the task is {run.data.task}, and classes are not transformed",
            "type: target.transform=none, or data.task=regression",
        )
    kind = target_kind(run)
    if kind not in KINDS:
        raise ConfigError(f"algorithm.{TARGET_KEY}: {kind!r} is not one of {', '.join(KINDS)}")
    if kind == LOG and (smallest := float(run.data.target.min())) < 0:
        raise DataError(
            f"target.transform: column '{run.data.target.name}' holds {smallest:.6g}, which has no logarithm",
            "type: target.transform=yeo_johnson",
        )


def learn_target(run: ActiveRun, target: Any) -> Any:
    """Return the fitted transformer of a train target, of shape (rows,); None: it stays as it is.

    The logarithm of a target with zeros is ``log(1 + y)``.
    """
    kind = target_kind(run)
    if kind == NONE:
        return None
    import numpy as np
    from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

    values = column(target)
    if kind == LOG:
        # one choice for all rows of the run, so that folds differ in their rows alone
        functions = (np.log, np.exp) if float(run.data.target.min()) > 0 else (np.log1p, np.expm1)
        return FunctionTransformer(*functions, check_inverse=False).fit(values)
    return (StandardScaler() if kind == STANDARD else PowerTransformer(method="yeo-johnson")).fit(values)


def column(target: Any) -> Any:
    """Return a target as float64 of shape (rows, 1)."""
    import numpy as np

    return np.asarray(target, dtype=np.float64).reshape(-1, 1)


def transform_target(transformer: Any, target: Any) -> Any:
    """Return the transformed target, of shape (rows,)."""
    return transformer.transform(column(target)).ravel()


def original_units(transformer: Any, predictions: Any) -> Any:
    """Return predictions of an algorithm in the units of the original target, of shape (rows,)."""
    return predictions if transformer is None else transformer.inverse_transform(column(predictions)).ravel()


def wrap_target(run: ActiveRun, algorithm: Any, target: Any) -> Any:
    """Return a fitted algorithm whose predictions are in original units; without a transformation, itself."""
    transformer = learn_target(run, target)
    if transformer is None:
        return algorithm
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.frozen import FrozenEstimator

    # frozen: its `fit` learns the transformation once more, from the same rows, and leaves the algorithm as it is
    wrapper = TransformedTargetRegressor(FrozenEstimator(algorithm), transformer=transformer, check_inverse=False)
    return wrapper.fit(column(target), column(target).ravel())
