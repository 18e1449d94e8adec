"""A regression that learns a transformed target predicts, scores and is saved in original units."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

from runtree.contract.errors import ConfigError, DataError
from runtree.testing.fixtures import PLAIN, UNEXAMINED, quoted, train
from runtree.training.decision import unwrap
from runtree.training.model_files import TRUSTED, load_skops

QUICK = (*UNEXAMINED, *PLAIN, "preprocess=standard", "data.target=y")
TRANSFORMERS = {
    "standard": StandardScaler(),
    "yeo_johnson": PowerTransformer(),
    "log": FunctionTransformer(np.log, np.exp),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A skewed, positive target of some thousands, on a table of 90 rows."""
    generator, folder = np.random.default_rng(0), tmp_path_factory.mktemp("target")
    frame = pd.DataFrame(generator.normal(size=(90, 2)), columns=["a", "b"])
    frame["y"] = np.exp(8 + frame["a"] + 0.1 * generator.normal(size=90))
    frame.to_csv(folder / "t.csv", index=False)
    frame.assign(y=frame["y"] - 9000).to_csv(folder / "negative.csv", index=False)
    return folder


def run_of(table, *words, name="t.csv", algorithm="ridge"):
    return train(
        "data=csv", f"data.path={quoted(table / name)}", *QUICK, f"algorithm={algorithm}", *words, folder=table
    )


@pytest.fixture(scope="module", params=TRANSFORMERS)
def transformed(request, table):
    folds = ["evaluator=cross_validation", "evaluator.folds=2"] if request.param == "log" else []
    return request.param, run_of(table, f"target.transform={request.param}", *folds)


def test_the_model_is_scikit_learns_with_the_same_transformer(transformed):
    kind, run = transformed
    features, target = run.select("train")
    expected = TransformedTargetRegressor(Ridge(), transformer=TRANSFORMERS[kind], check_inverse=False)
    rows, test = run.model[:-1].transform(features), run.model[:-1].transform(run.select("test")[0])
    y_pred = expected.fit(rows, target).predict(test)
    frame = run.predictions
    assert np.allclose(frame[frame["part"] == "test"]["y_pred"], y_pred)
    errors = y_pred - run.select("test")[1].to_numpy()
    assert run.metrics["test"]["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert run.metrics["test"]["rmse"] > 100  # in original units
    for fold in run.folds:
        assert fold["rmse"] > 100


def test_it_comes_back_the_same_with_trusted_types_alone(transformed):
    kind, run = transformed
    loaded = load_skops(run.folder / "model", TRUSTED)
    features = run.select("test")[0]
    assert np.array_equal(loaded.predict(features), run.model.predict(features))
    assert type(unwrap(loaded[-1])) is Ridge
    assert json.loads((run.folder / "model" / "model.json").read_text())["target_transform"] == kind


def test_the_history_and_the_stop_criteria_are_in_original_units(table):
    words = ("fit.max_iterations=30", "fit.metrics=[rmse,r2]", "fit.refit=true", "evaluator.intervals.resamples=0")
    run = run_of(table, *words, algorithm="mlp")
    lines = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["train_loss"] == pytest.approx(lines[-1]["train_rmse"] ** 2)
    assert lines[0]["train_rmse"] > lines[-1]["train_rmse"] > 100 and lines[-1]["validation_rmse"] > 100
    assert lines[-1]["train_r2"] > 0.3
    assert type(run.model[-1]).__name__ == "TransformedTargetRegressor"
    assert run.fit_summary["refit"]["rows"] == 72 and run.metrics["test"]["r2"] > 0.2


def test_by_default_only_algorithms_that_ask_for_it_have_one(table):
    assert type(run_of(table).model[-1]) is Ridge
    assert type(run_of(table, "target.transform=none", algorithm="svm").model[-1]).__name__ == "SVR"
    svm = run_of(table, algorithm="svm").model[-1]
    assert type(svm.transformer_) is StandardScaler


@pytest.mark.parametrize(
    ("words", "name", "error", "says"),
    [
        (["target.transform=box"], "t.csv", ConfigError, r"unknown value at target\.transform: 'box'"),
        (["target.transform=log"], "negative.csv", DataError, r"no logarithm"),
        (["target.scale=log"], "t.csv", ConfigError, r"target\.scale"),
        (["+algorithm.target_transform=logit"], "t.csv", ConfigError, r"algorithm\.target_transform"),
        (
            ["target.transform=log", "data.task=classification", "algorithm=logistic"],
            "whole.csv",
            ConfigError,
            "classes",
        ),
    ],
)
def test_a_transformation_that_cannot_be_is_refused(table, words, name, error, says):
    pd.DataFrame({"a": range(40), "y": [1, 2] * 20}).to_csv(table / "whole.csv", index=False)
    with pytest.raises(error, match=says):
        run_of(table, *words, name=name)


def test_zeros_have_the_logarithm_of_one_more(table):
    pd.DataFrame({"a": np.arange(60) / 7, "y": np.arange(60) * 1.5}).to_csv(table / "zeros.csv", index=False)
    run = run_of(table, "target.transform=log", name="zeros.csv")
    assert run.model[-1].transformer_.func is np.log1p


def test_an_algorithm_of_the_users_own_that_transforms_is_not_unwrapped():
    own = TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    assert unwrap(own) is own
