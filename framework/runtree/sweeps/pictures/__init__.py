"""The pictures of a sweep: Optuna draws them on matplotlib, in these rooms and nowhere else."""

from runtree.sweeps.pictures.drawing import draw

__all__ = ["draw"]
