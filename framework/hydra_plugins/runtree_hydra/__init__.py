"""The sweeper and the launcher: Hydra 1.3 accepts only classes below `hydra_plugins`.

Every Hydra program on the machine imports this file when it starts, so it imports nothing but Hydra. For any other task
than runtree's, both classes behave like Hydra's basic ones.
"""

from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class RuntreeLauncher(BasicLauncher):
    """Selects runtree's own executor: the runs of a sweep go to worker processes, without a barrier between batches."""


class RuntreeSweeper(BasicSweeper):
    """Passes a sweep to the task, if the task has a method `sweep`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the task function, which Hydra's basic sweeper does not."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep of `hydra.sweeper.params` and the command line."""
        # taken from the task and not imported from runtree: this file is loaded by programs that never use runtree
        run_sweep = getattr(self.task_function, "sweep", None)
        return super().sweep(arguments) if run_sweep is None else run_sweep(self, arguments)


def _store(group: str, name: str, **node: Any) -> None:
    # at import: Hydra looks up the sweeper's config before it instantiates any plugin
    ConfigStore.instance().store(group=group, name=name, node=node, provider="runtree")


_store(
    "hydra/sweeper",
    "runtree",
    _target_="hydra_plugins.runtree_hydra.RuntreeSweeper",
    max_batch_size=None,
    params=None,
)
_store("hydra/launcher", "runtree", _target_="hydra_plugins.runtree_hydra.RuntreeLauncher")
