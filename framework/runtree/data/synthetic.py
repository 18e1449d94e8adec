"""Made-up tables, for trying things out: as hard, as large and as noisy as one likes, the same for the same seed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class SyntheticClassification:
    """Clusters of points, a class each (`sklearn.datasets.make_classification`).

    Parameters
    ----------
    rows, features, informative, classes
        Sizes; `informative` of the features tell the class, the others are noise.
    separation
        How far apart the classes lie.
    label_noise
        Share of rows whose class is drawn at random.
    seed
        Seed of the table, apart from that of the run, so that another split is one of the same table.
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
