"""The network for texts and series: what hangs on their order is learned."""

# ruff: noqa: E402

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops import io

from algorithms.torch_checks import carry_out
from runtree.algorithms.torch.sequence import TorchSequenceClassifier, TorchSequenceRegressor
from runtree.contract.errors import ConfigError, DataError

QUICK = {"units": 32, "max_epochs": 12, "batch_size": 32, "learning_rate": 0.005, "random_state": 0}
QUICK |= {"device": "cpu", "threads": 1}
HUNTERS, PREY = ["fox", "wolf", "hawk", "lynx"], ["hare", "mouse", "dove", "vole"]
FILLERS = ["now", "then", "quietly", "near", "again", "today"]


def sentences(rows=400, seed=0):
    """Return sentences that name a hunter and its prey, and which of them comes first."""
    rng = np.random.default_rng(seed)
    swapped = rng.integers(0, 2, rows)
    return pd.DataFrame({"text": [sentence(rng, swap) for swap in swapped]}), np.where(swapped == 1, "prey", "hunter")


def sentence(rng, swap):
    names = [rng.choice(HUNTERS), rng.choice(PREY)]
    words = ["the", names[swap], "sees", "the", names[1 - swap]]
    for filler in rng.choice(FILLERS, rng.integers(0, 6)):
        words.insert(rng.integers(0, len(words) + 1), filler)
    return " ".join(words).capitalize() + "."


def echoes(rows=600, seed=0):
    """Return noise with one peak, and the value two steps behind the peak."""
    rng = np.random.default_rng(seed)
    X, peak = rng.normal(size=(rows, 10)), rng.integers(0, 8, rows)
    X[np.arange(rows), peak] = 5
    return X, X[np.arange(rows), peak + 2]


@pytest.mark.parametrize("parameters", [{"model": "gru"}, {"model": "transformer"}, {"pooling": "last"}], ids=str)
def test_learns_the_order_of_words(parameters):
    X, y = sentences()
    model = TorchSequenceClassifier(**QUICK, **parameters).fit(X, y)
    assert model.score(*sentences(seed=1)) > 0.95


def test_a_bag_of_these_words_tells_nothing():
    (X, y), (others, truth) = sentences(), sentences(seed=1)
    bag = make_pipeline(CountVectorizer(), LogisticRegression()).fit(X["text"], y)
    assert bag.score(others["text"], truth) < 0.6


def test_learns_the_order_of_characters():
    texts = [f"{'ab' if place % 2 else 'ba'}{'-' * (place % 5)}" for place in range(100)]
    X, y = pd.DataFrame({"code": texts}), np.arange(100) % 2
    model = TorchSequenceClassifier(**QUICK, tokens="characters").fit(X, y)
    assert model.score(X, y) == 1


def test_learns_the_order_of_steps():
    X, y = echoes()
    model = TorchSequenceRegressor(**{**QUICK, "max_epochs": 25}, dropout=0.0).fit(X, y)
    assert model.score(*echoes(seed=1)) > 0.8


def test_learns_which_channel_comes_first():
    rng = np.random.default_rng(0)
    X, y = rng.normal(0, 0.2, (200, 8, 2)), rng.integers(0, 2, 200)
    X[np.arange(200), rng.integers(0, 4, 200), y] += 3
    X[np.arange(200), rng.integers(4, 8, 200), 1 - y] += 3
    model = TorchSequenceClassifier(**QUICK, channels=2).fit(X[:150].reshape(150, 16), y[:150])
    assert model.score(X[150:].reshape(50, 16), y[150:]) > 0.95


@pytest.mark.parametrize("parameters", [{"model": "gru"}, {"model": "transformer"}, {"pooling": "last"}], ids=str)
def test_what_stands_beside_a_text_changes_nothing(parameters):
    X, y = sentences(60)
    model = TorchSequenceClassifier(**{**QUICK, "max_epochs": 2}, **parameters).fit(X, y)
    told = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba(X.iloc[[row]]) for row in range(len(X))])
    assert alone == pytest.approx(told, abs=1e-5)


def test_unseen_empty_and_missing_texts_are_told():
    model = TorchSequenceClassifier(**{**QUICK, "max_epochs": 1}).fit(*sentences(60))
    odd = pd.DataFrame({"text": ["zebra crossing", "", None, "the " * 500, "狐"]})
    assert np.isfinite(model.predict_proba(odd)).all()
    assert len(model.predict(pd.DataFrame({"text": [np.nan, np.nan]}))) == 2


def test_many_rows_are_told_in_parts(monkeypatch):
    X, y = sentences(60)
    model = TorchSequenceClassifier(**{**QUICK, "max_epochs": 2}).fit(X, y)
    told = model.predict_proba(X)
    monkeypatch.setattr("runtree.algorithms.torch.sequence.PREDICTED_STEPS", 50)
    assert model.predict_proba(X) == pytest.approx(told, abs=1e-5)


def weights(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.module_.state_dict().items()}


class Stop:
    """Ends a fit at an epoch, with a checkpoint of it."""

    best = None

    def __init__(self, folder, step, start=None):
        self.folder, self.step, self.start = folder, step, start

    def due(self, step):
        return True

    def __call__(self, step, *, model, save, **told):
        assert np.isfinite(told["validation_loss"])
        if step == self.step:
            save(self.folder)
        return step == self.step


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_same_seed_same_bytes_and_an_interrupted_fit_goes_on_exactly(kind, tmp_path):
    def made():
        return TorchSequenceClassifier(**{**QUICK, "max_epochs": 4}, model=kind, layers=2)

    X, y = sentences(70)
    whole = weights(made().fit(X, y))
    assert weights(made().fit(X, y)) == whole
    made().fit(X, y, validation=(X, y), report=Stop(tmp_path, 2))
    assert weights(made().fit(X, y, validation=(X, y), report=Stop(None, 0, tmp_path))) == whole


@pytest.mark.parametrize(
    ("model", "rows", "types"),
    [
        (TorchSequenceClassifier(model="transformer", max_epochs=1), sentences(60), {"sequence_encoders.Tokenizer"}),
        (TorchSequenceRegressor(max_epochs=1), echoes(60), {"sequence_encoders.SeriesEncoder"}),
    ],
    ids=["text", "series"],
)
def test_a_bare_network_and_its_weights_are_the_network(model, rows, types, tmp_path):
    X, y = rows
    model.set_params(device="cpu", threads=1).fit(X, y)
    io.dump(model.bare(), tmp_path / "bare.skops")
    model.save_weights(tmp_path)
    found = io.get_untrusted_types(file=tmp_path / "bare.skops")
    own = {f"sequence.{type(model).__name__}", *types}
    assert set(found) - {"numpy.dtype"} == {f"runtree.algorithms.torch.{name}" for name in own}
    again = io.load(tmp_path / "bare.skops", trusted=found)
    again.load_weights(tmp_path)
    assert again.predict(X).tolist() == model.predict(X).tolist()


TEXTS, LABELS = sentences(20)


@pytest.mark.parametrize(
    ("X", "parameters", "error", "said"),
    [
        (
            TEXTS.assign(age=1.0, town="Linz"),
            {},
            DataError,
            r"3 columns, with text: text, town(.|\n)*data.drop=\[age,town]",
        ),
        (TEXTS.assign(text=pd.Timestamp("2020-01-01")), {}, DataError, "column 'text' has dtype datetime64"),
        (TEXTS.to_numpy(), {}, ConfigError, "preprocess=raw"),
        (TEXTS, {"model": "transformer", "units": 10, "heads": 4}, ConfigError, "algorithm.heads(.|\n)*1, 2, 5, 10"),
        (np.ones((20, 4)), {"channels": 3}, ConfigError, "algorithm.channels: 4 columns"),
    ],
    ids=["columns", "dates", "array", "heads", "channels"],
)
def test_what_is_no_sequence_is_refused(X, parameters, error, said):
    with pytest.raises(error, match=said):
        TorchSequenceClassifier(**{**QUICK, **parameters}).fit(X, LABELS)


def test_what_was_not_learned_from_is_refused():
    texts = TorchSequenceClassifier(**{**QUICK, "max_epochs": 1}).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="preprocess=raw"):
        texts.predict(np.ones((3, 1)))
    series = TorchSequenceClassifier(**{**QUICK, "max_epochs": 1}).fit(np.eye(20), LABELS)
    with pytest.raises(DataError, match="steps of a series are numbers"):
        series.predict(TEXTS)


SMALL = {
    "units": 16,
    "pooling": "last",
    "dropout": 0.0,
    "max_epochs": 30,
    "batch_size": 16,
    "learning_rate": 0.02,
    "threads": 1,
}
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by row: a row that weighs two is in one, a row that is there twice may be in two",
}


@parametrize_with_checks(
    [
        TorchSequenceClassifier(device="cpu", **{**SMALL, "max_epochs": 6}),
        TorchSequenceRegressor(device="cpu", **SMALL),
    ],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_contract(estimator, check):
    carry_out(check, estimator)
