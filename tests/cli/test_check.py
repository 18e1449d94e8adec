import json

import pytest

from runtree.testing.fixtures import tiny_table


@pytest.fixture
def leaking(folder):
    table = tiny_table(rows=150)
    table["paid"] = (table.outcome == "yes").astype(float)
    table.to_csv(folder / "leaking.csv", index=False)
    return ["data=csv", "data.path=leaking.csv", "data.target=outcome", "algorithm=logistic"]


def test_a_sound_configuration_passes_and_nothing_is_written(runtree, folder):
    said = runtree("check", "algorithm=naive_bayes", "data=wine")
    assert said.code == 0, said.err
    assert said.err == ""
    for text in (
        "data     wine: 178 rows, 13 columns",
        "check    naive_bayes, fitted on 106 rows of the train split",
        "shapes            passed   106/36/36 rows",
        "one batch         skipped  naive_bayes is not trained by gradients",
        "17 passed, 4 skipped in ",
        "next     runtree train algorithm=naive_bayes data=wine",
    ):
        assert text in said.out
    assert list(folder.iterdir()) == []


def test_a_check_that_fails_says_what_to_do_and_exits_with_3(runtree, folder, leaking):
    said = runtree("check", *leaking)
    assert said.code == 3
    assert "leakage           failed   'paid' alone reaches balanced accuracy 1.000" in said.out
    assert "    -> if it is not known before the target is, type: data.drop=[paid]" in said.out
    assert "next     runtree check data=csv" in said.out
    assert runtree("check", *leaking, "data.drop=[paid]").code == 0
    assert [file.name for file in folder.iterdir()] == ["leaking.csv"]


def test_the_findings_are_a_json_document(runtree, leaking):
    said = runtree("check", *leaking, "--json")
    document = json.loads(said.out)
    found = {one["name"]: one for one in document["checks"]}
    assert (said.code, document["schema"], document["passed"], document["rows"]) == (3, 1, False, 90)
    assert found["leakage"]["result"] == "failed"
    assert found["leakage"]["advice"].endswith("data.drop=[paid]")
    assert found["groups"]["result"] == "skipped"
    assert len(found) == len(document["checks"]) >= 12


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "algorithm=knn"], "check takes one configuration"),
        (["seed=1,2"], "seed=1,2 has several values"),
        (["algorithm=rigde"], "did you mean: ridge?"),
        (["data=diabetes", "algorithm=logistic"], "algorithm=logistic supports classification"),
        (["--nix"], "unknown flag --nix"),
        (["-cd", "nowhere"], "no folder nowhere"),
    ],
)
def test_a_request_that_is_wrong_is_refused_as_by_train(runtree, words, says):
    said = runtree("check", *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) <= 5


def test_hydras_flags_show_the_config(runtree):
    assert "name: knn" in runtree("check", "algorithm=knn", "--cfg", "job").out
