"""What a value is for a given task: some options hold one value for classification and another for regression."""

from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.types import TASKS


def differs_by_task(value: Any) -> bool:
    """Tell whether a value is a mapping from tasks."""
    return isinstance(value, Mapping) and bool(value) and set(value) <= set(TASKS)


def for_task(node: Mapping[str, Any], task: str, path: str) -> dict[str, Any]:
    """Return a node with the values that hold for `task`, without the keys that have none for it.

    Raises
    ------
    ConfigError
        The option does not serve the task.
    """
    target = node.get("_target_")
    if differs_by_task(target) and task not in (target or {}):
        served = ", ".join(target or {})
        raise ConfigError(
            f"{path}={node.get('name', '?')} serves {served}, and the task is {task}",
            f"see which serve {task}: runtree list {path}",
            f"or set the task yourself: data.task={served.split(', ')[0]}",
        )
    held = {key: value for key, value in node.items() if not differs_by_task(value) or task in value}
    return {key: value[task] if differs_by_task(value) else value for key, value in held.items()}
