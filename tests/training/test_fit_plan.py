"""The `fit` block: what it takes, and what an algorithm cannot honour."""

import pytest

from runtree.contract.errors import ConfigError
from runtree.training.fit_plan import fit_options, resolve_fit_options

HONOURS = {"max_iterations": "max_iter", "tolerance": "tol"}


def node(**fit):
    return {"algorithm": {"name": "lasso", "max_iter": 9, "iterations": {"honours": HONOURS}}, "fit": fit}


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"max_iteration": 3}, r"fit\.max_iteration"),
        ({"max_iterations": 0}, r"fit\.max_iterations: 0 is less than 1"),
        ({"max_iterations": "many"}, r"fit\.max_iterations: 'many' is not of the type"),
        ({"max_seconds": 0}, r"fit\.max_seconds: 0 is not more than 0"),
        ({"tolerance": 0.1}, r"fit\.tolerance: 0.1 is not a mapping"),
        ({"tolerance": {"min_chance": 0.1}}, r"fit\.tolerance\.min_chance"),
        ({"patience": {"checks": 0}}, r"fit\.patience\.checks: 0 is less than 1"),
        ({"divergence": 1}, r"fit\.divergence: 1 is not more than 1"),
        ({"validation_fraction": 1.0}, r"fit\.validation_fraction: 1.0 leaves no row"),
        ({"checkpoint": {"keep": -1}}, r"fit\.checkpoint\.keep: -1 is less than 0"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(fit, said):
    with pytest.raises(ConfigError, match=said):
        fit_options(fit)


def test_a_value_is_put_into_the_parameter_that_honours_it():
    _, _, algorithm = resolve_fit_options(node(max_iterations=3, tolerance={"min_change": 0.5}), "regression")
    assert (algorithm["max_iter"], algorithm["tol"]) == (3, 0.5)


def test_null_leaves_it_to_the_algorithm():
    _, _, algorithm = resolve_fit_options(node(max_iterations=None), "regression")
    assert algorithm["max_iter"] == 9


@pytest.mark.parametrize(
    ("key", "fit"),
    [
        ("max_seconds", {"max_seconds": 3}),
        ("patience", {"patience": {"checks": 3}}),
        ("checkpoint", {"checkpoint": {"every": 3}}),
        ("divergence", {"divergence": 10}),
    ],
)
def test_a_key_that_cannot_be_honoured_is_refused_with_those_that_can(key, fit):
    with pytest.raises(ConfigError, match=rf"fit\.{key}: algorithm=lasso cannot honour it") as refused:
        resolve_fit_options(node(**fit), "regression")
    assert refused.value.hints == ("it honours: max_iterations, tolerance",)


def test_an_algorithm_that_does_not_iterate_honours_nothing():
    with pytest.raises(ConfigError, match="it does not iterate"):
        resolve_fit_options({"algorithm": {"name": "knn"}, "fit": {"max_iterations": 3}}, "classification")


def test_checks_are_refused_where_the_algorithm_knows_none():
    with pytest.raises(ConfigError, match=r"fit\.tolerance\.checks"):
        resolve_fit_options(node(tolerance={"min_change": 0.1, "checks": 2}), "regression")
