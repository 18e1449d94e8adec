"""The stage load: a data source becomes a table that is known to be sound."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.config.build import build
from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.protocols import TargetResolver
from runtree.contract.run import Run
from runtree.contract.types import TASKS, Table, Task
from runtree.lifecycle.table_checks import check_classes, check_frame, check_target
from runtree.lifecycle.table_options import COMMON, TableOptions, table_options

if TYPE_CHECKING:
    import pandas as pd

FEW_LEVELS = 20  # an integer target with at most so many distinct values is taken for classes


def source_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a `data` node that its source takes."""
    return {key: value for key, value in node.items() if key not in COMMON}


def load(config: Mapping[str, Any], trust: TargetResolver) -> Table:
    """Build the data source and return its table."""
    options = table_options(config["data"])
    source = build(source_node(config["data"]), "data", trust)
    if not callable(getattr(source, "load", None)):
        raise ConfigError(f"data: {type(source).__name__} has no 'load', so it is no data source")
    frame = source.load()
    table = to_table(frame, options, str(config["data"].get("name", "data")), int(config["seed"]))
    if not callable(getattr(source, "fingerprint", None)):
        return table
    both = f"{table.fingerprint}:{source.fingerprint(frame)}"
    return replace(table, fingerprint=hashlib.sha256(both.encode()).hexdigest())


def to_table(frame: "pd.DataFrame", options: TableOptions, name: str, seed: int) -> Table:
    """Check a data frame and take it apart into features and target."""
    check_frame(frame, options)
    frame = sampled(frame, options.sample, seed)
    target = frame[options.target]
    check_target(target, options.target)
    task, reason = choose_task(target, options)
    aside = [*(options.drop or ()), *([options.group] if options.group else [])]
    kept_out = [options.target, *aside]
    features = frame.drop(columns=kept_out)
    if features.shape[1] == 0:
        raise DataError("data: no column is left to learn from", f"target and dropped: {', '.join(kept_out)}")
    return Table(
        features=features,
        target=target,
        task=task,
        classes=check_classes(target, options.target) if task == "classification" else (),
        fingerprint=table_fingerprint(features, target),
        name=name,
        reason=reason,
        groups=frame[options.group] if options.group else None,
        times=frame[options.time] if options.time else None,
        aside=frame[list(dict.fromkeys(aside))] if aside else None,
    )


def sampled(frame: "pd.DataFrame", sample: int | float | None, seed: int) -> "pd.DataFrame":
    """Return a seeded sample of rows, in their order: a share below 1, or a count."""
    if sample is None:
        return frame.reset_index(drop=True)
    if sample <= 0 or (isinstance(sample, float) and sample > 1):
        raise ConfigError(f"data.sample: {sample} is neither a share (0 to 1) nor a count of rows")
    count = round(sample * len(frame)) if isinstance(sample, float) else min(sample, len(frame))
    return frame.sample(n=max(count, 1), random_state=seed).sort_index().reset_index(drop=True)


def choose_task(target: "pd.Series[Any]", options: TableOptions) -> tuple[Task, str]:
    """Return the task and why it is that."""
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

    numeric = is_numeric_dtype(target) and not is_bool_dtype(target)
    if options.task != "auto":
        if options.task not in TASKS:
            raise unknown("task at data.task:", options.task, TASKS, error=ConfigError)
        if options.task == "regression" and not numeric:
            raise DataError(
                f"data.target: column '{options.target}' holds text, and a regression needs numbers",
                f"for example {target.iloc[0]!r}",
                "type: data.task=classification, or choose another target",
            )
        return ("regression" if options.task == "regression" else "classification"), "data.task says so"
    levels = int(target.nunique())
    if not numeric:
        return "classification", f"'{options.target}' is not numeric ({levels} distinct values)"
    if is_integer_dtype(target) and levels <= FEW_LEVELS:
        return "classification", f"'{options.target}' holds {levels} distinct whole numbers"
    return "regression", f"'{options.target}' is numeric with {levels} distinct values"


def table_fingerprint(features: "pd.DataFrame", target: "pd.Series[Any]") -> str:
    """Hash names, types and values: sha256 over pandas' row hashes."""
    from pandas.util import hash_pandas_object

    found = hashlib.sha256()
    for name, column in [*features.items(), ("\0target", target)]:
        found.update(f"{name}:{column.dtype}\n".encode())
        found.update(hash_pandas_object(column, index=False).to_numpy().tobytes())
    return found.hexdigest()


def describe(run: Run) -> dict[str, Any]:
    """Return what `data.json` says of the table."""
    table = run.data
    return {
        "name": table.name,
        "rows": len(table.features),
        "task": table.task,
        "why": table.reason,
        "target": {"name": str(table.target.name), "dtype": str(table.target.dtype), "classes": list(table.classes)},
        "columns": [
            {
                "name": str(name),
                "dtype": str(column.dtype),
                "missing": int(column.isna().sum()),
                "distinct": int(column.nunique()),
            }
            for name, column in table.features.items()
        ],
        "fingerprint": table.fingerprint,
        "split": {"id": run.split.id, **{part: len(run.split.rows(part)) for part in ("train", "validation", "test")}},
    }
