from dataclasses import dataclass
from typing import Literal

import pytest

from runtree.config.describe import accepted_types, first_sentence, join_constraints, parameter_docs
from runtree.config.yaml_comments import read_comments


@dataclass
class Example:
    """Do something.

    Parameters
    ----------
    one, two
        Sizes; of ``x`` and :class:`~some.where.Thing`.  More is said
        here, e.g. this. And a second sentence.
    kind : {"a", "b"}, default="a"
        If 0 <= a <= 1. Then this is not told:

        - nor this

    Attributes
    ----------
    three
        Not a parameter.
    """

    one: int = 1
    two: float | None = None
    kind: Literal["a", "b"] = "a"
    plain: bool = False


def test_a_docstring_tells_type_and_first_sentence():
    found = parameter_docs(Example)
    assert list(found) == ["one", "two", "kind"]
    assert found["one"] == found["two"] == ("", "Sizes; of x and Thing.")
    assert found["kind"] == ('{"a", "b"}', "If 0 <= a <= 1.")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("The rate, e.g. 0.1, i.e. a tenth. More.", "The rate, e.g. 0.1, i.e. a tenth."),
        ("One of these:\n\n- a", "One of these"),
        (".. versionadded:: 1.0\nNew.", "New."),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_where_it_ends(text, sentence):
    assert first_sentence(text) == sentence


def test_hints_are_told_as_yaml_has_them():
    assert accepted_types(Example) == {
        "one": "int", "two": "float | null", "kind": "{a, b}", "plain": "true | false"
    }  # fmt: skip


def test_a_class_without_words_tells_nothing():
    assert accepted_types(type("Bare", (), {})) == {}


@pytest.mark.parametrize(
    ("constraints", "told"),
    [
        (["an int in the range [1, inf)", "None"], "int >= 1 | null"),
        (["None", "a float in the range (0.0, 1.0]"], "0 < float <= 1 | null"),
        (["a float in the range (-inf, inf)"], "float"),
        (["an int in the range (-inf, 0]"], "int <= 0"),
        (["a str among {'b', 'a'}", "a callable"], "{a, b}"),
        (["a str among {'auto'}", "an instance of 'bool' or an instance of 'numpy.bool'"], "auto | true | false"),
        (["an instance of 'sklearn.tree._criterion.Criterion'"], ""),
        (
            ["an int in the range [0, 4], an instance of 'numpy.random.mtrand.RandomState' or None"],
            "0 <= int <= 4 | null",
        ),
    ],
)
def test_constraints_are_told_as_people_write_them(constraints, told):
    assert join_constraints(constraints) == told


def test_every_shipped_estimator_tells_its_types():
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.svm import SVC

    for estimator in (HistGradientBoostingRegressor, SVC):
        types = accepted_types(estimator)
        assert set(estimator().get_params()) <= set(types)
        assert not [text for text in types.values() if "instance" in text or "range" in text]


def test_comments_beside_keys_are_found_by_path(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text('# top\na: 1  # first\nb:\n  c: "#"  # inner\n  d: x#y\ne: 2 # last\n')
    assert read_comments(file) == {"a": "first", "b.c": "inner", "e": "last"}
