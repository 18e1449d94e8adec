import pickle

import pytest

from runtree.config.space.dimensions import parse_condition
from runtree.contract.errors import ConfigError

KNOWN = ["algorithm.solver", "algorithm.alpha", "algorithm.depth", "algorithm.lambda", "data.name", "seed"]
BASE = {"algorithm": {"solver": "lbfgs", "alpha": 0.1, "depth": None, "layers": [{"units": 8}]}, "seed": 3}


def holds(text, values=None, **given):
    return parse_condition(text, **{"prefix": "algorithm.", "defaults": BASE, "known": KNOWN, **given}).holds(
        values or {}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("solver == lbfgs", True),  # a sibling
        ("algorithm.solver == lbfgs", True),
        ("seed == 3 and data.name == null", True),  # a path from the top, and one without a value
        ("depth == null or missing == 1", True),
        ("alpha < seed", True),
        ("lambda == null", True),
    ],
)
def test_a_condition_reads_config_paths(text, expected):
    known = [*KNOWN, "missing"]
    assert holds(text, known=known) is expected


def test_what_was_chosen_goes_before_the_base_config():
    assert holds("solver == sgd", {"algorithm.solver": "sgd"})
    assert not holds("solver == lbfgs", {"algorithm.solver": "sgd"})


def test_a_value_is_found_inside_a_chosen_mapping_and_inside_the_base():
    assert holds("algorithm.layers.0.units > 5", known=())
    assert holds("algorithm.layers.0.units > 50", {"algorithm.layers": [{"units": 64}]}, known=())
    assert not holds("algorithm.layers.1.units > 5", known=())


def test_a_path_that_nobody_knows_is_refused_with_the_nearest_one_and_its_place():
    with pytest.raises(ConfigError) as caught:
        holds("seed == 1 and slover == sgd", where="when of algorithm.alpha")
    assert "when of algorithm.alpha: unknown config path" in str(caught.value)
    assert "at position 15" in str(caught.value)
    assert "'slover'" in str(caught.value)
    assert "solver" in caught.value.hints[0]


def test_a_word_that_could_be_a_path_is_not_guessed():
    with pytest.raises(ConfigError, match=r"alpha may be text or the config path algorithm\.alpha"):
        holds("solver == alpha")
    assert not holds("solver == 'alpha'")
    assert not holds("solver == algorithm.alpha")


def test_without_known_paths_a_bare_name_is_a_sibling():
    assert parse_condition("a == b", prefix="x.").paths == ("x.a",)
    assert parse_condition("a.b == c and d", prefix="x.").paths == ("a.b", "x.d")


def test_what_cannot_be_read_is_placed():
    with pytest.raises(ConfigError, match=r"when of algorithm\.alpha: .* at position 9 of 'seed == '"):
        holds("seed == ", where="when of algorithm.alpha")


def test_a_condition_crosses_to_another_process_and_equals_itself():
    one = parse_condition("a == b and not c", prefix="x.")
    assert pickle.loads(pickle.dumps(one)) == one == parse_condition("a == b and not c", prefix="x.")
