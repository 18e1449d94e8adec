"""Which of the metrics that a run reports stands for the objective."""

from collections.abc import Mapping

from runtree.contract.iteration import is_loss


def objective_of(metrics: Mapping[str, float], name: str, direction: str) -> float | None:
    """Return the intermediate value of the objective, None where nothing reported stands for it.

    That is the metric itself on the validation part; else a validation loss, turned so that it points the same way.
    """
    for key in (f"validation_{name}", f"validation.{name}", name):
        if key in metrics:
            return metrics[key]
    losses = [key for key in metrics if key.startswith("validation") and is_loss(key.removeprefix("validation_"))]
    losses += [key for key in ("loss",) if key in metrics]
    if not losses:
        return None
    return metrics[losses[0]] if direction == "minimize" else -metrics[losses[0]]
