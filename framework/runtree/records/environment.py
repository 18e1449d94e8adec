"""The environment of a run: versions, code revision, machine."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "platform": platform.platform(),
        "machine": {"cores": os.cpu_count(), "memory_gib": _memory(), "processor": platform.machine()},
        # of the working folder, where the user's own code is, not of runtree
        "git": git(Path.cwd()),
        # the name alone: a path often contains the name of the user
        "executable": Path(sys.executable).name,
    }


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
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    revision = _git(folder, "rev-parse", "HEAD")
    # looking for untracked files would stat the whole output tree
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "changed": bool(status)} if revision else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        # 5 seconds: git may hang on a network file system or wait for a lock, and the revision is not worth a run
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
