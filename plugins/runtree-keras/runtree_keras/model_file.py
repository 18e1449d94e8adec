"""A network as `model.keras`, Keras's own format, read without running any code that lies in it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import is_zipfile

from runtree.contract.errors import RequestError, UntrustedError, first_line
from runtree_keras.backend import keras

FILE = "model.keras"


def save(network: Any, folder: Path) -> None:
    """Write a network into a folder."""
    network.save(folder / FILE)


def load(folder: Path) -> Any:
    """Read a network.

    Raises
    ------
    UntrustedError
        It holds code (a Lambda, a pickled module), or layers that are neither Keras's nor registered with Keras.
    RequestError
        There is no such file, or it is damaged.
    """
    file = folder / FILE
    if not is_zipfile(file):
        raise RequestError(f"{file}: no model file of Keras's", "the run saved none, or it is damaged")
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, KeyError) as error:
        raise RequestError(f"{file}: cannot be read: {first_line(error)}") from error
    except (ValueError, TypeError) as error:
        raise UntrustedError(
            f"{file}: not Keras's own layers alone: {first_line(error).partition('. ')[0]}",
            "layers of your own must be registered with Keras by a package that is imported by then",
        ) from error


def to_bytes(network: Any) -> bytes:
    """Return a network as the content of its file."""
    with TemporaryDirectory() as folder:
        save(network, Path(folder))
        return (Path(folder) / FILE).read_bytes()


def from_bytes(content: bytes) -> Any:
    """Return the network whose file has this content."""
    with TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_bytes(content)
        return load(Path(folder))
