"""What a host lacks to train, to serve, or to build images."""

import os
import platform
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

MIB = 2**20
LEAST_DISK, LEAST_MEMORY, LEAST_SHARED, LEAST_FILES = 1024 * MIB, 1024 * MIB, 64 * MIB, 256
SUBJECTS = ("train", "serve", "package")
EXTRAS = {"train": (), "serve": ("serve",), "package": ("serve",)}
BUILDERS = ("docker", "podman", "buildah")
SECONDS = 30  # in which a builder answers


@dataclass(frozen=True)
class HostFact:
    """One thing that was looked at.

    Attributes
    ----------
    state
        ``ok``; ``note``: it works, but for a remark; ``lacking``.
    remedy
        What to do or to type, empty if it is ok.
    """

    subject: str
    state: str
    found: str
    remedy: str = ""


def examine(subject: str, port: int, outputs: Path, *, gpu: bool = False) -> list[HostFact]:
    """Return what was looked at for a subject: ``train``, ``serve`` or ``package``."""
    looks: list[Callable[[], Iterator[HostFact]]] = [
        _python,
        lambda: _packages(EXTRAS[subject]),
        lambda: _room(outputs),
        _machine,
    ]
    looks += [_shared_memory] if subject == "train" else []
    looks += [lambda: _port(port)] if subject == "serve" else []
    looks += [_builder] if subject == "package" else []
    looks += [_gpu] if gpu else []
    return [fact for look in looks for fact in look()]


def _python() -> Iterator[HostFact]:
    needed = distribution("runtree").metadata["Requires-Python"]
    found = platform.python_version()
    fits = Requirement(f"python{needed}").specifier.contains(found)
    yield HostFact("python", "ok" if fits else "lacking", found, "" if fits else f"needed is {needed}")


def _packages(extras: Sequence[str]) -> Iterator[HostFact]:
    """Look whether what runtree asks for is installed, in a version that it takes."""
    provided = distribution("runtree").metadata.get_all("Provides-Extra") or ()
    # a checkout may be newer than what was installed of it
    wrong = [
        (f"runtree[{extra}] is not known to what is installed", "pip install -e .")
        for extra in extras
        if extra not in provided
    ]
    count = 0
    for text in distribution("runtree").requires or ():
        needed = Requirement(text)
        if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        count += 1
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            wrong.append((f"{needed.name} is not installed", f"pip install '{needed.name}{needed.specifier}'"))
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append((f"{needed.name} is {found}", f"pip install '{needed.name}{needed.specifier}'"))
    what = f"of runtree[{','.join(extras)}]" if extras else "of runtree"
    yield from (HostFact("packages", "lacking", found, remedy) for found, remedy in wrong)
    if not wrong:
        yield HostFact("packages", "ok", f"all {count} {what} in versions that it takes")


def _room(outputs: Path) -> Iterator[HostFact]:
    place = next(path for path in (outputs.absolute(), *outputs.absolute().parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield HostFact("disk", "lacking", f"{place} cannot be written", "name another folder: outputs=…, --outputs")
        return
    free = shutil.disk_usage(place).free
    few = free < LEAST_DISK
    yield HostFact(
        "disk", "lacking" if few else "ok", f"{_size(free)} free at {place}", "free 1 GB at least" if few else ""
    )


def _machine() -> Iterator[HostFact]:
    free, cores = psutil.virtual_memory().available, len(os.sched_getaffinity(0))
    few = free < LEAST_MEMORY
    yield HostFact(
        "memory", "note" if few else "ok", f"{_size(free)} available", "1 GB is a usual model's need" if few else ""
    )
    yield HostFact("cores", "ok", str(cores))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = files != resource.RLIM_INFINITY and files < LEAST_FILES
    yield HostFact(
        "files", "note" if low else "ok", f"{files} may be open at once", f"ulimit -n {LEAST_FILES}" if low else ""
    )


def _shared_memory() -> Iterator[HostFact]:
    place = Path("/dev/shm")
    if place.is_dir():
        size = shutil.disk_usage(place).total
        small = size < LEAST_SHARED
        remedy = "data loaders of torch need more: docker run --shm-size=1g" if small else ""
        yield HostFact("shared memory", "note" if small else "ok", _size(size), remedy)


def _port(port: int) -> Iterator[HostFact]:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            yield HostFact(
                "port", "lacking", f"{port} cannot be had ({error.strerror})", "another one: --port 0 takes any"
            )
            return
    yield HostFact("port", "ok", f"{port} is free")


def _builder() -> Iterator[HostFact]:
    installed = [name for name in BUILDERS if shutil.which(name)]
    # the client of docker is often there without its daemon
    working = [name for name in installed if _answers(name)]
    silent = [name for name in installed if name not in working]
    if working:
        others = f" ({', '.join(silent)} not answering)" if silent else ""
        yield HostFact("builder", "ok", f"{', '.join(working)}{others}")
    elif silent:
        found = f"{', '.join(silent)}: installed, but not answering"
        yield HostFact(
            "builder", "lacking", found, "start it (systemctl start docker), or on Debian: apt install buildah"
        )
    else:
        yield HostFact("builder", "lacking", "no docker, podman or buildah", "on Debian: apt install buildah")


def _answers(name: str) -> bool:
    try:
        return subprocess.run([name, "version"], capture_output=True, timeout=SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _gpu() -> Iterator[HostFact]:
    try:
        import torch
    except ImportError:
        yield HostFact("gpu", "lacking", "torch is not installed", "pip install 'runtree[torch]': some GB with CUDA")
        return
    if torch.cuda.is_available():
        yield HostFact("gpu", "ok", torch.cuda.get_device_name())
    else:
        built = f"torch {torch.__version__} finds none"
        yield HostFact("gpu", "lacking", built, "install the driver, or wheels for CUDA; without a GPU: compute=cpu")


def _size(number: float) -> str:
    return f"{number / 1e9:.1f} GB"
