"""One process's part in a training that several share."""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Share:
    """The place of this process among all: together they take each batch, a share each."""

    rank: int = 0
    world: int = 1

    @property
    def least(self) -> int:
        """Return how many rows a batch needs: two for each process, for one alone has no variance."""
        return 2 * self.world

    def of(self, part: Tensor) -> Tensor:
        """Return this process's rows of a batch."""
        return part if self.world == 1 else part[self.rank :: self.world]

    def scale(self, own: int, whole: int) -> float:
        """Return what a loss is multiplied by, so that the mean over processes is the mean over the batch's rows."""
        return own * self.world / whole

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over processes."""
        if self.world > 1:
            distributed.all_reduce(value)
            value /= self.world
        return value

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Return a module whose gradients are the mean over processes."""
        if self.world == 1:
            return module
        if device.type == "cuda":  # the other backends have no common batch statistics
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(module, device_ids=[device.index] if device.type == "cuda" else None)
