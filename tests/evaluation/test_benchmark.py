"""The quality gate: bounds that a run must meet, and a champion that it must not fall behind."""

import json

import pytest

from runtree.evaluation import evaluate
from runtree.evaluation.evaluate import EvaluationStep
from runtree.records.layout import RunFolder
from runtree.records.record import read_record

IRIS = ["data=iris", "seed=1", "evaluator.explain=none"]


def latest(folder):
    return max((path for path in folder.glob("outputs/*/*") if path.is_dir()), key=lambda path: path.stat().st_ctime_ns)


def gate(folder):
    return json.loads(RunFolder(latest(folder)).evaluation.read_text())["benchmark"]


def bounds(*texts):
    quoted = ",".join(f"'{text}'" for text in texts)
    return f"evaluator.benchmark.metrics=[{quoted}]"


def test_met_bounds_exit_with_0(runtree, folder):
    asked = bounds(
        "test.f1 >= 0.5", "validation.accuracy > 0.5", "test.f1.low > 0.1", "gain.dummy.low > 0", "fit_seconds < 600"
    )
    said = runtree("train", "algorithm=naive_bayes", *IRIS, asked)
    assert said.code == 0, said.err
    assert "gate benchmark: passed, 5 of 5 conditions met" in said.out
    found = gate(folder)
    assert (found["passed"], found["explanation"]) == (True, "all 5 conditions are met")
    metrics = json.loads(RunFolder(latest(folder)).metrics.read_text())
    assert [one["value"] for one in found["conditions"]][:2] == [
        metrics["test"]["f1"],
        metrics["validation"]["accuracy"],
    ]
    assert read_record(RunFolder(latest(folder))).missed == ()


def test_a_failed_bound_exits_with_3_and_keeps_the_run(runtree, folder):
    said = runtree("train", "algorithm=dummy", *IRIS, bounds("test.accuracy >= 0.9", "test.accuracy >= 0.1"))
    assert said.code == 3
    assert "error: evaluator.benchmark: test.accuracy is 0.3333, required >= 0.9" in said.err
    assert "gate benchmark: failed" in said.out
    record = read_record(RunFolder(latest(folder)))
    assert (record.state, len(record.missed)) == ("completed", 1)
    assert [one["passed"] for one in gate(folder)["conditions"]] == [False, True]
    assert "gate     failed: evaluator.benchmark: test.accuracy is 0.3333" in runtree("show").out


def test_a_bound_on_an_interval_reads_the_recorded_interval(runtree, folder):
    assert runtree("train", "algorithm=naive_bayes", *IRIS, bounds("test.accuracy.low >= 1")).code == 3
    [condition] = gate(folder)["conditions"]
    metrics = json.loads(RunFolder(latest(folder)).metrics.read_text())
    assert 0.5 < condition["value"] < metrics["test"]["accuracy"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (bounds("test.f1 => 0.9"), "evaluator.benchmark.metrics"),
        (bounds("test.f9 >= 0.9"), "unknown metric at evaluator.benchmark.metrics"),
        (bounds("gain.champion > 0"), "evaluator.benchmark.run=RUN"),
        ("evaluator.benchmark.run=latest", "has no completed run to compare with"),
        ("evaluator.benchmark.run=20200101", "no run '20200101' in outputs"),
    ],
)
def test_an_impossible_bound_is_refused_before_the_fit(runtree, folder, override, message):
    said = runtree("train", "algorithm=dummy", *IRIS, override)
    assert message in said.err
    assert said.code in (2, 5)
    assert not list(folder.glob("outputs/*/*"))  # a request that is refused is no run


def test_a_champion(runtree, folder):
    assert runtree("train", "algorithm=naive_bayes", *IRIS).code == 0
    champion = latest(folder)
    worse = runtree("train", "algorithm=dummy", *IRIS, f"evaluator.benchmark.run={champion}")
    assert worse.code == 3
    assert f"does not beat {champion.name}: gain in test balanced_accuracy -0.6" in worse.err
    found = gate(folder)
    assert found["champion"]["run"] == champion.name
    assert found["champion"]["gain"]["high"] < 0
    equal = runtree("train", "algorithm=naive_bayes", *IRIS, f"evaluator.benchmark.run={champion.name}")
    assert equal.code == 0, equal.err
    assert gate(folder)["champion"]["gain"]["value"] == 0
    stricter = [f"evaluator.benchmark.run={champion.name}", bounds("gain.champion > 0")]
    said = runtree("train", "algorithm=naive_bayes", *IRIS, *stricter)
    assert said.code == 3
    assert "(a tie), required gain.champion > 0" in said.err


def test_latest_is_the_last_completed_run_but_not_this_one(runtree, folder):
    assert runtree("train", "algorithm=dummy", *IRIS).code == 0
    first = latest(folder)
    runtree("train", "algorithm=lasso", *IRIS)
    assert runtree("train", "algorithm=naive_bayes", *IRIS, "evaluator.benchmark.run=latest").code == 0
    assert gate(folder)["champion"]["run"] == first.name


def test_a_champion_on_other_rows_is_refused(runtree, folder):
    assert runtree("train", "algorithm=dummy", *IRIS, "seed=2").code == 0
    said = runtree("train", "algorithm=dummy", *IRIS, "evaluator.benchmark.run=latest")
    assert (said.code, "its split differs" in said.err) == (2, True)
    assert runtree("train", "algorithm=dummy", "data=wine", "seed=2").code == 0
    said = runtree("train", "algorithm=dummy", *IRIS, "seed=2", "evaluator.benchmark.run=latest")
    assert (said.code, "other data" in said.err) == (2, True)


def test_a_gate_that_cannot_be_computed_fails(runtree, folder, monkeypatch):
    def broken(context):
        raise ArithmeticError("no")

    monkeypatch.setattr(evaluate, "STEPS", (EvaluationStep("benchmark", broken),))
    said = runtree("train", "algorithm=naive_bayes", *IRIS, bounds("test.f1 > 0"))
    assert said.code == 3
    assert "evaluator.benchmark: could not be computed; see log.txt" in said.err


def test_a_gate_changes_no_fingerprint(runtree, folder):
    for asked in ([], [bounds("test.f1 > 0")]):
        assert runtree("train", "algorithm=naive_bayes", *IRIS, *asked).code == 0
    records = [json.loads(file.read_text()) for file in folder.glob("outputs/*/*/run.json")]
    assert len(records) == 2
    assert len({record["fingerprints"]["config"] for record in records}) == 1


@pytest.mark.parametrize(("bound", "code"), [("test.accuracy > 0.5", 0), ("test.accuracy > 1", 3)])
def test_in_a_sweep_the_best_run_decides(runtree, folder, bound, code):
    said = runtree("train", "-m", "algorithm=dummy,naive_bayes", *IRIS, bounds(bound), "compute.slots=1")
    assert said.code == code, said.err
    assert ("runs/0001" in said.err or "/0001: evaluator.benchmark" in said.err) is (code == 3)


def test_a_gap_that_is_too_wide_exits_with_3(runtree, folder):
    pytest.importorskip("fairlearn", reason="fairness needs the extra fairness")
    fair = ["evaluator.fairness.columns=[sex]", "evaluator.fairness.max_gap=0.001"]
    said = runtree("train", "data=diabetes", "algorithm=ridge", *fair, "evaluator.explain=none")
    assert said.code == 3
    assert "evaluator.fairness.max_gap: mae differs by" in said.err
    assert "gate fairness of sex: failed" in said.out
    assert len(read_record(RunFolder(latest(folder))).missed) == 1
