from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neural_network import MLPClassifier

from runtree.lifecycle.checks.parameters import iterates_by_gradient, own, sooner, unhindered


def test_a_copy_that_is_sooner_done_has_few_iterations_and_a_seed():
    forest = RandomForestClassifier(n_estimators=500, random_state=0)
    assert own(sooner(forest, {}, 7)) == {**own(forest), "n_estimators": 30, "random_state": 7}
    assert own(sooner(RandomForestClassifier(n_estimators=5), {}, 7))["n_estimators"] == 5
    assert forest.n_estimators == 500
    assert sooner(GaussianProcessRegressor(), {}, 7).optimizer is None


def test_a_copy_that_is_unhindered_has_no_penalty_and_many_iterations():
    changed = own(unhindered(MLPClassifier(alpha=1.0, early_stopping=True, max_iter=5), {}, 1000))
    assert (changed["alpha"], changed["early_stopping"], changed["max_iter"]) == (1e-6, False, 1000)


def test_the_option_names_the_parameter_that_counts_iterations():
    node = {"iterations": {"unit": "epoch", "honours": {"max_iterations": "n_iter_no_change"}}}
    assert sooner(MLPClassifier(n_iter_no_change=90), node, 0).n_iter_no_change == 30


def test_the_option_says_whether_it_iterates_by_gradients_else_the_parameters_do():
    assert iterates_by_gradient(RandomForestClassifier(), {"iterations": {"unit": "epoch"}})
    assert not iterates_by_gradient(MLPClassifier(), {"iterations": {"unit": "tree"}})
    assert iterates_by_gradient(MLPClassifier(), {})
    assert not iterates_by_gradient(RandomForestClassifier(), {})
