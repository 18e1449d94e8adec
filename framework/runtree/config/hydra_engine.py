"""Drives Hydra: the only file that makes Hydra's own objects. What differs between its versions is in `hydra_versions`.

`hydra.main` has no subcommands, drops the task's return value and prints its own errors. So the front controller makes
Hydra's engine object itself, as other libraries on top of Hydra do, and keeps each of Hydra's flags.
"""

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig

from runtree.config.allowlist import AllowList
from runtree.config.catalogue import EXTENDED, algorithm_node
from runtree.config.config_files import read_yaml
from runtree.config.freeze import register_resolvers
from runtree.config.hydra_versions import set_version_base, store_config
from runtree.config.search_path import SHIPPED, USER, ConfigFolder, shipped_conf
from runtree.contract.errors import RequestError
from runtree.contract.types import AlgorithmOption

# mappings in which any key may be set: the user's own keys, arguments of an imported estimator, types of columns, keys
# of other sources, settings of plugins
OPEN_PREFIXES = (
    "extras.",
    "algorithm.params.",
    "algorithm.hyperparameters.",
    "algorithm.metrics.",
    "data.types.",
    "data.sensitive",
    "data.population.",
    "schema.columns.",
    "data.parts",
    "data.storage",
    "preprocess.columns.",
    "tuner.shares",
    "stages.",
    "metrics.",
    "monitor.kpis.",
    "monitor.thresholds.",
    "monitor.triggers.any.",
    "monitor.triggers.all.",
    "monitor.alerting.",
)

# flags of Hydra that do nothing here, and what does it instead
REFUSED_FLAGS = {
    "experimental_rerun": "to train the config of a run again: runtree rerun RUN",
    "shell_completion": "to set up completion: runtree completion",
}


def hydra_parser() -> argparse.ArgumentParser:
    """Return the parser of Hydra's own flags."""
    from hydra._internal.utils import get_args_parser

    # Hydra's own parser, so that flags that a later version adds work without a change here
    parser: argparse.ArgumentParser = get_args_parser()
    for action in parser._actions:
        if action.dest in REFUSED_FLAGS:  # for --hydra-help, which prints them all
            action.help = f"not supported; {REFUSED_FLAGS[action.dest]}"
    return parser


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line into Hydra's flags and overrides; an unknown flag is refused."""
    parser = hydra_parser()
    # `continue` is a keyword and could not be read as an attribute
    parser.add_argument("--continue", dest="going_on", metavar="RUN")
    parser.add_argument("--trust", dest="trusted", metavar="TARGET", action="append", default=[])
    # overrides that are read from a record, in front of those that are typed
    parser.set_defaults(recorded=())
    # argparse would print its own usage text and exit
    parser.exit_on_error = False
    try:
        # intermixed: flags may stand between overrides
        flags, rest = parser.parse_known_intermixed_args(list(arguments))
    except argparse.ArgumentError as error:
        raise RequestError(str(error), "see: runtree train --help") from None
    except SystemExit as end:
        if not end.code:  # --version, which prints Hydra's
            raise
        # argparse exits nonetheless where it calls `error` itself
        raise RequestError("the flags cannot be combined", "see: runtree train --help") from None
    unknown_flags = [argument for argument in rest if argument.startswith("-")]
    if unknown_flags:
        raise RequestError(f"unknown flag {unknown_flags[0]}", "see: runtree train --help")
    _check_flags(flags)
    _read_mode(flags)
    return flags


def _check_flags(flags: argparse.Namespace) -> None:
    """Refuse a flag that would have no effect."""
    for name, instead in REFUSED_FLAGS.items():
        if getattr(flags, name):
            raise RequestError(f"--{name.replace('_', '-')} is not supported", instead)
    if flags.help:
        raise RequestError("--help has to stand in front of the overrides", "see: runtree train --help")
    for name in ("resolve", "package"):
        if getattr(flags, name) and not flags.cfg:
            raise RequestError(
                f"--{name} needs --cfg", f"type: --cfg job --{name}" + (" …" if name == "package" else "")
            )
    modes = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(flags, name)]
    if len(modes) > 1:
        plan = "to see what a sweep would try: runtree plan …" if "--multirun" in modes else ""
        raise RequestError(f"{modes[0]} and {modes[1]} cannot be combined", plan)


def _read_mode(flags: argparse.Namespace) -> None:
    """Let `--run` and a typed `hydra.mode` decide, as `-m` does, whether it is one run or many."""
    if flags.run:
        flags.overrides.append("hydra.mode=RUN")
    modes = [text.partition("=")[2] for text in flags.overrides if text.partition("=")[0] == "hydra.mode"]
    flags.multirun = flags.multirun or modes[-1:] == ["MULTIRUN"]


def repeat_below_swept_groups(overrides: Sequence[str], groups: Iterable[str]) -> list[str]:
    """Turn a value below a swept group into a sweep over one value: ``algorithm=ridge,knn algorithm.alpha=2``.

    Hydra would compose the first configuration with the group's default, which may not have the key. In a sweep the
    value is set on those options that have it.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:  # `hydra_errors` explains it
        return list(overrides)
    # only choices of a swept group matter: a swept value leaves the options of its group as they are
    swept = {override.key_or_group for override in parsed if override.is_sweep_override()} & set(groups)
    texts = []
    for text, override in zip(overrides, parsed, strict=True):
        group, dot, _ = override.key_or_group.partition(".")
        plain = not any(
            (override.is_sweep_override(), override.is_add(), override.is_force_add(), override.is_delete())
        )
        # a,b is a sweep for Hydra and one value alone is not; the second of two equal values is not run again
        key, _, value = text.partition("=")
        texts.append(f"{key}={value},{value}" if group in swept and dot and plain and value else text)
    return texts


def force_open_parameters(overrides: Iterable[str]) -> list[str]:
    """Add Hydra's `++` to `algorithm.params.<key>=…`, `data.types={…}` and the like: any key may be set there."""
    wholes = tuple(f"{prefix.removesuffix('.')}={{" for prefix in OPEN_PREFIXES)
    return [f"++{text}" if text.startswith((*OPEN_PREFIXES, *wholes)) else text for text in overrides]


CONFIG_NAME = "config"
# groups of Hydra's own node; `output` is a file of the shipped folder
RUNTREE_DEFAULTS = {
    "sweeper": "runtree",
    "launcher": "runtree",
    "output": "runtree",
    "hydra_logging": "none",
    "job_logging": "none",
}
HydraJob = Callable[[DictConfig], Any]


class HydraEngine:
    """Hydra over a list of config folders."""

    def __init__(
        self,
        folders: Iterable[ConfigFolder],
        algorithms: Iterable[tuple[str, AlgorithmOption]],
        allow_list: AllowList,
        config_name: str = CONFIG_NAME,
        config_dir: str | None = None,
        config_path: str | None = None,
    ) -> None:
        self.folders = list(folders)
        self.algorithms = list(algorithms)
        self.allow_list = allow_list
        self.config_name = config_name
        self.config_dir = config_dir
        self.config_path = config_path

    @contextmanager
    def session(self, checked: bool = True) -> Iterator[Any]:
        """Yield Hydra's engine object. Hydra's process-wide state is cleared before and after.

        With `checked` every config is refused that names untrusted code; only to show a config does without.
        """
        from hydra._internal.hydra import Hydra
        from hydra.core.global_hydra import GlobalHydra

        # before any composition: the shipped config uses them
        register_resolvers()
        set_version_base()
        # Hydra refuses a second engine in one process, and an error in the first would leave it initialized
        GlobalHydra.instance().clear()
        from runtree.config.hydra_loader import CheckedConfigLoader, NamingConfigLoader

        try:
            path, installed = self._search_path()
            # after Hydra has loaded its plugins, which store configs that have to stay
            with own_store():
                self._store_configs()
                hydra = Hydra.create_main_hydra2(task_name="runtree", config_search_path=path)
                hydra.config_loader = (
                    CheckedConfigLoader(path, installed, self.allow_list) if checked else NamingConfigLoader(path)
                )
                yield hydra
        finally:
            GlobalHydra.instance().clear()

    def _search_path(self) -> tuple[Any, set[str]]:
        """Return the search path, and the providers of its folders that come with an installed package."""
        from hydra._internal.utils import create_config_search_path
        from hydra.core.config_search_path import SearchPathQuery

        # a SearchPathPlugin would be loaded by every Hydra program in this environment
        path = create_config_search_path(f"file://{self.config_path or shipped_conf()}")
        installed = {element.provider for element in path.get_path()}
        installed |= {folder.provider for folder in self.folders if folder.provider != USER}
        if self.config_path is not None:
            installed.remove("main")  # the folder of the primary config may be anyone's
        for folder in self.folders:
            if folder.provider == SHIPPED and self.config_path is None:
                continue
            # the user's folder comes before the shipped one, plugins' folders after it; --config-path before them all
            anchor = "main" if folder.provider == USER and self.config_path is None else "schema"
            path.prepend(
                folder.provider, f"file://{folder.path.resolve()}", SearchPathQuery(provider=anchor, path=None)
            )
        if self.config_dir is not None:
            path.prepend("command-line", f"file://{self.config_dir}", SearchPathQuery(provider="schema", path=None))
        return path, installed

    def _store_configs(self) -> None:
        from hydra.conf import HydraConf

        # In Hydra's own node and not in `config.yaml`: so runtree's sweeper, launcher, output folder and logging hold
        # for every primary config, be it the user's own or the saved one of a run
        node = HydraConf(output_subdir=None)
        node.defaults = [
            {key: RUNTREE_DEFAULTS.get(key, option)} for entry in node.defaults for key, option in entry.items()
        ]
        store_config("hydra", "config", node, "runtree")
        # a config.yaml in the user's folder hides the shipped one, and may extend it by this name
        store_config(None, EXTENDED, read_yaml(shipped_conf() / "config.yaml"), "runtree")
        # a registered algorithm has no file: Hydra finds its node in the store under the same group and name
        for provider, option in self.algorithms:
            store_config("algorithm", option.name, algorithm_node(option), provider)

    def compose(self, overrides: Sequence[str], multirun: bool = False) -> DictConfig:
        """Return the composed config, Hydra's own node included."""
        from hydra.types import RunMode

        with self.session() as hydra:
            return self._compose(hydra, overrides, RunMode.MULTIRUN if multirun else RunMode.RUN)

    def _compose(self, hydra: Any, overrides: Sequence[str], mode: Any) -> DictConfig:
        composed: DictConfig = hydra.compose_config(
            config_name=self.config_name, overrides=list(overrides), run_mode=mode, with_log_configuration=False
        )
        return composed

    def run(self, composed: DictConfig, task: HydraJob) -> Any:
        """Run one job with Hydra's callbacks and return the result of `task`."""
        from hydra._internal.callbacks import Callbacks
        from hydra.core.utils import run_job
        from hydra.types import HydraContext, RunMode

        with self.session() as hydra, preserve_logging():
            # `hydra.main` would compose again here; a config that is composed already saves 70 ms
            composed.hydra.mode = RunMode.RUN
            callbacks = Callbacks(composed)
            callbacks.on_run_start(config=composed, config_name=self.config_name)
            result = run_job(
                hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=callbacks),
                task_function=task,
                config=composed,
                job_dir_key="hydra.run.dir",
                job_subdir_key=None,  # of a multirun only
                configure_logging=True,
            )
            callbacks.on_run_end(config=composed, config_name=self.config_name, job_return=result)
            # the public `return_value` would print Hydra's own message before it raises
            if isinstance(result._return_value, Exception):
                raise result._return_value
            return result._return_value

    def multirun(self, overrides: Sequence[str], task: HydraJob) -> Any:
        """Run Hydra's sweeper on the overrides and return its result."""
        with self.session() as hydra, preserve_logging():
            return hydra.multirun(
                config_name=self.config_name, task_function=task, overrides=[*overrides, "hydra.mode=MULTIRUN"]
            )

    def plan(self, overrides: Sequence[str], task: HydraJob) -> Any:
        """Pass a sweep to the task, as `multirun` does, without callbacks and without logging."""
        from hydra._internal.callbacks import Callbacks
        from hydra.core.plugins import Plugins
        from hydra.types import HydraContext, RunMode

        with self.session() as hydra, preserve_logging():
            composed = self._compose(hydra, [*overrides, "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
            context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
            sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=task, config=composed)
            return sweeper.sweep(arguments=list(composed.hydra.overrides.task))

    def show(self, flags: argparse.Namespace) -> None:
        """Print what one of Hydra's flags requests: --cfg, --info, --hydra-help, --shell-completion."""
        # --cfg and --info set up nothing, and are the way to see what a config would do
        with self.session(checked=not (flags.cfg or flags.info)) as hydra, preserve_logging():
            name, overrides = self.config_name, flags.overrides
            if flags.cfg:
                hydra.show_cfg(name, overrides, cfg_type=flags.cfg, package=flags.package, resolve=flags.resolve)
            elif flags.info:
                hydra.show_info(flags.info, config_name=name, overrides=overrides)
            elif flags.hydra_help:
                hydra.hydra_help(config_name=name, args_parser=hydra_parser(), args=flags)
            elif flags.shell_completion:
                hydra.shell_completion(config_name=name, overrides=overrides)


@contextmanager
def own_store() -> Iterator[None]:
    """Keep what is put into Hydra's store from other Hydra programs in this process, and from the next engine."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    former, store.repo = store.repo, _copy_groups(store.repo)
    try:
        yield
    finally:
        store.repo = former


def _copy_groups(repository: dict[str, Any]) -> dict[str, Any]:
    return {name: _copy_groups(item) if isinstance(item, dict) else item for name, item in repository.items()}


@contextmanager
def preserve_logging() -> Iterator[None]:
    """Restore the root logger afterwards: --info and `hydra/job_logging` redirect the logs of the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        # Hydra's file handlers keep the log file open otherwise
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
