"""Where pretrained weights come from: a zoo, a file, a run; local, or behind any URL that fsspec knows.

Weights are read whole, their hash is checked, and no code is run. A zoo is a folder in which `NAME/card.yaml` describes
`NAME/weights.safetensors`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from runtree.contract.card import CARD, NAME, WEIGHTS, ModelCard, refuse_pickles
from runtree.contract.errors import ConfigError, DataError, MissingError, first_line, unknown


class WeightsFolder(Protocol):
    """A folder that is read from; as a text it is what the user calls it."""

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        ...

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        ...

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        ...

    def below(self, name: str) -> "WeightsFolder":
        """Return a subfolder."""
        ...


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        return (self.path / file).is_file()

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        try:
            return (self.path / file).read_bytes()
        except OSError as error:
            raise DataError(f"{self.path / file}: cannot be read ({error.strerror})") from None

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        return sorted(found.parent.name for found in self.path.glob(f"*/{file}") if found.parent.name[0] != ".")

    def below(self, name: str) -> WeightsFolder:
        """Return a subfolder."""
        return LocalFolder(self.path / name)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder behind a URL.

    Attributes
    ----------
    system
        The `fsspec.AbstractFileSystem`.
    path
        As the file system calls the folder.
    url
        As the user does.
    """

    system: Any
    path: str
    url: str

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        return bool(self._ask("isfile", file))

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        return bytes(self._ask("cat_file", file))

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        return sorted(found.split("/")[-2] for found in self._ask("glob", f"*/{file}"))

    def below(self, name: str) -> WeightsFolder:
        """Return a subfolder."""
        return RemoteFolder(self.system, f"{self.path}/{name}", f"{self.url}/{name}")

    def _ask(self, method: str, file: str) -> Any:
        try:
            return getattr(self.system, method)(f"{self.path}/{file}")
        except Exception as error:  # every file system raises what its library does
            why = first_line(error) or type(error).__name__
            raise DataError(f"{self.url}/{file}: cannot be read ({why})") from None


def place(name: str) -> WeightsFolder:
    """Return a folder by its path or its URL."""
    if "://" not in name:
        return LocalFolder(Path(name).expanduser())
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        system, path = url_to_fs(name)
    except ImportError as error:
        raise MissingError(f"zoo: {name}: {first_line(error)}", "install that, or use a local folder") from None
    except ValueError as error:
        raise DataError(f"zoo: {name}: {first_line(error)}") from None
    return RemoteFolder(system, path.rstrip("/"), name.rstrip("/"))


MANIFEST, OF_A_RUN = "manifest.json", f"model/{WEIGHTS}"
PATH = "algorithm.pretrained"


@dataclass(frozen=True)
class Weights:
    """What a network starts from: layers' tensors by name, and where they are from."""

    name: str
    sha256: str
    tensors: Mapping[str, Tensor]
    architecture: str | None = None


def find_weights(pretrained: str, zoo: str | None) -> Weights:
    """Return the weights that `pretrained` names: an entry of the zoo, or where there is a slash in it, a path.

    Raises
    ------
    ConfigError
        Where there is nothing of that name.
    DataError
        Where a file is not what its card or its run's manifest says.
    UntrustedError
        Where the file could only be unpickled.
    """
    refuse_pickles(pretrained, PATH)
    if pretrained.endswith(".safetensors"):
        return _of_a_file(pretrained)
    if "/" in pretrained:
        return _of_a_folder(place(pretrained), pretrained)
    return _of_the_zoo(pretrained, zoo)


def _of_the_zoo(name: str, zoo: str | None) -> Weights:
    if zoo is None:
        raise ConfigError(f"{PATH}: '{name}' is a name in a zoo, and there is none", "type: zoo=FOLDER")
    root = place(zoo)
    if not NAME.fullmatch(name) or not root.has(f"{name}/{CARD}"):
        raise unknown(
            "zoo entry", name, root.holding(CARD), f"{PATH} looks into '{root}'; a path has a slash", error=ConfigError
        )
    return _of_a_folder(root.below(name), name)


def _of_a_folder(folder: WeightsFolder, name: str) -> Weights:
    if folder.has(CARD):
        card = ModelCard.parse(folder.read(CARD), f"{folder}/{CARD}")
        return _checked(folder, WEIGHTS, card.sha256, CARD, card.name, card.architecture)
    if folder.has(MANIFEST):
        return _checked(folder, OF_A_RUN, _manifest(folder).get(OF_A_RUN), MANIFEST, name, None)
    raise ConfigError(
        f"{PATH}: '{name}' is no folder of weights: it has neither {CARD} nor {MANIFEST}",
        "possible: an entry of a zoo, a .safetensors file, or the folder of a run",
    )


def _manifest(folder: WeightsFolder) -> dict[str, Any]:
    try:
        found = json.loads(folder.read(MANIFEST))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{folder}/{MANIFEST}: not a manifest of sha256 by file")
    return found


def _checked(
    folder: WeightsFolder, file: str, sha256: Any, said_by: str, name: str, architecture: str | None
) -> Weights:
    if sha256 is None:
        raise ConfigError(f"{PATH}: the run '{name}' kept no {file}", "possible: a completed run of a network in torch")
    content = folder.read(file)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{folder}/{file}: not the file that {said_by} names: nothing was loaded",
            f"its sha256 is {found[:12]}…, and {str(sha256)[:12]}… is expected; fetch it again",
        )
    return Weights(name, found, _tensors(content, f"{folder}/{file}"), architecture)


def _of_a_file(path: str) -> Weights:
    file = path.rpartition("/")[2]
    content = place(path.removesuffix(file) or ".").read(file)
    return Weights(path, hashlib.sha256(content).hexdigest(), _tensors(content, path))


def _tensors(content: bytes, path: str) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = dict(sorted(load(content).items()))  # as read, their order is nobody's
    except SafetensorError:
        raise DataError(f"{path}: not a file of safetensors, or a part of it is missing") from None
    return found
