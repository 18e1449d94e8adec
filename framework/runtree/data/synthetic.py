"""Generated tables of any size and difficulty; equal for equal seeds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class SyntheticClassification:
    """Clusters of points, one or more for each class (`sklearn.datasets.make_classification`).

    Parameters
    ----------
    rows, features, informative, classes
        Sizes; `informative` of the features depend on the class, the others are noise.
    separation
        The distance between the classes.
    label_noise
        Share of rows whose class is drawn at random.
    seed
        The seed of the table. It is not that of the run, so that runs with several seeds split the same table.
    """

    rows: int = 1000
    features: int = 20
    informative: int = 5
    classes: int = 2
    separation: float = 1.0
    label_noise: float = 0.01
    seed: int = 0

    def load(self) -> "pd.DataFrame":
        """Return the features x0, x1 … and the column `target`."""
        from sklearn.datasets import make_classification

        x, y = make_classification(
            n_samples=self.rows,
            n_features=self.features,
            n_informative=self.informative,
            # none: the default of 2 would add linear combinations of informative features, and feature importances
            # would be split
            n_redundant=0,
            n_classes=self.classes,
            class_sep=self.separation,
            flip_y=self.label_noise,
            random_state=self.seed,
        )
        return _frame(x, y)


@dataclass(frozen=True)
class SyntheticRegression:
    """A linear function of some features, with noise (`sklearn.datasets.make_regression`).

    Parameters
    ----------
    noise
        Standard deviation of the noise added to the target.
    """

    rows: int = 1000
    features: int = 20
    informative: int = 5
    noise: float = 10.0
    seed: int = 0

    def load(self) -> "pd.DataFrame":
        """Return the features x0, x1 … and the column `target`."""
        from sklearn.datasets import make_regression

        x, y = make_regression(
            n_samples=self.rows,
            n_features=self.features,
            n_informative=self.informative,
            noise=self.noise,
            random_state=self.seed,
        )
        return _frame(x, y)


def _frame(x: "np.ndarray", y: "np.ndarray") -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(x.shape[1])])
    return frame.assign(target=y)
