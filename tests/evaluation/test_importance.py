"""Feature importance and partial dependence of the columns of the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scored_runs import people, scored
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import balanced_accuracy_score, root_mean_squared_error

from runtree.evaluation import importance
from runtree.evaluation.importance import correlated_groups, feature_dependence, feature_importance, make_grid


def ranked(found):
    return {one["feature"]: (one["mean"], one["sd"]) for one in found["features"]}


def score_of(task):
    metric = balanced_accuracy_score if task == "classification" else root_mean_squared_error
    sign = 1 if task == "classification" else -1
    return lambda model, features, target: sign * metric(target, model.predict(features))


@pytest.mark.parametrize("overrides", [["data=wine", "algorithm=random_forest"], ["data=diabetes", "algorithm=ridge"]])
@pytest.mark.parametrize("batch_rows", [100, 20_000])
def test_importance_equals_scikit_learns(folder, monkeypatch, overrides, batch_rows):
    monkeypatch.setattr(importance, "BATCH_ROWS", batch_rows)
    context = scored(folder, *overrides)
    run, found = context.run, feature_importance(context)
    features, target = run.select("validation")
    expected = permutation_importance(
        run.model, features, target, scoring=score_of(run.data.task), n_repeats=5, random_state=run.seed
    )
    assert (found["part"], found["rows"], found["sampled"]) == ("validation", len(features), False)
    for name, mean, sd in zip(features, expected.importances_mean, expected.importances_std, strict=True):
        assert ranked(found)[name] == pytest.approx((mean, sd), abs=1e-10)
    means = [one["mean"] for one in found["features"]]
    assert means == sorted(means, reverse=True)


def test_a_category_is_shuffled_as_one_column_and_an_unused_column_has_no_importance(folder):
    context = scored(folder, "algorithm=decision_tree", table=people().assign(noise=0.5))
    found = ranked(feature_importance(context))
    assert set(found) == {"age", "income", "sex", "town", "noise"}
    assert found["age"][0] > 0.05
    assert found["noise"] == (0, 0)


def test_cross_validation_uses_the_test_split(folder):
    context = scored(folder, "data=iris", "algorithm=naive_bayes", "evaluator=cross_validation")
    assert feature_importance(context)["part"] == "test"


def test_a_large_table_is_sampled_and_a_wide_one_skipped(folder, monkeypatch):
    context = scored(folder, "data=wine", "algorithm=naive_bayes")
    monkeypatch.setitem(importance.MAX_PREDICTED_ROWS, "auto", 13 * 30 * 2)
    found = feature_importance(context)
    assert (found["rows"], found["repeats"], found["sampled"]) == (30, 2, True)
    monkeypatch.setitem(importance.MAX_COLUMNS, "auto", 12)
    assert feature_importance(context) is None
    assert "the table has 13" in context.results[importance.IMPORTANCE_SKIPPED]


def test_a_single_column_is_skipped(folder):
    context = scored(folder, "algorithm=naive_bayes", table=people()[["age", "y"]])
    assert feature_importance(context) is None
    assert feature_dependence(context) is None


def test_correlated_columns_are_grouped():
    dice = np.random.default_rng(0)
    one, other = dice.normal(size=(2, 200))
    table = pd.DataFrame(
        {"a": one, "b": other, "c": -np.exp(one), "d": "x", "e": 1.0, "f": other + dice.normal(size=200)}
    )
    assert correlated_groups(table) == [["a", "c"]]
    holes = table.assign(a=table["a"].where(dice.random(200) > 0.1))
    assert correlated_groups(holes) == [["a", "c"]]
    assert correlated_groups(table[["d", "e"]]) == correlated_groups(table[["a"]]) == []


def test_importance_names_correlated_columns(folder):
    found = feature_importance(scored(folder, "data=breast_cancer", "algorithm=logistic"))
    assert {"mean radius", "mean area"} <= set(found["correlated"][0])
    assert "mean radius" in found["advice"]


@pytest.mark.parametrize("data", ["iris", "breast_cancer", "diabetes"])
def test_dependence_equals_scikit_learns(folder, data):
    algorithm = "ridge" if data == "diabetes" else "logistic"
    context = scored(folder, f"data={data}", f"algorithm={algorithm}")
    context.results["importance"] = feature_importance(context)
    found, (features, _) = feature_dependence(context), context.run.select("validation")
    assert [one["feature"] for one in found] == [one["feature"] for one in context.results["importance"]["features"]][
        :5
    ]
    for one in found:
        expected = partial_dependence(
            context.run.model, features, [one["feature"]], grid_resolution=20, method="brute", kind="average"
        )
        assert one["grid"] == pytest.approx(expected["grid_values"][0])
        assert one["average"] == pytest.approx(expected["average"])
        assert one["class"] == {"iris": list(context.run.data.classes), "breast_cancer": ["malignant"]}.get(data)


def test_dependence_on_a_category_has_a_point_for_each_level(folder):
    context = scored(folder, "algorithm=decision_tree", "evaluator.explain=full", table=people())
    context.results["importance"] = feature_importance(context)
    found = {one["feature"]: one for one in feature_dependence(context)}
    assert set(found) == {"age", "income", "sex", "town"}
    assert (found["sex"]["kind"], found["sex"]["grid"]) == ("category", ["f", "m"])
    assert (found["age"]["kind"], len(found["age"]["grid"])) == ("numeric", 20)
    rises = found["age"]["average"][0]
    assert rises[-1] > rises[0] + 0.3


@pytest.mark.parametrize(
    ("column", "grid"),
    [
        (pd.Series([3, 1, 2, 1]), [1, 2, 3]),
        (pd.Series([0.5, None, 0.25]), [0.25, 0.5]),
        (pd.Series([True, False, True]), [False, True]),
        (pd.Series(["b", "a", None, "b"]), ["a", "b"]),
    ],
)
def test_a_grid_has_the_type_of_its_column(column, grid):
    found = make_grid(column)
    assert found.values.dtype == column.dtype
    assert found.values.tolist() == grid


def test_a_grid_of_whole_numbers_is_whole():
    found = make_grid(pd.Series(range(1000))).values
    assert (found.dtype, len(found)) == (np.int64, 20)
    assert 40 < found.min() < 60 < 940 < found.max() < 960


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pd.Series(pd.date_range("2026-01-01", periods=9)), "a date"),
        (pd.Series([np.zeros(2), np.ones(2)]), "neither numbers nor text"),
        (pd.Series([1.0, 1.0, None]), "constant"),
        (pd.Series([f"text {number}" for number in range(90)]), "text of 90 different values"),
    ],
)
def test_some_columns_have_no_grid_and_a_reason(column, reason):
    assert reason in make_grid(column)


def test_columns_without_a_grid_are_skipped_with_the_reason(folder):
    context = scored(folder, "algorithm=naive_bayes", table=people().assign(same=1))
    context.results["importance"] = {"features": [{"feature": "same"}, {"feature": "age"}]}
    assert [one["feature"] for one in feature_dependence(context)] == ["age"]
    assert context.results[importance.DEPENDENCE_SKIPPED][0]["feature"] == "same"


def test_without_probabilities_the_share_of_predicted_classes_is_averaged(folder):
    context = scored(folder, "data=breast_cancer", "algorithm=ridge")
    context.results["importance"] = feature_importance(context)
    first = feature_dependence(context)[0]
    rows = context.run.select("validation")[0].assign(**{first["feature"]: first["grid"][0]})
    assert first["average"][0][0] == pytest.approx((context.run.model.predict(rows) == "malignant").mean())


def test_explain_none_skips_both(folder):
    context = scored(folder, "data=iris", "algorithm=naive_bayes", "evaluator.explain=none")
    assert feature_importance(context) is feature_dependence(context) is None
    assert feature_importance(replace(context, options=replace(context.options, explain="full")))["repeats"] == 10
