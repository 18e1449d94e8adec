"""Conformance suites for plugin authors: subclass one, name your option, inherit every test.

::

    from runtree.testing import AlgorithmSuite

    class TestStump(AlgorithmSuite):
        option = "stump"

runtree's own choices pass the very same suites. pytest is needed here, and nowhere else in runtree.
"""

import pytest

for _suite in ("suite", "algorithm", "data", "evaluator", "metric", "preprocess", "proposals", "stage", "tuner"):
    pytest.register_assert_rewrite(f"{__name__}.{_suite}")

from runtree.testing.algorithm import AlgorithmSuite  # noqa: E402  its asserts are rewritten because of the line above
from runtree.testing.data import DataSuite  # noqa: E402
from runtree.testing.evaluator import EvaluatorSuite  # noqa: E402
from runtree.testing.fixtures import FakePlugins, compose, tiny_table, train, write_table  # noqa: E402
from runtree.testing.metric import MetricSuite  # noqa: E402
from runtree.testing.preprocess import PreprocessSuite  # noqa: E402
from runtree.testing.stage import StageSuite  # noqa: E402
from runtree.testing.tuner import TunerSuite  # noqa: E402

__all__ = [
    "AlgorithmSuite",
    "DataSuite",
    "EvaluatorSuite",
    "FakePlugins",
    "MetricSuite",
    "PreprocessSuite",
    "StageSuite",
    "TunerSuite",
    "compose",
    "tiny_table",
    "train",
    "write_table",
]
