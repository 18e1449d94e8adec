"""The expression language: what it means, in Python and in SQL, and what it refuses."""

import math
import pickle
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, RequestError
from runtree.contract.expression import MAX_CHARACTERS, Bound, add_functions, all_of, parse, parse_shorthand
from runtree.contract.expression_tree import stored

VALUES = {"solver": "lbfgs", "alpha": 0.1, "depth": None, "seed": 3, "flag": True, "hidden": [8, 4], "a.b c.0": 5}


def holds_in_sql(expression, values):
    """Evaluate an expression as SQL on one row."""
    names = [*values, "id"]
    values = {**values, "id": 1}
    connection = sqlite3.connect(":memory:")
    add_functions(connection)
    try:
        columns = ", ".join(f"c{number}" for number in range(len(names)))
        connection.execute(f"CREATE TABLE runs ({columns})")
        connection.execute(
            f"INSERT INTO runs VALUES ({','.join('?' * len(names))})", [stored(values[n]) for n in names]
        )
        sql, parameters = expression.to_sql(lambda name: f"c{names.index(name)}" if name in names else None)
        (answer,) = connection.execute(f"SELECT {sql} FROM runs", parameters).fetchone()
    finally:
        connection.close()
    assert answer in (0, 1), f"{sql} is {answer}"
    return bool(answer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("solver == lbfgs", True),
        ("solver != 'lbfgs'", False),
        (r"solver == 'lb\'fgs'", False),
        ("solver in [sgd, lbfgs]", True),
        ("solver not in (sgd, lbfgs)", False),
        ("alpha < 0.5 and seed >= 3", True),
        ("0.05 < alpha <= 0.1", True),
        ("0.05 < alpha < 0.1", False),
        ("not (solver == sgd or alpha > 1)", True),
        ("not solver == lbfgs or seed == 3", True),
        ("solver == sgd and seed == 3 or seed == 3", True),
        ("depth == null and depth == None", True),
        ("depth", False),
        ("not depth", True),
        ("depth > 3", False),
        ("depth <= 3", False),
        ("depth != 3", True),
        ("depth not in [3]", True),
        ("depth in [3, null]", True),
        ("missing == null", True),
        ("flag == true", True),
        ("flag", True),
        ("solver", True),
        ("hidden", True),
        ("solver > 3", False),
        ("solver < 3", False),
        ("'lb' in solver", True),
        ("3 in solver", False),
        ("seed in alpha", False),
        ("8 in hidden", True),
        ("hidden == [8, 4]", True),
        ("hidden in [[8], [8, 4]]", True),
        ("hidden == 8", False),
        ("seed in 'a3'", False),
        ("solver in 'lbfgs-b'", True),
        ("alpha < seed", True),
        ("seed / 2 == 1.5", True),
        ("seed / 0 == null", True),
        ("-seed < -2 and +seed > 2", True),
        ("(seed + 1) * 2 - 1 == 7", True),
        ("solver + 1 == null", True),
        ("depth + 1 == null", True),
        ("a.b c == null", None),
        ('a["b c"].0 == 5', True),
        ('a["b c"]["0"] == 5', True),
        ("lambda == null", True),
        ("x.lambda.in == null", True),
        ("  seed ==\n 3 ", True),
        ("1 == 2", False),
        ("'' or 1", True),
        ("seed in []", False),
        ("naïve == 'ö'", False),
    ],
)
def test_python_and_sql_agree_on_the_truth(text, expected):
    if expected is None:
        with pytest.raises(RequestError):
            parse(text)
        return
    expression = parse(text)
    assert expression.evaluate(VALUES) is expected
    assert holds_in_sql(expression, VALUES) is expected


numbers = st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 2.0, 1e300, math.inf, -math.inf, math.nan])
texts = st.sampled_from(["", "a", "b", "ab", "1", "true", "null", "10%", "é"])
lists = st.lists(st.integers(-1, 2) | st.sampled_from(["a", "b", None, True]), max_size=2)
rows = st.dictionaries(st.sampled_from(["r.x", "r.y", "r.z"]), numbers | st.booleans() | st.none() | texts | lists)
name = st.sampled_from(["r.x", "r.y", "r.z"])
literal = st.sampled_from(["0", "1", "2.0", "-1.5", "1e300", "'a'", "'1'", "''", "true", "null"])
value = st.recursive(
    name | literal,
    lambda inner: st.builds(lambda a, s, b: f"({a} {s} {b})", inner, st.sampled_from("+-*/"), inner),
    max_leaves=4,
)
sign = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
many = st.lists(literal | name | st.sampled_from(["a", "b"]), max_size=3).map(lambda items: f"[{', '.join(items)}]")
atom = (
    st.builds(lambda a, s, b: f"{a} {s} {b}", value, sign, value)
    | st.builds(lambda a, s, b, t, c: f"{a} {s} {b} {t} {c}", value, sign, value, sign, value)
    | st.builds(lambda a, s, b: f"{a} {s} {b}", value, st.sampled_from(["in", "not in"]), many | name)
    | value
)
condition = st.recursive(
    atom,
    lambda inner: (
        st.builds(lambda a, word, b: f"({a} {word} {b})", inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=6,
)


@given(condition, rows)
def test_sql_says_what_evaluation_says(text, row):
    expression = parse(text)
    assert holds_in_sql(expression, row) is expression.evaluate(row)


@given(name, st.sampled_from(["=", "!=", "==", "<", "<=", ">", ">=", "~"]), texts | literal, rows)
def test_sql_says_what_evaluation_says_of_the_shorthand(name, sign, text, row):
    expression = parse_shorthand(f"{name}{sign}{text}")
    assert holds_in_sql(expression, row) is expression.evaluate(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("solver=lbfgs", True),
        ("solver = 'lbfgs'", True),
        ("solver==sgd", False),
        ("solver!=a b (c) or d", True),
        ("solver~BFG", True),
        ("alpha~0.1", True),
        ("alpha=.1", True),
        ("alpha=1e-1", True),
        ("alpha=x", False),
        ("seed>2", True),
        ("seed>x", False),
        ("solver<m", True),
        ("flag=true", True),
        ("flag=false", False),
        ("depth=null", True),
        ("depth=", True),
        ("depth!=3", True),
        ("depth<3", False),
        ("depth~n", False),
        ("hidden=[8, 4]", True),
        ("started>2026-11-01", False),
    ],
)
def test_the_shorthand_needs_no_quotes(text, expected):
    expression = parse_shorthand(text)
    assert expression.evaluate(VALUES) is expected
    assert holds_in_sql(expression, VALUES) is expected


@pytest.mark.parametrize("text", ["seed", "(seed=3)", "'seed'=3", "", "= 3"])
def test_other_forms_are_no_shorthand(text):
    assert parse_shorthand(text) is None


def test_names_and_equalities_are_told_in_the_order_of_the_text():
    expression = parse("b == 1 and not (a.c < b or d in [e.f, g]) and 2 == h and k == 'x'")
    assert expression.names == ("b", "a.c", "d", "e.f", "h", "k")
    assert list(expression.equalities()) == [("b", 1), ("k", "x")]
    assert list(parse_shorthand("a=1").equalities()) == [("a", "1")]


@pytest.mark.parametrize("text", ["test.f1 >= 0.9", "test.f1>=+.9", " test.f1 >= 9e-1"])
def test_a_bound_is_a_name_an_order_and_a_number(text):
    assert parse(text).bound == Bound("test.f1", ">=", 0.9)


@pytest.mark.parametrize("text", ["a == 1", "1 < a", "a < b", "a < 1 < 2", "a < 'x'", "not a < 1", "a in [1]", "a"])
def test_anything_else_is_no_bound(text):
    assert parse(text).bound is None


def test_what_is_missing_is_within_no_bound():
    assert Bound("a", "<", 1.0).holds(0.5)
    assert not Bound("a", "<", 1.0).holds(None)
    assert not Bound("a", "<", 1.0).holds(math.nan)


def test_names_are_resolved_and_an_unknown_one_gets_a_suggestion():
    full = {"solver": "algorithm.solver", "seed": "seed"}
    assert parse("solver == sgd and seed < 3", resolve=full.get).names == ("algorithm.solver", "seed")
    with pytest.raises(ConfigError) as caught:
        parse("seed == 1 and slover == sgd", source="when", resolve=full.get, known=full, error=ConfigError)
    assert str(caught.value).splitlines() == [
        "when: unknown name 'slover', at position 15 ('slover == sg') of 'seed == 1 and slover == sgd'",
        "  did you mean: solver?",
        "  if it is text, put it in quotes: 'slover'",
    ]


def test_a_word_that_could_be_a_name_is_not_guessed():
    full = {"solver": "algorithm.solver", "alpha": "algorithm.alpha"}
    with pytest.raises(RequestError, match=r"alpha may be text or the name algorithm\.alpha") as caught:
        parse("solver == alpha", resolve=full.get)
    assert "write 'alpha' in quotes for the text, algorithm.alpha for the name" in str(caught.value)
    assert parse("solver == 'alpha'", resolve=full.get).names == ("algorithm.solver",)
    assert parse("solver == alpha", resolve=full.get, word_as_name=lambda word: None).names == ("algorithm.solver",)


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 1, "incomplete"),
        ("seed ==", 8, "incomplete"),
        ("seed == 1 seed", 11, "invalid syntax"),
        ("seed = 1", 6, "write == to compare"),
        ("(seed == 1", 1, "was never closed"),
        ("seed in sgd)", 12, "unmatched"),
        ("seed in 3", 9, "after in, a list"),
        ("__import__('os')", 1, "functions cannot be called"),
        ("seed == 1 and open('x')", 15, "functions cannot be called"),
        ("seed.__class__()", 1, "functions cannot be called"),
        ("seed == 'open", 9, "the quote is not closed"),
        ("seed == f'{seed}'", 10, "a space or an operator is missing"),
        ("seed == 'a''b'", 12, "a space or an operator is missing"),
        ("seed == 'a'3", 12, "a space or an operator is missing"),
        ("seed == 'a' 'b'", 13, "invalid syntax"),
        ("seed ** 2 == 4", 1, r"only \+ - \* / is possible"),
        ("seed % 2 == 0", 6, "'%' is not possible"),
        ("seed == {1: 2}", 9, "'{' is not possible"),
        ("seed is None", 1, "write == null"),
        ("seed == 1 if seed else 2", 1, "if and else"),
        ("seed == 1j", 9, "not a value to compare"),
        ("(a == 1) == (b == 2)", 2, "a condition is not a value"),
        ("[1] < seed", 1, "a list is possible after in"),
        ("seed == [1, other.name]", 9, "holds no names"),
        ("seed[0] == 2", 1, "only a name takes a key in brackets"),
        ("seed == 1 # all", 11, "'#' is not possible"),
        ("seed == 1; x", 10, "';' is not possible"),
        ("seed == \x00 and 1", 9, "is not possible"),
        ("(" * 60 + "a" + ")" * 60, 51, "50 levels"),
        ("not " * 60 + "a", 205, "50 levels"),
        ("-" * 60 + "a", 52, "50 levels"),
    ],
)
def test_what_cannot_be_read_is_placed(text, position, reason):
    with pytest.raises(RequestError, match=reason) as caught:
        parse(text, source="--where")
    assert f"at position {position} " in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 5


def test_length_is_limited():
    with pytest.raises(RequestError, match="too long"):
        parse("a or " * MAX_CHARACTERS + "a")
    longest = " or ".join(["a"] * (MAX_CHARACTERS // 5))
    assert holds_in_sql(parse(longest), {"a": 1})
    assert holds_in_sql(parse(f"a in [{', '.join(map(str, range(700)))}]"), {"a": 699})


@given(st.text(alphabet="aseed 12()[]<>=!'\"andornti.,:{}*@+-_lmbf\n/\\#", max_size=40) | st.text(max_size=20))
def test_any_text_is_evaluated_or_refused_in_a_few_lines(text):
    try:
        assert parse(text).evaluate({}) in (True, False)
    except RequestError as error:
        assert error.message.startswith("condition: ")
        assert len(str(error).split("\n  ")) <= 5


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text())
def test_a_value_equals_its_own_literal(value):
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    text = f"'{escaped}'" if isinstance(value, str) else repr(value)
    assert parse(f"a == {text}").evaluate({"a": value})
    assert parse(f"a in [{text}]").evaluate({"a": value})


def test_conditions_are_joined_and_survive_pickling():
    first, second = parse("a == b"), parse("not c or d")
    assert all_of([]) is None
    assert all_of([first]) is first
    both = all_of([first, second])
    assert both.text == "(a == b) and (not c or d)"
    assert both.evaluate({"a": "b"})
    assert not both.evaluate({"a": "b", "c": 1})
    assert pickle.loads(pickle.dumps(both)) == both == all_of([parse("a == b"), parse("not c or d")])
