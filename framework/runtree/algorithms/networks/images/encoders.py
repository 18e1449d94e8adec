"""Pictures as tensors: columns of pixels, or files that are read when they are needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype
from torch import Tensor
from torch.utils.data import Dataset

from runtree.algorithms.networks.batches import Inputs
from runtree.algorithms.networks.columns import is_category
from runtree.algorithms.networks.images.pictures import read_picture
from runtree.contract.errors import DataError

Array = np.ndarray[Any, Any]
CHUNK = 4096  # rows whose moments are summed up at a time
LOOKED_AT = 512  # files from which mean and deviation are learned


@dataclass
class PixelEncoder:
    """What was learned of columns of pixels.

    Attributes
    ----------
    shape
        Channels, height and width of a picture.
    mean, scale
        Of each channel; a missing pixel becomes the mean.
    """

    shape: list[int]
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: Array, shape: Sequence[int]) -> Self:
        """Learn from the train rows, of shape (rows, channels * height * width)."""
        pictures = X.reshape(len(X), shape[0], -1)
        chunks = (pictures[start : start + CHUNK] for start in range(0, len(X), CHUNK))
        return cls(list(shape), *moments(chunks))

    def encode(self, X: Any) -> Inputs:
        """Return uint8 where X is that, else float32, of shape (rows, channels, height, width)."""
        if isinstance(X, pd.DataFrame):
            raise DataError("the table holds file names; the model was trained with columns of pixels")
        dtype = np.uint8 if X.dtype == np.uint8 else np.float32
        pictures = np.array(X, dtype=dtype, order="C").reshape(len(X), *self.shape)
        if dtype == np.float32:
            holes = np.isnan(pictures)
            pictures[holes] = np.broadcast_to(self.mean[:, None, None], pictures.shape)[holes]
        return (torch.from_numpy(pictures),)


@dataclass
class FileEncoder:
    """What was learned of a column of file names.

    Attributes
    ----------
    shape
        Channels, height and width to which each file's picture is brought.
    mean, scale
        Of each channel, over some of the files.
    """

    shape: list[int]
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: pd.DataFrame, shape: Sequence[int]) -> Self:
        """Learn from the train rows: at most 512 files, evenly spaced."""
        files = ImageFiles(file_names(X), list(shape))
        step = -(-len(files) // LOOKED_AT)
        chunks = (files[place][0].numpy().reshape(1, shape[0], -1) for place in range(0, len(files), step))
        return cls(list(shape), *moments(chunks))

    def encode(self, X: Any) -> "ImageFiles":
        """Return a dataset of the files; those that are not there are named."""
        if not isinstance(X, pd.DataFrame):
            raise DataError("the table holds numbers; the model was trained with file names")
        return ImageFiles(file_names(X), self.shape)


@dataclass(frozen=True)
class ImageFiles(Dataset[Inputs]):
    """Pictures in files, each read when it is asked for.

    Attributes
    ----------
    names
        Of the files.
    shape
        Channels, height and width to which each is brought.
    """

    names: list[str]
    shape: list[int]

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def __getitem__(self, place: int) -> tuple[Tensor]:
        """Return uint8 of shape (channels, height, width)."""
        return (torch.from_numpy(read_picture(self.names[place], self.shape)),)


def holds_files(X: Any) -> bool:
    """Tell whether X is a frame with a column of texts; it must be the only one."""
    if not isinstance(X, pd.DataFrame):
        return False
    texts = [str(name) for name, dtype in X.dtypes.items() if is_category(dtype) and not is_bool_dtype(dtype)]
    if texts and X.shape[1] > 1:
        raise DataError(
            f"column '{texts[0]}' holds text, and there are {X.shape[1] - 1} more columns",
            "wanted: columns of pixels, or one column of file names",
            "leave the others out: data.drop=[COLUMN]",
        )
    return bool(texts)


def file_names(X: pd.DataFrame) -> list[str]:
    """Return the file names of a frame with one column, if there is a file at each."""
    column = X.iloc[:, 0]
    if column.isna().any():
        raise DataError(f"column '{column.name}': {int(column.isna().sum())} rows have no file name")
    names = [str(name) for name in column]
    missing = [name for name in names if not Path(name).expanduser().is_file()]
    if missing:
        raise DataError(
            f"column '{column.name}': {len(missing)} of {len(names)} files are not there: {', '.join(missing[:3])}",
            f"looked from {Path.cwd()}",
        )
    return names


def moments(chunks: Iterable[Array]) -> tuple[Array, Array]:
    """Return mean and deviation of each channel, float64 of shape (channels,), over chunks (rows, channels, pixels)."""
    count = total = squares = np.zeros(1)
    for chunk in chunks:
        values = chunk.astype(np.float64)
        count = count + (~np.isnan(values)).sum(axis=(0, 2))
        total = total + np.nansum(values, axis=(0, 2))
        squares = squares + np.nansum(values**2, axis=(0, 2))
    count = np.maximum(count, 1)
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    scale[scale <= 1e-6 * np.abs(mean)] = 1.0  # constant but for rounding
    return mean, scale
