"""REST, batch and Python give the same predictions, for every shipped algorithm; what is folded is equal to 1e-12."""

import asyncio

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from omegaconf import OmegaConf
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from conformance.shipped import RUN_CODE, options
from runtree.api.recorded import LoadedModel
from runtree.app import App
from runtree.config.build import build_algorithm
from runtree.lifecycle.predict_file import predict_file
from runtree.plugins import make_plugins
from runtree.preprocess.numeric import Raw
from serving_models import call, customers, running, served

APP = App(make_plugins(found=[]))
SMALL = {"n_estimators": 4, "max_iter": 50, "max_iterations": 3, "max_epochs": 3, "units": 8, "channels": 2}
BOTH = ("classification", "regression")


def pictures(rng):
    return pd.DataFrame(
        rng.integers(0, 17, (80, 16)).astype(float), columns=[f"pixel_{n // 4}_{n % 4}" for n in range(16)]
    )


def texts(rng):
    words = ["good", "bad", "late", "kind", "broken", "ähnlich"]
    return pd.DataFrame({"review": [" ".join(rng.choice(words, 4)) for _ in range(80)]})


def series(rng):
    return pd.DataFrame(rng.normal(size=(80, 6)).round(3), columns=[f"t{n}" for n in range(6)])


# a table of its own, which preprocess=raw leaves as it is, as the option says
TABLES = {"torch_cnn": [pictures], "torch_sequence": [texts, series], "torch_module": [series]}
CASES = [
    (name, task, table)
    for name in options("algorithm")
    if name not in RUN_CODE - {"import"}  # a script of the user's own: test_command.py
    for task in APP.catalogue.node("algorithm", name).get("_target_", BOTH)
    for table in TABLES.get(name, [None])
]


class Own(BaseEstimator):
    """An estimator as users have them, for algorithm=import: runtree knows nothing of it."""

    def fit(self, X, y):
        self.labels_, self.n_features_in_ = np.unique(y), np.shape(X)[1]
        return self

    def share(self, X):
        return 1 / (1 + np.exp(-np.asarray(X, dtype=float).sum(axis=1)))


class OwnClassifier(ClassifierMixin, Own):
    @property
    def classes_(self):
        return self.labels_

    def predict_proba(self, X):
        return np.column_stack([1 - self.share(X), self.share(X)])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class OwnRegressor(RegressorMixin, Own):
    def predict(self, X):
        return self.share(X)


OWN = {"classification": OwnClassifier, "regression": OwnRegressor}


def small(name, task):
    if name == "import":
        return OWN[task]()
    whole = OmegaConf.create(
        {
            "algorithm": APP.catalogue.node("algorithm", name),
            "seed": 0,
            "zoo": "zoo",
            "compute": {"devices": 1, "device": "cpu", "threads": 1},
        }
    )
    node = OmegaConf.to_container(whole, resolve=True)["algorithm"]
    algorithm = build_algorithm(node, task, APP.allow_list())
    known = algorithm.get_params(deep=False)
    return algorithm.set_params(**{key: value for key, value in SMALL.items() if key in known})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "task", "table"),
    CASES,
    ids=["-".join([name, task, *([t.__name__] if t else [])]) for name, task, t in CASES],
)
def test_rest_batch_and_python_agree(name, task, table, tmp_path):
    if name.startswith("torch_"):
        pytest.importorskip("torch")
    frame, target = customers()
    if task == "regression":
        target = pd.Series(frame["income"] / 100 + frame["member"] * 5 + 1, name="value")
    frame = table(np.random.default_rng(0)) if table else frame
    model = served(small(name, task), preprocess=Raw() if table else None, table=(frame, target))
    # and not the way of a file, but for what takes the columns as they are
    assert ("_fold_steps" in model.score.__qualname__) == (table is None)
    rows = frame.head(20).copy()
    if table is None:
        rows["city"] = ["Trier", *frame["city"][1:20]]  # one that training has not seen
    records = [
        {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
        for row in rows.to_dict("records")
    ]

    async def ask():
        async with running(model) as found:
            return await call(found.app, "/predict", {"rows": records})

    said = asyncio.run(ask())
    assert said.status == 200, said.content
    rest = pd.DataFrame(said.content["predictions"])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    predict_file(model.predictor, tmp_path / "rows.csv", tmp_path / "out.parquet")
    batch = pd.read_parquet(tmp_path / "out.parquet")
    python = LoadedModel(model.predictor)
    if task == "regression":
        np.testing.assert_allclose(rest["prediction"], batch["prediction"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(rest["prediction"], python.predict(rows), rtol=1e-12, atol=1e-12)
        return
    assert rest["prediction"].tolist() == batch["prediction"].tolist() == python.predict(rows).tolist()
    if model.has_probabilities:
        proba = np.array([list(each.values()) for each in rest["probabilities"]])
        np.testing.assert_allclose(proba, batch[["p_no", "p_yes"]], rtol=0, atol=1e-12)
        np.testing.assert_allclose(proba, python.predict_proba(rows), rtol=0, atol=1e-12)


def test_missing_values_that_the_algorithm_does_not_take_are_refused_row_by_row():
    """The checks of scikit-learn are off for folded rows; a row with a missing value must not pass for that."""
    from sklearn.linear_model import LogisticRegression

    from runtree.preprocess.numeric import Passthrough
    from runtree.serving.settings import PolicyOptions

    frame, target = customers()
    table = frame[["income", "member"]], target
    model = served(LogisticRegression(), Passthrough(), table, policy=PolicyOptions(missing="warn"))

    async def ask():
        async with running(model) as found:
            return await call(
                found.app, "/predict", {"rows": [{"income": None, "member": True}, {"income": 1, "member": True}]}
            )

    first, second = asyncio.run(ask()).content["predictions"]
    assert "the model cannot predict this row" in first["error"] and "NaN" in first["error"]
    assert second["prediction"] in ("no", "yes")


def test_a_network_is_served_on_the_device_of_its_training_and_on_any_other():
    """Trained on the best device of this machine, which may be a GPU; on one that is gone the best one takes over."""
    pytest.importorskip("torch")
    model = served(small("torch_mlp", "classification").set_params(device="auto"))
    rows = [
        model.schema.check(record).values for record in [model.schema.example(), {**model.schema.example(), "age": 79}]
    ]
    answers = []
    for device in ("auto", "cpu", "cuda:99"):
        model.predictor.model[-1].set_params(device=device)
        answers.append(model.predict(rows))
    for answer in answers[1:]:
        assert [one["prediction"] for one in answer] == [one["prediction"] for one in answers[0]]
        for one, other in zip(answer, answers[0], strict=True):
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)  # a GPU has other kernels
