"""Baselines that are fitted beside the run's own model."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scored_runs import people, scored
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from runtree.contract.errors import ConfigError
from runtree.evaluation import baselines
from runtree.evaluation.baselines import SKIPPED, compare_with_baselines


def by_name(found):
    return {one["name"]: one for one in found}


def test_a_baseline_scores_as_the_same_model_in_scikit_learn(folder):
    context = scored(folder, "data=breast_cancer", "algorithm=dummy")
    run, found = context.run, by_name(compare_with_baselines(context))
    own = make_pipeline(StandardScaler(), StandardScaler(), LogisticRegression(max_iter=200)).fit(*run.select("train"))
    for part in ("validation", "test"):
        features, target = run.select(part)
        expected = balanced_accuracy_score(target, own.predict(features))
        assert found["linear"]["metrics"][part]["balanced_accuracy"] == pytest.approx(expected, abs=1e-12)
    assert found["linear"]["algorithm"] == "LogisticRegression"
    assert context.results[SKIPPED] == [{"name": "dummy", "reason": "the model is a DummyClassifier itself"}]


def test_a_gain_is_positive_for_the_better_model_in_either_direction(folder):
    context = scored(folder, "data=diabetes", "algorithm=ridge")
    run, found = context.run, by_name(compare_with_baselines(context))
    features, target = run.select("test")
    mean = np.full(len(target), run.select("train")[1].mean())
    model = root_mean_squared_error(target, run.model.predict(features))
    gain = found["dummy"]["gain"]
    assert gain["value"] == pytest.approx(root_mean_squared_error(target, mean) - model)
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    assert gain["p"] < 0.01
    assert found["dummy"]["finding"]["level"] == "good"
    assert "linear" not in found
    numbers = run.model[:-1].transform(run.select("train")[0])
    boosted = HistGradientBoostingRegressor(max_leaf_nodes=15, early_stopping=False, random_state=0)
    boosted.fit(numbers, run.select("train")[1])
    expected = root_mean_squared_error(target, boosted.predict(run.model[:-1].transform(features)))
    assert found["boosted"]["metrics"]["test"]["rmse"] == pytest.approx(expected)


def test_a_model_that_is_not_better_is_a_note(folder):
    context = scored(folder, "algorithm=decision_tree", "algorithm.max_depth=1", table=people())
    found = by_name(compare_with_baselines(context))["linear"]["finding"]
    assert found["level"] == "note"
    assert found["says"].startswith("not better than linear: test balanced_accuracy")
    assert "algorithm=logistic" in found["advice"]


def test_a_model_without_skill_is_a_warning(folder):
    table = people().assign(y=np.random.default_rng(3).choice(["yes", "no"], 400))
    found = by_name(compare_with_baselines(scored(folder, "algorithm=decision_tree", table=table)))["dummy"]["finding"]
    assert (found["level"], "runtree check" in found["advice"]) == ("warning", True)


@pytest.mark.parametrize(("metric", "method"), [("accuracy", "McNemar"), ("roc_auc", "DeLong"), ("f1", "bootstrap")])
def test_the_significance_test_suits_the_metric(folder, metric, method):
    context = scored(folder, "algorithm=naive_bayes", f"objective.metric={metric}", table=people())
    assert by_name(compare_with_baselines(context))["linear"]["gain"]["method"].startswith(method)


def test_cross_validation_fits_baselines_on_the_train_split_alone(folder):
    context = scored(folder, "algorithm=naive_bayes", "evaluator=cross_validation", table=people())
    assert [list(one["metrics"]) for one in compare_with_baselines(context)] == [["test"]] * 3


def test_a_large_table_is_sampled(folder, monkeypatch):
    monkeypatch.setattr(baselines, "MAX_CELLS", 300)
    monkeypatch.setattr(baselines, "MIN_SAMPLED_ROWS", 60)
    context = scored(folder, "algorithm=naive_bayes", table=people())
    found = compare_with_baselines(context)
    assert {one["rows"] for one in found} == {60}
    assert all(one["sampled"] for one in found)
    assert by_name(found)["linear"]["metrics"]["test"]["balanced_accuracy"] > 0.6


def test_columns_that_are_not_numeric_skip_a_baseline_with_the_reason(folder):
    context = scored(
        folder, "algorithm=dummy", "preprocess=raw", "evaluator.baselines=[linear,boosted]", table=people()
    )
    assert compare_with_baselines(context) == []
    assert [one["reason"] for one in context.results[SKIPPED]] == ["columns that are not numeric: sex, town"] * 2


def test_warnings_of_libraries_are_silenced(folder, monkeypatch):
    table = people(120).assign(same=1.0, empty=np.nan)
    context = scored(folder, "algorithm=decision_tree", "preprocess=none", "data.drop=[sex,town]", table=table)
    monkeypatch.setattr(LogisticRegression, "fit", warning(LogisticRegression.fit))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(by_name(compare_with_baselines(context))) == {"dummy", "linear", "boosted"}


def warning(fit):
    def fit_and_warn(*rows):
        warnings.warn("it did not converge", ConvergenceWarning, stacklevel=2)
        return fit(*rows)

    return fit_and_warn


def test_fitted_baselines_are_cached(folder, monkeypatch):
    context = scored(folder, "algorithm=naive_bayes", table=people())
    first = compare_with_baselines(context)
    monkeypatch.setattr("runtree.evaluation.baselines._fit", lambda *_: pytest.fail("fitted again"))
    assert compare_with_baselines(context) == first


def test_without_resamples_there_is_a_gain_without_an_interval(folder):
    context = scored(folder, "algorithm=naive_bayes", "evaluator.intervals.resamples=0", table=people())
    gain = by_name(compare_with_baselines(context))["dummy"]["gain"]
    assert gain["value"] > 0
    assert (gain["low"], gain["high"], gain["p"]) == (None, None, None)


@pytest.mark.parametrize("names", ["linea", "[linear,x]", "[auto]"])
def test_an_unknown_baseline_is_refused_before_the_fit(folder, names):
    with pytest.raises(ConfigError, match=r"evaluator\.baselines"):
        scored(folder, "data=iris", f"evaluator.baselines={names}")


def test_only_the_selected_baselines_are_fitted(folder):
    context = scored(folder, "data=iris", "algorithm=logistic", "evaluator.baselines=none")
    assert compare_with_baselines(context) is None
    chosen = replace(context, options=replace(context.options, baselines=["dummy"]))
    assert [one["name"] for one in compare_with_baselines(chosen)] == ["dummy"]


def test_one_row_that_dominates_the_log_loss_is_no_model_that_learned_nothing(folder):
    """An accuracy far above the dummy's, and one confident error: ranked by log loss the two are tied."""
    context = scored(folder, "algorithm=logistic", "objective.metric=log_loss", table=people())
    own = context.predictions["test"]
    score = own.score.copy()
    score[0] = np.eye(2)[1 - own.y_true[0]] * (1 - 2e-12) + 1e-12
    context.__dict__["predictions"] = {**context.predictions, "test": replace(own, score=score)}
    found = by_name(compare_with_baselines(context))["dummy"]
    assert found["gain"]["low"] <= 0
    assert {"accuracy", "roc_auc"} <= {entry["metric"] for entry in found["other_metrics"] if entry["better"]}
    assert found["finding"]["level"] == "note"
    assert found["finding"]["says"].startswith("better than dummy by accuracy")


def test_a_model_that_guesses_is_better_by_no_metric(folder):
    table = people().assign(y=np.random.default_rng(3).choice(["no", "yes"], 400))
    context = scored(folder, "algorithm=logistic", "objective.metric=log_loss", table=table)
    found = by_name(compare_with_baselines(context))["dummy"]
    assert not [entry for entry in found.get("other_metrics", ()) if entry["better"]]
    assert found["finding"]["level"] == "warning"
    assert "nor by another metric" in found["finding"]["says"]
