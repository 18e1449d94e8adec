"""How a folder of the output tree is made and claimed by one process, and given back or emptied."""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from runtree.contract.commands import command
from runtree.contract.errors import RequestError
from runtree.contract.files import is_within
from runtree.records.layout import RunFolder, SweepFolder, not_writable_error, remove_temporary_files
from runtree.records.locks import check_locks

ARTIFACT_FOLDERS = ("model", "plots", "checkpoints")
ARTIFACT_FILES = ("predictions.parquet", "manifest.json", "report.html")


def folder_time() -> str:
    """Return the current time in UTC for the name of a folder. Nothing is ordered by it."""
    # in UTC, because local time repeats an hour each autumn
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def make_run_folder(parent: Path, fingerprint: str) -> RunFolder:
    """Make the folder ``<time>-<fingerprint8>`` of a run."""
    return RunFolder(make_unique_folder(parent, f"{folder_time()}-{fingerprint[:8]}"))


def make_sweep_folder(parent: Path) -> Path:
    """Make the folder ``<time>-sweep``."""
    return make_unique_folder(parent, folder_time(), "-sweep")


def use_sweep_folder(path: Path) -> Path:
    """Use the folder that the user named for a sweep.

    Raises
    ------
    RequestError
        It contains a sweep already, or cannot be written to.
    """
    _make(path)
    # the ledger is what makes a folder a sweep, here as in every listing
    if (path / "ledger.jsonl").exists():
        raise RequestError(f"{path} already contains a sweep", f"resume it: {command('resume', str(path))}")
    _check_locks(path)
    return path


def make_unique_folder(parent: Path, name: str, ending: str = "") -> Path:
    """Make a new folder, with -2, -3 … after its name if that exists.

    `mkdir` fails if the folder exists, so of two processes that ask for one name only one gets it.
    """
    # os.path, which takes a name that is too long for no link: the error for it follows
    if os.path.islink(parent) and not is_within(parent, parent.parent):  # noqa: PTH114
        raise RequestError(
            f"outputs: {parent} is a link that leaves the output folder",
            "choose another experiment.name, or make the output folder itself the link",
        )
    _make(parent)
    _check_locks(parent)
    for number in count(1):
        # the number stands before the ending: "-sweep" must stay last, because listings recognize sweeps by it
        folder = parent / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise not_writable_error(parent, error) from None
        return folder
    raise AssertionError("count() does not end")


def use_run_folder(path: Path) -> RunFolder:
    """Use the folder that the user named for a run.

    Raises
    ------
    RequestError
        It contains a run already, or cannot be written to.
    """
    _make(path)
    _check_locks(path)
    folder = RunFolder(path)
    try:
        # O_EXCL makes the check and the claim one system call: two processes cannot both find the folder free
        os.close(os.open(folder.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        raise RequestError(f"{path} already contains a run", "choose another folder") from None
    except OSError as error:
        raise not_writable_error(path, error) from None
    return folder


@dataclass(frozen=True)
class FolderState:
    """What a folder holds when a run begins in it: names of its files, and the bytes of two that grow with the fit."""

    names: frozenset[str]
    history: int
    folds: int


def folder_state(folder: RunFolder) -> FolderState:
    """Return what a folder holds now."""
    sizes = [file.stat().st_size if file.is_file() else 0 for file in (folder.history, folder.folds)]
    return FolderState(frozenset(path.name for path in folder.path.iterdir()), *sizes)


def discard_folder(folder: RunFolder, before: FolderState) -> None:
    """Remove what a run that was refused has written; that of an earlier run, or of the user, stays."""
    if RunFolder.record.name in before.names:  # a run that was to be continued
        return
    for path in list(folder.path.iterdir()):
        if path.name not in before.names or path == folder.config:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    with suppress(OSError):  # not empty
        folder.path.rmdir()


def release_folder(folder: RunFolder) -> None:
    """Remove the folder of a run if nothing was written into it: it is no run, and shows in no listing."""
    with suppress(OSError):
        if not folder.config.stat().st_size:  # as `use_run_folder` has claimed it
            folder.config.unlink()
    with suppress(OSError):  # not empty
        folder.path.rmdir()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable_error(folder, error) from None


def _check_locks(folder: Path) -> None:
    try:
        check_locks(folder)
    except OSError as error:
        raise not_writable_error(folder, error) from None


def join_folders(sweep: SweepFolder, number: int, output_dir: Path) -> RunFolder:
    """Make one folder of that of a run and of Hydra's output folder for it; its name for Hydra becomes a link.

    Hydra has begun to write into its folder, and may work in it: so that one is kept, under the name of the run.
    """
    folder = sweep.run(number)
    below = is_within(output_dir, sweep.path) and output_dir != sweep.path
    if not below or output_dir.is_symlink() or output_dir.resolve() == folder.path.resolve():
        return folder
    with suppress(OSError):  # not empty, or a file system without links: then there are two folders
        folder.path.rmdir()
        output_dir.rename(folder.path)
        output_dir.symlink_to(os.path.relpath(folder.path, output_dir.parent), target_is_directory=True)
    return folder


def drop_artifacts(folder: RunFolder, but: Collection[str] = ()) -> None:
    """Remove the artifacts of a run, except those named in `but`. Its record and its scores stay."""
    for name in set(ARTIFACT_FOLDERS) - set(but):
        shutil.rmtree(folder.path / name, ignore_errors=True)
    for name in ARTIFACT_FILES:
        (folder.path / name).unlink(missing_ok=True)
    remove_temporary_files(folder.path)
