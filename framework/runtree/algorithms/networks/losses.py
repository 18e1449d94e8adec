"""The loss of a batch, weighted where rows weigh differently."""

import copy

from torch import Tensor, nn

from runtree.contract.errors import ConfigError


class MeanLoss:
    """The mean over rows of weight times loss; the weights themselves have the mean 1 over all train rows.

    Parameters
    ----------
    criterion
        A loss of torch's, called with outputs and targets.
    weighted
        Whether rows weigh differently; then `criterion` must have torch's `reduction`.
    """

    def __init__(self, criterion: nn.Module, weighted: bool) -> None:
        if weighted:
            if not hasattr(criterion, "reduction"):
                raise ConfigError(
                    f"algorithm.loss: {type(criterion).__name__} has no 'reduction', which weights of rows need",
                    "leave out sample_weight and class_weight, or give the loss a 'reduction' as torch's have",
                )
            criterion = copy.deepcopy(criterion)
            criterion.reduction = "none"  # type: ignore[assignment]
        self.criterion = criterion

    def __call__(self, outputs: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return a tensor of one number; a regression's outputs may lack their last axis of one."""
        outputs = outputs.unsqueeze(-1) if outputs.ndim < target.ndim else outputs
        loss: Tensor = self.criterion(outputs, target)
        return loss if weight is None else (loss.reshape(len(weight), -1).mean(1) * weight).mean()
