"""From a command line to a run: plugins, Hydra, and the one task that Hydra is given."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.config.catalogue import Catalogue
from runtree.config.search_path import SHIPPED, USER, ConfigFolder, config_folders
from runtree.contract.errors import RuntreeError
from runtree.contract.run import Run
from runtree.plugins import Plugins, installed_plugins

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runtree.config.trust import Trust

Watch = Callable[[str], None]


@dataclass
class App:
    """The plugins of this environment, and what can be chosen with them."""

    plugins: Plugins = field(default_factory=installed_plugins)

    @cached_property
    def folders(self) -> list[ConfigFolder]:
        """Return the config folders: the user's, then plugins', then the shipped one."""
        paths = sorted(self.plugins.contributions("config_paths"), key=lambda pair: pair[0] == SHIPPED)
        return config_folders(paths)

    @cached_property
    def algorithms(self) -> list[tuple[str, Any]]:
        """Return the algorithms that plugins contribute, with the plugin's name."""
        return list(self.plugins.contributions("register_algorithms"))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return every group and option."""
        return Catalogue(self.folders, self.algorithms)

    def trust(self, overrides: Sequence[str] = ()) -> "Trust":
        """Return which code a config may name: what options of packages name, and what is typed on the command line."""
        from runtree.config.trust import Trust, import_from, targets, typed_targets

        typed = list(typed_targets(overrides))
        if typed:
            import_from(Path.cwd())

        def vouched() -> Iterator[str]:
            yield from typed
            for options in self.catalogue.groups.values():
                for option in options.values():
                    if option.provider != USER:
                        yield from targets(option.read())

        return Trust(vouched)


@dataclass
class Done:
    """What came of a command line: the runs that completed, and overrides and error of those that did not."""

    runs: list[Run] = field(default_factory=list)
    failures: list[tuple[tuple[str, ...], Exception]] = field(default_factory=list)
    folder: Path | None = None
    multirun: bool = False


def rest_idle_threads() -> None:
    """Let OpenMP's idle threads sleep rather than spin. To be called before scikit-learn is imported.

    Spinning threads starve each other as soon as anything else runs on the machine: boosting 341 rows took 28 s
    instead of 0.3 s on two busy cores. A user's own setting stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def train(
    app: App, flags: argparse.Namespace, watch: Watch = lambda _: None, told: Callable[[Run], None] = lambda _: None
) -> Done:
    """Run what a command line asks for: one run, or with -m Hydra's sweeper over many.

    `watch` hears each stage's name as it begins, `told` each run as it ends well.
    """
    from runtree.config.engine import Engine
    from runtree.config.explain import explain
    from runtree.config.flags import open_parameters

    rest_idle_threads()
    app.catalogue.groups  # noqa: B018  two packages that offer one name are refused before anything else
    overrides = open_parameters(flags.overrides)
    engine = Engine(app.folders, app.algorithms, flags.config_name or "config", _existing(flags.config_dir))
    done = Done()
    try:
        composed = engine.compose(overrides, multirun=flags.multirun)
        done.multirun = flags.multirun or str(composed.hydra.mode).endswith("MULTIRUN")
        job = partial(run_job, app=app, done=done, watch=watch, told=told)
        if done.multirun:
            done.folder = _sweep_folder(composed)
            engine.multirun([*overrides, f"hydra.sweep.dir={_quoted(done.folder)}"], job)
        else:
            engine.run(composed, job)
    except RuntreeError:
        raise
    except Exception as error:
        if not _of_hydra(error):
            raise
        raise explain(error, flags.overrides, app.catalogue, multirun=done.multirun or flags.multirun) from error
    return done


def run_job(config: "DictConfig", app: App, done: Done, watch: Watch, told: Callable[[Run], None]) -> Any:
    """Run one job of Hydra's: config in, objective out."""
    from hydra.core.hydra_config import HydraConfig

    from runtree.config.freeze import freeze
    from runtree.lifecycle.execute import Request, execute
    from runtree.lifecycle.outcome import ranked
    from runtree.records.folder import open_exact, open_run

    hydra = HydraConfig.get()
    overrides = tuple(str(text) for text in hydra.overrides.task)
    frozen = freeze(config)
    given = Path(hydra.runtime.output_dir)
    if given == Path.cwd():
        parent = Path(frozen.config["outputs"]) / str(frozen.config["experiment"]["name"])
        open_folder = partial(open_run, parent, frozen.fingerprint)
    else:
        open_folder = partial(open_exact, given)
    sweep = done.folder.name if done.folder else None
    try:
        run = execute(Request(frozen, open_folder, overrides, sweep), app.plugins, app.trust(overrides), watch)
    except Exception as error:
        if not done.multirun:
            raise
        done.failures.append((overrides, error))  # the others of a multirun go on
        return None
    done.runs.append(run)
    told(run)
    return ranked(run)["value"]


def _sweep_folder(composed: "DictConfig") -> Path:
    """Return the folder of a sweep: the one that the user named, else a new one."""
    from omegaconf import OmegaConf

    from runtree.config.schema import check_root
    from runtree.records.folder import open_sweep

    if OmegaConf.is_missing(composed.hydra.sweep, "dir") or composed.hydra.sweep.dir != ".":
        return Path(str(composed.hydra.sweep.dir))
    root = {"seed": 0, **{key: composed[key] for key in ("outputs", "experiment")}}
    check_root({**root, "experiment": {"name": composed.experiment.name}})
    return open_sweep(Path(str(composed.outputs)) / str(composed.experiment.name))


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
