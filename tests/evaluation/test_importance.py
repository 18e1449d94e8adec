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
@pytest.mark.parametrize("together", [100, 20_000])
def test_importance_equals_scikit_learns(folder, monkeypatch, overrides, together):
    monkeypatch.setattr(importance, "TOGETHER", together)
    context = scored(folder, *overrides)
    run, found = context.run, feature_importance(context)
    features, target = run.part("validation")
    expected = permutation_importance(
        run.model, features, target, scoring=score_of(run.data.task), n_repeats=5, random_state=run.seed
    )
    assert (found["part"], found["rows"], found["sampled"]) == ("validation", len(features), False)
    for name, mean, sd in zip(features, expected.importances_mean, expected.importances_std, strict=True):
        assert ranked(found)[name] == pytest.approx((mean, sd), abs=1e-10)
    means = [one["mean"] for one in found["features"]]
    assert means == sorted(means, reverse=True)


def test_a_category_is_shuffled_whole_and_what_nothing_hangs_on_has_none(folder):
    context = scored(folder, "algorithm=decision_tree", table=people().assign(noise=0.5))
    found = ranked(feature_importance(context))
    assert set(found) == {"age", "income", "sex", "town", "noise"}
    assert found["age"][0] > 0.05
    assert found["noise"] == (0, 0)


def test_folds_leave_the_test_part_to_ask_about(folder):
    context = scored(folder, "data=iris", "algorithm=naive_bayes", "evaluator=cross_validation")
    assert feature_importance(context)["part"] == "test"


def test_a_large_table_is_sampled_and_a_wide_one_passed_over(folder, monkeypatch):
    context = scored(folder, "data=wine", "algorithm=naive_bayes")
    monkeypatch.setitem(importance.ASKED, "auto", 13 * 30 * 2)
    found = feature_importance(context)
    assert (found["rows"], found["repeats"], found["sampled"]) == (30, 2, True)
    monkeypatch.setitem(importance.WIDEST, "auto", 12)
    assert feature_importance(context) is None
    assert "and there are 13" in context.results[importance.IMPORTANCE_SKIPPED]


def test_a_single_column_is_all_there_is_to_rely_on(folder):
    context = scored(folder, "algorithm=naive_bayes", table=people()[["age", "y"]])
    assert feature_importance(context) is None
    assert feature_dependence(context) is None


def test_columns_that_say_the_same_are_told():
    dice = np.random.default_rng(0)
    one, other = dice.normal(size=(2, 200))
    table = pd.DataFrame(
        {"a": one, "b": other, "c": -np.exp(one), "d": "x", "e": 1.0, "f": other + dice.normal(size=200)}
    )
    assert correlated_groups(table) == [["a", "c"]]
    holes = table.assign(a=table["a"].where(dice.random(200) > 0.1))
    assert correlated_groups(holes) == [["a", "c"]]
    assert correlated_groups(table[["d", "e"]]) == correlated_groups(table[["a"]]) == []


def test_importance_warns_of_them(folder):
    found = feature_importance(scored(folder, "data=breast_cancer", "algorithm=logistic"))
    assert {"mean radius", "mean area"} <= set(found["correlated"][0])
    assert "mean radius" in found["advice"]


@pytest.mark.parametrize("data", ["iris", "breast_cancer", "diabetes"])
def test_dependence_equals_scikit_learns(folder, data):
    algorithm = "ridge" if data == "diabetes" else "logistic"
    context = scored(folder, f"data={data}", f"algorithm={algorithm}")
    context.results["importance"] = feature_importance(context)
    found, (features, _) = feature_dependence(context), context.run.part("validation")
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


def test_dependence_on_a_category_goes_through_its_levels(folder):
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
def test_a_grid_is_of_the_columns_own_type(column, grid):
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
        (pd.Series(pd.date_range("2026-01-01", periods=9)), "dates"),
        (pd.Series([np.zeros(2), np.ones(2)]), "no numbers or words"),
        (pd.Series([1.0, 1.0, None]), "does not vary"),
        (pd.Series([f"text {number}" for number in range(90)]), "text of 90 different values"),
    ],
)
def test_some_columns_have_no_grid_and_a_reason(column, reason):
    assert reason in make_grid(column)


def test_columns_without_a_grid_are_left_out_with_the_reason(folder):
    context = scored(folder, "algorithm=naive_bayes", table=people().assign(same=1))
    context.results["importance"] = {"features": [{"feature": "same"}, {"feature": "age"}]}
    assert [one["feature"] for one in feature_dependence(context)] == ["age"]
    assert context.results[importance.DEPENDENCE_SKIPPED][0]["feature"] == "same"


def test_without_chances_the_share_of_a_class_is_shown(folder):
    context = scored(folder, "data=breast_cancer", "algorithm=ridge")
    context.results["importance"] = feature_importance(context)
    first = feature_dependence(context)[0]
    rows = context.run.part("validation")[0].assign(**{first["feature"]: first["grid"][0]})
    assert first["average"][0][0] == pytest.approx((context.run.model.predict(rows) == "malignant").mean())


def test_none_is_asked_for(folder):
    context = scored(folder, "data=iris", "algorithm=naive_bayes", "evaluator.explain=none")
    assert feature_importance(context) is feature_dependence(context) is None
    assert feature_importance(replace(context, options=replace(context.options, explain="full")))["repeats"] == 10
