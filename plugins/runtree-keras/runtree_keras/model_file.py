"""Networks as `model.keras` files, read without executing code in them."""

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
        It contains code (a Lambda, a pickled module), or layers that are not registered with Keras.
    RequestError
        There is no such file, or it is damaged.
    """
    file = folder / FILE
    if not is_zipfile(file):
        raise RequestError(f"{file}: not a Keras model file", "it is missing or damaged")
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, KeyError) as error:
        raise RequestError(f"{file}: cannot be read: {first_line(error)}") from error
    except (ValueError, TypeError) as error:
        raise UntrustedError(
            f"{file}: contains other layers than Keras's own: {first_line(error).partition('. ')[0]}",
            "register your layers with Keras in a package that is imported before",
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
