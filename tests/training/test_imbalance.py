"""Rare classes count more in fits, of every shipped classifier that can; rows that are scored stay as they are."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from conformance.shipped import RUN_CODE
from runtree.app import App
from runtree.config.build import build_algorithm
from runtree.contract.errors import ConfigError, DataError, MissingError
from runtree.contract.iteration import UNWATCHED
from runtree.contract.types import Table
from runtree.statistics import metrics
from runtree.testing.fixtures import PLAIN, UNEXAMINED, FakePlugins, compose, quoted, train
from runtree.training import imbalance
from runtree.training.active_run import ActiveRun
from runtree.training.fit_plan import make_fit_plan, resolve_fit_options
from runtree.training.imbalance import WEIGHTED, check_imbalance, class_weights, resample_rows
from runtree.training.monitor import loss, make_fold_callback, make_scorer
from runtree.training.pipeline import fit_algorithm

APP = App()
CLASSIFIERS = [
    name
    for name in APP.catalogue.groups["algorithm"]
    if name not in RUN_CODE and "classification" in APP.catalogue.node("algorithm", name)["_target_"]
]
NETWORKS = [name for name in CLASSIFIERS if name.startswith("torch_")]
GENERATOR = np.random.default_rng(0)
TARGET = np.asarray(["rare"] * 20 + ["usual"] * 180, dtype=object)
ROWS = GENERATOR.normal(size=(200, 3)) + (TARGET == "rare")[:, None] * 0.8


@lru_cache
def composed(*words):
    return compose("data=iris", *words, app=APP).config


def run_of(*words, target=TARGET, task="classification"):
    others = tuple(word for word in words if not word.startswith("imbalance."))
    asked = {key: yaml.safe_load(text) for key, text in (w[10:].split("=", 1) for w in words if w not in others)}
    base = composed(*others)
    config = {**base, "imbalance": {**base["imbalance"], **asked}}
    trust = APP.allow_list(words)
    run = ActiveRun(config, Path(), FakePlugins(), trust, {metric.name: metric for metric in metrics.BUILTIN})
    classes = tuple(sorted(set(target))) if task == "classification" else ()
    run.data = Table(pd.DataFrame(ROWS[: len(target)]), pd.Series(target, name="y"), task, classes, "f")
    options, iterations, node = resolve_fit_options(config, task)
    run.estimator = build_algorithm(node, task, trust)
    run.plan = make_fit_plan(options, iterations, run.estimator, False, trust)
    return run


def fitted(*words):
    run = run_of(*words)
    check_imbalance(run)
    algorithm = clone(run.estimator)
    callback = make_fold_callback(run, (ROWS, TARGET), None) if run.plan.steps else UNWATCHED
    fit_algorithm(run, algorithm, None, (ROWS, TARGET), None, callback)
    return algorithm


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name not in NETWORKS])
def test_every_shipped_classifier_weighs_classes_or_says_why_not(name):
    quick = {"random_forest": 30, "extra_trees": 30, "bagging": 10, "adaboost": 20, "gradient_boosting": 20}
    words = [f"algorithm={name}", *PLAIN, *([f"algorithm.n_estimators={quick[name]}"] if name in quick else [])]
    words += ["algorithm.max_depth=3"] if name in ("random_forest", "extra_trees", "decision_tree") else []
    words += ["fit.max_iterations=60"] if name in ("mlp", "sgd") else []
    words += ["algorithm.strategy=stratified"] if name == "dummy" else []
    if name not in WEIGHTED:
        with pytest.raises(ConfigError) as caught:
            fitted(*words, "imbalance.class_weight=balanced")
        assert f"algorithm={name} takes no weights" in str(caught.value) and ", ".join(WEIGHTED) in str(caught.value)
        return
    plain, weighted = fitted(*words), fitted(*words, "imbalance.class_weight=balanced")
    # a depth of three cannot learn single rows by heart, so weights move the border
    rare = [np.mean(model.predict(GENERATOR.normal(size=(400, 3)) + 0.4) == "rare") for model in (plain, weighted)]
    if name == "bagging":  # deep trees learn the train rows by heart
        assert not np.array_equal(plain.predict_proba(ROWS), weighted.predict_proba(ROWS))
    else:
        assert rare[1] > rare[0] + 0.02


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_take_weights_of_rows(name):
    pytest.importorskip("torch")
    run = APP.catalogue.node("algorithm", name)
    target = APP.allow_list(()).resolve(run["_target_"]["classification"], "algorithm")
    assert name in WEIGHTED and "sample_weight" in imbalance.fit_parameters(target)


def test_the_list_of_those_that_can_names_shipped_classifiers():
    assert set(WEIGHTED) < set(CLASSIFIERS)


def test_weights_are_those_of_scikit_learns_class_weight():
    ours = fitted("algorithm=logistic", "imbalance.class_weight={rare: 4, usual: 0.5}")
    theirs = LogisticRegression(max_iter=1000, class_weight={"rare": 4, "usual": 0.5}).fit(ROWS, TARGET)
    assert np.allclose(ours.coef_, theirs.coef_, atol=1e-6)
    run = run_of("algorithm=logistic", "imbalance.class_weight=balanced")
    assert class_weights(run, TARGET) == pytest.approx({"rare": 5.0, "usual": 200 / 360})


def test_the_monitored_loss_weighs_rows_as_the_fit_does():
    run = run_of("algorithm=sgd", "imbalance.class_weight={rare: 9, usual: 1}")
    model = LogisticRegression().fit(ROWS, TARGET)
    y_proba = model.predict_proba(ROWS)
    logs = -np.log(np.where(TARGET == "rare", y_proba[:, 0], y_proba[:, 1]))
    scored = make_scorer(run, [], {"train": (ROWS, TARGET)})(model)
    assert scored["train_loss"] == pytest.approx(np.average(logs, weights=np.where(TARGET == "rare", 9, 1)))
    assert loss.__defaults__ == (None,)


@pytest.mark.parametrize("method", imbalance.RESAMPLERS)
def test_train_rows_are_sampled_again(method):
    pytest.importorskip("imblearn")
    run = run_of(f"imbalance.resample={method}")
    check_imbalance(run)
    (rows, target), _ = resample_rows(run, (ROWS, TARGET))
    counts = pd.Series(target).value_counts()
    assert len(rows) == len(target) and run.metadata["imbalance"]["classes"] == counts.to_dict()
    expected = {"over": (180, 180), "under": (20, 20), "smote": (180, 180), "borderline_smote": (180, 180)}
    assert counts["rare"] / counts["usual"] > 20 / 180
    if method in expected:
        assert (counts["usual"], counts["rare"]) == expected[method]
    again = resample_rows(run, (ROWS, TARGET))[0][0]
    assert np.array_equal(rows, again)


def test_a_ratio_and_a_class_of_two_rows():
    pytest.importorskip("imblearn")
    run = run_of("imbalance.resample=under", "imbalance.ratio=0.5")
    assert pd.Series(resample_rows(run, (ROWS, TARGET))[0][1]).value_counts().to_dict() == {"usual": 40, "rare": 20}
    few = np.asarray(["rare"] * 2 + ["usual"] * 30, dtype=object)
    assert len(resample_rows(run_of("imbalance.resample=smote", target=few), (ROWS[:32], few))[0][1]) == 60
    texts = pd.DataFrame({"text": ["a", "b"] * 16})
    with pytest.raises(DataError, match=r"imbalance\.resample=over"):
        resample_rows(run_of("imbalance.resample=smote", target=few), (texts, few))
    assert len(resample_rows(run_of("imbalance.resample=over", target=few), (texts, few))[0][1]) == 60


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["imbalance.class_weight=equal"], "neither balanced nor a weight"),
        (["imbalance.class_weight={rare: -1}"], "weights are 0 or more"),
        (["imbalance.class_weight={rear: 2}"], "did you mean: rare"),
        (["imbalance.resample=smot"], "did you mean: smote"),
        (["imbalance.resample=over", "imbalance.class_weight=balanced"], "leave one of them out"),
        (["imbalance.ratio=0.5"], "imbalance.ratio"),
        (["imbalance.weights=1"], "imbalance.weights"),
        (["algorithm=lda", "imbalance.class_weight=balanced"], "algorithm.priors=[0.5,0.5]"),
    ],
)
def test_a_block_that_cannot_be_is_refused(words, says):
    with pytest.raises(ConfigError) as caught:
        check_imbalance(run_of(*words))
    assert says in str(caught.value)


def test_a_regression_has_no_classes_and_a_missing_package_is_named(monkeypatch):
    numbers = np.arange(40) / 7
    with pytest.raises(ConfigError, match="a regression has no classes"):
        check_imbalance(run_of("algorithm=ridge", "imbalance.class_weight=balanced", target=numbers, task="regression"))
    monkeypatch.setitem(imbalance.RESAMPLERS, "over", ("no_such_package", "RandomOverSampler"))
    with pytest.raises(MissingError, match=r"pip install 'runtree\[imbalance\]'"):
        check_imbalance(run_of("imbalance.resample=over"))


def test_a_run_with_folds_scores_all_rows_and_its_model_needs_no_other_package(tmp_path):
    pytest.importorskip("imblearn")
    pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(y=TARGET).to_csv(tmp_path / "t.csv", index=False)
    words = ["data=csv", f"data.path={quoted(tmp_path / 't.csv')}", "data.target=y", "algorithm=logistic"]
    words += [*PLAIN, *UNEXAMINED, "evaluator=cross_validation", "evaluator.folds=3", "imbalance.resample=smote"]
    run = train(*words, folder=tmp_path)
    assert sum(fold["rows"] for fold in run.folds) == len(run.split.train) == 160
    assert len(run.predictions[run.predictions["part"] == "test"]) == 40
    assert run.metadata["imbalance"]["rows"] == 160 and run.metadata["imbalance"]["classes"]["rare"] == 144
    assert b"imblearn" not in (run.folder / "model" / "model.skops").read_bytes()
    assert "imblearn" not in (run.folder / "model" / "model.json").read_text()
