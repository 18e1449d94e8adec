import re
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st

from runtree.config.space.dimensions import dimension_text, parse_dimension, parse_space, sort_by_conditions
from runtree.config.space.grammar import override
from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Interval
from runtree.contract.types import TASKS

HYDRA = OverridesParser.create()
ALGORITHMS = sorted((Path(__file__).parents[3] / "conf" / "algorithm").glob("*.yaml"))
NASTY = [
    "",
    "1",
    "1e5",
    "true",
    "null",
    "inf",
    " a",
    "a ",
    "a,b",
    "{a: 1}",
    "[",
    "\\",
    "a\\",
    "'",
    "\\'",
    '"',
    "${x}",
    "é",
    "\n",
]

texts = st.sampled_from(NASTY) | st.text(max_size=8) | st.text(alphabet="\\'\"{}[](),:= a$", max_size=8)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
# after one of these no key reads as a number or as a constant, which Hydra could not write
plain_keys = st.from_regex(r"k[A-Za-z0-9_-]{0,5}", fullmatch=True)
odd_keys = st.builds(str.__add__, st.sampled_from("k (:,\\"), st.text(alphabet="ab1 \\(){}[]:=,\t/.+$", max_size=5))
keys = plain_keys | odd_keys | st.integers()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def domain(declared, **given):
    return parse_dimension("algorithm.C", declared, {}, **given).domain


def same(first, second):
    """Compare by what is written, since 1, 1.0 and true are equal."""
    return repr(first) == repr(second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0, 1)", Interval(0.0, 1.0)),
        ("interval(1, 20)", Interval(1.0, 20.0)),
        ("int(interval(1, 20))", Interval(1, 20, integer=True)),
        ("float(int(interval(1, 20)))", Interval(1.0, 20.0)),
        ("tag(log, int(interval(1, 20)))", Interval(1, 20, integer=True, scale="log")),
        ("int(tag(log, interval(1, 20)))", Interval(1, 20, integer=True, scale="log")),
        ("tag(log, interval(1e-4, 1))", Interval(0.0001, 1.0, scale="log")),
        ("tag(reverse_log, interval(0.8, 0.999))", Interval(0.8, 0.999, scale="reverse_log")),
        ("range(2, 20)", Interval(2, 19, integer=True, step=1)),
        ("range(5)", Interval(0, 4, integer=True, step=1)),
        ("range(1, 10, 4)", Interval(1, 9, integer=True, step=4)),
        ("range(1, 9, 4)", Interval(1, 5, integer=True, step=4)),
        ("range(10, 2, -3)", Interval(4, 10, integer=True, step=3)),
        ("float(range(1, 4))", Interval(1.0, 3.0, step=1.0)),
        ("range(0, 1, 0.1)", Interval(0.0, 0.9, step=0.1)),
        ("tag(log, range(1, 100))", Interval(1, 99, integer=True, scale="log", step=1)),
        ("int(tag(log, range(1, 100)))", Interval(1, 99, integer=True, scale="log", step=1)),
        ("sort(range(1, 6, 2), reverse=true)", Interval(1, 5, integer=True, step=2)),
        ("choice(a, 1, 1.0, '1', true, 'true')", Choice(("a", 1, 1.0, "1", True, "true"))),
        ("choice([1, 'a b'], {k: 'v', l: [null]})", Choice(([1, "a b"], {"k": "v", "l": [None]}))),
        ("choice(a, a, 1, 1.0, 1)", Choice(("a", 1, 1.0))),
        ("choice(null, 1)", Choice((None, 1))),
        ("null,1", Choice((None, 1))),
        ("1,2,3", Choice((1, 2, 3))),
        ("sort(3, 1, 2)", Choice((1, 2, 3))),
        ("str(1, 2)", Choice(("1", "2"))),
        (["a", 1, None, [2], {"k": 1}], Choice(("a", 1, None, [2], {"k": 1}))),
        ([1], Choice((1,))),
        ({"space": "range(1, 3)"}, Interval(1, 2, integer=True, step=1)),
        ({"space": [1, 2]}, Choice((1, 2))),
    ],
)
def test_what_is_declared_becomes_a_domain(text, expected):
    assert same(domain(text), expected)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("tag(log, interval(0, 1))", "above 0"),
        ("tag(log, int(interval(0, 9)))", "above 0"),
        ("tag(reverse_log, interval(0, 1))", "below 1"),
        ("tag(reverse_log, int(interval(-5, 0)))", "fractions"),
        ("tag(log, reverse_log, interval(0.1, 0.2))", "exclude each other"),
        ("tag(log, range(1, 9, 2))", "step of 2"),
        ("tag(log, choice(1, 2))", "no log scale"),
        ("tag(lgo, interval(1, 2))", "did you mean: log"),
        ("interval(3, 1)", "empty"),
        ("interval(0, inf)", "two finite ends"),
        ("range(3, 3)", "empty"),
        ("range(3, 1)", "empty"),
        ("range(1, 5, 0)", "other than 0"),
        ("choice()", "empty"),
        ([], "empty"),
        ("3", "one value"),
        (3, "one value"),
        (None, "one value"),
        ("", "one value"),
        ("sgd", "one value"),
        ("choice(a", "cannot be parsed"),
        ("lgo(1, 2)", "Unknown function 'lgo'"),
        ("range(1, 3),5", "inside a sweep"),
        ("choice(choice(1, 2), 3)", "inside a sweep"),
        ("glob(*)", "config group"),
        ("shuffle([1, 2])", "a list is one value"),
        ({"spcae": "1,2"}, "did you mean: space"),
        ({"when": "a == b"}, "space is missing"),
        ([{"é": 1}], "cannot be written in Hydra's grammar"),
        ([float("inf")], "cannot be written in Hydra's grammar"),
    ],
)
def test_what_is_no_space_is_refused_by_path(declared, told):
    with pytest.raises(ConfigError, match=told) as caught:
        domain(declared)
    assert "algorithm.C" in caught.value.message
    assert len(str(caught.value).splitlines()) <= 5


decimals = st.integers(-500, 500).map(lambda number: number / 100)


@given(decimals, decimals, decimals)
def test_a_range_has_hydras_own_values_but_never_its_end(start, stop, step):
    assume(step != 0 and (stop - start) / step > 1e-6)
    theirs = list(HYDRA.parse_override(f"k=range({start}, {stop}, {step})").value().range())
    before_end = sorted(value for value in theirs if abs(value - stop) > 1e-9)
    assert domain(f"range({start}, {stop}, {step})").values == pytest.approx(before_end)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_a_range_of_whole_numbers_is_pythons(start, stop, step):
    assume(len(range(start, stop, step)) > 0)
    assert domain(f"range({start}, {stop}, {step})").values == tuple(sorted(range(start, stop, step)))


def test_a_range_of_floats_stops_before_its_end_where_hydra_does_not():
    assert [*HYDRA.parse_override("k=range(0, 2.1, 0.7)").value().range()][-1] == pytest.approx(2.1)
    assert domain("range(0, 2.1, 0.7)").values == (0.0, 0.7, 1.4)


@given(values)
def test_an_override_gives_back_its_value_and_type(value):
    assert same(HYDRA.parse_override(override("a.b", value)).value(), value)


@pytest.mark.parametrize("key", ["", "1", "-2.5", "1e5", "true", "NULL", "inf", "é", "a'b", "a;b"])
def test_a_key_that_hydra_cannot_write_is_refused(key):
    with pytest.raises(ConfigError, match=r"^a\.b: the key"):
        override("a.b", {key: 1})


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    assert override("a", [np.float64(0.1), np.int64(3)]) == "a=[0.1, 3]"


integers = st.integers(-(2**50), 2**50)
floats = st.floats(-1e9, 1e9)
positive = st.floats(1e-9, 1e9)


@st.composite
def intervals(draw):
    kind = draw(st.sampled_from(["float", "int", "log", "log int", "reverse", "range", "log range", "float range"]))
    if "range" in kind:
        start, count, step = draw(st.integers(1, 1000)), draw(st.integers(0, 1000)), draw(st.integers(1, 1000))
        if kind == "float range":
            return Interval(start / 100, (start + count * step) / 100, step=step / 100)
        log = kind == "log range"
        step = 1 if log else step
        return Interval(start, start + count * step, integer=True, scale="log" if log else "linear", step=step)
    below_one = st.floats(-1e3, 1, exclude_max=True)
    drawn = {"float": floats, "int": integers, "log": positive, "log int": st.integers(1, 2**50), "reverse": below_one}
    low, high = sorted((draw(drawn[kind]), draw(drawn[kind])))
    scale = "log" if "log" in kind else "reverse_log" if kind == "reverse" else "linear"
    return Interval(low, high, integer="int" in kind, scale=scale)


@given(intervals() | st.lists(values, min_size=1, max_size=4, unique_by=repr).map(lambda found: Choice(tuple(found))))
def test_the_text_of_a_dimension_reads_back_as_the_dimension(domain):
    declared = Dimension("algorithm.C", domain)
    again = parse_dimension("algorithm.C", dimension_text(declared), {})
    assert same(again.domain, domain)
    assert dimension_text(again) == dimension_text(declared) == again.text


def test_the_text_tells_the_condition_too():
    declared = {"space": "tag(log, interval(0.1, 1))", "when": "solver == 'it\\'s' or a"}
    one = parse_dimension("algorithm.C", declared, {})
    assert dimension_text(one) == r"tag('when solver == \'it\\\'s\' or a', log, interval(0.1, 1.0))"
    assert parse_dimension("algorithm.C", dimension_text(one), {}).when == one.when


def test_what_was_written_is_kept_for_people():
    assert parse_dimension("a", "range(2,20)", {}).text == "range(2,20)"
    assert parse_dimension("a", ["x", 1], {}).text == "choice(x, 1)"


def test_shuffle_depends_on_seed_and_path_alone():
    shuffled = "shuffle(choice(1, 2, 3, 4, 5, 6, 7, 8))"
    first = domain(shuffled, seed=1).values
    assert first == domain(shuffled, seed=1).values == domain("shuffle(1,2,3,4,5,6,7,8)", seed=1).values
    assert first != domain(shuffled, seed=2).values
    assert first != parse_dimension("algorithm.D", shuffled, {}, seed=1).domain.values
    assert sorted(first) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_shuffled_range_is_a_choice():
    found = domain("shuffle(range(1, 9))")
    assert isinstance(found, Choice)
    assert sorted(found.values) == list(range(1, 9))


def test_glob_takes_the_options_of_a_group():
    def options(group):
        return {"algorithm": ["elastic_net", "lasso", "ridge"]}[group]

    assert parse_dimension("algorithm", "glob(*)", {}, options=options).domain == Choice(
        ("elastic_net", "lasso", "ridge")
    )
    assert parse_dimension("algorithm", "glob(*, exclude=l*)", {}, options=options).domain.values == (
        "elastic_net",
        "ridge",
    )
    with pytest.raises(ConfigError, match="algorithm: its search space is empty"):
        parse_dimension("algorithm", "glob(z*)", {}, options=options)


def test_conditions_come_from_a_tag_from_a_mapping_or_from_both():
    base = {"algorithm": {"C": 1.0, "solver": "sgd", "depth": 3}}
    tagged = {"space": 'tag("when algorithm.solver == sgd", interval(0, 1))', "when": "depth > 2"}
    one = parse_dimension("algorithm.C", tagged, base)
    assert one.holds({})
    assert not one.holds({"algorithm.solver": "adam"})
    assert not one.holds({"algorithm.depth": 1})


def test_a_condition_on_an_unknown_path_is_refused():
    with pytest.raises(ConfigError, match=r"when of algorithm\.C: unknown config path 'slover', at position 1"):
        parse_dimension("algorithm.C", {"space": "1,2", "when": "slover == sgd"}, {"algorithm": {"solver": "sgd"}})


NODE = {
    "layers": "range(1, 4)",
    "units": {"space": "int(interval(16, 256))", "when": "layers >= 2"},
    "loss": {"classification": "choice(hinge, log)", "regression": "choice(huber, squared)"},
    "epsilon": {"regression": "interval(0, 1)"},
    "momentum": {"space": {"regression": "interval(0, 1)"}, "when": "layers == 1"},
}


def test_a_block_is_read_for_its_task():
    found = {one.path: one for one in parse_space(NODE, "algorithm.", "classification", {})}
    assert list(found) == ["algorithm.layers", "algorithm.units", "algorithm.loss"]
    assert found["algorithm.loss"].domain == Choice(("hinge", "log"))
    assert not found["algorithm.units"].holds({"algorithm.layers": 1})
    assert found["algorithm.units"].holds({"algorithm.layers": 2})
    regression = [one.path for one in parse_space(NODE, "algorithm.", "regression", {})]
    assert regression == [
        "algorithm.layers",
        "algorithm.units",
        "algorithm.loss",
        "algorithm.epsilon",
        "algorithm.momentum",
    ]


def test_a_block_may_stand_under_a_condition():
    base = {"algorithm": {"layers": 1, "units": 16}, "other": 1}
    for one in parse_space(NODE, "algorithm.", "classification", base, when="algorithm == mlp", known=["algorithm"]):
        assert not one.holds({"algorithm": "ridge", "algorithm.layers": 3})
        assert one.holds({"algorithm": "mlp", "algorithm.layers": 3})


@pytest.mark.parametrize("file", ALGORITHMS, ids=lambda file: file.stem)
@pytest.mark.parametrize("task", TASKS)
def test_the_space_of_each_shipped_algorithm_is_read(file, task):
    node = yaml.safe_load(file.read_text())
    found = parse_space(node["space"], "algorithm.", task, {"algorithm": node})
    assert all(one.path.removeprefix("algorithm.") in node["space"] for one in found)


def put(path, when=""):
    return parse_dimension(path, {"space": "1,2", "when": when}, {})


def test_a_dimension_stands_behind_those_that_its_condition_asks_for():
    declared = [put("a.x", "b == 1 and a.y == 2"), put("a.z"), put("a.y"), put("a.b", "a.y == 1")]
    assert [one.path for one in sort_by_conditions(declared)] == ["a.z", "a.y", "a.b", "a.x"]
    assert sort_by_conditions(sort_by_conditions(declared)) == sort_by_conditions(declared)


def test_a_value_inside_a_chosen_node_counts_as_the_node():
    assert [one.path for one in sort_by_conditions([put("c", "a.b.d == 1"), put("a.b")])] == ["a.b", "c"]


@pytest.mark.parametrize(
    "declared", [[put("a.x", "a.x == 1")], [put("a.x", "a.y == 1"), put("a.y", "a.x == 1"), put("z")]]
)
def test_conditions_in_a_circle_are_refused(declared):
    with pytest.raises(ConfigError, match=r"a\.x.*cycle"):
        sort_by_conditions(declared)


def test_an_inactive_dimension_has_its_value_of_the_base_config():
    base = {"a": {"x": 1, "y": 5}}
    last = parse_dimension("b", {"space": "1,2", "when": "a.y == 5"}, base)
    assert last.holds({"a.x": 2})  # a.y was not chosen, for its own condition said no
    assert not last.holds({"a.y": 6})


def test_what_the_page_shows_is_read():
    page = (Path(__file__).parents[3] / "docs" / "search_spaces.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```yaml\n(space:.*?)^```", page, re.MULTILINE | re.DOTALL)
    for task in TASKS:
        assert len(parse_space(yaml.safe_load(shown)["space"], "algorithm.", task, {})) == 5
    table = page[page.index("| declaration") : page.index("**Precedence.**")]
    written = [text for row in table.strip().splitlines()[2:] for text in re.findall("`([^`]+)`", row.split("|")[1])]
    assert len(written) > 12
    for text in written:
        assert domain(text, options=lambda group: ["lasso", "ridge"]).size != 0
