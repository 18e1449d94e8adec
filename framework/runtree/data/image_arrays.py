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
        """Return one column per pixel, by channel, row and column, as uint8 or float32, and the column `label`."""
        import pandas as pd

        images, labels = self._arrays()
        # more than four channels is almost certainly an array with the channels first
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] > 4):
            raise DataError(
                f"data.path: images of shape {images.shape}",
                "expected: (rows, height, width) or (rows, height, width, channels), channels last",
            )
        if len(images) != len(labels):
            raise DataError(f"data.path: {len(images)} images, but {len(labels)} labels")
        # channels first, as torch's convolutions take them: an encoder then only reshapes the columns of a row
        pixels = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
        flat = to_small_dtype(pixels).reshape(len(pixels), -1)
        return pd.DataFrame(flat, columns=pixel_names(pixels.shape[1:])).assign(label=labels)

    def _arrays(self) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
        content = read_arrays(self.path, "path")
        if isinstance(content, dict):
            images = pick_array(content, self.images, "images", (3, 4))
            labels = pick_array(content, self.labels, "labels", (1, 2))
        elif self.labels is None:
            raise DataError("data.labels: not set", "type: data.labels=FILE.npy, the labels of the images")
        else:
            images, labels = content, read_arrays(self.labels, "labels")
        # some data sets have their labels as a column, such as CIFAR in Keras
        labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim != 1:
            raise DataError(f"data.labels: labels of shape {labels.shape}", "expected: (rows,)")
        # byte strings would be printed as b'cat', and differ from the text in a file of predictions
        return images, labels.astype(str) if labels.dtype.kind == "S" else labels


def read_arrays(path: str, key: str) -> Any:
    """Return the array of a `.npy` file, or the arrays of a `.npz` file by name. Nothing is unpickled."""
    import zipfile

    import numpy as np

    try:
        # an array of objects is a pickle, which runs code when it is read
        content = np.load(Path(path).expanduser(), allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            # read now: a `.npz` file is lazy, and is closed after this
            return {name: content[name] for name in content.files}
    except FileNotFoundError:
        raise DataError(f"data.{key}: no file {path}", f"current folder: {Path.cwd()}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"data.{key}: {path} is not a .npy or .npz file ({first_line(error)})") from None


def pick_array(arrays: "dict[str, Any]", name: str | None, key: str, axes: tuple[int, ...]) -> Any:
    """Return the array with a name; without a name, the only array with that many axes."""
    candidates = [each for each, array in arrays.items() if array.ndim in axes]
    if name in arrays:
        return arrays[name]
    if name is None and len(candidates) == 1:
        return arrays[candidates[0]]
    names = ", ".join(f"{each} {array.shape}" for each, array in arrays.items())
    problem = f"'{name}' is not in the file" if name else f"{len(candidates)} arrays could be the {key}"
    raise DataError(f"data.{key}: {problem}", f"possible: {names}", f"type: data.{key}=NAME")


def to_small_dtype(pixels: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return integers from 0 to 255 as uint8, any other number as float32."""
    if pixels.dtype.kind not in "buif":
        raise DataError(f"data.path: images must be numbers, not {pixels.dtype}")
    # uint8 takes a quarter of the memory of float32, and a table of pixels is the largest that a run holds
    fits_uint8 = pixels.dtype.kind in "bui" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255
    return pixels.astype("uint8" if fits_uint8 else "float32")


def pixel_names(shape: Sequence[int]) -> list[str]:
    """Return `pixel_row_column`, or `pixel_channel_row_column`, for each pixel, in C order."""
    import numpy as np

    return ["_".join(("pixel", *map(str, index))) for index in np.ndindex(*shape)]
