"""The environment of a run: versions, code revision, machine."""

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runtree.contract.files import read_regular

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MAX_GIT_FILE_BYTES = 50_000_000  # of `packed-refs`, which has a line for each branch and tag

PACKAGES = (
    "runtree",
    "hydra-core",
    "omegaconf",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "skops",
    "torch",
)


def environment() -> dict[str, Any]:
    """Describe versions, git revision and hardware."""
    return {
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "machine": {"cores": os.cpu_count(), "memory_gib": _memory(), "processor": platform.machine()},
        # of the working folder, where the user's own code is, not of runtree
        "git": git(Path.cwd()),
        # the name alone: a path often contains the name of the user
        "executable": Path(sys.executable).name,
    }


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _memory() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def git(folder: Path) -> dict[str, Any] | None:
    """Return the revision of the code in a folder and whether it was changed since, or None outside a repository."""
    # starting git takes some milliseconds, and outside a repository it finds nothing
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    if root is None or (place := _git_folder(root / ".git")) is None:
        return None
    own, common = place
    revision = _resolve(own, common, (_line(own / "HEAD") or ""))
    return {"revision": revision, "changed": _is_changed(root, own, common, revision)} if revision else None


def _git_folder(place: Path) -> tuple[Path, Path] | None:
    """Return the folder of HEAD and index, and that of objects and branches: another one in a linked work tree."""
    if place.is_file():  # a linked work tree or a submodule
        target = (_line(place) or "").removeprefix("gitdir: ")
        place = place.parent / target  # an absolute one replaces the parent
    if not place.is_dir():
        return None
    common = _line(place / "commondir")
    return place, place / common if common else place


def _resolve(own: Path, common: Path, head: str) -> str | None:
    """Return the commit of HEAD: named by itself, or by a branch in a file of its own or in `packed-refs`."""
    branch = head.removeprefix("ref: ")
    if branch == head:
        return head if COMMIT.fullmatch(head) else None
    if not branch.startswith("refs/") or ".." in branch:  # the name comes from a file that may be anyone's
        return None
    for folder in (own, common):
        if COMMIT.fullmatch(found := _line(folder / branch) or ""):
            return found
    packed = (line.split(" ") for line in (_read(common / "packed-refs") or "").splitlines())
    return next((words[0] for words in packed if words[1:] == [branch] and COMMIT.fullmatch(words[0])), None)


def _is_changed(root: Path, own: Path, common: Path, revision: str) -> bool | None:
    """Return whether a file that git follows was changed; None if git cannot say.

    The config of a repository names programs that git runs: `core.fsmonitor`, hooks, filters, `core.sshCommand`. So git
    is given an empty repository that lends the index and the objects of this one, and never reads its config.
    """
    with TemporaryDirectory() as empty:
        (Path(empty) / "refs").mkdir()
        (Path(empty) / "objects").mkdir()
        (Path(empty) / "HEAD").write_text(f"{revision}\n")
        places = {
            "GIT_DIR": empty,
            "GIT_WORK_TREE": str(root),
            "GIT_INDEX_FILE": str(own / "index"),
            "GIT_OBJECT_DIRECTORY": str(common / "objects"),
            "GIT_OPTIONAL_LOCKS": "0",  # git would write a refreshed index
        }
        # the user's own variables may point to the repository or to config
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        # looking for untracked files would stat the whole output tree, and a submodule has a config of its own
        words = ["git", "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"]
        try:
            # 5 seconds: git may hang on a network file system, and the answer is not worth a run
            done = subprocess.run(words, cwd=root, env=kept | places, capture_output=True, timeout=5, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
    return bool(done.stdout.strip())


def _read(file: Path) -> str | None:
    with suppress(OSError, ValueError):
        return read_regular(file, MAX_GIT_FILE_BYTES).decode()
    return None


def _line(file: Path) -> str | None:
    text = _read(file)
    return None if text is None else text.strip().partition("\n")[0]
