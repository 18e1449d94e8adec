"""Models in ONNX: every shipped algorithm predicts the same or is refused, and so does what is around an algorithm."""

import json
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("onnxruntime", reason="the export needs the extra onnx")
pytest.importorskip("skl2onnx", reason="the export needs the extra onnx")
pytest.importorskip("fastapi", reason="the models are those of the tests of the service")

from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from runtree.app.export_model import _probe_rows
from runtree.cli.main import main
from runtree.contract.errors import GateError
from runtree.lifecycle.predict import Predictor
from runtree.packaging import onnx_parity
from runtree.packaging.onnx_estimators import convert
from runtree.packaging.onnx_parity import export
from runtree.preprocess.numeric import ImputeScale, Passthrough, Raw
from runtree.preprocess.tabular import Tabular
from runtree.testing.fixtures import UNEXAMINED
from serving.test_shipped_algorithms import CASES, small
from serving_models import contracts, customers

# Why a shipped algorithm is refused, as docs/packaging.md says.
REFUSED = {
    ("dummy", "classification"): "no converter is known",
    ("dummy", "regression"): "no converter is known",
    ("gaussian_process", "classification"): "invalid literal for int",
    ("kernel_ridge", "regression"): "no converter is known",
    ("lda", "classification"): "a probability differs by 0.",
    ("nearest_centroid", "classification"): "no converter is known",
}
# a network takes seconds to convert
CASES = [
    (name, task)
    for name, task, table in CASES
    if table is None
    and name != "import"
    and (not name.startswith("torch_") or (name, task) == ("torch_mlp", "classification"))
]


def quantity(frame):
    return pd.Series(frame["income"] / 100 + frame["member"] * 5 + 1, name="value")


def fitted(algorithm, frame, target, preprocess=None):
    """Return the predictor of a pipeline, and rows of training and of all other kinds."""
    model = Pipeline([("preprocess", preprocess or Tabular()), ("algorithm", algorithm)]).fit(frame, target)
    classes = () if target.dtype.kind == "f" else tuple(sorted(target.unique().tolist()))
    predictor = Predictor(model, contracts(frame, model[0]), classes, refuse=False)
    return predictor, pd.concat([predictor.select_columns(frame), _probe_rows(predictor)], ignore_index=True)


def exported(*words, **more):
    return export(*fitted(*words, **more))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "task"), CASES, ids=[f"{name}-{task}" for name, task in CASES])
def test_every_shipped_algorithm_predicts_the_same_or_is_refused(name, task):
    if name.startswith("torch_"):
        pytest.importorskip("torch")
        pytest.importorskip("onnxscript")
    frame, target = customers()
    found = exported(small(name, task), frame, target if task == "classification" else quantity(frame))
    reason = REFUSED.get((name, task), "")
    assert (found.model is None) == bool(reason), found.tried
    assert reason in found.tried[-1].fault
    if found.model:
        last = found.tried[-1]
        assert last.labels_equal == (1.0 if task == "classification" else None)
        assert last.difference is None or last.difference <= 1e-5


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibration_is_part_of_the_model_or_the_reason_to_refuse_it(method):
    from runtree.training.decision import calibrate

    frame, target = customers()
    predictor, rows = fitted(LogisticRegression(), frame, target)
    features, inner = predictor.model[0].transform(frame), predictor.model.steps[-1][1]
    predictor.model.steps[-1] = ("algorithm", calibrate(inner, method, features, target.to_numpy()))
    found = export(predictor, rows)
    if method == "temperature":
        assert found.model is None and found.tried[-1].fault
    else:
        assert found.model is not None, found.tried


def test_a_threshold_of_ones_own_decides_the_label():
    from runtree.training.decision import fix_threshold

    frame, target = customers()
    predictor, rows = fitted(LogisticRegression(), frame, target)
    features, inner = predictor.model[0].transform(frame), predictor.model.steps[-1][1]
    predictor.model.steps[-1] = ("algorithm", fix_threshold(inner, 0.2, "yes", features, target.to_numpy()))
    found = export(predictor, rows)
    session = onnx_parity.make_session(found.model)
    kinds = {one.name: one.type[7:-1] for one in session.get_inputs()}
    label, proba = session.run(None, onnx_parity.make_feeds(kinds, rows, {}))
    assert (label == np.where(proba[:, 1] >= 0.2, "yes", "no")).all()
    assert (label != np.where(proba[:, 1] >= 0.5, "yes", "no")).any()


@pytest.mark.parametrize("kind", ["standard", "log", "log1p", "yeo_johnson", "yeo_johnson of negatives"])
def test_a_transformed_target_comes_back_in_its_units(kind):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

    frame, _ = customers()
    target = np.exp(frame["income"] / 1000) * (-1 if "negatives" in kind else 1)
    transformer = {
        "standard": StandardScaler(),
        "log": FunctionTransformer(np.log, np.exp, check_inverse=False),
        "log1p": FunctionTransformer(np.log1p, np.expm1, check_inverse=False),
    }.get(kind) or PowerTransformer()
    values = target.to_numpy()[:, None]
    predictor, rows = fitted(LinearRegression(), frame, pd.Series(transformer.fit_transform(values).ravel()))
    inner = FrozenEstimator(predictor.model.steps[-1][1])
    wrapper = TransformedTargetRegressor(inner, transformer=transformer, check_inverse=False)
    predictor.model.steps[-1] = ("algorithm", wrapper.fit(predictor.model[0].transform(frame), values.ravel()))
    found = export(predictor, rows)
    assert found.model is not None, found.tried
    # beside what the algorithm alone predicts
    assert not np.allclose(predictor.model.predict(rows), inner.predict(predictor.model[0].transform(rows)))


@pytest.mark.parametrize("labels", [[3, 7], [True, False], [1.0, 2.0], ["a", "b", "ü"], [1, 2, 3]])
def test_labels_keep_their_type(labels):
    frame, _ = customers()
    target = pd.Series(np.resize(np.asarray(labels), len(frame)))
    model = Pipeline([("preprocess", Tabular()), ("algorithm", small("naive_bayes", "classification"))])
    model.fit(frame, target)
    predictor = Predictor(model, contracts(frame, model[0]), tuple(sorted(labels)), refuse=False)
    found = export(predictor, predictor.select_columns(frame))
    assert found.model is not None, found.tried


def test_probabilities_are_in_the_order_of_the_data():
    frame, target = customers()
    predictor, rows = fitted(LogisticRegression(), frame, target)
    turned = Predictor(predictor.model, predictor.columns, ("yes", "no"), refuse=False)  # data.positive=no
    found = export(turned, rows)
    assert found.model is not None, found.tried


@pytest.mark.parametrize("preprocess", [ImputeScale(), Passthrough()])
def test_preprocessing_of_numbers_alone(preprocess):
    frame, target = customers()
    frame = frame[["income", "member"]].assign(prediction=frame["age"].fillna(40), label=1.5 * frame["income"])
    if isinstance(preprocess, ImputeScale):
        frame.loc[::7, "prediction"] = np.nan
    found = exported(LogisticRegression(), frame, target, preprocess=preprocess)
    assert found.model is not None, found.tried
    # columns may have the names of outputs
    assert [one.name for one in found.model.graph.output] == ["label_of_model", "probabilities"]


def test_categories_of_all_kinds():
    frame, target = customers(400)
    rng = np.random.default_rng(1)
    street = pd.Series(rng.choice([f"street {n % 30}" for n in range(60)], 400))
    frame = frame.assign(street=street.mask(rng.random(400) < 0.1), rare=np.where(np.arange(400) == 5, "x", "y"))
    frame.loc[::9, "city"] = None
    three = target.where(frame["age"].fillna(0) < 60, "old")
    assert Tabular().fit(frame, three).kinds_["street"] == "many"
    assert exported(LogisticRegression(), frame, target).model is not None
    assert exported(LogisticRegression(), frame, three).model is not None


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"some words {n} of a longer text {n % 7}" for n in range(80)], "column 'new' is a text"),
        (["x" * 70 + str(n % 3) for n in range(80)], "more than 64 characters"),
        (["", "a", "b", "c"] * 20, "has an empty text as a category"),
    ],
)
def test_columns_without_a_form_are_refused_by_name(column, message):
    frame, target = customers()
    model = Pipeline([("preprocess", Tabular()), ("algorithm", LogisticRegression())])
    model.fit(frame.assign(new=column), target)
    with pytest.raises(GateError, match=message) as error:
        convert(model, ("no", "yes"), "double")
    assert "preprocess.columns.new=drop" in str(error.value)


def test_native_categories_are_refused_before_they_convert_wrongly():
    frame, _ = customers()
    algorithm = small("hist_gradient_boosting", "regression")
    found = exported(algorithm, frame, quantity(frame), preprocess=Tabular(native_categories=True))
    assert found.model is None and "wrong predictions" in found.tried[-1].fault
    from sklearn.ensemble import HistGradientBoostingRegressor

    numbers = pd.DataFrame({"a": np.arange(80.0) % 4, "b": np.arange(80.0)})
    native = HistGradientBoostingRegressor(categorical_features=[0], max_iter=3)
    found = exported(native, numbers, pd.Series(numbers["a"] * 2.5), preprocess=Passthrough())
    assert found.model is None and "categories of its own" in found.tried[-1].fault


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_histogram_boosting_with_a_log_link(loss):
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame, _ = customers()
    algorithm = HistGradientBoostingRegressor(loss=loss, max_iter=5, categorical_features=None)
    assert exported(algorithm, frame, quantity(frame)).model is not None


def test_the_scale_of_a_regression_is_that_of_its_predictions():
    predictions = pd.DataFrame({"prediction": [2000.0, 2001.0, 2002.0, 2103.0]})

    def compare(*errors):
        outputs = {"prediction": predictions["prediction"].to_numpy() + errors}
        return onnx_parity._compare("float", (), predictions, outputs)

    assert not compare(4e-4, 0, 0, 0).fault  # of a deviation of 44
    assert not compare(0, 0, 0, 7e-4).fault  # 76 from the mean
    refused = compare(6e-4, 0, 0, 0)
    assert "differs by 1.4e-05 standard deviations" in refused.fault and "target.transform" in refused.hints[0]
    assert compare(0, np.nan, 0, 0).fault


def test_numbers_reach_the_algorithm_as_they_are_and_other_columns_have_no_form():
    frame, target = customers()
    algorithm = small("hist_gradient_boosting", "classification")
    assert exported(algorithm, frame[["age", "income", "member"]], target, preprocess=Raw()).model is not None
    raw = Pipeline([("preprocess", Raw().fit(frame)), ("algorithm", LogisticRegression())])
    with pytest.raises(GateError, match="column 'city' is a text or date that the algorithm gets as it is") as error:
        convert(raw, ("no", "yes"), "double")
    assert "preprocess=tabular" in str(error.value)


def test_dates_of_all_centuries_become_the_same_parts():
    frame, target = customers(400)
    rng = np.random.default_rng(3)
    days = pd.to_datetime(rng.integers(-100_000, 100_000, 400), unit="D", origin="unix")
    days = days.where(np.arange(400) % 7 > 0, pd.Timestamp("2000-02-29")).where(np.arange(400) % 11 > 0)
    texts = pd.Series(pd.Timestamp("2024-12-25") + pd.to_timedelta(rng.integers(0, 20_000, 400), unit="min"))
    frame = frame.assign(born=days + pd.to_timedelta(rng.integers(0, 86_400_000, 400), unit="ms"))
    frame["seen"] = texts.dt.strftime("%d.%m.%Y %H:%M")
    assert Tabular().fit(frame).encoders_["date"].formats == {"born": "", "seen": "%d.%m.%Y %H:%M"}
    found = exported(LogisticRegression(), frame, target)
    assert found.model is not None, found.tried
    # nothing hides behind an algorithm: the features themselves are equal
    whole = exported(LinearRegression(), frame[["born", "seen"]], pd.Series(np.arange(400.0)))
    assert whole.tried[-1].difference < 1e-9


def test_a_module_of_ones_own_is_converted_as_it_stands():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from runtree.algorithms.torch.module import TorchModuleClassifier

    def make(in_features, out_features):
        return torch.nn.Sequential(torch.nn.BatchNorm1d(in_features), torch.nn.Linear(in_features, out_features))

    frame, target = customers()
    found = exported(TorchModuleClassifier(module=make, max_epochs=2), frame, target)
    assert found.model is not None, found.tried


def test_a_model_that_predicts_otherwise_is_refused_with_the_figures(monkeypatch):
    frame, target = customers()
    predictor, rows = fitted(LogisticRegression(), frame, target)
    run = onnx_parity._run

    def wrong(*words):
        outputs = run(*words)
        outputs["label"][:2] = "no", "yes"
        outputs["probabilities"][5, 0] = np.nan
        return outputs

    monkeypatch.setattr(onnx_parity, "_run", wrong)
    found = export(predictor, rows)
    assert found.model is None and "of the labels differ and a probability differs by nan" in found.tried[0].fault


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    frame, target = customers(200)
    frame.assign(churn=target).to_csv(folder / "customers.csv", index=False)
    with chdir(folder):
        words = ["data=csv", "data.path=customers.csv", "data.target=churn", "algorithm=logistic", *UNEXAMINED]
        assert main(["train", *words, "decision.threshold=0.3"]) == 0
    return folder


class TestAsAUser:
    """One run, exported by the command line."""

    @pytest.fixture
    def tree(self, trained, monkeypatch):
        monkeypatch.chdir(trained)
        return trained

    def test_the_file_says_what_it_is_and_predicts_alone(self, tree, capsys):
        assert main(["export-model", "latest", "--onnx", "-o", "churn.onnx", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["rows"] == {"source": "train", "all": 120, "compared": 120, "probes": 41}
        assert said["inputs"] == {"age": "double", "income": "double", "member": "double", "city": "string"}
        import onnxruntime

        session = onnxruntime.InferenceSession("churn.onnx")
        kept = session.get_modelmeta().custom_metadata_map
        assert kept["runtree.run"] == said["run"] and json.loads(kept["runtree.classes"]) == ["no", "yes"]
        assert json.loads(kept["runtree.threshold"]) == 0.3 and json.loads(kept["runtree.inputs"]) == said["inputs"]
        row = {"age": np.array([[np.nan]]), "income": np.array([[3000.0]]), "member": np.array([[1.0]])}
        label, proba = session.run(None, {**row, "city": np.array([["Trier"]], dtype=object)})
        assert label[0] == ("yes" if proba[0, 1] >= 0.3 else "no")

    def test_a_refusal_writes_nothing_and_keeps_the_file_that_was_there(self, tree, capsys, monkeypatch):
        Path("old.onnx").write_text("old")
        monkeypatch.setattr(onnx_parity, "TOLERANCE", -1.0)
        assert main(["export-model", "latest", "--onnx", "-o", "old.onnx", "--json"]) == 3
        said = capsys.readouterr()
        assert [one["precision"] for one in json.loads(said.out)["tried"]] == ["double", "float"]
        assert "a probability differs by" in said.err and "on 120 rows" in said.err
        assert Path("old.onnx").read_text() == "old" and not list(tree.glob(".*.part"))

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (["latest"], 2, "name the format: runtree export-model latest --onnx"),
            (["latest", "--onnx", "-o", "churn.bin"], 2, "ends in .onnx"),
            (["latest", "--onnx", "-o", "nosuch/churn.onnx"], 2, "there is no folder nosuch"),
            (["latest", "--onnx", "--rows", "nosuch.csv"], 2, "nosuch.csv"),
            (["nosuch", "--onnx"], 5, "no run 'nosuch'"),
        ],
    )
    def test_mistakes(self, tree, capsys, words, code, says):
        assert main(["export-model", *words]) == code
        assert says in capsys.readouterr().err

    def test_a_table_that_has_changed_is_replaced_by_rows_of_a_file(self, tree, capsys):
        content = Path("customers.csv").read_text()
        try:
            Path("customers.csv").write_text(content + "30.0,1.0,Bonn,True,no\n")
            assert main(["export-model", "latest", "--onnx"]) == 2
            assert "it has changed" in capsys.readouterr().err
            assert main(["export-model", "latest", "--onnx", "--rows", "customers.csv"]) == 0
            assert "on 201 of 201 rows and 41 others" in capsys.readouterr().out
        finally:
            Path("customers.csv").write_text(content)

    def test_without_the_extra(self, tree, capsys, monkeypatch):
        from runtree.app import export_model

        monkeypatch.setattr(export_model, "EXTRA", ("onnx", "no_such_package"))
        assert main(["export-model", "latest", "--onnx"]) == 4
        assert "pip install 'runtree[onnx]'" in capsys.readouterr().err
