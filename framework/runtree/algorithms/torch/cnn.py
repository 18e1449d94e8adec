"""A residual convolutional network for pictures."""

from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data
from torch import Tensor, nn
from torch.nn import functional

from runtree.algorithms.torch.estimator import CONSTRAINTS, Network, one_of, share, whole
from runtree.algorithms.torch.image_encoders import (
    Augmentation,
    FileEncoder,
    PixelEncoder,
    find_shape,
    holds_files,
    lengths,
    sides,
)
from runtree.algorithms.torch.table_encoder import Inputs
from runtree.algorithms.torch.task_heads import Classification, Regression
from runtree.contract.errors import DataError

ROOM = 2**24  # numbers that a layer puts out at a time, when nothing is learned


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNN(Network):
    """Stages of residual blocks, each of twice the channels and half the size of the one before.

    A row is a picture: columns of pixels, channel by channel and row by row, or a frame with one column of file names,
    which are read when they are needed, by `workers` processes. Pixels are standardised channel by channel.

    The source of the architecture: He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016,
    arXiv 1603.05027: the network for CIFAR with full pre-activation (section 4.1), here with dropout before its last
    layer.

    Parameters
    ----------
    image_shape
        Channels, height and width of rows of pixels, one of which may be -1: what is left. None: as columns named
        `pixel_ROW_COLUMN` or `pixel_CHANNEL_ROW_COLUMN` say, or else a grey square.
    image_size
        The side, or height and width, to which pictures in files are brought.
    color
        "rgb" or "grey": how pictures in files are read.
    channels
        Of the first stage.
    stages, blocks
        How many stages, and blocks in each.
    dropout
        The share of features that is left out before the last layer.
    shift, rotation, zoom, contrast, flip
        How much train pictures change at random, in each epoch anew: a share of the size, degrees, a share, a share,
        and whether they are mirrored.
    """

    image_shape: Any = None
    image_size: Any = 64
    color: str = "rgb"
    channels: int = 16
    stages: int = 3
    blocks: int = 1
    dropout: float = 0.1
    shift: float = 0.1
    rotation: float = 10.0
    zoom: float = 0.1
    contrast: float = 0.1
    flip: bool = False
    max_epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.005
    scheduler: Any = "one_cycle"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "batch_size": [whole(2)],
        "image_shape": ["array-like", None],
        "image_size": [whole(1), "array-like"],
        "color": [one_of("rgb", "grey")],
        "channels": [whole(1)],
        "stages": [whole(1)],
        "blocks": [whole(1)],
        "dropout": [share()],
        "shift": [share()],
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "zoom": [share()],
        "contrast": [share()],
        "flip": ["boolean"],
    }

    def check_rows(self, X: Any, reset: bool) -> Any:
        """Return a frame with one column of file names, or numbers of shape (rows, pixels), NaN allowed."""
        least = 2 if reset else 1
        if not holds_files(X):
            return validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=least
            )
        if len(X) < least:
            raise DataError(f"found {len(X)} row(s), and {least} are needed")
        return validate_data(self, X, reset=reset, skip_check_array=True)

    def learn_inputs(self, X: Any) -> PixelEncoder | FileEncoder:
        """Learn the moments of each channel."""
        if holds_files(X):
            return FileEncoder.learn(X, [1 if self.color == "grey" else 3, *sides(self.image_size)])
        names = list(getattr(self, "feature_names_in_", ()))
        return PixelEncoder.learn(X, find_shape(lengths(self.image_shape), X.shape[1], names))

    def augment(self, *inputs: Tensor) -> Inputs:
        """Return train pictures changed at random."""
        change = Augmentation(self.shift, self.rotation, self.zoom, self.contrast, self.flip)
        return (change(inputs[0]),)

    def make_module(self, encoder: PixelEncoder | FileEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        return CNNModule(self, encoder, outputs)


class CNNModule(nn.Module):
    """Stages of blocks after one convolution; the mean over the picture of what they say is the last layer's input."""

    mean: Tensor
    scale: Tensor

    def __init__(self, asked: TorchCNN, encoder: PixelEncoder | FileEncoder, outputs: int) -> None:
        super().__init__()
        for name, value in (("mean", encoder.mean), ("scale", encoder.scale)):  # of the data, and not among the weights
            tensor = torch.as_tensor(value, dtype=torch.float32)[:, None, None]
            self.register_buffer(name, tensor, persistent=False)
        widths = [asked.channels * 2**stage for stage in range(asked.stages)]
        self.first = convolution(encoder.shape[0], widths[0])
        blocks = [Block(widths[0], widths[0]) for _ in range(asked.blocks)]
        for before, after in pairwise(widths):
            blocks += [Block(before, after, stride=2), *(Block(after, after) for _ in range(asked.blocks - 1))]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.BatchNorm2d(widths[-1])
        self.output = nn.Sequential(nn.Dropout(asked.dropout), nn.Linear(widths[-1], outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs); when nothing is learned, for some rows at a time."""
        if self.training:
            return self.answer(images)
        at_once = max(1, ROOM // (self.first.out_channels * images.shape[2] * images.shape[3]))
        return torch.cat([self.answer(part) for part in torch.split(images, at_once)])

    def answer(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        features = self.blocks(self.first((images - self.mean) / self.scale))
        answer: Tensor = self.output(functional.relu(self.last(features)).mean(dim=(2, 3)))
        return answer


class Block(nn.Module):
    """x + Conv(ReLU(Norm(Conv(ReLU(Norm(x)))))); where the shape changes, x goes through a convolution of its own."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.inner = nn.Sequential(
            convolution(before, after, stride), nn.BatchNorm2d(after), nn.ReLU(), convolution(after, after)
        )
        self.past = None if before == after else nn.Conv2d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return what came in, corrected."""
        ready = self.first(x)
        kept = x if self.past is None else self.past(ready)
        corrected: Tensor = kept + self.inner(ready)
        return corrected


def convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution of 3 x 3; what follows it is normalised, so that it needs no bias."""
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNNClassifier(Classification, TorchCNN):
    """A residual convolutional network that tells classes."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNNRegressor(Regression, TorchCNN):
    """A residual convolutional network that tells numbers."""
