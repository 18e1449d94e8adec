"""Images as arrays of pixels, in NumPy files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class ImageArrays:
    """Images in arrays of shape (rows, height, width) or (rows, height, width, channels).

    Parameters
    ----------
    path
        A `.npz` file with both arrays, or the `.npy` file of the images.
    images, labels
        The names of the arrays in the `.npz` file; null: the only one with that many axes. For a `.npy` file,
        `labels` is the `.npy` file of the labels.
    """

    path: str
    images: str | None = None
    labels: str | None = None

    def load(self) -> "pd.DataFrame":
        """Return a column for each pixel, by channel, row and column, as uint8 or float32; and the column `label`."""
        import pandas as pd

        images, labels = self._arrays()
        # more than four channels is almost certainly an array with the channels first
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] > 4):
            raise DataError(
                f"data.path: pictures of shape {images.shape}",
                "wanted: (rows, height, width) or (rows, height, width, channels), channels last",
            )
        if len(images) != len(labels):
            raise DataError(f"data.path: {len(images)} pictures, and {len(labels)} labels")
        # channels first, as torch's convolutions take them: an encoder then only reshapes the columns of a row
        pixels = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
        flat = small(pixels).reshape(len(pixels), -1)
        return pd.DataFrame(flat, columns=pixel_names(pixels.shape[1:])).assign(label=labels)

    def _arrays(self) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
        found = read_arrays(self.path, "path")
        if isinstance(found, dict):
            images = pick(found, self.images, "images", (3, 4))
            labels = pick(found, self.labels, "labels", (1, 2))
        elif self.labels is None:
            raise DataError("data.labels: not given", "type: data.labels=FILE.npy, the labels of the pictures")
        else:
            images, labels = found, read_arrays(self.labels, "labels")
        # some data sets have their labels as a column, such as CIFAR in Keras
        labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim != 1:
            raise DataError(f"data.labels: labels of shape {labels.shape}", "wanted: (rows,)")
        # byte strings would be printed as b'cat', and differ from the text in a file of predictions
        return images, labels.astype(str) if labels.dtype.kind == "S" else labels


def read_arrays(path: str, key: str) -> Any:
    """Return the array of a `.npy` file, or the arrays of a `.npz` file by name. Nothing is unpickled."""
    import zipfile

    import numpy as np

    try:
        # an array of objects is a pickle, which runs code when it is read
        found = np.load(Path(path).expanduser(), allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            # read now: a `.npz` file is lazy, and is closed after this
            return {name: found[name] for name in found.files}
    except FileNotFoundError:
        raise DataError(f"data.{key}: no file {path}", f"looked from {Path.cwd()}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"data.{key}: {path} holds no arrays of numpy's ({first_line(error)})") from None


def pick(arrays: "dict[str, Any]", name: str | None, key: str, axes: tuple[int, ...]) -> Any:
    """Return the array with a name; without a name, the only array with that many axes."""
    fitting = [each for each, array in arrays.items() if array.ndim in axes]
    if name in arrays:
        return arrays[name]
    if name is None and len(fitting) == 1:
        return arrays[fitting[0]]
    there = ", ".join(f"{each} {array.shape}" for each, array in arrays.items())
    said = f"'{name}' is not in the file" if name else f"{len(fitting)} arrays could be the {key}"
    raise DataError(f"data.{key}: {said}", f"possible: {there}", f"type: data.{key}=NAME")


def small(pixels: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return integers from 0 to 255 as uint8, any other number as float32."""
    if pixels.dtype.kind not in "buif":
        raise DataError(f"data.path: pictures of {pixels.dtype}, and numbers are wanted")
    # uint8 takes a quarter of the memory of float32, and a table of pixels is the largest that a run holds
    bytes_will_do = pixels.dtype.kind in "bui" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255
    return pixels.astype("uint8" if bytes_will_do else "float32")


def pixel_names(shape: Sequence[int]) -> list[str]:
    """Return `pixel_row_column`, or `pixel_channel_row_column`, for each pixel in its order."""
    import numpy as np

    return ["_".join(("pixel", *map(str, place))) for place in np.ndindex(*shape)]
