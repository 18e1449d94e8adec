import pickle

from runtree.contract.errors import ConfigError, NotFoundError, RequestError, UnknownKeyError, unknown


def test_unknown_suggests_the_nearest_names():
    error = unknown("option", "rigde", ["ridge", "lasso", "bridge"])
    assert error.message == "unknown option 'rigde'"
    assert error.hints[0].startswith("did you mean: ridge")


def test_unknown_lists_what_there_is_where_nothing_is_near():
    assert unknown("option", "zzz", ["b", "a"]).hints == ("possible: a, b",)


def test_unknown_shortens_a_long_list_and_says_how_long_it_is():
    error = unknown("option", "zzz", [f"name{n:02}" for n in range(30)])
    assert "(30 in all)" in error.hints[0]
    assert "name20" not in error.hints[0]


def test_exit_codes_are_those_of_the_manual():
    assert (RequestError("x").exit_code, ConfigError("x").exit_code, NotFoundError("x").exit_code) == (2, 2, 5)


def test_an_error_keeps_its_hints_on_its_way_between_processes():
    error = pickle.loads(pickle.dumps(ConfigError("what", "hint one", "hint two")))
    assert str(error) == "what\n  hint one\n  hint two"
    assert isinstance(error, ConfigError)


def test_an_unknown_key_and_what_is_known_cross_to_another_process():
    error = pickle.loads(pickle.dumps(UnknownKeyError("algorithm.D", "algorithm.C", "seed")))
    assert (error.key, error.known, error.exit_code) == ("algorithm.D", ("algorithm.C", "seed"), 2)
    assert str(error) == "unknown config key 'algorithm.D'"
