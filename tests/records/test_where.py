"""What is written behind --where: expressions mean what Python means, and nothing in them is ever run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import RequestError
from runtree.records.query import Condition, Expression, read_where

ROWS = [
    {"algorithm.name": name, "algorithm.alpha": alpha, "algorithm.fit": alpha > 0, "seed": seed, "test.r2": seed / 4}
    for name in ("ridge", "lasso", "and or")
    for alpha in (-1.5, 0.0, 1.0)
    for seed in range(4)
]
NAMES = tuple(ROWS[0])
NUMBERS = ("algorithm.alpha", "seed", "test.r2")


def kept(text: str, rows=ROWS) -> list[int]:
    known = {name for row in rows for name in row} | {"state"}
    return read_where(text, known).keep(range(len(rows)), lambda name: [row.get(name) for row in rows])


def as_python(text: str) -> list[int]:
    """Let Python itself say which rows answer: a dotted name becomes a word that holds the row's value."""
    code = compile(text.replace("algorithm.", "algorithm_").replace("test.", "test_"), "where", "eval")
    return [n for n, row in enumerate(ROWS) if eval(code, {name.replace(".", "_"): row[name] for name in row})]


numbers = st.sampled_from(["0", "1", "-1.5", "0.5", "2", "3e0"])
number = st.sampled_from(NUMBERS) | numbers
texts = st.sampled_from(["'ridge'", '"lasso"', "'and or'", "'nothing'"])
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
chains = st.builds(lambda a, s, b, t, c: f"{a} {s} {b} {t} {c}", number, signs, number, signs, number)
pairs = st.builds(lambda a, s, b: f"({a} {s} {b})", number, signs, number)
words = st.builds(lambda s, t: f"(algorithm.name {s} {t})", st.sampled_from(["==", "!=", "<", "not in", "in"]), texts)
lists = st.builds(
    lambda s, many: f"seed {s} [{', '.join(many)}]", st.sampled_from(["in", "not in"]), st.lists(numbers, max_size=3)
)
truths = st.sampled_from(["(not algorithm.fit)", "(algorithm.fit and seed)", "(algorithm.fit == True)"])
atoms = chains | pairs | words | lists | truths
expressions = st.recursive(
    atoms,
    lambda inner: (
        st.builds(lambda one, word, other: f"({one} {word} {other})", inner, st.sampled_from(["and", "or"]), inner)
        | st.builds(lambda one: f"(not {one})", inner)
        | st.builds(lambda a, b, c: f"{a} or {b} and {c}", inner, inner, inner)
    ),
    max_leaves=8,
)


@given(expressions)
def test_an_expression_keeps_what_python_would(text):
    assert kept(text) == as_python(text)


@given(st.text(alphabet="aseed 12()[]<>=!'\"andornti.,:{}*@+-_lmbf\n", max_size=40))
def test_whatever_is_typed_is_read_or_refused_in_a_few_lines(text):
    try:
        assert isinstance(read_where(text, None), Condition | Expression)
    except RequestError as error:
        assert len(str(error).splitlines()) <= 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algorithm.name=ridge", Condition("algorithm.name", "=", "ridge")),
        ("algorithm=ridge", Condition("algorithm.name", "=", "ridge")),
        ("algorithm.name==ridge", Condition("algorithm.name", "=", "ridge")),
        ("algorithm.name == 'and or'", Condition("algorithm.name", "=", "and or")),
        ("algorithm.name=black and white", Condition("algorithm.name", "=", "black and white")),
        ("test.r2>0.9", Condition("test.r2", ">", "0.9")),
        ("metrics.test.r2 > 0.9", Condition("test.r2", ">", "0.9")),
        ("r2 > 0.9", Condition("test.r2", ">", "0.9")),
        ("algorithm.name~rid", Condition("algorithm.name", "~", "rid")),
        ("algorithm.name!=a b", Condition("algorithm.name", "!=", "a b")),
        ("state<x y", Condition("state", "<", "x y")),
    ],
)
def test_one_condition_is_read_as_ever(text, expected):
    assert read_where(text, {*NAMES, "state"}) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('algorithm.name == "ridge" and metrics.test.r2 > 0.6', 3),
        ("algorithm == 'ridge' and (seed in [0, 2] or r2 >= 0.75)", 9),
        ("0 <= alpha < 1", 12),
        ("not fit", 24),
        ("seed==1 and state==null", 9),
        ("state != null or false", 0),
        ("'and' in algorithm.name", 12),
        ("test.r2 < algorithm.alpha", 12),
        ("not (state > 3)", 36),
        ("(seed == 1)", 9),
        ("seed in ()", 0),
    ],
)
def test_an_expression_is_understood(text, number):
    assert len(kept(text)) == number


def test_what_has_no_order_is_neither_more_nor_less():
    rows = [{"seed": value} for value in (None, "x", 2, [1], True)]
    assert kept("seed > 1 or seed <= 1", rows) == [2, 4]
    assert kept("seed == null or seed == [1]", rows) == [0, 3]
    assert kept("not seed in [2]", rows) == [0, 1, 3, 4]
    assert kept("seed not in 3", rows) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('x') == 0", "position 1, '__import__('': nothing can be called"),
        ("seed == 1 and open('x')", "position 15, 'open('x')': nothing can be called"),
        ("(seed + 1) == 2", "nothing can be computed"),
        ("seed[0] == 2 and seed == 1", "nothing can be indexed"),
        ("seed == 1 and", "at position 14: invalid syntax"),
        ("-seed < -2", "nothing can be computed"),
        ("(seed == 1", "at position 1"),
        ("seed is None and seed == 1", "write == null"),
        ("seed == 1 and (lambda: 1)", "lambda is"),
        ("seed == 1 if seed else 2", "no comparison"),
        ("seed == 1 and {1: 2}", "no comparison"),
        ("seed == 1 and f'{seed}'", "no comparison"),
        ("seed == 1 and 1j", "no comparison"),
        ("seed=1 and alpha=2", "position 8, 'and alpha=2': conditions that are joined with 'and' are written with =="),
        ("algorithm.name == ridge and seed == 1", 'quote it: "ridge"'),
        ("sed == 1 and seed == 2", "did you mean: seed"),
        ("seed", "is not a condition"),
        ("12", "is not a condition"),
        ("-12", "is not a condition"),
        ("seed == 1 and " + "(" * 300 + "1" + ")" * 300, "position"),
        ("seed == 1 and " + "not " * 3000 + "1", "position"),
        ("seed == \x00 and 1", "position 1"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text, message):
    with pytest.raises(RequestError) as caught:
        read_where(text, NAMES)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 5


def test_nothing_is_run(tmp_path):
    for text in (f"open('{tmp_path}/x', 'w') and 1", "seed.__class__ == 1 and seed == 1"):
        with pytest.raises(RequestError):
            read_where(text, NAMES)
    assert not list(tmp_path.iterdir())
