"""The tables that scikit-learn ships."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, unknown

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("breast_cancer", "iris", "wine", "digits", "diabetes")


@dataclass(frozen=True)
class Bundled:
    """A table of scikit-learn, with the names of its classes.

    Parameters
    ----------
    source
        breast_cancer (569 rows, 2 classes), iris (150, 3), wine (178, 3), digits (1797 images of 8 x 8, 10) or
        diabetes (442, regression).
    """

    source: str

    def load(self) -> "pd.DataFrame":
        """Return features and the column `target`."""
        from sklearn import datasets

        # checked against a list, as scikit-learn has other functions with this prefix, such as `load_files`
        if self.source not in SOURCES:
            raise unknown("table at data.source:", self.source, SOURCES, error=ConfigError)
        bunch: Any = getattr(datasets, f"load_{self.source}")(as_frame=True)
        frame: pd.DataFrame = bunch.frame
        # codes become names, so that metrics, plots and predictions show "malignant" and not 0
        if self.source != "diabetes":
            names = [str(name) for name in bunch.target_names]
            frame = frame.assign(target=[names[code] for code in frame["target"]])
        return frame
