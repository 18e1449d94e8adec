"""Images as tensors: pixel columns or files, their shape, and random augmentation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from runtree.algorithms.torch.table_encoder import Inputs, is_category
from runtree.contract.errors import ConfigError, DataError, first_line

MODES = {1: "L", 3: "RGB"}


class UnreadableError(DataError):
    """A file cannot be decoded as an image.

    torch re-raises an error of a data-loading worker with its traceback as the message; only the last line is kept.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().rpartition(f"{type(self).__name__}: ")[2])


def read_image(name: str, shape: Sequence[int]) -> "np.ndarray[Any, Any]":
    """Return uint8 of shape (channels, height, width): the first frame, upright, grey or RGB, resized bilinearly."""
    channels, height, width = shape
    try:
        with Image.open(Path(name).expanduser()) as image:
            image.draft(MODES[channels], (width, height))  # decodes a JPEG at a fraction of its size
            upright = to_eight_bits(ImageOps.exif_transpose(image)).convert(MODES[channels])
            pixels = np.array(upright.resize((width, height), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"cannot decode image {name} ({first_line(error)})") from None
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of 16 bits per pixel with 8, which Pillow would clip, and a palette with transparency as RGBA."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA") if "transparency" in image.info else image


# --- The shape of images: as configured, or from the names of the columns.

INTEGERS = (int, np.integer)


def find_shape(configured: Sequence[int] | None, columns: int, names: Sequence[str]) -> list[int]:
    """Return channels, height and width of images whose pixels are columns.

    Parameters
    ----------
    configured
        The configured shape; one length may be -1. None: from the names of the columns, else a grey square.
    names
        The names of the columns: pixel_ROW_COLUMN, or pixel_CHANNEL_ROW_COLUMN.
    """
    known = [length for length in configured or () if length != -1]
    if configured is not None and len(known) == 2 and columns % prod(known) == 0:
        return [columns // prod(known) if length == -1 else length for length in configured]
    side = round(columns**0.5)
    shape = list(configured) if configured is not None else named_shape(names) or [1, side, side]
    if prod(shape) == columns and min(shape) > 0:
        return shape
    reason = f"{shape} is {prod(shape)} pixels" if configured is not None else "null stands for a grey square"
    raise ConfigError(
        f"algorithm.image_shape: {reason}, but the rows have {columns} columns",
        "if the preprocessing dropped some, type: preprocess=raw",
        "if the shape is another, type: algorithm.image_shape=[CHANNELS,HEIGHT,WIDTH]",
    )


def named_shape(names: Sequence[str]) -> list[int] | None:
    """Return the shape in the names of the columns, or None if they are not pixels in C order."""
    parts = [name.split("_") for name in names]
    if not parts or len(parts[-1]) not in (3, 4) or not all(text.isdigit() for text in parts[-1][1:]):
        return None
    shape = [int(text) + 1 for text in parts[-1][1:]]
    indices = [tuple(map(str, place)) for place in np.ndindex(*shape)] if prod(shape) == len(names) else []
    return [1, *shape][-3:] if [tuple(part[1:]) for part in parts] == indices else None


def lengths(configured: Any) -> list[int] | None:
    """Return `image_shape` as three integers of at least 1, of which one may be -1."""
    if configured is None:
        return None
    values = list(configured)
    numbers = all(isinstance(length, INTEGERS) and (length == -1 or length >= 1) for length in values)
    if len(values) != 3 or not numbers or values.count(-1) > 1:
        raise ConfigError(f"algorithm.image_shape: {values}", "expected: [CHANNELS,HEIGHT,WIDTH], such as [3,32,32]")
    return [int(length) for length in values]


def sides(configured: Any) -> list[int]:
    """Return `image_size` as height and width."""
    values = [configured, configured] if isinstance(configured, INTEGERS) else list(configured)
    if len(values) != 2 or not all(isinstance(side, INTEGERS) and side >= 1 for side in values):
        raise ConfigError(f"algorithm.image_size: {values}", "expected: a number of pixels, or [HEIGHT,WIDTH]")
    return [int(side) for side in values]


# --- Random augmentation, so that a network does not learn position, angle and exposure.


@dataclass(frozen=True)
class Augmentation:
    """Random changes of images. Pixels beyond an edge repeat the edge.

    Independent of the units of pixels. Uses torch's generator, so a seed reproduces it.

    Attributes
    ----------
    shift
        Largest shift in both directions, as a fraction of height and width.
    rotation
        Largest rotation in both directions, in degrees.
    zoom, contrast
        Largest relative change of size and contrast.
    flip
        Whether half of the images are mirrored left to right.
    """

    shift: float
    rotation: float
    zoom: float
    contrast: float
    flip: bool

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, channels, height, width); the images unchanged if all changes are off."""
        if self.shift or self.rotation or self.zoom or self.flip:
            images = self.transform(images.float())
        return self.change_contrast(images.float()) if self.contrast else images

    def transform(self, images: Tensor) -> Tensor:
        """Return the images shifted, rotated, zoomed and flipped, with bilinear sampling."""
        with torch.autocast(images.device.type, enabled=False):  # half precision would blur the coordinates
            grid = functional.affine_grid(self.affine_matrices(images), list(images.shape), align_corners=False)
            return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def affine_matrices(self, images: Tensor) -> Tensor:
        """Return affine matrices of shape (rows, 2, 3) from coordinates in the new image to those in the old one."""
        rows, _, height, width = images.shape
        angle, zoom, right, down = torch.empty(4, rows, device=images.device).uniform_(-1, 1)
        angle, zoom = torch.deg2rad(angle * self.rotation), 1 + zoom * self.zoom
        side = 1.0 - 2.0 * self.flip * torch.randint(2, (rows,), device=images.device)
        cos, sin = angle.cos() * zoom, angle.sin() * zoom
        x = torch.stack([side * cos, -side * sin * height / width, 2 * right * self.shift], dim=1)
        y = torch.stack([sin * width / height, cos, 2 * down * self.shift], dim=1)
        return torch.stack([x, y], dim=1)

    def change_contrast(self, images: Tensor) -> Tensor:
        """Return the images with contrast scaled about the mean of each."""
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        factor = 1 + self.contrast * torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(-1, 1)
        return torch.lerp(mean, images, factor)


# --- Images as tensors: columns of pixels, or files that are read lazily.

Array = np.ndarray[Any, Any]
CHUNK_ROWS = 4096  # so that moments are summed without a float64 copy of the whole table
MAX_FILES_READ = 512  # for mean and standard deviation


@dataclass
class PixelEncoder:
    """Encodes columns of pixels.

    Attributes
    ----------
    shape
        Channels, height and width of an image.
    mean, scale
        Mean and standard deviation of each channel; a missing pixel becomes the mean.
    """

    shape: list[int]
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: Array, shape: Sequence[int]) -> Self:
        """Learn from the train rows, of shape (rows, channels * height * width)."""
        images = X.reshape(len(X), shape[0], -1)
        chunks = (images[start : start + CHUNK_ROWS] for start in range(0, len(X), CHUNK_ROWS))
        return cls(list(shape), *moments(chunks))

    def encode(self, X: Any) -> Inputs:
        """Return shape (rows, channels, height, width), uint8 if X is uint8, else float32."""
        if isinstance(X, pd.DataFrame):
            raise DataError("the table holds file names, but the model was trained on columns of pixels")
        dtype = np.uint8 if X.dtype == np.uint8 else np.float32
        images = np.array(X, dtype=dtype, order="C").reshape(len(X), *self.shape)
        if dtype == np.float32:
            missing = np.isnan(images)
            images[missing] = np.broadcast_to(self.mean[:, None, None], images.shape)[missing]
        return (torch.from_numpy(images),)


@dataclass
class FileEncoder:
    """Encodes a column of image file names.

    Attributes
    ----------
    shape
        Channels, height and width to which each image is resized.
    mean, scale
        Mean and standard deviation of each channel, over at most 512 files.
    """

    shape: list[int]
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: pd.DataFrame, shape: Sequence[int]) -> Self:
        """Learn from the train rows: at most 512 files, evenly spaced."""
        files = ImageFiles(file_names(X), list(shape))
        step = -(-len(files) // MAX_FILES_READ)
        chunks = (files[place][0].numpy().reshape(1, shape[0], -1) for place in range(0, len(files), step))
        return cls(list(shape), *moments(chunks))

    def encode(self, X: Any) -> "ImageFiles":
        """Return a dataset of the files; raise DataError if one does not exist."""
        if not isinstance(X, pd.DataFrame):
            raise DataError("the table holds numbers, but the model was trained on file names")
        return ImageFiles(file_names(X), self.shape)


@dataclass(frozen=True)
class ImageFiles(Dataset[Inputs]):
    """A dataset of image files, each read when indexed.

    Attributes
    ----------
    names
        The file names.
    shape
        Channels, height and width to which each image is resized.
    """

    names: list[str]
    shape: list[int]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> tuple[Tensor]:
        """Return uint8 of shape (channels, height, width)."""
        return (torch.from_numpy(read_image(self.names[place], self.shape)),)


def holds_files(X: Any) -> bool:
    """Return whether X is a frame whose only column holds text.

    Raises
    ------
    DataError
        It has a column of text, and others.
    """
    if not isinstance(X, pd.DataFrame):
        return False
    texts = [str(name) for name, dtype in X.dtypes.items() if is_category(dtype) and not is_bool_dtype(dtype)]
    if texts and X.shape[1] > 1:
        raise DataError(
            f"column '{texts[0]}' holds text, but is not the only column ({X.shape[1]} in all)",
            "expected: columns of pixels, or one column of file names",
            "leave the others out: data.drop=[COLUMN]",
        )
    return bool(texts)


def file_names(X: pd.DataFrame) -> list[str]:
    """Return the file names in a frame of one column; raise DataError if one is missing or does not exist."""
    column = X.iloc[:, 0]
    if column.isna().any():
        raise DataError(f"column '{column.name}': {int(column.isna().sum())} rows have no file name")
    names = [str(name) for name in column]
    missing = [name for name in names if not Path(name).expanduser().is_file()]
    if missing:
        raise DataError(
            f"column '{column.name}': {len(missing)} of {len(names)} files do not exist: {', '.join(missing[:3])}",
            f"relative to {Path.cwd()}",
        )
    return names


def moments(chunks: Iterable[Array]) -> tuple[Array, Array]:
    """Return mean and standard deviation of each channel, float64 of shape (channels,).

    Each chunk has shape (rows, channels, pixels); NaN is left out.
    """
    count = total = squares = np.zeros(1)
    for chunk in chunks:
        values = chunk.astype(np.float64)
        count = count + (~np.isnan(values)).sum(axis=(0, 2))
        total = total + np.nansum(values, axis=(0, 2))
        squares = squares + np.nansum(values**2, axis=(0, 2))
    count = np.maximum(count, 1)
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    scale[scale <= 1e-6 * np.abs(mean)] = 1.0  # constant up to rounding
    return mean, scale
