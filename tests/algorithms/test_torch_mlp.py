"""The perceptron for tables: both tasks, columns of categories, weights of rows."""

# ruff: noqa: E402

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import cross_val_score

from runtree.algorithms.torch.tabular import TorchMLPClassifier, TorchMLPRegressor
from runtree.contract.errors import ConfigError, DataError

QUICK = {"max_epochs": 20, "batch_size": 16, "units": 16, "learning_rate": 0.01, "device": "cpu", "random_state": 0}


def table(rows=200):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "town": rng.choice(["Graz", "Linz", "Wien"], rows),
            "kind": pd.Categorical(rng.choice(["a", "b"], rows)),
            "open": rng.choice([True, False], rows),
            "area": rng.normal(50, 10, rows),
        }
    )
    return frame, np.where((frame["town"] == "Wien") ^ frame["open"], "dear", "cheap")


def test_learns_categories_that_numbers_do_not_tell():
    frame, target = table()
    model = TorchMLPClassifier(**QUICK).fit(frame, target)
    assert model.score(*table()) > 0.95
    assert list(model.feature_names_in_) == ["town", "kind", "open", "area"]
    assert list(model.classes_) == ["cheap", "dear"]


def test_unknown_and_missing_categories_are_predicted():
    frame, target = table()
    model = TorchMLPClassifier(**QUICK).fit(frame, target)
    frame["town"], frame.loc[0, "area"], frame["kind"] = "Rom", np.nan, None
    assert set(model.predict(frame)) <= {"cheap", "dear"}


def test_holes_in_numbers_are_the_median():
    X, y = load_diabetes(return_X_y=True)
    model = TorchMLPRegressor(**QUICK).fit(X, y)
    holed, filled = X[:5].copy(), X[:5].copy()
    holed[:, 2], filled[:, 2] = np.nan, np.median(X[:, 2])
    assert model.predict(holed).tolist() == model.predict(filled).tolist()


def test_dates_are_refused_with_a_way_out():
    frame, target = table()
    with pytest.raises(DataError, match="column 'day' has dtype datetime64") as refused:
        TorchMLPClassifier(**QUICK).fit(frame.assign(day=pd.Timestamp("2020-01-01")), target)
    assert "preprocess=tabular" in str(refused.value)


@pytest.mark.parametrize(
    ("estimator", "load", "least"),
    [(TorchMLPClassifier, load_breast_cancer, 0.95), (TorchMLPRegressor, load_diabetes, 0.4)],
)
def test_defaults_learn(estimator, load, least):
    X, y = load(return_X_y=True)
    assert cross_val_score(estimator(random_state=0), X, y, cv=3).mean() > least
    module = estimator(random_state=0, max_epochs=1).fit(X, y).module_
    assert sum(weight.numel() for weight in module.parameters()) < 50_000


def test_same_seed_same_bytes_and_torch_is_left_alone():
    frame, target = table()
    before = torch.get_rng_state()
    first = TorchMLPClassifier(**QUICK).fit(frame, target).predict_proba(frame)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert TorchMLPClassifier(**QUICK).fit(frame, target).predict_proba(frame).tobytes() == first.tobytes()
    other = TorchMLPClassifier(**{**QUICK, "random_state": 1}).fit(frame, target).predict_proba(frame)
    assert other.tobytes() != first.tobytes()


def test_threads_come_back():
    frame, target = table()
    before = torch.get_num_threads()
    seen = []
    model = TorchMLPClassifier(**QUICK, threads=before + 1)
    model.augment = lambda *inputs: seen.append(torch.get_num_threads()) or inputs
    model.fit(frame, target)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_weights_of_classes_and_rows_turn_the_prediction():
    X = np.zeros((40, 1))
    y = np.array([0] * 30 + [1] * 10)
    balanced = TorchMLPClassifier(**QUICK, class_weight="balanced").fit(X, y).predict_proba(X)[0, 1]
    plain = TorchMLPClassifier(**QUICK).fit(X, y).predict_proba(X)[0, 1]
    by_row = TorchMLPClassifier(**QUICK).fit(X, y, sample_weight=np.where(y == 1, 9.0, 1.0)).predict_proba(X)[0, 1]
    assert (plain, balanced, by_row) == pytest.approx((0.25, 0.5, 0.75), abs=0.08)


def test_a_copy_and_a_pickle_predict_the_same():
    frame, target = table()
    model = TorchMLPClassifier(**QUICK).fit(frame, target)
    told = model.predict_proba(frame).tolist()
    assert copy.deepcopy(model).predict_proba(frame).tolist() == told
    assert pickle.loads(pickle.dumps(model)).predict_proba(frame).tolist() == told


def test_bf16_trains_close_to_float32():
    X, y = load_diabetes(return_X_y=True)
    plain = TorchMLPRegressor(**QUICK).fit(X, y).score(X, y)
    model = TorchMLPRegressor(**QUICK, precision="bf16").fit(X, y)
    assert model.score(X, y) == pytest.approx(plain, abs=0.1)
    assert {weight.dtype for weight in model.module_.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"precision": "fp16"}, "algorithm.precision: fp16 requires a GPU"),
        ({"device": "cuda:7"}, "algorithm.device: 'cuda:7' is not available; found"),
        ({"device": "toaster"}, "algorithm.device: unknown device 'toaster'"),
    ],
)
def test_what_is_not_there_is_refused(parameters, said):
    with pytest.raises(ConfigError, match=said):
        TorchMLPClassifier(**{**QUICK, **parameters}).fit(*table())


def test_a_device_that_is_gone_is_replaced_in_prediction():
    frame, target = table()
    model = TorchMLPClassifier(**QUICK).fit(frame, target)
    told = model.predict(frame).tolist()
    assert model.set_params(device="cuda:7").predict(frame).tolist() == told


def test_rows_to_watch_of_an_unknown_class_have_no_loss():
    frame, target = table()
    told = []

    class Watch:
        start = best = None

        def due(self, step):
            return True

        def __call__(self, step, **metrics):
            told.append(metrics["validation_loss"])
            return step == 2

    watched = np.where(np.arange(len(frame)) < 5, "unheard of", target)
    TorchMLPClassifier(**QUICK).fit(frame, target, report=Watch(), validation=(frame, watched))
    assert np.isfinite(told).all()
    assert len(told) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # torch's own
def test_compiled_training_learns_the_same():
    X, y = load_diabetes(return_X_y=True)
    parameters = {**QUICK, "max_epochs": 3, "dropout": 0.0}  # compiled dropout draws in another order
    plain = TorchMLPRegressor(**parameters).fit(X, y).predict(X)
    assert TorchMLPRegressor(**parameters, compile=True).fit(X, y).predict(X) == pytest.approx(plain, rel=1e-3)
