"""The shape of pictures: as it is asked for, or as their columns tell."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from runtree.contract.errors import ConfigError

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
