"""A residual convolutional network for images."""

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

MAX_ACTIVATIONS = 2**24  # of the first layer per batch of a prediction


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNN(Network):
    """Stages of residual blocks, each with twice the channels and half the size of the one before.

    A row is an image: columns of pixels by channel and row, or a single column of file names, which `workers`
    processes read lazily. Pixels are standardised by channel.

    Source: He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016,
    arXiv 1603.05027: the network for CIFAR with full pre-activation (section 4.1), here with dropout before its last
    layer.

    Parameters
    ----------
    image_shape
        Channels, height and width of rows of pixels; one of them may be -1 and is inferred. None: from columns named
        `pixel_ROW_COLUMN` or `pixel_CHANNEL_ROW_COLUMN`, else a grey square.
    image_size
        Side, or height and width, to which images in files are resized.
    color
        "rgb" or "grey": the colours of images in files.
    channels
        Channels of the first stage.
    stages, blocks
        Number of stages, and of blocks in each.
    dropout
        Fraction of features dropped before the last layer.
    shift, rotation, zoom, contrast, flip
        Random augmentation of the train images in each epoch: fraction of the size, degrees, relative size, relative
        contrast, and whether half of them are mirrored.
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
            raise DataError(f"found {len(X)} row(s), at least {least} required")
        return validate_data(self, X, reset=reset, skip_check_array=True)

    def learn_inputs(self, X: Any) -> PixelEncoder | FileEncoder:
        """Fit the encoder: mean and standard deviation of each channel."""
        if holds_files(X):
            return FileEncoder.learn(X, [1 if self.color == "grey" else 3, *sides(self.image_size)])
        names = list(getattr(self, "feature_names_in_", ()))
        return PixelEncoder.learn(X, find_shape(lengths(self.image_shape), X.shape[1], names))

    def augment(self, *inputs: Tensor) -> Inputs:
        """Return train images with random augmentation."""
        change = Augmentation(self.shift, self.rotation, self.zoom, self.contrast, self.flip)
        return (change(inputs[0]),)

    def make_module(self, encoder: PixelEncoder | FileEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        return CNNModule(self, encoder, outputs)


class CNNModule(nn.Module):
    """A convolution, stages of blocks, the mean over all pixels, and a linear layer."""

    mean: Tensor
    scale: Tensor

    def __init__(self, settings: TorchCNN, encoder: PixelEncoder | FileEncoder, outputs: int) -> None:
        super().__init__()
        for name, value in (("mean", encoder.mean), ("scale", encoder.scale)):  # not trained
            tensor = torch.as_tensor(value, dtype=torch.float32)[:, None, None]
            self.register_buffer(name, tensor, persistent=False)
        widths = [settings.channels * 2**stage for stage in range(settings.stages)]
        self.first = convolution(encoder.shape[0], widths[0])
        blocks = [Block(widths[0], widths[0]) for _ in range(settings.blocks)]
        for before, after in pairwise(widths):
            blocks += [Block(before, after, stride=2), *(Block(after, after) for _ in range(settings.blocks - 1))]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.BatchNorm2d(widths[-1])
        self.output = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(widths[-1], outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs); outside training in batches, to bound memory."""
        if self.training:
            return self.outputs(images)
        at_once = max(1, MAX_ACTIVATIONS // (self.first.out_channels * images.shape[2] * images.shape[3]))
        return torch.cat([self.outputs(part) for part in torch.split(images, at_once)])

    def outputs(self, images: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        features = self.blocks(self.first((images - self.mean) / self.scale))
        outputs: Tensor = self.output(functional.relu(self.last(features)).mean(dim=(2, 3)))
        return outputs


class Block(nn.Module):
    """x + Conv(ReLU(Norm(Conv(ReLU(Norm(x)))))); where the shape changes, x goes through a 1 x 1 convolution."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.inner = nn.Sequential(
            convolution(before, after, stride), nn.BatchNorm2d(after), nn.ReLU(), convolution(after, after)
        )
        self.shortcut = None if before == after else nn.Conv2d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, reshaped where necessary, plus its correction."""
        activated = self.first(x)
        kept = x if self.shortcut is None else self.shortcut(activated)
        corrected: Tensor = kept + self.inner(activated)
        return corrected


def convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution without bias: a normalisation follows each."""
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNNClassifier(Classification, TorchCNN):
    """A residual convolutional network for classification."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchCNNRegressor(Regression, TorchCNN):
    """A residual convolutional network for regression."""
