"""From a command line to runs: Hydra composes, and is given the one task that it runs."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App, rest_idle_threads
from runtree.contract.errors import RuntreeError, UnknownKeyError
from runtree.contract.run import Run

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runtree.app.preflight import SweepRequest
    from runtree.app.sweep import SweepResult
    from runtree.config.freeze import Frozen
    from runtree.records.layout import RunFolder

Watch = Callable[[str], None]
Iterated = Callable[[Run, Mapping[str, Any]], None]
Open = Callable[[], "RunFolder"]  # comes by a folder for a run
Opens = Callable[["Frozen", Open], Open]  # chooses, by the config, how to come by one
SWEEPER = "hydra_plugins.runtree_hydra.RuntreeSweeper"


def anew(frozen: "Frozen", open_new: Open) -> Open:
    """Take a new folder."""
    return open_new


@dataclass
class Done:
    """What came of a command line: one run, or a sweep.

    Under a sweeper that is not runtree's, `runs` and `failures` (overrides, error) tell of the runs one by one.
    """

    runs: list[Run] = field(default_factory=list)
    failures: list[tuple[tuple[str, ...], Exception]] = field(default_factory=list)
    folder: Path | None = None
    multirun: bool = False
    swept: "SweepResult | None" = None


def train(
    app: App,
    flags: argparse.Namespace,
    watch: Watch = lambda _: None,
    told: Callable[[Run], None] = lambda _: None,
    order: "SweepRequest | None" = None,
    iterated: Iterated = lambda run, line: None,
    opens: Opens = anew,
) -> Done:
    """Run what a command line asks for: one run, or with -m a sweep.

    `watch` hears each stage as it begins, `iterated` each iteration that is checked, `told` each run as it ends well;
    `order` says what is asked of a sweep, `opens` whether another folder than a new one is taken.
    """
    from runtree.config.engine import Engine
    from runtree.config.explain import explain
    from runtree.config.flags import open_parameters, spread
    from runtree.config.unknown_key import unknown_key

    rest_idle_threads()
    app.catalogue.groups  # noqa: B018  two packages that offer one name are refused before anything else
    overrides = open_parameters(flags.overrides)
    app.trust(overrides)  # whoever types a `_target_` may mean a module in this folder; Hydra's callbacks come early
    if flags.multirun:
        overrides = spread(overrides, app.catalogue.groups)
    engine = Engine(app.folders, app.algorithms, flags.config_name or "config", _existing(flags.config_dir))
    done = Done()
    try:
        composed = engine.compose(overrides, multirun=flags.multirun)
        done.multirun = flags.multirun or str(composed.hydra.mode).endswith("MULTIRUN")
        task = Task(app, done, watch, told, order, flags, iterated, opens)
        if not done.multirun:
            engine.run(composed, task)
        elif composed.hydra.sweeper.get("_target_") == SWEEPER:
            engine.multirun(overrides, task)
        else:
            done.folder = _sweep_folder(composed)
            engine.multirun([*overrides, f"hydra.sweep.dir={_quoted(done.folder)}"], task)
    except UnknownKeyError as error:  # a sweep knows its own keys; the catalogue, what other options have
        raise unknown_key(error.key, flags.overrides, app.catalogue, error.known) from None
    except RuntreeError:
        raise
    except Exception as error:
        if not _of_hydra(error):
            raise
        raise explain(error, flags.overrides, app.catalogue, multirun=done.multirun or flags.multirun) from error
    return done


class Task:
    """What Hydra is given to run: one job, or where its sweeper is runtree's a whole sweep."""

    def __init__(
        self,
        app: App,
        done: Done,
        watch: Watch = lambda _: None,
        told: Callable[[Run], None] = lambda _: None,
        order: "SweepRequest | None" = None,
        flags: argparse.Namespace | None = None,
        iterated: Iterated = lambda run, line: None,
        opens: Opens = anew,
    ) -> None:
        self.app, self.done, self.watch, self.told = app, done, watch, told
        self.order, self.flags, self.iterated, self.opens = order, flags, iterated, opens

    def __reduce__(self) -> Any:
        """Cross to a launcher's process as what can be made anew there."""
        return remote_task, (self.app.plugins.extra, self.done.folder, self.done.swept is not None)

    def __call__(self, config: "DictConfig") -> Any:
        """Run one job: config in, objective out."""
        return run_job(config, self)

    def sweep(self, sweeper: Any, arguments: list[str]) -> Any:
        """Carry out a sweep, and return the best value of the objective."""
        from runtree.app.preflight import SweepRequest
        from runtree.app.sweep import SweepResult, run_sweep

        order = self.order or SweepRequest(self.app)
        order.overrides = tuple(arguments)
        if self.flags is not None:
            order.config_name = self.flags.config_name or "config"
            order.config_dir = _existing(self.flags.config_dir)

        def open_folder(config: "DictConfig") -> Path:
            folder = order.resume.path if order.resume else _sweep_folder(config)
            self.done.folder, self.done.swept = folder, SweepResult()
            config.hydra.sweep.dir = str(folder)  # what a launcher composes with
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={_quoted(folder)}")
            return folder

        self.done.swept = run_sweep(order, sweeper, arguments, open_folder)
        driver = self.done.swept.driver
        return driver.progress.tally.best if driver else None


def remote_task(extra: tuple[tuple[str, object], ...], folder: Path | None, of_sweep: bool) -> Task:
    """Make the task anew in a process of a launcher's."""
    from runtree.app.sweep import SweepResult
    from runtree.plugins import make_plugins

    app = App(make_plugins(extra=extra)) if extra else App()
    return Task(app, Done(folder=folder, multirun=True, swept=SweepResult() if of_sweep else None))


def run_job(config: "DictConfig", task: Task) -> Any:
    """Run one job of Hydra's: config in, objective out."""
    from hydra.core.hydra_config import HydraConfig

    from runtree.config.freeze import freeze
    from runtree.lifecycle.execute import Request, execute
    from runtree.lifecycle.memory import ALONE, Memory
    from runtree.lifecycle.outcome import ranked
    from runtree.records.layout import make_run_folder, use_run_folder

    hydra = HydraConfig.get()
    overrides = tuple(str(text) for text in hydra.overrides.task)
    frozen = freeze(config)
    given = Path(hydra.runtime.output_dir)
    if given == Path.cwd():
        parent = Path(frozen.config["outputs"]) / str(frozen.config["experiment"]["name"])
        open_folder: Open = partial(make_run_folder, parent, frozen.fingerprint)
    else:
        open_folder = partial(use_run_folder, given)
    done = task.done
    sweep = done.folder.name if done.folder else None
    memory = Memory(ALONE)
    opens = task.opens(frozen, open_folder)
    keep = keep_later(config, given, int(hydra.job.num), done) if done.swept is not None else None
    request = Request(frozen, opens, overrides, sweep, keep, recall=memory.recall, iterated=task.iterated)
    try:
        run = execute(request, task.app.plugins, task.app.trust(overrides), task.watch)
    except Exception as error:
        if not done.multirun or done.swept is not None:
            raise
        done.failures.append((overrides, error))  # the others of a multirun go on
        return None
    done.runs.append(run)
    task.told(run)
    return ranked(run)["value"]


def keep_later(config: "DictConfig", given: Path, number: int, done: Done) -> Callable[[Run], bool] | None:
    """Return what says no when a launcher's run would be kept: of a sweep that keeps the best, its driver keeps it.

    None where each run is kept as it ends: all are wanted, or the driver could not do one again where it stands.
    """
    from omegaconf import OmegaConf

    from runtree.records.layout import SweepFolder

    assert done.folder is not None
    here = SweepFolder(done.folder.absolute()).run(number).path == given.absolute()
    again = here and "${hydra:" not in str(OmegaConf.to_container(config, resolve=False))
    return (lambda run: False) if again and config.tuner.keep != "all" else None


def _sweep_folder(composed: "DictConfig") -> Path:
    """Make the folder of a sweep: the one that the user named, else a new one."""
    from omegaconf import OmegaConf

    from runtree.config.schema import check_root
    from runtree.records.layout import make_sweep_folder, use_sweep_folder

    if OmegaConf.is_missing(composed.hydra.sweep, "dir") or composed.hydra.sweep.dir != ".":
        return use_sweep_folder(Path(str(composed.hydra.sweep.dir)))
    root = {"seed": 0, **{key: composed[key] for key in ("outputs", "experiment")}}
    check_root({**root, "experiment": {"name": composed.experiment.name}})
    return make_sweep_folder(Path(str(composed.outputs)) / str(composed.experiment.name))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _existing(folder: str | None) -> str | None:
    from runtree.contract.errors import RequestError

    if folder is None:
        return None
    if not Path(folder).is_dir():
        raise RequestError(f"--config-dir: there is no folder {folder}")
    return str(Path(folder).resolve())


def _of_hydra(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__module__.split(".")[0] in ("hydra", "omegaconf", "yaml"):
            return True
        error = error.__cause__
    return False
