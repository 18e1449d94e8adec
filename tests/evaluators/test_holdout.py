import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from runtree.contract.predictions import encode_labels, predict_proba, predict_table
from runtree.contract.types import Metric

X = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) % 7})
Y = pd.Series(np.where(X["a"] > 20, "high", np.where(X["a"] > 9, "low", "mid")))
CLASSES = ("high", "low", "mid")
SEEN = Metric("seen", lambda t, s, labels: float(len(labels)), "maximize", "probability")


def test_a_pipeline_answers_as_it_would_itself():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    found = predict_table(model, X, Y, CLASSES)
    assert [CLASSES[code] for code in found.y_pred] == model.predict(X).tolist()
    assert np.array_equal(found.score, model.predict_proba(X))


def test_rows_are_prepared_once():
    class Counting(StandardScaler):
        calls = 0

        def transform(self, X, copy=None):
            Counting.calls += 1
            return super().transform(X)

    model = make_pipeline(Counting(), LogisticRegression()).fit(X, Y)
    Counting.calls = 0
    predict_table(model, X, Y, CLASSES)
    assert Counting.calls == 1


def test_chances_of_a_class_that_the_model_never_saw_are_zero():
    two = Y.isin(["high", "mid"])
    model = LogisticRegression().fit(X[two], Y[two])
    found = predict_proba(model, X, CLASSES)
    assert found.shape == (30, 3)
    assert (found[:, 1] == 0).all()
    assert np.array_equal(found[:, [0, 2]], model.predict_proba(X))


def test_metrics_of_chances_are_left_out_where_there_are_none():
    model = RidgeClassifier().fit(X, Y)
    found = predict_table(model, X, Y, CLASSES)
    assert found.score is None
    assert found.values([SEEN]) == {}


@pytest.mark.parametrize("rows", [[3, 1], [29]])
def test_the_table_of_predictions_has_labels_and_a_column_for_each_class(rows):
    model = DummyClassifier().fit(X, Y)
    frame = predict_table(model, X.iloc[rows], Y.iloc[rows], CLASSES).frame(np.array(rows), "test")
    assert list(frame) == ["row", "part", "y_true", "y_pred", "p_high", "p_low", "p_mid"]
    assert frame["y_true"].tolist() == Y.iloc[rows].tolist()
    assert frame["row"].tolist() == rows


def test_codes_follow_the_order_of_classes():
    assert encode_labels(np.array(["mid", "high"]), CLASSES).tolist() == [2, 0]
