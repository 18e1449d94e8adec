"""The folders, files and variables that SageMaker's training contract promises to a command.

They lie below a folder of the run's own, and in a container at `/opt/ml`
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html); the variables are those of
sagemaker-training 5.1 (`environment.py`, `mapping.py`).
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runtree.contract.errors import ConfigError, unknown

MOUNTED = Path("/opt/ml")
CHANNELS = {"train": "train", "validation": "validation", "predict": "predict"}
CHANNEL = re.compile(r"[A-Za-z0-9._-]+(/[^/\0]+)?")
PREFIX, LOCK = "runtree-command-", ".lock"
LEAST_AGE = 60.0  # seconds, before a folder without an owner counts as abandoned: it may just be made
HOST = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}


@contextmanager
def owned_folder() -> Iterator[Path]:
    """Make a temporary folder and remove it at the end, with those whose owners were killed and which hold their rows.

    The owner holds a lock, which ends with its process; in a sweep the guard of its command is killed with it.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as place, (Path(place) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(place)


def _remove_abandoned(folder: Path) -> None:
    for place in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, or with an owner: its lock cannot be had
            facts = place.lstat()
            if facts.st_uid == os.getuid() and time.time() - facts.st_mtime > LEAST_AGE:
                with (place / LOCK).open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(place)


def channel_files(channels: Mapping[str, str] | None) -> dict[str, str]:
    """Return the file of each table, ``train/train.csv``, of ``CHANNEL`` or ``CHANNEL/FILE``.

    Raises
    ------
    ConfigError
        There is no such table, a channel is none, or two tables have one file.
    """
    files: dict[str, str] = {}
    for table, place in {**CHANNELS, **(channels or {})}.items():
        if table not in CHANNELS:
            raise unknown("table of algorithm.channels", table, list(CHANNELS), error=ConfigError)
        if not isinstance(place, str) or not CHANNEL.fullmatch(place) or ".." in place.split("/") or place[0] == ".":
            raise ConfigError(
                f"algorithm.channels.{table}: {place!r:.60} is no channel",
                f"type: CHANNEL or CHANNEL/FILE: {table}/{table}.csv",
            )
        files[table] = place if "/" in place else f"{place}/{place}.csv"
    if len({files["train"], files["validation"]}) < 2:
        raise ConfigError(f"algorithm.channels: train and validation have one file, {files['train']}", "name two files")
    return files


def lay_out(
    folder: Path,
    tables: Mapping[str, tuple[Any, Any]],
    files: Mapping[str, str],
    hyperparameters: Mapping[str, Any],
    target: str | None,
) -> None:
    """Write what a command finds.

    Parameters
    ----------
    tables
        Rows and targets by name; a target of None is left out.
    target
        The name of its column, the last one, below a header. None: there is no header, and the target is the first
        column, as SageMaker's own algorithms read CSV.
    """
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (folder / name).mkdir(parents=True)
    for name, (rows, values) in tables.items():
        file = folder / "input" / "data" / files[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        _table(rows, values, target).to_csv(file, index=False, header=target is not None)
    channels = channel_names(tables, files)
    contents = {
        "hyperparameters": {name: text(value) for name, value in hyperparameters.items()},
        "inputdataconfig": _input_config(channels),
        "resourceconfig": HOST,
        "checkpointconfig": {"LocalPath": str(MOUNTED / "checkpoints")},
    }
    for name, content in contents.items():
        (folder / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def channel_names(tables: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    """Return the channels of some tables; two may share one."""
    return sorted({files[name].partition("/")[0] for name in tables})


def variables(
    folder: Path, channels: list[str], hyperparameters: Mapping[str, Any], gpus: int, cpus: int
) -> dict[str, str]:
    """Return the variables that sagemaker-training sets; `folder` is where the command sees its folders."""
    folders = {name: str(folder / "input" / "data" / name) for name in channels}
    values: dict[str, Any] = {
        **HOST,
        "current_instance_type": "local",
        "resource_config": HOST,
        "input_data_config": _input_config(channels),
        "model_dir": str(folder / "model"),
        "input_dir": str(folder / "input"),
        "input_config_dir": str(folder / "input" / "config"),
        "output_dir": str(folder / "output"),
        "output_data_dir": str(folder / "output" / "data"),
        "output_intermediate_dir": str(folder / "output" / "intermediate"),
        "channels": channels,
        "hps": dict(hyperparameters),
        "user_args": arguments(hyperparameters),
        "num_gpus": gpus,
        "num_cpus": cpus,
        "log_level": 20,
    }
    environment = {**values, "channel_input_dirs": folders, "hyperparameters": dict(hyperparameters)}
    values |= {f"channel_{name}": place for name, place in folders.items()}
    values |= {f"hp_{name}": value for name, value in hyperparameters.items()}
    values |= {"checkpoint_dir": str(folder / "checkpoints"), "training_env": environment}  # the first is ours
    return {f"SM_{name.upper()}": text(value) for name, value in values.items()}


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return hyperparameters as words: ``--name value``, ``-n value``; truth values are ``True`` and ``False``."""
    words: list[str] = []
    for name, value in hyperparameters.items():
        words += [f"-{name}" if len(name) == 1 else f"--{name}", str(value)]
    return words


def text(value: Any) -> str:
    """Return a value as it stands in variables and in hyperparameters.json: a text is itself, anything else is JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _input_config(channels: list[str]) -> dict[str, Any]:
    return {name: {"ContentType": "text/csv", "TrainingInputMode": "File"} for name in channels}


def _table(rows: Any, values: Any, target: str | None) -> pd.DataFrame:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(np.asarray(rows)).rename(columns=lambda n: f"f{n}")
    if values is None:
        return table
    table, column = table.reset_index(drop=True), pd.Series(np.asarray(values))
    return table.assign(**{target: column}) if target is not None else pd.concat([column, table], axis=1)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `read_files` has read."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
