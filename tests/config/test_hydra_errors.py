import pytest

from runtree.config.catalogue import Catalogue
from runtree.config.hydra_errors import NOT_SUGGESTED, _keys, unknown_key_error
from runtree.config.search_path import SHIPPED, config_folders, shipped_conf
from runtree.contract.errors import ConfigError


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue(config_folders([(SHIPPED, str(shipped_conf()))]))


def ask(catalogue, key, *overrides):
    error = unknown_key_error(key, overrides, catalogue, catalogue.keys(overrides))
    assert isinstance(error, ConfigError) and len(str(error).splitlines()) <= 5
    return error


def test_a_slip_in_any_key_is_answered_with_that_key(catalogue):
    known = catalogue.keys()
    shown = [key for key in known if not any(own in key for own in NOT_SUGGESTED)]
    assert len(shown) > 80
    for key in shown:
        head, dot, name = key.rpartition(".")
        if len(name) > 5:
            slipped = f"{head}{dot}{name[:2]}{name[3:]}"
            assert key in str(ask(catalogue, slipped)), slipped


def test_any_option_of_any_group_may_be_meant_whether_one_is_chosen_or_not(catalogue):
    for group, options in catalogue.groups.items():
        for name in options:
            assert f"'{group}.zzzz'" in str(ask(catalogue, f"{group}.zzzz", f"{group}={name}"))


def test_a_key_of_another_option_is_named_with_the_options_that_have_it(catalogue):
    assert ask(catalogue, "algorithm.C").hints[0] == (
        "'C' is a key of algorithm=linear_svm, algorithm=logistic, algorithm=svm"
    )
    many = ask(catalogue, "algorithm.random_stat", "algorithm=knn").hints[0]
    assert many.startswith("did you mean: algorithm.random_state? 'random_state' is a key of") and " more" in many


def test_several_options_are_no_one_to_describe(catalogue):
    assert ask(catalogue, "algorithm.zzzz", "algorithm=knn,ridge").hints[-1] == "see: runtree describe algorithm=…"


def test_a_key_within_a_mapping_is_answered_as_one_that_is_typed_alone(catalogue):
    for typed, says in (
        (
            "problem={goal: a, success: b}",
            "unknown config key 'problem.success'\n  did you mean: problem.success_measure?",
        ),
        ("evaluator.intervals={level: 0.9, resample: 3}", "did you mean: evaluator.intervals.resamples?"),
    ):
        error = _keys([typed], catalogue)
        assert says in str(error) and "describe problem" not in str(error)
    assert _keys(["problem={goal: a}", "data.population={sex: {f: 0.5}}", "data=csv"], catalogue) is None
