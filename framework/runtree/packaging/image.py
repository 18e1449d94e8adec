"""The folder of which an image is built: Dockerfile, lock file, wheels, entry and model."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import RequestError, first_line
from runtree.contract.model_version import ModelVersion
from runtree.packaging import entry
from runtree.packaging.lock import Lock, make_lock, recorded_versions, write_wheel
from runtree.records.layout import RunFolder
from runtree.records.model_log import ModelFolder
from runtree.records.reader import read_json
from runtree.records.sealed import is_sealed

USER = 10001
PORT = 8000
HOME = "/opt/runtree"
WORK = "/srv/runtree"
IMAGE = re.compile(
    r"[a-z0-9]+([._/:-][a-z0-9]+|[._-]{2}[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
SEALED = "encryption"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"  # torch's own index; that of Python has wheels for GPUs


@dataclass(frozen=True)
class Packed:
    """What is packed, for the manifests and for people.

    Attributes
    ----------
    model_bytes
        The size of the version's folder.
    wheels
        The names of those that were made here.
    python
        The version of Python of the run, without its last part.
    gpu
        Whether the model is to run on a GPU.
    """

    version: ModelVersion
    image: str
    lock: Lock
    model_bytes: int
    wheels: Sequence[str]
    python: str
    gpu: bool = False

    @property
    def from_cpu_index(self) -> bool:
        """Whether torch comes from an index of wheels without CUDA."""
        return "torch" in self.lock.pins and not self.gpu


def pack(version: ModelVersion, folder: Path, image: str, trust: Sequence[str] = (), *, gpu: bool = False) -> Packed:
    """Write the folder of an image for a registered version.

    Raises
    ------
    RequestError
        The folder holds something else, or the name of the image is none.
    MissingError
        A package that the service needs is not installed here.
    """
    if not IMAGE.fullmatch(image):
        raise RequestError(
            f"--image {image}: is no name of an image", "such as registry.example/churn:3, in lower case"
        )
    source = version.folder
    description = read_json(RunFolder(source).model / "model.json")[0]
    environment = read_json(RunFolder(source).environment)[0]
    recorded = recorded_versions(environment, description)
    lock = make_lock(_extras(source, description), _plugins(description), recorded, gpu=gpu)
    if gpu and "torch" not in lock.pins:
        raise RequestError(f"--gpu: {version.reference} has no network, and predicts on the processor", "leave it out")
    _make_room(folder)
    wheels = folder / "wheels"
    wheels.mkdir()
    made = [write_wheel(one, wheels).name for one in lock.local]
    (folder / "requirements.txt").write_text(lock.requirements())
    shutil.copyfile(str(entry.__file__), folder / "entry.py")
    _copy_version(version, folder / "registry")
    python = ".".join(str(environment.get("python", "3.11")).split(".")[:2])
    packed = Packed(version, image, lock, _bytes_of(source), made, python, gpu)
    (folder / "Dockerfile").write_text(dockerfile(packed, _labels(version), trust))
    (folder / ".dockerignore").write_text("*\n!entry.py\n!registry\n!requirements.txt\n!wheels\n")
    return packed


def _make_room(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "Dockerfile").is_file())):
        raise RequestError(f"-o {folder}: holds something else", "name a new folder")
    for name in ("wheels", "registry"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _extras(source: Path, description: Mapping[str, Any]) -> list[str]:
    libraries = description.get("libraries") or {}
    sealed = any(is_sealed(path) for path in RunFolder(source).model.rglob("*") if path.is_file())
    return ["serve", *(["torch"] if "torch" in libraries else []), *([SEALED] if sealed else [])]


def _plugins(description: Mapping[str, Any]) -> list[str]:
    plugins = description.get("plugins") or {}
    return [str(item["distribution"]) for item in plugins.values() if item.get("distribution")]


def _copy_version(version: ModelVersion, registry: Path) -> None:
    """Copy one version with the log of its model, which says that it is registered, and by whom it was approved."""
    target, source = ModelFolder(registry / version.name), ModelFolder(version.folder.parents[1])
    shutil.copytree(version.folder, target.version(version.number).path, symlinks=True)
    shutil.copyfile(source.log, target.log)


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _labels(version: ModelVersion) -> dict[str, str]:
    goal = read_json(RunFolder(version.folder).record)[0].get("config", {}).get("problem.goal")
    return {
        "org.opencontainers.image.title": f"{version.name} {version.number}",
        "org.opencontainers.image.description": str(goal or f"{version.name}, version {version.number}"),
        "org.opencontainers.image.version": str(version.number),
        "org.runtree.model": version.reference,
        "org.runtree.content": version.content,
    }


def dockerfile(packed: Packed, labels: Mapping[str, str], trust: Sequence[str] = ()) -> str:
    """Return the Dockerfile: pinned packages, a user without rights, nothing written outside of the volume."""
    check = json.dumps(["python", f"{HOME}/entry.py", "--check"])
    wheels = " ".join(f"{HOME}/wheels/{name}" for name in packed.wheels)
    command = [word for name in trust for word in ("--trust", name)]
    lines = [
        f"FROM python:{packed.python}-slim-bookworm",
        "",
        # pip reads them; without a network all lie in the folder wheels. Of one version pip prefers torch's own wheel,
        # 2.13.0+cpu, to that of other indexes
        "ARG PIP_INDEX_URL",
        f"ARG PIP_EXTRA_INDEX_URL{f'={CPU_WHEELS}' if packed.from_cpu_index else ''}",
        "ARG PIP_NO_INDEX",
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1",
        f"COPY requirements.txt {HOME}/",
        f"COPY wheels {HOME}/wheels",
        f"RUN python -m pip install --no-cache-dir --find-links {HOME}/wheels -r {HOME}/requirements.txt \\",
        f"    && python -m pip install --no-cache-dir --no-deps {wheels} \\",
        f"    && mkdir -p {WORK} && chown {USER}:{USER} {WORK}",
        f"COPY entry.py {HOME}/",
        f"COPY registry {HOME}/registry",
        "",
        *(f"LABEL {name}={quoted(text)}" for name, text in labels.items()),
        f"ENV RUNTREE_MODEL={quoted(packed.version.reference)} RUNTREE_REGISTRY={WORK}/registry",
        f"ENV HOME={WORK} MPLCONFIGDIR=/tmp",
        f"WORKDIR {WORK}",
        f"VOLUME {json.dumps([WORK])}",
        f"USER {USER}:{USER}",
        f"EXPOSE {PORT}",
        "STOPSIGNAL SIGTERM",
        f"HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD {check}",
        f"ENTRYPOINT {json.dumps(['python', f'{HOME}/entry.py'])}",
        *([f"CMD {json.dumps(command)}"] if command else []),
        "",
    ]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Return a text as one quoted word of a Dockerfile: it expands no variable and ends no line."""
    plain = " ".join(first_line(part) for part in str(text).split())
    printable = "".join(letter for letter in plain if letter.isprintable())
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
