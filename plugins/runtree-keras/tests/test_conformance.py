"""Both options pass the suite that runtree's own algorithms pass."""

from runtree.testing import AlgorithmSuite

QUICK = ("algorithm.max_epochs=4", "algorithm.batch_size=16", "algorithm.learning_rate=0.02")


class TestKerasMlp(AlgorithmSuite):
    option = "keras_mlp"
    checked_elsewhere = "tests/test_checks.py"
    overrides = (*QUICK, "algorithm.units=16", "algorithm.normalization=batch")


class TestKerasModel(AlgorithmSuite):
    option = "keras_model"
    checked_elsewhere = "tests/test_checks.py"
    overrides = (*QUICK, "algorithm.network._target_=runtree_keras.networks.mlp", "+algorithm.network.units=16")
