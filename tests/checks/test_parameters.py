from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neural_network import MLPClassifier

from runtree.checks.context import allow_memorizing, estimator_params, iterates_by_gradient, shorten_training


def test_a_copy_that_is_sooner_done_has_few_iterations_and_a_seed():
    forest = RandomForestClassifier(n_estimators=500, random_state=0)
    assert estimator_params(shorten_training(forest, {}, 7)) == {
        **estimator_params(forest),
        "n_estimators": 30,
        "random_state": 7,
    }
    assert estimator_params(shorten_training(RandomForestClassifier(n_estimators=5), {}, 7))["n_estimators"] == 5
    assert forest.n_estimators == 500
    assert shorten_training(GaussianProcessRegressor(), {}, 7).optimizer is None


def test_a_copy_that_is_unhindered_has_no_penalty_and_many_iterations():
    changed = estimator_params(allow_memorizing(MLPClassifier(alpha=1.0, early_stopping=True, max_iter=5), {}, 1000))
    assert (changed["alpha"], changed["early_stopping"], changed["max_iter"]) == (1e-6, False, 1000)


def test_the_option_names_the_parameter_that_counts_iterations():
    node = {"iterations": {"unit": "epoch", "honours": {"max_iterations": "n_iter_no_change"}}}
    assert shorten_training(MLPClassifier(n_iter_no_change=90), node, 0).n_iter_no_change == 30


def test_the_option_says_whether_it_iterates_by_gradients_else_the_parameters_do():
    assert iterates_by_gradient(RandomForestClassifier(), {"iterations": {"unit": "epoch"}})
    assert not iterates_by_gradient(MLPClassifier(), {"iterations": {"unit": "tree"}})
    assert iterates_by_gradient(MLPClassifier(), {})
    assert not iterates_by_gradient(RandomForestClassifier(), {})
