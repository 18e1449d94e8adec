"""The file of a picture as an array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from runtree.contract.errors import DataError, first_line

MODES = {1: "L", 3: "RGB"}


class UnreadableError(DataError):
    """A file that is no picture, told in one line: from a worker, torch hands on the traceback with it as last line."""

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
