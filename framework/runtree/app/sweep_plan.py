"""A request for a sweep, and the plan that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.config.compose import Composer
from runtree.config.freeze import check_blocks
from runtree.config.provenance import TypedWords
from runtree.config.resources import Resources
from runtree.contract.protocols import Hooks
from runtree.records.layout import SweepFolder
from runtree.sweeps.function_space import SpaceFunction
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import PreflightResult
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.overrides import SweepOverrides, split_overrides
from runtree.sweeps.results import Objectives, read_constraints
from runtree.sweeps.search_space import SearchSpace

if TYPE_CHECKING:
    from omegaconf import DictConfig


class SilentObserver:
    """An observer of a sweep that shows nothing."""

    def began(self, plan: "SweepPlan", driver: Driver) -> None:
        """Do nothing."""

    def ended(self, driver: Driver, run: Any) -> None:
        """Do nothing."""

    def tick(self, driver: Driver) -> None:
        """Do nothing."""

    def finishing(self, text: str) -> None:
        """Do nothing."""


@dataclass
class SweepRequest:
    """A request for a sweep, besides the config that Hydra composes.

    Attributes
    ----------
    overrides
        All of them: of a sweep that is resumed, those of its record, too.
    """

    app: App
    overrides: tuple[str, ...] = ()
    typed: TypedWords = field(default_factory=TypedWords)
    config_name: str = "config"
    config_dir: str | None = None
    config_path: str | None = None
    resume: SweepFolder | None = None
    retry: frozenset[str] = frozenset()  # states of its ended runs that are tried again
    plan_only: bool = False
    space: SpaceFunction | None = None  # from Python: it makes the values of each trial
    observer: Any = field(default_factory=SilentObserver)


@dataclass
class SweepPlan:
    """A sweep that passed the preflight.

    Attributes
    ----------
    node
        The `tuner` node of the config.
    slots
        How many runs run at once.
    reaches_runs
        Whether the executor can end a run: one in a process of its own.
    warm_start
        A line for each earlier sweep that it starts with; known of a plan that is only shown.
    """

    request: SweepRequest
    config: "DictConfig"
    overrides: SweepOverrides
    composer: Composer
    spaces: Sequence[SearchSpace]
    tuners: Sequence[Any]
    node: dict[str, Any]
    options: LoopOptions
    resources: Resources
    preflight: PreflightResult
    hooks: Hooks
    folder: SweepFolder | None = None
    slots: int = 1
    reaches_runs: bool = True
    warm_start: tuple[str, ...] = ()

    @property
    def objectives(self) -> Objectives:
        return Objectives(self.preflight.objectives, read_constraints(self.options.constraints))

    @property
    def size(self) -> int | None:
        """Return how many configurations there are at most, None for infinitely many."""
        sizes = [space.size for space in self.spaces]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def absent(self) -> list[str]:
        """Return a line for each key that does not exist everywhere."""
        return list(dict.fromkeys(text for space in self.spaces for text in space.absent))


def read_sweep_overrides(
    request: SweepRequest, sweeper: Any, arguments: Sequence[str]
) -> tuple[Composer, SweepOverrides]:
    """Split the overrides; an option that does not exist is refused before any config is composed."""
    groups = request.app.catalogue.groups
    check_blocks(sweeper.config)
    arguments = [*arguments, *refit_override(sweeper.config, arguments)]
    params = dict(sweeper.params or {})
    overrides = split_overrides(arguments, params, groups, lambda group: groups[group])
    if overrides.swept("experiment") and "experiment.name" not in dict(overrides.words):
        # presets may name an experiment each, and the runs of one sweep are in one
        arguments = [*arguments, f"experiment.name={sweeper.config.experiment.name}"]
        overrides = split_overrides(arguments, params, groups, lambda group: groups[group])
    for group, options in overrides.composed.items():
        if group in groups:
            for name in options:
                request.app.catalogue.option(group, name)
    loader = sweeper.hydra_context.config_loader
    # Hydra's loader composes a base once for each set of options; values are set on copies of it, which takes a
    # fraction of the time
    composer = Composer(
        lambda texts: loader.load_sweep_config(sweeper.config, list(texts)),
        overrides.arrange,
        overrides.ranges,
        overrides.first_value,
    )
    return composer, overrides


def refit_override(config: "DictConfig", arguments: Sequence[str]) -> list[str]:
    """Return ``fit.refit=true`` for the runs of a sweep with `tuner.refit`, unless that key was typed.

    As an override of each run, so that a run trained from its own command line is the same.
    """
    typed = any(text.lstrip("+").startswith("fit.refit=") for text in arguments)
    fit = config.get("fit") or {}  # a config of the user's own may lack the key
    wanted = config.get("tuner") is not None and config.tuner.get("refit", True)
    return ["fit.refit=true"] if wanted and not typed and fit.get("refit") is False else []
