"""LightGBM passes the suite that runtree's own algorithms pass."""

from runtree.testing import AlgorithmSuite


class TestLightgbm(AlgorithmSuite):
    option = "lightgbm"
    overrides = ("algorithm.n_estimators=12", "algorithm.min_child_samples=5")
