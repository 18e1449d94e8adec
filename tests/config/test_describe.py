import inspect
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import pytest

from runtree.app import App
from runtree.config.allowlist import AllowList
from runtree.config.catalogue import Catalogue
from runtree.config.class_source import NotInSource, find_class
from runtree.config.describe import (
    accepted_types,
    constrained_types,
    describe,
    first_sentence,
    inspect_target,
    join_constraints,
    option_targets,
    parameter_docs,
)
from runtree.config.yaml_comments import option_summary, read_comments
from runtree.contract.types import AlgorithmOption


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


def test_the_source_of_an_estimator_says_what_its_import_says():
    catalogue = App().catalogue
    options = [option for option in catalogue.groups["algorithm"].values() if option.provider == "runtree"]
    targets = {target for option in options for target in option_targets(option.read()).values()}
    read = 0
    for target in sorted(target for target in targets if target.startswith("sklearn.")):
        try:
            source = find_class(target)
            names, constraints = source.parameters(), source.constraints()
        except NotInSource:  # it is imported
            continue
        module, _, name = target.rpartition(".")
        factory = getattr(import_module(module), name)
        types = constrained_types(factory)
        assert names == tuple(inspect.signature(factory).parameters), target
        assert source.docstring == inspect.getdoc(factory), target
        assert {key: join_constraints(texts) for key, texts in constraints.items()}.items() <= types.items(), target
        read += 1
    assert read >= 30


def test_an_estimator_is_described_without_importing_it():
    code = (
        "import sys; from runtree.app import App; from runtree.config.describe import describe; app = App();"
        "found = describe(app.catalogue, app.catalogue.option('algorithm', 'ridge'), app.allow_list());"
        "assert not found.problems and found.parameters[0].type == 'float >= 0 | list', found;"
        "sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_target_that_is_not_allowed_is_a_problem():
    problems = []
    assert inspect_target("os.system", "algorithm._target_", App().allow_list(), problems).names == ()
    assert "is not code that a file or a record may name" in problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "class Other(Base):\n    def __init__(self, a): ...",
        "@decorated\nclass Other:\n    def __init__(self, a): ...",
        "class Other:\n    def __init__(self, a: int): ...",
        "class Other(metaclass=Odd):\n    def __init__(self, a): ...",
        "class Other:\n    _parameter_constraints = make()\n    def __init__(self, a): ...",
        "Other = make()",
        "from .missing import Other",
    ],
)
def test_a_class_that_the_source_does_not_show_is_left_to_an_import(tmp_path, monkeypatch, text):
    (tmp_path / "odd_source.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotInSource):
        source = find_class("odd_source.Other")
        list(source.mro())
        source.parameters(), source.constraints()


def test_comments_beside_keys_are_found_by_path(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text('# top\na: 1  # first\nb:\n  c: "#"  # inner\n  d: x#y\ne: 2 # last\n')
    assert read_comments(file) == {"a": "first", "b.c": "inner", "e": "last"}


def test_an_algorithm_of_a_plugin_is_described_as_one_of_a_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    documented = 'class Stump:\n    """A tree of one `split`. It is small."""\n    def __init__(self, depth=1): pass\n'
    (tmp_path / "described_trees.py").write_text(documented)
    target, defaults = "described_trees.Stump", {"depth": 1}
    spoken = AlgorithmOption(
        "spoken", target, defaults, summary="Splits once.", help={"depth": "levels below the root"}
    )
    options = [spoken, AlgorithmOption("silent", target), AlgorithmOption("absent", "no_such_module.Stump")]
    groups = Catalogue([], [("mine", option) for option in options]).groups["algorithm"]
    assert {name: option_summary(option) for name, option in groups.items()} == {
        "spoken": "Splits once.",
        "silent": "A tree of one split",  # from the source: listing imports nothing
        "absent": "no_such_module.Stump",
    }
    assert "described_trees" not in sys.modules
    catalogue, allowed = Catalogue([], [("mine", spoken)]), AllowList(lambda: [groups["spoken"].node])
    [depth] = describe(catalogue, groups["spoken"], allowed).parameters
    assert depth.note == "levels below the root"
    with pytest.raises(ValueError, match="a key of `help` is 'dept'; possible: depth"):
        AlgorithmOption("wrong", target, defaults, help={"dept": "…"})
