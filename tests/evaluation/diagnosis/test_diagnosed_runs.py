"""Diagnoses of whole runs, and how they are shown."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from runtree.testing.fixtures import CASES, PLAIN, train, write_table


def evaluation(run):
    return json.loads((run.folder / "evaluation.json").read_text())


def levels(found, name):
    return [one["level"] for one in found["findings"] if one["name"] == name]


@pytest.mark.parametrize("case", CASES)
def test_every_task_is_diagnosed_in_full(folder, case):
    quick = "algorithm=ridge" if case == "regression" else "algorithm=logistic"
    run = train(*write_table(folder, case, rows=300), quick, "evaluator.diagnose=full", *PLAIN, folder=folder)
    found = evaluation(run)
    assert {"slices", "robustness", "learning_curve", "findings"} <= set(found)
    assert ("residuals" in found) == (case == "regression")
    assert ("threshold" in found) == (case == "binary")
    assert "calibration" in found or case == "regression"
    sizes = [point["rows"] for point in found["learning_curve"]["points"]]
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(run.split.train)
    last = found["learning_curve"]["points"][-1]["validation"]
    assert last == pytest.approx(run.metrics["validation"][found["learning_curve"]["metric"]])
    lost = {one["shift"]: one["loss"] for one in found["robustness"]}
    assert set(lost) == {
        *("noise of 0.1 sd", "noise of 0.5 sd", "shift by 0.5 sd", "scale times 1.1", "10% missing"),
        "10% of categories mixed up",
    }
    assert None not in lost.values()
    assert lost["noise of 0.5 sd"] > max(lost["noise of 0.1 sd"], 0.01)
    assert "findings failed" not in (run.folder / "log.txt").read_text()


def test_diagnose_none_skips_the_diagnosis(folder):
    run = train(*write_table(folder), "algorithm=logistic", "evaluator.diagnose=none", *PLAIN, folder=folder)
    assert not {"findings", "slices", "calibration"} & set(evaluation(run))


def test_a_pipeline_that_does_not_accept_missing_values_is_a_note(folder):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(200, 3)), columns=list("abc"))
    frame.assign(y=frame.a + draw.normal(size=200)).to_csv(folder / "t.csv", index=False)
    run = train(
        *("data=csv", f"data.path={folder / 't.csv'}", "data.target=y", "algorithm=ridge", "preprocess=none"),
        *("evaluator.diagnose=full", *PLAIN),
        folder=folder,
    )
    holes = next(one for one in evaluation(run)["robustness"] if one["shift"] == "10% missing")
    assert holes["value"] is None
    assert "NaN" in holes["reason"]
    told = next(one for one in evaluation(run)["findings"] if "missing" in one["says"])
    assert told["advice"].endswith("preprocess=tabular")


def test_more_rows_help_only_where_there_are_few(folder):
    def look(rows, name):
        draw = np.random.default_rng(0)
        frame = pd.DataFrame(draw.normal(size=(rows, 20)), columns=[f"x{number}" for number in range(20)])
        frame = frame.assign(y=frame @ np.ones(20) + 0.5 * draw.normal(size=rows))
        frame.to_csv(folder / f"{name}.csv", index=False)
        data = ["data=csv", f"data.path={folder / f'{name}.csv'}", "data.target=y", "data.validation_size=100"]
        more = ["data.test_size=50", "algorithm=linear", "evaluator.diagnose=full", *PLAIN]
        return evaluation(train(*data, *more, folder=folder))

    assert levels(look(210, "few"), "more rows") == ["note"]
    many = look(4000, "many")
    assert many["learning_curve"]["doubling"]["gain"] < 0.02


def test_a_fitted_calibration_is_a_note(folder):
    run = train(
        *write_table(folder, rows=240), "algorithm=logistic", "decision.calibrate=sigmoid", *PLAIN, folder=folder
    )
    told = next(one for one in evaluation(run)["findings"] if one["name"] == "decision")
    assert "fitted on validation" in told["says"]


def test_warnings_are_printed_after_training_and_all_findings_on_request(runtree, folder):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(300, 5)), columns=list("abcde"))
    frame.assign(y=draw.integers(0, 2, 300)).to_csv("noise.csv", index=False)
    data = ["data=csv", "data.path=noise.csv", "data.target=y", "data.task=classification"]
    said = runtree("train", *data, "algorithm=decision_tree", *PLAIN)
    lines = said.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("warning: "))
    assert 2 <= len([line for line in lines[first : first + 4] if line]) <= 3
    assert re.search(r"what to do: runtree show [0-9a-f-]+ --findings\n", said.out)
    shown = runtree("show", "latest", "--findings")
    assert "-> " in shown.out
    assert "evaluator.diagnose=full" in shown.out
    listed = json.loads(runtree("show", "latest", "--findings", "--json").out)
    assert listed["findings"][0]["level"] == "warning"
    assert runtree("show", "latest", "--findings", "--csv").out.startswith("level,finding,says,advice")
    assert runtree("show", "latest", "--findings", "--log").code == 2
