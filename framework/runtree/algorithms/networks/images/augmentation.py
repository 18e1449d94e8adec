"""Pictures changed at random, so that a network does not learn where and how they happened to be taken."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


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
