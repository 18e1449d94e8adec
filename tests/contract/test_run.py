"""What a run lends to foreign code stays its own."""

import numpy as np
import pandas as pd
import pytest

from runtree.contract.run import Deferred, Run, lent_arguments
from runtree.contract.types import Split, Table


@pytest.fixture
def run(tmp_path):
    run = Run({"seed": 0}, tmp_path)
    target = pd.Series(["p", "q", "p"], name="y")
    run.data = Table(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), target, "classification", ("p", "q"), "f", groups=target)
    run.split = Split(np.array([0]), np.array([1]), np.array([2]), "s")
    run.predictions = Deferred(lambda: pd.DataFrame({"y_pred": ["p", "q"]}))
    run.metrics = {"test": {"accuracy": 0.5}}
    return run


def spoil(run):
    run.data.features["a"] = 0.0
    run.data.features.loc[0, "b"] = 1.0
    run.data.features.iloc[0, 0] = 7.0
    run.data.target.iloc[:] = "q"
    run.data.groups[0] = "q"
    run.predictions["y_pred"] = "spoilt"
    run.metrics["test"]["accuracy"] = 1.0
    run.metrics["more"] = {}
    with pytest.raises(ValueError, match="read-only"):
        run.split.train[0] = 2


def test_what_foreign_code_writes_into_a_run_stays_its_own(run):
    with run.lent():
        spoil(run)
        with run.lent():  # a stage that reports calls the hooks of others
            spoil(run)
        assert run.data.features["a"].iloc[1] == 0  # it reads what it has written
    assert run.data.features.equals(pd.DataFrame({"a": [1.0, 2.0, 3.0]}))
    assert run.data.target.tolist() == run.data.groups.tolist() == ["p", "q", "p"]
    assert run.predictions["y_pred"].tolist() == ["p", "q"]
    assert run.metrics == {"test": {"accuracy": 0.5}}
    run.split.train[0] = 0


def test_a_table_that_is_made_for_foreign_code_is_not_made_again(run):
    made = []
    run.__dict__["predictions"] = Deferred(lambda: made.append(1) or pd.DataFrame())
    with run.lent():
        assert run.predictions.empty
    assert run.predictions.empty
    assert made == [1]


def test_the_arguments_of_a_hook_are_copies(run):
    own = {"run": run, "metrics": {"loss": 1.0}, "step": 3}
    with lent_arguments(own) as lent:
        lent["metrics"]["loss"] = 0.0
        lent["run"].metrics["test"].clear()
    assert own["metrics"] == {"loss": 1.0}
    assert run.metrics["test"] == {"accuracy": 0.5}
