"""What is stated of a table and a problem: kept, shown and required; what is dropped is in no file."""

import json

import pytest

from runtree.contract.fingerprint import affects_fingerprint
from runtree.testing.fixtures import quoted

PROBLEM = {"goal": "fewer leave", "stakeholders": "sales", "success_measure": "churn", "cost_of_errors": "a letter"}
CARD = {"source": "shop", "licence": "own", "owner": "ops", "sensitivity": "personal", "collected": "spring"}


@pytest.fixture
def typed(folder):
    rows = [f"ada{n}@example.org,{n % 7},{n * 13 % 11},{'yes' if n % 7 > 3 else 'no'}" for n in range(120)]
    (folder / "people.csv").write_text("\n".join(["email,a,b,y", *rows]))
    table = ["data=csv", f"data.path={quoted(folder / 'people.csv')}", "data.target=y", "data.drop=[email]"]
    lean = ["evaluator.baselines=none", "evaluator.explain=none", "evaluator.intervals.resamples=0"]
    return ["train", *table, "algorithm=naive_bayes", *lean]


def test_a_strict_run_states_everything_and_shows_it(runtree, folder, typed):
    said = runtree(*typed, "evaluator.strict=true", "problem.goal=gain")
    assert said.code == 2
    assert "evaluator.strict: 8 texts are not stated: data.card.source" in said.err
    assert not list(folder.glob("outputs/*/*/model"))

    stated = [f"problem.{key}={text}" for key, text in PROBLEM.items()]
    stated += [f"data.card.{key}={text}" for key, text in CARD.items()]
    said = runtree(*typed, "evaluator.strict=true", "evaluator.report=true", *stated)
    assert said.code == 0, said.err
    [run] = [file.parent for file in folder.glob("outputs/*/*/evaluation.json")]
    assert json.loads((run / "data.json").read_text())["card"] == CARD
    page = (run / "report.html").read_text()
    before, _, after = page.partition('<main id="main">')
    assert all(text in before for text in PROBLEM.values())
    assert all(text in after for text in CARD.values())
    # the values of a dropped column are in no file
    files = [file for file in run.rglob("*") if file.is_file()]
    assert len(files) > 10
    assert not [file.name for file in files if b"@example.org" in file.read_bytes()]


def test_what_is_stated_does_not_make_two_runs_incomparable():
    for path in ("problem.goal", "data.card.owner", "evaluator.strict", "schema.columns.a.dtype"):
        assert not affects_fingerprint(path)
    for path in ("data.weight", "data.reweight", "data.population.sex.f"):
        assert affects_fingerprint(path)
