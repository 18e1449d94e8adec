"""A run is completed only with a model that comes back from its files; the code that it needs is kept with it."""

import json
import sys

import pytest
from real_sweeps import IN_PROCESS, UNEXAMINED, lay_out, words

OWN = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Constant(RegressorMixin, BaseEstimator):
    def __init__(self, x=0.5, seconds=0.0, do="well"):
        self.x, self.seconds, self.do = x, seconds, do

    def fit(self, X, y):
        with open("fits.txt", "a") as file:
            file.write("1\\n")
        self.level_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.level_)


class Forgetful(Constant):
    def __getstate__(self):
        return {**super().__getstate__(), "level_": 0.0}
"""


@pytest.fixture
def own(folder):
    lay_out(folder)
    (folder / "own_models.py").write_text(OWN)
    yield folder
    sys.modules.pop("own_models", None)


def train(*, name):
    table = ["data=csv", "data.path=rows.csv", "data.target=y", "data.task=regression", "preprocess=none"]
    return ["train", *table, "algorithm=import", f"algorithm.path={name}", *UNEXAMINED]


def test_a_model_that_does_not_come_back_fails_the_run_and_its_predictions_stay(runtree, own):
    said = runtree(*train(name="own_models:Forgetful"))
    assert said.code == 1
    assert "error: the saved model is not the fitted one: 60 of 60 predictions differ" in said.err
    [run] = own.glob("outputs/*/*")
    assert json.loads((run / "run.json").read_text())["state"] == "failed"
    assert (run / "predictions.parquet").exists()
    assert not (run / "model" / "model.json").exists()


def test_the_code_of_a_model_is_kept_and_a_change_is_told(runtree, own):
    assert runtree(*train(name="own_models:Constant")).code == 0
    [run] = own.glob("outputs/*/*")
    assert (run / "code" / "own_models.py").read_text() == OWN
    assert len(json.loads((run / "run.json").read_text())["fingerprints"]["code"]) == 64
    predict = ["predict", "latest", "rows.csv", "-o", "out.csv", "--trust", "own_models.Constant"]
    assert "has changed" not in runtree(*predict).err
    (own / "own_models.py").write_text(OWN + "# edited\n")
    assert "the code of own_models has changed since the model was trained" in runtree(*predict).err.replace("\n", " ")
    assert "the code of own_models has changed" in runtree(
        "rerun", "latest", "--trust", "own_models.Constant"
    ).err.replace("\n", " ")


def test_a_model_that_learns_no_attribute_predicts(runtree, own):
    said = runtree(*train(name="told:Told"))
    assert said.code == 0, said.err
    assert runtree("predict", "latest", "rows.csv", "-o", "out.csv", "--trust", "told.Told").code == 0


def test_the_best_of_a_sweep_is_not_fitted_again_for_a_model_that_does_not_come_back(runtree, own):
    said = runtree(*words("random", 2, IN_PROCESS, path="own_models:Forgetful"))
    assert said.code == 1
    assert "could not be kept: the saved model is not the fitted one" in said.err.replace("\n", " ")
    assert len((own / "fits.txt").read_text().split()) == 2
