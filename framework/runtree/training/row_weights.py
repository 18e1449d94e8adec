"""Weights of train rows: those of `data.weight`, and those that give groups the shares of `data.population`.

They concern fits alone, of the run, of its folds and of refits. Rows that are scored or predicted count alike.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, possible, unknown
from runtree.training.active_run import ActiveRun
from runtree.training.fit_plan import fit_parameters
from runtree.training.imbalance import COPIES, WEIGHTED, imbalance_options, row_weights

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-9  # of the weighted share of a group
MAX_ROUNDS = 1000


def fit_weights(run: ActiveRun, target: Any, positions: Any) -> Any:
    """Return the weight of each train row, of shape (rows,); None: all count alike.

    Parameters
    ----------
    positions
        The rows in the table of the run, None where they are not known: rows that were made of several.
    """
    by_class, shared = row_weights(run, target), _reweighted(run)
    if run.data.weights is None and not shared:
        return by_class
    import numpy as np

    assert positions is not None  # `check_weights` refuses what makes rows of others
    weights = np.ones(len(positions)) if by_class is None else np.asarray(by_class, dtype=np.float64)
    if run.data.weights is not None:
        weights = weights * run.data.weights.to_numpy()[positions]
    return rake(weights, {name: labels.iloc[positions] for name, labels in shared.items()}, population(run))


def population(run: ActiveRun) -> dict[str, dict[str, float]]:
    """Return the expected share of each group, by column: `data.population`."""
    given = run.config.to_dict()["data"].get("population") or {}
    return {str(name): {str(group): float(share) for group, share in shares.items()} for name, shares in given.items()}


def _reweighted(run: ActiveRun) -> "dict[str, pd.Series[str]]":
    """Return the group of each row for the columns of `data.reweight`."""
    names = run.config.to_dict()["data"].get("reweight") or []
    if not names:
        return {}
    from runtree.tables.groups import column_values, group_labels

    return {str(name): group_labels(column_values(run.data, str(name))) for name in names}


def rake(
    weights: "Array", labels: "Mapping[str, pd.Series[str]]", shares: Mapping[str, Mapping[str, float]]
) -> "Array":
    """Return weights with which each group of each column has its share; their mean is that of before.

    Iterative proportional fitting (Deming & Stephan 1940, doi:10.1214/aoms/1177731829). Rows of groups without an
    expected share keep the share that they have.

    Raises
    ------
    DataError
        A group has no row, or no weights give several columns their shares.
    """
    import numpy as np

    mean = weights.mean()
    groups = {name: np.unique(own.to_numpy().astype(str), return_inverse=True) for name, own in labels.items()}
    for name, (found, _) in groups.items():
        for group, share in shares[name].items():
            if share > 0 and group not in found:
                raise DataError(
                    f"data.population.{name}: no train row is of group '{group}'", f"it has: {', '.join(found)}"
                )
    for _ in range(MAX_ROUNDS if groups else 0):
        worst = 0.0
        for name, (found, codes) in groups.items():
            now = np.bincount(codes, weights=weights) / weights.sum()
            rest = 1 - sum(shares[name].values())
            others = sum(one for group, one in zip(found, now, strict=True) if group not in shares[name])
            wanted = np.asarray(
                [
                    shares[name].get(group, one * rest / others if others else 0.0)
                    for group, one in zip(found, now, strict=True)
                ]
            )
            worst = max(worst, float(np.abs(wanted - now).max()))
            weights = weights * (wanted / np.where(now > 0, now, 1.0))[codes]
        if worst < TOLERANCE:
            break
    else:
        if groups:
            raise DataError(
                "data.reweight: no weights give all groups of these columns their shares", "name fewer columns"
            )
    scaled: Array = weights * (mean / weights.mean())
    return scaled


def _check_marks(path: str, given: list[str], found: list[str]) -> None:
    """Refuse groups of a hashed or masked column by their values: no row has one, and the config would show them."""
    other = [group for group in given if group not in found]
    if other:
        mark = found[0].replace(":", "\\:")
        raise ConfigError(
            f"{path}: the column is hashed or masked, and no group is {other[0]!r}; {possible(found)}",
            f"state shares by these: 'data.population={{{path.rpartition('.')[2]}: {{{mark}: 0.5, …}}}}'",
        )


def check_weights(run: ActiveRun) -> None:
    """Refuse shares that are none, columns that are not there, and algorithms that take no weights.

    Raises
    ------
    ConfigError
        With the config path.
    """
    from runtree.tables.groups import column_values, group_labels

    node = run.config.to_dict()["data"]
    known = [str(name) for name in run.data.features.columns]
    known += [str(name) for name in run.data.aside.columns] if run.data.aside is not None else []
    for name, given in (node.get("population") or {}).items():
        path = f"data.population.{name}"
        if str(name) not in known:
            raise unknown("column at data.population:", str(name), known, error=ConfigError)
        numbers = isinstance(given, Mapping) and all(
            isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
            for share in given.values()
        )
        if not numbers or not given or sum(given.values()) > 1 + 1e-6:
            raise ConfigError(f"{path}: {given!r} are no shares of groups", f"such as {path}={{f: 0.5, m: 0.5}}")
        values = column_values(run.data, str(name))
        if str(name) in (node.get("sensitive") or {}):
            found = sorted(group_labels(values).unique().astype(str))
            _check_marks(path, [str(group) for group in given], found)
    for name in node.get("reweight") or []:
        if str(name) not in (node.get("population") or {}):
            raise ConfigError(
                f"data.reweight: {name} has no shares", f"state them: data.population.{name}={{GROUP: SHARE}}"
            )
    used = next((key for key in ("weight", "reweight") if node.get(key)), None)
    if used is None:
        return
    takes = run.estimator if run.plan.stepper is None else run.plan.stepper
    if "sample_weight" not in fit_parameters(run.estimator) or "sample_weight" not in fit_parameters(takes):
        name = run.config.algorithm.get("name")
        raise ConfigError(f"data.{used}: algorithm={name} takes no weights", f"those that do: {', '.join(WEIGHTED)}")
    resample = imbalance_options(run).resample
    if resample is not None and resample not in COPIES:
        raise ConfigError(
            f"data.{used}: imbalance.resample={resample} makes new rows of several, which have no weight",
            f"those that copy rows with their weights: imbalance.resample={', '.join(COPIES)}",
        )
