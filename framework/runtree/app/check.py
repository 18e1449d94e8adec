"""`runtree check`: compose, load and split one configuration, run the checks, and write nothing."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtree.app.application import App, typed_words
from runtree.checks.context import CheckState
from runtree.checks.registry import CheckOutcome
from runtree.contract.errors import RequestError
from runtree.contract.types import Table
from runtree.training.active_run import ActiveRun
from runtree.training.contributors import Contributors

if TYPE_CHECKING:
    from runtree.config.freeze import FrozenConfig

OnStart = Callable[[str], None]


@dataclass(frozen=True)
class CheckReport:
    """The outcomes of all checks; `rows` counts the train rows that the pipeline was fitted on."""

    run: ActiveRun
    outcomes: tuple[CheckOutcome, ...]
    rows: int

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.count("failed")

    @property
    def seconds(self) -> float:
        """The duration of all checks."""
        return sum(outcome.seconds for outcome in self.outcomes)

    def count(self, state: CheckState) -> int:
        """Return the number of checks in a state."""
        return sum(outcome.result.state == state for outcome in self.outcomes)


def check_config(app: App, flags: argparse.Namespace, on_start: OnStart = lambda _: None) -> CheckReport:
    """Run every check on the configuration of a command line; `on_start` is called with the name of each step.

    Raises
    ------
    RuntreeError
        What `train` would raise before its fit.
    """
    if flags.multirun:
        raise RequestError("check takes one configuration, not a sweep", "leave out -m, and name one value of each key")
    if flags.going_on:
        raise RequestError("check takes a configuration, not a run to continue", "leave out --continue")
    on_start("config")
    frozen = compose(app, flags)
    with tempfile.TemporaryDirectory() as folder:  # some stages write files
        return _run_all(app, frozen, flags, Path(folder), on_start)


def compose(app: App, flags: argparse.Namespace) -> "FrozenConfig":
    """Return the config that a run of this command line would have."""
    from runtree.config.freeze import freeze
    from runtree.config.hydra_engine import force_open_parameters
    from runtree.config.hydra_errors import translate_error
    from runtree.config.root_keys import check_choices, check_root_keys

    app = app.with_folders_of(flags)
    check_choices(flags.overrides, app.catalogue)
    engine = app.engine(flags, app.allow_list(typed_words(flags)))
    try:
        composed = engine.compose(force_open_parameters(flags.overrides))
        check_root_keys(composed, app.catalogue)
        return freeze(composed)
    except Exception as error:
        raise translate_error(error, flags.overrides, app.catalogue) from error


def load_table(app: App, flags: argparse.Namespace) -> Table:
    """Return the table of a command line, read as a run reads it.

    Raises
    ------
    RuntreeError
        What `train` would raise before its split.
    """
    from runtree.lifecycle.load import load

    return load(compose(app, flags).config, app.allow_list(typed_words(flags)))


def _run_all(
    app: App, frozen: "FrozenConfig", flags: argparse.Namespace, folder: Path, on_start: OnStart
) -> CheckReport:
    from runtree.checks.context import make_check_context
    from runtree.checks.registry import run_checks
    from runtree.checks.schema import STAGE as SCHEMA
    from runtree.config.build import build
    from runtree.config.resources import compute_arguments
    from runtree.lifecycle.stages import run_stage, stages_before_fit
    from runtree.statistics import metrics

    # the stages themselves and not a copy of their checks: what passes here passes at the start of `train`
    allow_list = app.allow_list(typed_words(flags))
    compute = build(compute_arguments(frozen.config["compute"]), "compute", allow_list)
    known = metrics.catalogue(app.plugins.contributions("register_metrics"), frozen.config)
    # without a cache and without records: nothing of the run is used a second time
    run = ActiveRun(frozen.config, folder, app.plugins, allow_list, known)
    run.metadata |= compute.describe()
    run.contributors = Contributors(app.plugins.identities)
    # the schema is one of the checks here, and not the end of them
    for stage in (one for one in stages_before_fit(app.plugins, frozen.config) if one.name != SCHEMA):
        on_start(stage.name)
        run_stage(stage, run)
    context = make_check_context(run, compute.session)
    return CheckReport(run, tuple(run_checks(context, on_start=on_start)), len(context.train))
