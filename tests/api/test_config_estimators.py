"""The estimators over a config are scikit-learn's in every respect, and fit what a run fits."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import runtree as rt
from runtree.contract.errors import RequestError
from runtree.testing.fixtures import UNEXAMINED


@pytest.mark.parametrize(
    "estimator", [rt.RuntreeRegressor("algorithm=ridge"), rt.RuntreeClassifier("algorithm=logistic")]
)
def test_they_pass_the_checks_of_scikit_learn(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed = [entry for entry in check_estimator(estimator, on_fail=None) if entry["status"] == "failed"]
    assert [(entry["check_name"], entry["exception"]) for entry in failed] == []


def test_they_predict_as_the_model_of_a_run_with_the_same_config(folder):
    frame = load_diabetes(as_frame=True).frame
    run = rt.train(
        f"algorithm=decision_tree algorithm.max_depth=3 seed=4 {' '.join(UNEXAMINED)}", data=frame, target="target"
    )
    train = frame.iloc[run.predictions.loc[run.predictions["part"] == "train", "row"]]
    config = {"algorithm": "decision_tree", "algorithm.max_depth": 3}
    estimator = rt.RuntreeRegressor(config, random_state=4).fit(train.drop(columns="target"), train["target"])
    rows = frame.drop(columns="target")
    np.testing.assert_array_equal(estimator.predict(rows), run.model.predict(rows))


def test_they_take_tables_and_texts_as_classes():
    table = load_iris(as_frame=True)
    names = pd.Series(table.target_names).take(table.target).to_numpy()
    rows = table.data.assign(wide=np.where(table.data.iloc[:, 0] > 5, "yes", None))
    classifier = rt.RuntreeClassifier("algorithm=logistic").fit(rows, names)
    assert list(classifier.classes_) == ["setosa", "versicolor", "virginica"]
    assert classifier.predict_proba(rows).shape == (150, 3)
    assert cross_val_score(classifier, rows, names, cv=2).min() > 0.8
    assert not hasattr(rt.RuntreeClassifier("algorithm=linear_svm").fit(rows, names), "predict_proba")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [("algorithm=rigde", "did you mean: ridge"), ("algorithm=sgd fit.patience.checks=3", r"fit\.patience: is watched")],
)
def test_what_they_cannot_do_is_told(overrides, message):
    with pytest.raises(RequestError, match=message):
        rt.RuntreeRegressor(overrides).fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0])
