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
    """A file cannot be decoded as an image. One line: torch passes a worker's traceback on with it as the last line."""

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().rpartition(f"{type(self).__name__}: ")[2])


def read_picture(name: str, shape: Sequence[int]) -> "np.ndarray[Any, Any]":
    """Return uint8 of shape (channels, height, width): the first frame, upright, grey or RGB, resized bilinearly."""
    channels, height, width = shape
    try:
        with Image.open(Path(name).expanduser()) as image:
            image.draft(MODES[channels], (width, height))  # JPEG is decoded at a fraction of its size, sooner
            found = plain(ImageOps.exif_transpose(image)).convert(MODES[channels])
            pixels = np.array(found.resize((width, height), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"{name} is no picture that can be read ({first_line(error)})") from None
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def plain(image: Image.Image) -> Image.Image:
    """Return 16 bits a pixel as 8, which Pillow would cut off, and colours that are transparent in a form it reads."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA") if "transparency" in image.info else image


# --- The shape of pictures: as it is asked for, or as their columns tell.

WHOLE = (int, np.integer)


def find_shape(asked: Sequence[int] | None, columns: int, names: Sequence[str]) -> list[int]:
    """Return channels, height and width of pictures in so many columns.

    Parameters
    ----------
    asked
        The shape; one length may be -1. None: as the columns' names say, or else a grey square.
    names
        Of the columns: pixel_ROW_COLUMN, or pixel_CHANNEL_ROW_COLUMN.
    """
    known = [length for length in asked or () if length != -1]
    if asked is not None and len(known) == 2 and columns % prod(known) == 0:
        return [columns // prod(known) if length == -1 else length for length in asked]
    side = round(columns**0.5)
    shape = list(asked) if asked is not None else named_shape(names) or [1, side, side]
    if prod(shape) == columns and min(shape) > 0:
        return shape
    said = f"{shape} is {prod(shape)} pixels" if asked is not None else "null stands for a grey square"
    raise ConfigError(
        f"algorithm.image_shape: {said}, and the rows have {columns} columns",
        "if a preprocessing left some out, type: preprocess=raw",
        "if it is another shape, type: algorithm.image_shape=[CHANNELS,HEIGHT,WIDTH]",
    )


def named_shape(names: Sequence[str]) -> list[int] | None:
    """Return the shape that the names of columns tell, if they are those of pixels in their order."""
    parts = [name.split("_") for name in names]
    if not parts or len(parts[-1]) not in (3, 4) or not all(text.isdigit() for text in parts[-1][1:]):
        return None
    shape = [int(text) + 1 for text in parts[-1][1:]]
    places = [tuple(map(str, place)) for place in np.ndindex(*shape)] if prod(shape) == len(names) else []
    return [1, *shape][-3:] if [tuple(part[1:]) for part in parts] == places else None


def lengths(asked: Any) -> list[int] | None:
    """Return `image_shape` as three whole numbers of 1 or more, of which one may be -1."""
    if asked is None:
        return None
    found = list(asked)
    numbers = all(isinstance(length, WHOLE) and (length == -1 or length >= 1) for length in found)
    if len(found) != 3 or not numbers or found.count(-1) > 1:
        raise ConfigError(f"algorithm.image_shape: {found}", "wanted: [CHANNELS,HEIGHT,WIDTH], such as [3,32,32]")
    return [int(length) for length in found]


def sides(asked: Any) -> list[int]:
    """Return `image_size` as height and width."""
    found = [asked, asked] if isinstance(asked, WHOLE) else list(asked)
    if len(found) != 2 or not all(isinstance(side, WHOLE) and side >= 1 for side in found):
        raise ConfigError(f"algorithm.image_size: {found}", "wanted: a number of pixels, or [HEIGHT,WIDTH]")
    return [int(side) for side in found]


# --- Pictures changed at random, so that a network does not learn where and how they happened to be taken.


@dataclass(frozen=True)
class Augmentation:
    """How much a picture may change; what comes into view at its edges repeats the edge.

    Nothing depends on the units of pixels. torch's own generator decides: seeded, it gives the same again.

    Attributes
    ----------
    shift
        A share of height and width: at most so far, either way.
    rotation
        Degrees: at most so far, either way.
    zoom, contrast
        A share by which size and contrast grow or shrink at most.
    flip
        Whether left and right change places in half of the pictures.
    """

    shift: float
    rotation: float
    zoom: float
    contrast: float
    flip: bool

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, channels, height, width); the pictures as they are if nothing may change."""
        if self.shift or self.rotation or self.zoom or self.flip:
            images = self.moved(images.float())
        return self.with_contrast(images.float()) if self.contrast else images

    def moved(self, images: Tensor) -> Tensor:
        """Return the pictures shifted, turned, zoomed and flipped, sampled bilinearly."""
        with torch.autocast(images.device.type, enabled=False):  # half precision would blur the places
            grid = functional.affine_grid(self.places(images), list(images.shape), align_corners=False)
            return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def places(self, images: Tensor) -> Tensor:
        """Return for each picture the 2 x 3 matrix that leads from its new places to its old ones."""
        rows, _, height, width = images.shape
        angle, zoom, right, down = torch.empty(4, rows, device=images.device).uniform_(-1, 1)
        angle, zoom = torch.deg2rad(angle * self.rotation), 1 + zoom * self.zoom
        side = 1.0 - 2.0 * self.flip * torch.randint(2, (rows,), device=images.device)
        cos, sin = angle.cos() * zoom, angle.sin() * zoom
        x = torch.stack([side * cos, -side * sin * height / width, 2 * right * self.shift], dim=1)
        y = torch.stack([sin * width / height, cos, 2 * down * self.shift], dim=1)
        return torch.stack([x, y], dim=1)

    def with_contrast(self, images: Tensor) -> Tensor:
        """Return the pictures with more or less contrast, each about its own mean."""
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        factor = 1 + self.contrast * torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(-1, 1)
        return torch.lerp(mean, images, factor)


# --- Pictures as tensors: columns of pixels, or files that are read when they are needed.

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
