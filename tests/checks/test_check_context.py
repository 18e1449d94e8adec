import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neural_network import MLPClassifier

from runtree.checks.context import (
    allow_memorizing,
    estimator_params,
    iterates_by_gradient,
    sample_rows,
    shorten_training,
)
from runtree.lifecycle.split import holdout_rows

LABELS = pd.Series(["a"] * 900 + ["b"] * 97 + ["c"] * 3)


def test_a_sample_is_stratified_ordered_and_seeded():
    rows = np.arange(1000)
    taken = sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=1)
    assert LABELS.iloc[taken].value_counts().to_dict() == {"a": 90, "b": 10, "c": 2}
    assert (np.diff(taken) > 0).all()
    assert taken.tolist() == sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=1).tolist()
    assert taken.tolist() != sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=2).tolist()


def test_few_rows_are_all_taken():
    rows = np.arange(0, 1000, 20)
    assert sample_rows(rows, LABELS, ("a", "b", "c"), 50, seed=1) is rows
    assert len(sample_rows(np.arange(1000), LABELS, (), 70, seed=1)) == 70


def test_cross_validation_gets_validation_rows_for_checks(make_context):
    context = make_context("iris", "evaluator=cross_validation")
    train, validation = holdout_rows(context.run)
    assert context.splits == ["train", "test"]
    assert len(validation) == 30
    assert sorted([*train, *validation]) == context.run.split.train.tolist()


def test_a_shortened_copy_has_few_iterations_and_a_seed():
    forest = RandomForestClassifier(n_estimators=500, random_state=0)
    assert estimator_params(shorten_training(forest, {}, 7)) == {
        **estimator_params(forest),
        "n_estimators": 30,
        "random_state": 7,
    }
    assert estimator_params(shorten_training(RandomForestClassifier(n_estimators=5), {}, 7))["n_estimators"] == 5
    assert forest.n_estimators == 500
    assert shorten_training(GaussianProcessRegressor(), {}, 7).optimizer is None


def test_a_memorizing_copy_has_no_penalty_and_many_iterations():
    changed = estimator_params(allow_memorizing(MLPClassifier(alpha=1.0, early_stopping=True, max_iter=5), {}, 1000))
    assert (changed["alpha"], changed["early_stopping"], changed["max_iter"]) == (1e-6, False, 1000)


def test_the_option_names_the_parameter_that_counts_iterations():
    node = {"iterations": {"unit": "epoch", "honours": {"max_iterations": "n_iter_no_change"}}}
    assert shorten_training(MLPClassifier(n_iter_no_change=90), node, 0).n_iter_no_change == 30


def test_the_option_or_the_parameters_say_whether_training_is_by_gradients():
    assert iterates_by_gradient(RandomForestClassifier(), {"iterations": {"unit": "epoch"}})
    assert not iterates_by_gradient(MLPClassifier(), {"iterations": {"unit": "tree"}})
    assert iterates_by_gradient(MLPClassifier(), {})
    assert not iterates_by_gradient(RandomForestClassifier(), {})
