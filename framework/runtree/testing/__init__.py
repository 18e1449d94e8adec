"""Conformance suites for plugin authors: subclass a suite, name the option, inherit every test.

::

    from runtree.testing import AlgorithmSuite

    class TestStump(AlgorithmSuite):
        option = "stump"

The built-in options of runtree pass the same suites. Only this package of runtree needs pytest.
"""

import pytest

# before the imports below: pytest rewrites the asserts of test modules only, and a failing suite would say nothing but
# AssertionError
for _suite in (
    "suite",
    "alert",
    "algorithm",
    "data",
    "detector",
    "evaluator",
    "metric",
    "preprocess",
    "proposals",
    "stage",
    "tuner",
):
    pytest.register_assert_rewrite(f"{__name__}.{_suite}")

from runtree.testing.alert import AlertSuite  # noqa: E402  pytest rewrites its asserts because of the lines above
from runtree.testing.algorithm import AlgorithmSuite  # noqa: E402
from runtree.testing.data import DataSuite  # noqa: E402
from runtree.testing.detector import DetectorSuite  # noqa: E402
from runtree.testing.evaluator import EvaluatorSuite  # noqa: E402
from runtree.testing.fixtures import FakePlugins, compose, tiny_table, train, write_table  # noqa: E402
from runtree.testing.metric import MetricSuite  # noqa: E402
from runtree.testing.preprocess import PreprocessSuite  # noqa: E402
from runtree.testing.stage import StageSuite  # noqa: E402
from runtree.testing.tuner import TunerSuite  # noqa: E402

__all__ = [
    "AlertSuite",
    "AlgorithmSuite",
    "DataSuite",
    "DetectorSuite",
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
