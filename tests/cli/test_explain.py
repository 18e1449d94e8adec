"""`runtree explain`."""

import csv
import io
import json

import pandas as pd
import pytest

from runtree.testing.fixtures import UNEXAMINED

QUICK = UNEXAMINED


@pytest.fixture
def trained(runtree):
    assert runtree("train", "data=iris", "algorithm=naive_bayes", *QUICK).code == 0
    return runtree


def table(folder, **changes):
    rows = [(n % 7, "ab"[n % 2], ["no", "yes"][(n % 7 > 3) ^ (n % 11 == 0)]) for n in range(120)]
    frame = pd.DataFrame(rows, columns=["size", "kind", "y"]).assign(**changes)
    frame.to_csv(folder / "t.csv", index=False)
    return ["data=csv", "data.path=t.csv", "data.target=y"]


def test_a_row_of_the_table_is_explained_and_adds_up(trained):
    said = trained("explain", "latest", "--row", "3", "--top", "2")
    assert said.code == 0, said.err
    assert said.out.startswith("row 3: probability of setosa 1")
    assert "2 other columns" in said.out
    assert said.out.splitlines()[-1].startswith("next     runtree show")
    found = json.loads(trained("explain", "latest", "--row", "3", "--json").out)["rows"][0]
    assert len(found["contributions"]) == 4
    assert found["base"] + sum(one["amount"] for one in found["contributions"]) == pytest.approx(found["prediction"])


def test_rows_of_a_file_are_explained(runtree, folder):
    assert runtree("train", "algorithm=decision_tree", *table(folder), *QUICK).code == 0
    pd.DataFrame({"size": [6, 0], "kind": ["a", "b"], "more": [1, 2]}).to_csv("rows.csv", index=False)
    said = runtree("explain", "latest", "rows.csv", "--csv", "--class", "yes")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [(row["row"], row["output"]) for row in rows] == [("0", "probability of yes")] * 2 + [
        ("1", "probability of yes")
    ] * 2
    first = {row["column"]: float(row["amount"]) for row in rows[:2]}
    assert first["size"] > 0.2 > abs(first["kind"])
    assert float(rows[2]["amount"].lstrip("'")) < 0


def test_a_regression_is_explained_in_its_own_unit(runtree):
    assert runtree("train", "data=diabetes", "algorithm=ridge", "evaluator=cross_validation", *QUICK).code == 0
    said = runtree("explain", "latest", "--row", "0", "--row", "1")
    assert said.out.count(": prediction ") == 2
    assert runtree("explain", "latest", "--row", "0", "--class", "x").code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "name the rows"),
        (["--row", "150"], 2, "the table has the rows 0 to 149"),
        (["--row", "-1"], 2, "the table has the rows 0 to 149"),
        (["--row", "1", "--class", "setos"], 2, "did you mean: setosa"),
        (["absent.csv"], 2, "no file absent.csv"),
        ([word for row in range(21) for word in ("--row", str(row))], 2, "at most 20"),
    ],
)
def test_what_cannot_be_explained_is_refused(trained, words, code, says):
    said = trained("explain", "latest", *words)
    assert (said.code, says in said.err) == (code, True), said.err


def test_a_table_that_is_not_what_it_was_is_no_background(runtree, folder):
    assert runtree("train", "algorithm=decision_tree", *table(folder), *QUICK).code == 0
    table(folder, size=1)
    said = runtree("explain", "latest", "--row", "0")
    assert (said.code, "its table has changed" in said.err) == (2, True)


def test_words_in_the_place_of_numbers_are_refused(runtree, folder):
    assert runtree("train", "algorithm=decision_tree", *table(folder), *QUICK).code == 0
    pd.DataFrame({"size": ["big"], "kind": ["a"]}).to_csv("rows.csv", index=False)
    said = runtree("explain", "latest", "rows.csv")
    assert (said.code, "--unreadable" in said.err) == (2, False), said.err
