"""The suite for a detector of drift."""

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from runtree.contract.detection import Compares, Detection, Detector
from runtree.monitoring.options import MonitorOptions, choose_detectors
from runtree.testing.suite import Suite

if TYPE_CHECKING:
    import pandas as pd

ROWS, WINDOWS = 400, 20
# of windows without a change: twice the share that a p value of 5 % allows, and chance on so few windows
MAX_FALSE_SHARE = 0.25


class DetectorSuite(Suite):
    """Checks that a detector tells other rows from the same, is right about its p value, and changes nothing.

    ::

        class TestMean(DetectorSuite):
            detector = "mean"
    """

    detector: ClassVar[str]

    @classmethod
    def registered(cls) -> Detector:
        """Return the detector as it is registered."""
        chosen = choose_detectors(
            MonitorOptions(detectors=[cls.detector]), cls.make_app().plugins.contributions("register_detectors")
        )
        return chosen[0].detector

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Repeat tests for all that the detector compares."""
        if "compares" in metafunc.fixturenames:
            metafunc.parametrize("compares", self.registered().compares)

    def changed(self, compares: Compares) -> tuple[Any, Any]:
        """Return a reference and a window that differ; overwrite it for a detector of something else."""
        reference, window = argument(table(0), compares), argument(other_table(1), compares)
        if compares == "stream":  # a change within the sequence
            import numpy as np

            return reference, np.concatenate([reference, window])
        return reference, window

    def test_returns_a_detection(self, compares: Compares) -> None:
        found = self.registered().function(*self.changed(compares))
        assert isinstance(found, Detection)
        assert isinstance(found.note, str)

    def test_scores_a_change_above_none(self, compares: Compares) -> None:
        function = self.registered().function
        reference, window = self.changed(compares)
        same, other = function(reference, reference.copy()), function(reference, window)
        assert other.score > same.score
        if other.p is not None:
            assert other.p < 0.01, "a large change is not significant"

    def test_repeats(self, compares: Compares) -> None:
        function, rows = self.registered().function, self.changed(compares)
        assert function(*rows) == function(*rows)

    def test_leaves_its_arguments_alone(self, compares: Compares) -> None:
        rows = self.changed(compares)
        before = [part.copy() for part in rows]
        self.registered().function(*rows)
        for part, copy in zip(rows, before, strict=True):
            equal = part.equals(copy) if hasattr(part, "equals") else part.tolist() == copy.tolist()
            assert equal, "the detector changes the rows that it is given"

    def test_raises_few_false_alarms(self, compares: Compares) -> None:
        detector, reference = self.registered(), argument(table(0, 2 * ROWS), compares)
        windows = [argument(table(seed + 1, ROWS // 2), compares) for seed in range(WINDOWS)]
        found = [detector.function(reference, window) for window in windows]
        alarms = [one.score > detector.threshold and (one.p is None or one.p <= 0.05) for one in found]
        assert sum(alarms) / WINDOWS <= MAX_FALSE_SHARE, f"{sum(alarms)} of {WINDOWS} windows without a change"


def table(seed: int, rows: int = ROWS) -> "pd.DataFrame":
    """Return a table with a number and a category, in both of which values are missing."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": generator.normal(size=rows), "place": generator.choice(["a", "b", "c"], rows)})
    frame.loc[generator.random(rows) < 0.1, "size"] = np.nan
    return frame.assign(place=frame["place"].where(generator.random(rows) > 0.1))


def other_table(seed: int) -> "pd.DataFrame":
    """Return a table of another kind: moved, spread, with other categories, without half of the values."""
    import numpy as np

    generator, frame = np.random.default_rng(seed), table(seed)
    place = np.where(generator.random(len(frame)) < 0.5, "d", frame["place"])
    changed = frame.assign(size=3 * frame["size"] + 2, place=place)
    return changed.where(generator.random(changed.shape) > 0.4)


def argument(frame: "pd.DataFrame", compares: Compares) -> Any:
    """Return what a detector is called with."""
    if compares in ("number", "stream"):
        return frame["size"].dropna().to_numpy(dtype=float)
    if compares == "category":
        import numpy as np

        return np.asarray(frame["place"].dropna(), dtype=str)
    return frame["size"] if compares == "column" else frame
