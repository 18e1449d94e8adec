"""The two classes that Hydra 1.3 insists on finding below `hydra_plugins`.

Hydra imports this file at every start of every Hydra program on the machine, so it loads nothing but Hydra. For a task
that is not runtree's both are what Hydra's own basic ones are.
"""

from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class RuntreeLauncher(BasicLauncher):
    """Says that a sweep's runs are worked on by runtree's own processes, without a barrier between batches."""


class RuntreeSweeper(BasicSweeper):
    """Hands a sweep to the task, where the task knows how to carry one."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra composed."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out the sweep that `hydra.sweeper.params` and the command line ask for."""
        carry = getattr(self.task_function, "sweep", None)
        if carry is None:
            return super().sweep(arguments)
        return carry(self, arguments)


def _store(group: str, name: str, **node: Any) -> None:
    ConfigStore.instance().store(group=group, name=name, node=node, provider="runtree")


_store(
    "hydra/sweeper",
    "runtree",
    _target_="hydra_plugins.runtree_hydra.RuntreeSweeper",
    max_batch_size=None,
    params=None,
)
_store("hydra/launcher", "runtree", _target_="hydra_plugins.runtree_hydra.RuntreeLauncher")
