"""What `runtree check` knows cheaply is told by every run, before its fit."""

import json

import numpy as np
import pytest

from runtree.checks.notes import CHEAP_CHECKS, table_findings
from runtree.checks.registry import CHECKS, run_check
from runtree.testing.fixtures import quoted

LEAKS = {
    "a copy": lambda y: np.where(y == "yes", 1.0, 0.0),
    "another scale": lambda y: np.where(y == "yes", 7.0, -3.0) + np.linspace(0, 1, len(y)),
    "a text": lambda y: np.where(y == "yes", "granted", "refused"),
}


def levels(context):
    return {finding.name: finding.level for finding in table_findings(context.run)}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found_as_check_finds_it(make_context, tables, leak):
    table = tables()
    context = make_context(table.assign(answer=LEAKS[leak](table["y"].to_numpy())))
    found = {finding.name: finding for finding in table_findings(context.run)}["table: leakage"]
    whole = run_check(next(check for check in CHECKS if check.name == "leakage"), context)
    assert (found.says, found.advice) == (whole.message, whole.advice)
    assert "'answer' alone" in found.says


def test_an_index_column_and_a_rare_class_are_notes(make_context, tables):
    table = tables()
    assert levels(make_context(table.assign(number=range(len(table))))) == {"table: identifiers": "note"}
    rare = table.assign(y=["odd"] * 3 + table["y"].tolist()[3:])
    assert "table: classes" in levels(make_context(rare))


def test_a_sound_table_is_not_talked_about(make_context, tables):
    context = make_context(tables())
    assert levels(context) == {}
    names = {check.name for check in CHECKS}
    assert all(check.name in names and not check.needs_fit for check in CHEAP_CHECKS)


def test_without_a_diagnosis_nothing_is_looked_at(make_context, tables):
    table = tables()
    assert levels(make_context(table.assign(number=range(len(table))), "evaluator.diagnose=none")) == {}


def test_a_run_and_a_sweep_tell_it_once_before_they_fit(runtree, folder, tables):
    table = tables()
    table.assign(answer=LEAKS["a copy"](table["y"].to_numpy())).to_csv("t.csv", index=False)
    typed = ["data=csv", f"data.path={quoted(folder / 't.csv')}", "data.target=y", "algorithm=naive_bayes"]
    lean = ["evaluator.baselines=none", "evaluator.explain=none", "evaluator.intervals.resamples=0"]
    said = runtree("train", *typed, *lean)
    assert said.code == 0, said.err
    assert said.err.count("'answer' alone") == 1 and "data.drop=[answer]" in said.err
    assert "'answer' alone" not in said.out
    [file] = folder.glob("outputs/*/*/evaluation.json")
    first = json.loads(file.read_bytes())["findings"][0]
    assert (first["name"], first["level"]) == ("table: leakage", "warning")
    swept = runtree("train", "-m", *typed, *lean, "seed=1,2", "compute.engine=in_process", "evaluator.report=false")
    assert swept.code == 0, swept.err
    assert swept.err.count("'answer' alone") == 1, swept.err
