"""Sources of pretrained weights: a zoo, a file or a run; local, or at a URL that fsspec supports.

A file is read completely and its hash verified before it is parsed, and no code in it is executed. A zoo is a folder in
which `NAME/card.yaml` describes `NAME/weights.safetensors`.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from runtree.contract.card import CARD, NAME, WEIGHTS, ModelCard, refuse_pickles
from runtree.contract.errors import ConfigError, DataError, first_line, unknown
from runtree.contract.files import read_regular
from runtree.contract.urls import open_url


class WeightsFolder(Protocol):
    """A readable folder; `str` returns the path or URL that the user typed."""

    def has(self, file: str) -> bool:
        """Return whether the file exists."""
        ...

    def read(self, file: str) -> bytes:
        """Return the content of a file; raise DataError if it cannot be read."""
        ...

    def subfolders_with(self, file: str) -> list[str]:
        """Return the sorted names of the subfolders that contain the file."""
        ...

    def subfolder(self, name: str) -> "WeightsFolder":
        """Return the subfolder of this name."""
        ...


@dataclass(frozen=True)
class LocalFolder:
    """A folder on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def has(self, file: str) -> bool:
        """Return whether the file exists."""
        return (self.path / file).is_file()

    def read(self, file: str) -> bytes:
        """Return the content of a file; raise DataError if it cannot be read."""
        try:
            return read_regular(self.path / file, sys.maxsize, follow=True)
        except OSError as error:
            raise DataError(f"{self.path / file}: cannot be read ({error.strerror})") from None

    def subfolders_with(self, file: str) -> list[str]:
        """Return the sorted names of the subfolders that contain the file."""
        return sorted(path.parent.name for path in self.path.glob(f"*/{file}") if path.parent.name[0] != ".")

    def subfolder(self, name: str) -> WeightsFolder:
        return LocalFolder(self.path / name)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at a URL.

    Attributes
    ----------
    system
        The `fsspec.AbstractFileSystem`.
    path
        The path of the folder within the file system.
    url
        The URL that the user typed.
    """

    system: Any
    path: str
    url: str

    def __str__(self) -> str:
        return self.url

    def has(self, file: str) -> bool:
        """Return whether the file exists."""
        return bool(self._call("isfile", file))

    def read(self, file: str) -> bytes:
        """Return the content of a file; raise DataError if it cannot be read."""
        return bytes(self._call("cat_file", file))

    def subfolders_with(self, file: str) -> list[str]:
        """Return the sorted names of the subfolders that contain the file."""
        return sorted(path.split("/")[-2] for path in self._call("glob", f"*/{file}"))

    def subfolder(self, name: str) -> WeightsFolder:
        return RemoteFolder(self.system, f"{self.path}/{name}", f"{self.url}/{name}")

    def _call(self, method: str, file: str) -> Any:
        try:
            return getattr(self.system, method)(f"{self.path}/{file}")
        except Exception as error:  # each file system raises the exceptions of its own library
            reason = first_line(error) or type(error).__name__
            raise DataError(f"{self.url}/{file}: cannot be read ({reason})") from None


def open_folder(name: str) -> WeightsFolder:
    """Return the folder at a path or a URL."""
    if "://" not in name:
        return LocalFolder(Path(name).expanduser())
    system, path = open_url(name, "zoo")
    return RemoteFolder(system, path.rstrip("/"), name.rstrip("/"))


MANIFEST, RUN_WEIGHTS = "manifest.json", f"model/{WEIGHTS}"
PATH = "algorithm.pretrained"


@dataclass(frozen=True)
class Weights:
    """Pretrained tensors by name, and their origin."""

    name: str
    sha256: str
    tensors: Mapping[str, Tensor]
    architecture: str | None = None


def find_weights(pretrained: str, zoo: str | None) -> Weights:
    """Load the weights that `pretrained` names: an entry of the zoo, or a path if it contains a slash.

    Raises
    ------
    ConfigError
        If there is no entry, file or run of that name.
    DataError
        If a file does not have the hash in its card or its run's manifest.
    UntrustedError
        If the file could only be unpickled.
    """
    refuse_pickles(pretrained, PATH)
    if pretrained.endswith(".safetensors"):
        return _from_file(pretrained)
    if "/" in pretrained:
        return _from_folder(open_folder(pretrained), pretrained)
    return _from_zoo(pretrained, zoo)


def _from_zoo(name: str, zoo: str | None) -> Weights:
    if zoo is None:
        raise ConfigError(f"{PATH}: '{name}' is the name of a zoo entry, but no zoo is set", "type: zoo=FOLDER")
    root = open_folder(zoo)
    if not NAME.fullmatch(name) or not root.has(f"{name}/{CARD}"):
        raise unknown(
            "zoo entry",
            name,
            root.subfolders_with(CARD),
            f"{PATH} searches '{root}'; a path contains a slash",
            error=ConfigError,
        )
    return _from_folder(root.subfolder(name), name)


def _from_folder(folder: WeightsFolder, name: str) -> Weights:
    if folder.has(CARD):
        card = ModelCard.parse(folder.read(CARD), f"{folder}/{CARD}")
        return _verified(folder, WEIGHTS, card.sha256, CARD, card.name, card.architecture)
    if folder.has(MANIFEST):
        return _verified(folder, RUN_WEIGHTS, _manifest(folder).get(RUN_WEIGHTS), MANIFEST, name, None)
    raise ConfigError(
        f"{PATH}: '{name}' contains no weights: it has neither {CARD} nor {MANIFEST}",
        "possible: a zoo entry, a .safetensors file, or the folder of a run",
    )


def _manifest(folder: WeightsFolder) -> dict[str, Any]:
    try:
        manifest = json.loads(folder.read(MANIFEST))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise DataError(f"{folder}/{MANIFEST}: not a manifest: expected a JSON object of sha256 by file name")
    return manifest


def _verified(
    folder: WeightsFolder, file: str, sha256: Any, listed_in: str, name: str, architecture: str | None
) -> Weights:
    if sha256 is None:
        raise ConfigError(f"{PATH}: the run '{name}' has no {file}", "possible: a completed run of a torch network")
    # Hash and tensors come from the same bytes: a second read could return a file that changed in between.
    content = folder.read(file)
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise DataError(
            f"{folder}/{file}: sha256 differs from {listed_in}; nothing was loaded",
            f"expected {str(sha256)[:12]}…, got {actual[:12]}…; download the file again",
        )
    return Weights(name, actual, _tensors(content, f"{folder}/{file}"), architecture)


def _from_file(path: str) -> Weights:
    file = path.rpartition("/")[2]
    content = open_folder(path.removesuffix(file) or ".").read(file)
    return Weights(path, hashlib.sha256(content).hexdigest(), _tensors(content, path))


def _tensors(content: bytes, path: str) -> dict[str, Tensor]:
    try:
        # safetensors returns no stable order; error messages and suggestions must not depend on it.
        tensors: dict[str, Tensor] = dict(sorted(load(content).items()))
    except SafetensorError:
        raise DataError(f"{path}: not a safetensors file, or truncated") from None
    return tensors
