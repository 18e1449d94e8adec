"""Look at one configuration before it is trained: compose, load, split, ask the checks, write nothing."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtree.app.application import App, rest_idle_threads
from runtree.checks.context import CheckState
from runtree.checks.registry import CheckOutcome
from runtree.contract.errors import RequestError
from runtree.contract.run import Run

if TYPE_CHECKING:
    from runtree.config.freeze import FrozenConfig

Watch = Callable[[str], None]


@dataclass(frozen=True)
class CheckReport:
    """What was looked at, what was found, and on how many rows of the train part it was fitted."""

    run: Run
    outcomes: tuple[CheckOutcome, ...]
    rows: int

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.count("failed")

    @property
    def seconds(self) -> float:
        """How long the checks took."""
        return sum(outcome.seconds for outcome in self.outcomes)

    def count(self, state: CheckState) -> int:
        """Return how many checks ended so."""
        return sum(outcome.finding.state == state for outcome in self.outcomes)


def check_config(app: App, flags: argparse.Namespace, watch: Watch = lambda _: None) -> CheckReport:
    """Ask every check of the configuration that a command line describes; `watch` hears what is done.

    Raises
    ------
    RuntreeError
        What `train` would refuse before its fit.
    """
    rest_idle_threads()
    if flags.multirun:
        raise RequestError("check looks at one configuration, not at a sweep", "leave out -m, and name one of each")
    if flags.going_on:
        raise RequestError("check looks at a configuration, not at a run that goes on", "leave out --continue")
    watch("config")
    frozen = compose(app, flags)
    with tempfile.TemporaryDirectory() as folder:
        return run_checks_on(app, frozen, flags, Path(folder), watch)


def compose(app: App, flags: argparse.Namespace) -> "FrozenConfig":
    """Return the config as a run would be given it."""
    from runtree.config.freeze import freeze
    from runtree.config.hydra_engine import HydraEngine, force_open_parameters
    from runtree.config.hydra_errors import translate_error

    app.catalogue.groups  # noqa: B018  two packages that offer one name are refused before anything else
    if flags.config_dir is not None and not Path(flags.config_dir).is_dir():
        raise RequestError(f"--config-dir: there is no folder {flags.config_dir}")
    folder = str(Path(flags.config_dir).resolve()) if flags.config_dir else None
    overrides = force_open_parameters(flags.overrides)
    app.allow_list(overrides)  # whoever types a `_target_` may mean a module in this folder
    engine = HydraEngine(app.folders, app.algorithms, flags.config_name or "config", folder)
    try:
        return freeze(engine.compose(overrides))
    except Exception as error:
        raise translate_error(error, flags.overrides, app.catalogue) from error


def run_checks_on(
    app: App, frozen: "FrozenConfig", flags: argparse.Namespace, folder: Path, watch: Watch
) -> CheckReport:
    """Do all of a run that comes before its fit, and ask the checks; `folder` is thrown away."""
    from runtree.checks.context import make_check_context
    from runtree.checks.registry import run_checks
    from runtree.config.build import build
    from runtree.config.resources import compute_arguments
    from runtree.lifecycle import metrics
    from runtree.lifecycle.order import stages_before_fit

    trust = app.allow_list(flags.overrides)
    compute = build(compute_arguments(frozen.config["compute"]), "compute", trust)
    known = metrics.catalogue(app.plugins.contributions("register_metrics"))
    run = Run(frozen.config, folder, app.plugins, trust, known)
    run.facts |= compute.describe()
    for stage in stages_before_fit(app.plugins):
        watch(stage.name)
        stage.run(run)
    context = make_check_context(run, compute.session)
    return CheckReport(run, tuple(run_checks(context, watch=watch)), len(context.train))
