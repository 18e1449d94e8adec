"""The closed list of what a config file, or a record, may set below `hydra`.

Hydra itself makes objects of its node: callbacks, log handlers, launcher, sweeper. It also changes the environment of a
job and writes files. So a file may set what is listed here, and no other key. Files of installed packages and overrides
that are typed now are not checked.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runtree.config.calls import PRE_DISPATCH
from runtree.contract.errors import UntrustedError

FILE_NAME = re.compile(r"(?!\.)[\w.-]{1,128}")  # no slash: it stays in its folder
# below the run's folder; a name of the job is itself a FILE_NAME
LOG_FILE = re.compile(r"\$\{hydra[.:]runtime\.output_dir\}/(?!\.)(?:[\w.-]|\$\{hydra[.:]job\.(?:name|num|id)\})+")
# no line break: submitit writes these values into a shell script
SETTING = re.compile(r"[\w .:,/@%+=-]*")

# variables that change how fast a job runs, not what it runs: PATH or LD_PRELOAD would choose another program
ENVIRONMENT = {
    *(f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "BLIS", "VECLIB")),
    *("OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "TOKENIZERS_PARALLELISM"),
    *("PYTHONHASHSEED", "TZ"),
}
LAUNCHER_SETTINGS = (
    # of hydra-joblib-launcher
    *("n_jobs", "backend", "prefer", "require", "verbose", "timeout", "batch_size", "max_nbytes"),
    # of hydra-submitit-launcher; not among them: setup, python, srun_args, additional_parameters, submitit_folder
    *("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name", "partition", "qos"),
    *("comment", "constraint", "exclude", "gres", "cpus_per_gpu", "gpus_per_task", "mem_per_gpu", "mem_per_cpu"),
    *("account", "signal_delay_s", "max_num_timeout", "array_parallelism", "stderr_to_stdout"),
)
FORMATTERS = ("logging.Formatter", "colorlog.ColoredFormatter")
HANDLERS = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")

Check = Callable[[Any], bool]


def _one_of(*allowed: Any) -> Check:
    return lambda value: value in allowed


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: not isinstance(value, str) or pattern.fullmatch(value) is not None


def _anything(value: Any) -> bool:
    return True


def _log_text(value: Any) -> bool:
    # logging imports what follows ext:// and cfg://, and a reference may bring one in
    return not isinstance(value, str) or not ("${" in value or re.match(r"\w+://", value))


def _folder(value: Any) -> bool:
    # of a package (pkg://) Hydra imports the module
    return isinstance(value, str) and ("://" not in value or value.startswith("file://"))


_LOGGING: Mapping[str, Check] = {
    "version": _log_text,
    "disable_existing_loggers": _log_text,
    "incremental": _log_text,
    "formatters.*.format": _log_text,
    "formatters.*.datefmt": _log_text,
    "formatters.*.style": _one_of("%", "$"),
    "formatters.*.class": _one_of(*FORMATTERS),
    "formatters.*.()": _one_of(*FORMATTERS),
    "formatters.*.log_colors.*": _log_text,
    "handlers.*.class": _one_of(*HANDLERS),
    "handlers.*.level": _log_text,
    "handlers.*.formatter": _log_text,
    "handlers.*.stream": _one_of(*STREAMS),
    "handlers.*.filename": _matches(LOG_FILE),
    "handlers.*.mode": _one_of("a", "w"),
    "handlers.*.encoding": _matches(FILE_NAME),
    "handlers.*.delay": _one_of(True, False),
    "root.level": _log_text,
    "root.handlers": _log_text,
    "loggers.*.level": _log_text,
    "loggers.*.handlers": _log_text,
    "loggers.*.propagate": _log_text,
}
# path below `hydra`, * for any name → whether a value is allowed
ALLOWED_KEYS: Mapping[str, Check] = {
    "mode": _anything,
    "verbose": _anything,
    "searchpath": _folder,
    "run.dir": _anything,
    "sweep.dir": _anything,
    "sweep.subdir": _anything,
    "output_subdir": _matches(FILE_NAME),
    "help.*": _anything,
    "hydra_help.*": _anything,
    "job.name": _matches(FILE_NAME),
    "job.chdir": _one_of(True, False),
    "job.config.override_dirname.*": _anything,
    "job.env_copy": _one_of(*ENVIRONMENT),
    **{f"job.env_set.{name}": _anything for name in ENVIRONMENT},
    # the loader checks the targets of callbacks, launcher and sweeper in the composed config, and Hydra accepts only
    # installed classes as launcher and sweeper
    "callbacks.**": _anything,
    "sweeper._target_": _anything,
    "sweeper.max_batch_size": _anything,
    "sweeper.params.**": _anything,
    "launcher._target_": _anything,
    "launcher.pre_dispatch": _matches(PRE_DISPATCH),
    **{f"launcher.{name}": _matches(SETTING) for name in LAUNCHER_SETTINGS},
    **{f"{node}.{path}": check for node in ("job_logging", "hydra_logging") for path, check in _LOGGING.items()},
}


def check_hydra_keys(node: Any, source: str, is_typed: Callable[[str], bool]) -> None:
    """Refuse a key of `hydra` that a file may not set.

    Parameters
    ----------
    node
        The content of `hydra` in `source`, with its interpolations unresolved.
    is_typed
        Tells whether the user typed the value of a config path, or trusts it.
    """
    for path, value in _leaves(node, ()):
        shown = ".".join(("hydra", *path))
        if not (value is None or is_typed(shown) or any(_allows(key, path, value) for key in ALLOWED_KEYS)):
            raise UntrustedError(
                f"{shown}: {source} sets {str(value)[:60]!r}, which could run code or write outside the run's folder",
                f"if you trust it, add: --trust {shown}",
            )


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            # the list of options that a file of a group of Hydra's begins with
            if not (key == "defaults" and _is_defaults_list(value)):
                yield from _leaves(value, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _leaves(item, path)
    else:
        yield path, node


def _is_defaults_list(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) or (isinstance(item, Mapping) and len(item) == 1 and "_target_" not in item)
        for item in value
    )


def _allows(key: str, path: tuple[str, ...], value: Any) -> bool:
    names = key.split(".")
    # these are overrides of the jobs, and no line of a file there either
    if path[:2] == ("sweeper", "params") and re.match(r"[+~\s]*hydra\b|.*@\W*hydra\b", ".".join(path[2:])):
        return False
    if names[-1] == "**":
        return path[: len(names) - 1] == tuple(names[:-1]) and len(path) >= len(names)
    return (
        len(names) == len(path)
        and all(name in ("*", part) for name, part in zip(names, path, strict=True))
        and ALLOWED_KEYS[key](value)
    )
