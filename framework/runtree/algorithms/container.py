"""Algorithms that are an image: a container is run by the contract of SageMaker's training containers.

The folders of the contract are mounted at `/opt/ml`. The engine is one that is installed: docker, podman, or buildah,
which needs neither a daemon nor privileges, and isolates a container least (chroot: the host's network and processes).
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sklearn.base import ClassifierMixin, RegressorMixin

from runtree.algorithms.command import CommandEstimator
from runtree.algorithms.command_folder import MOUNTED
from runtree.algorithms.command_reports import Reports
from runtree.contract.errors import ConfigError, MissingError, RunFailedError, first_line

ENGINES = ("docker", "podman", "buildah")
SECONDS = 600  # for the engine's own answers; an image may have to be fetched


class Container(CommandEstimator):
    """Fits, and predicts, by running an image.

    Parameters
    ----------
    image
        Its name, such as ``registry/name:tag`` or ``name@sha256:…``.
    command
        The words after the image: SageMaker's is ``train``, after which an image expects no hyperparameters; other
        words are followed by them.
    engine
        ``docker``, ``podman``, ``buildah``, or ``auto``: the first of them that works here.
    network
        ``none``, or a network of the engine's.

    Attributes
    ----------
    image_digest_
        The digest, or id, of the image that was run.
    """

    _name: ClassVar[str] = "container"
    _words: ClassVar[tuple[str, ...]] = ("train",)

    def __init__(
        self,
        image: str = "",
        command: list[str] | None = None,
        *,
        engine: str = "auto",
        network: str = "none",
        predict_command: list[str] | None = None,
        hyperparameters: dict[str, Any] | None = None,
        channels: dict[str, str] | None = None,
        header: bool = True,
        metrics: dict[str, str] | None = None,
        metrics_file: str | None = None,
        probabilities: bool = False,
        target: str = "target",
        grace: float = 30.0,
        device: str = "cpu",
        threads: int | None = None,
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            command,
            predict_command=predict_command,
            hyperparameters=hyperparameters,
            channels=channels,
            header=header,
            metrics=metrics,
            metrics_file=metrics_file,
            probabilities=probabilities,
            target=target,
            grace=grace,
            device=device,
            threads=threads,
            random_state=random_state,
        )
        self.image = image
        self.engine = engine
        self.network = network

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.image.startswith("-") or not self.image.strip():
            raise ConfigError(f"algorithm.image: {self.image!r} is no name of an image")
        if self.engine not in ("auto", *ENGINES):
            raise ConfigError(f"algorithm.engine: {self.engine!r:.40} is none of auto, {', '.join(ENGINES)}")

    def _seen(self, folder: Path) -> Path:
        return MOUNTED

    def _arguments(self, folder: Path) -> list[str]:
        return [] if tuple(self.command or self._words) == self._words else super()._arguments(folder)

    def _hash_scripts(self) -> str | None:
        return None  # its words are files of the image, which has a digest

    def _run(self, key: str, words: Sequence[str], folder: Path, tables: Mapping[str, Any], reports: Reports) -> None:
        engine = find_engine(self.engine)
        name = folder.name  # a container of its own, by which it can be removed
        given = [word for item in self._environment(folder, tables).items() for word in ("--env", "=".join(item))]
        mount = ["--volume", f"{folder}:{MOUNTED}"]
        try:
            if engine == "buildah":
                ask(engine, "from", "--name", name, self.image)
                facts = json.loads(ask(engine, "inspect", name))
                entry = ((facts.get("OCIv1") or {}).get("config") or {}).get("Entrypoint") or []
                started = [engine, "run", "--isolation", "chroot", *mount, *given, name, "--", *entry, *words]
            else:
                gpus = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}[engine]
                flags = ["--rm", "--init", "--name", name, "--network", self.network]
                flags += gpus if self.uses_gpu else []
                started = [engine, "run", *flags, *mount, *given, self.image, *words]
            super()._run(key, started, folder, tables, reports)
            self.image_digest_ = image_digest(engine, self.image)
        finally:
            # what was killed is still there; the engine's complaint that there is nothing to remove is no news
            remove = ["rm", name] if engine == "buildah" else ["rm", "--force", name]
            subprocess.run([engine, *remove], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS)


class ContainerClassifier(ClassifierMixin, Container):  # type: ignore[misc]
    """An image that predicts classes."""


class ContainerRegressor(RegressorMixin, Container):  # type: ignore[misc]
    """An image that predicts numbers."""


def find_engine(chosen: str) -> str:
    """Return the engine to run images with.

    Raises
    ------
    MissingError
        None is installed, or none answers.
    """
    for name in ENGINES if chosen == "auto" else (chosen,):
        # the client of docker is often there without its daemon
        if (
            shutil.which(name)
            and subprocess.run([name, "version"], capture_output=True, timeout=SECONDS).returncode == 0
        ):
            return name
    wanted = "docker, podman and buildah" if chosen == "auto" else chosen
    raise MissingError(
        f"algorithm.engine: {wanted}: not installed here, or not answering", "on Debian: apt install buildah"
    )


def image_digest(engine: str, image: str) -> str:
    """Return the digest of an image, or its id where it has none."""
    if engine == "buildah":
        facts = json.loads(ask(engine, "inspect", "--type", "image", image))
        return str(facts.get("FromImageDigest") or f"sha256:{facts.get('FromImageID', '')}")
    [facts] = json.loads(ask(engine, "image", "inspect", image))
    return str(next(iter(facts.get("RepoDigests") or []), facts.get("Id", "")))


def ask(engine: str, *words: str) -> str:
    """Return what an engine prints.

    Raises
    ------
    RunFailedError
        It refuses; the message has the last line of its answer.
    """
    asked = subprocess.run([engine, *words], capture_output=True, text=True, timeout=SECONDS)
    if asked.returncode:
        said = [line for line in asked.stderr.splitlines() if line.strip()]
        raise RunFailedError(f"algorithm.image: {engine} {words[0]}: {first_line(said[-1] if said else 'failed')}")
    return asked.stdout
