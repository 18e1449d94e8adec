"""What an evaluator of a plugin raises, or returns, is told with the name that the config gives it."""

from types import SimpleNamespace

import pytest

from runtree.contract.errors import ConfigError, Pruned, RunFailedError
from runtree.lifecycle.score import evaluate


def outcome(work):
    run = SimpleNamespace(
        config=SimpleNamespace(evaluator={"name": "halves"}),
        named=lambda error: error,
        evaluator=type("Halves", (), {"evaluate": lambda self, run, metrics: work()})(),
    )
    return evaluate(run, ())


def raising(error):
    raise error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("boom"), "evaluator=halves failed: ValueError: boom"),
        (SystemExit(0), "evaluator=halves failed: it called sys.exit(0)"),
        (ConfigError("no"), "no"),
    ],
)
def test_what_it_raises(error, says):
    with pytest.raises((RunFailedError, ConfigError)) as failed:
        outcome(lambda: raising(error))
    assert failed.value.message == says


def test_what_it_returns():
    with pytest.raises(RunFailedError, match="evaluator=halves returned None instead of an Evaluation"):
        outcome(lambda: None)


@pytest.mark.parametrize("ours", [KeyboardInterrupt(), Pruned(1)])
def test_what_is_no_fault_of_it_passes(ours):
    with pytest.raises(type(ours)):
        outcome(lambda: raising(ours))
