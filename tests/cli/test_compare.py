import csv
import io
import json
from pathlib import Path

import pytest

from runtree.records.test_access import record_access
from runtree.testing.fixtures import UNEXAMINED


def keep(name: str, seed: int, score: float, **more) -> Path:
    """Write a run of one configuration and one seed."""
    settings = {"seed": seed, "algorithm.name": name, "algorithm.random_state": seed, "data.name": "iris"}
    run = f"{more.pop('day', '20260101')}-{name}-{seed}"
    record = {
        "schema": 1, "id": run, "experiment": "e", "state": "completed", "reason": None, "started": f"2026-01-0{seed + 1}",
        "finished": None, "seconds": 2.0, "overrides": [f"algorithm={name}", f"seed={seed}"],
        "config": settings | more.pop("config", {}), "metrics": {"validation": {"f1": score}, "test": {"f1": score / 2}},
        "objective": {"metric": "f1", "direction": "maximize", "part": "validation", "value": score},
        "fingerprints": {"config": run, "data": "d", "split": f"s{seed}"}, "stages": {"fit": 0.5}, "task": "classification",
        "error": None,
    }  # fmt: skip
    path = Path("outputs/e", run)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | more))
    (path / "data.json").write_text(json.dumps({"split": {"train": 60, "validation": 20, "test": 20}}))
    (path / "model").mkdir()
    (path / "model" / "model.skops").write_bytes(b"x" * (1000 if name == "lasso" else 2000))
    return path


@pytest.fixture
def three(folder):
    scores = {"ridge": (0.91, 0.93, 0.92), "lasso": (0.90, 0.93, 0.91), "dummy": (0.5, 0.52, 0.49)}
    return {(name, seed): keep(name, seed, score) for name, own in scores.items() for seed, score in enumerate(own)}


def test_the_page_says_what_is_best_what_is_tied_and_on_what_that_rests(runtree, three):
    said = runtree("compare", "e")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "3 configurations of 9 runs, best first by validation.f1 (the largest is best)"
    assert " ".join(lines[2].split()) == "algorithm n mean sd 95 % CI tied p p baseline fit s model run"
    assert [line.split()[1] for line in lines[3:6]] == ["ridge", "lasso", "dummy"]
    assert [line.split()[6] for line in lines[3:6]] == ["best", "yes", "no"]
    assert lines[4].split()[-2:] == ["kB", "20260101-lasso-1"]
    notes = "\n".join(lines[7:])
    assert "tied: p >= 0.05 against the best (corrected resampled t over 3 seeds; two-sided, Holm-corrected" in notes
    assert "over 2 comparisons" in notes
    assert "p baseline: against dummy" in notes
    assert "CI: t over seeds" in notes
    assert "no CI" not in notes
    assert "next     runtree show 20260101-ridge-1\n         runtree diff 20260101-ridge-1 20260101-lasso-1" in notes
    assert notes.endswith("runtree best e --cheapest")


def test_only_keys_that_differ_get_a_column(runtree, folder):
    for seed in (0, 1):
        keep("ridge", seed, 0.9, config={"algorithm.alpha": 1.0})
        keep("ridge", seed, 0.8, config={"algorithm.alpha": 2.0}, day="20260102")
    heading = runtree("compare").out.splitlines()[2].split()
    assert heading[:2] == ["algorithm.alpha", "n"]


def test_programs_get_one_document(runtree, three):
    document = json.loads(runtree("compare", "e", "--json").out)
    assert document["metric"] == "validation.f1"
    first, second, third = document["lines"]
    assert first["settings"] == {"algorithm.name": "ridge"}
    assert first["against_best"] is None
    assert second["against_best"]["method"] == "corrected t"
    assert second["against_best"]["corrected_p"] >= second["against_best"]["p"]
    assert third["is_baseline"]
    assert [run["id"] for run in third["runs"]] == [f"20260101-dummy-{seed}" for seed in range(3)]


def test_csv_and_markdown_are_tables_too(runtree, three):
    rows = list(csv.DictReader(io.StringIO(runtree("compare", "e", "--csv").out)))
    assert [row["algorithm.name"] for row in rows] == ["ridge", "lasso", "dummy"]
    assert float(rows[0]["mean"]) == pytest.approx(0.92)
    text = runtree("compare", "e", "--markdown").out
    assert "| 1 | ridge | 3 | 0.9200 |" in text
    assert "\n| --- |" in text
    assert "\n- tied: p >= 0.05" in text


def test_the_test_part_says_how_often_it_was_looked_at(runtree, three):
    said = runtree("compare", "e", "--metric", "test.f1").out
    assert "test set used at least 9 times. A configuration selected on the test set needs new data" in said
    for rows in ("abc", "abc", "def"):
        record_access(Path("outputs"), rows, "c1", "r")
    for seed, rows in enumerate(("abc", "def")):
        (three["ridge", seed] / "evaluation.json").write_text(json.dumps({"test_looks": {"count": 1, "rows": rows}}))
    assert "test set used 2 times by 1 configuration. A" in runtree("compare", "e", "--metric", "test.f1").out
    document = json.loads(runtree("compare", "e", "--metric", "test.f1", "--json").out)
    assert document["test_looks"] == {"count": 2, "configurations": 1}
    assert "test set" not in runtree("compare", "e").out


def test_what_does_not_compare_is_refused_unless_forced(runtree, three):
    other = keep("tree", 0, 0.9, fingerprints={"config": "c", "data": "elsewhere", "split": "s0"})
    refused = runtree("compare", "e")
    assert refused.code == 2
    assert refused.out == ""
    assert (
        f"other data: iris d (9 runs, e.g. 20260101-dummy-0); iris elsewhere (1 run, e.g. {other.name})" in refused.err
    )
    assert len(refused.err.splitlines()) <= 5
    forced = runtree("compare", "e", "--force")
    assert forced.code == 0
    assert forced.out.splitlines()[1].startswith("  not comparable, forced: other data")
    assert "?: no two of their runs have the same seed, data and split" in forced.out
    assert "no CI: 20260101-tree-0 has no predictions" in forced.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nobody"], 5, "no run, sweep or experiment 'nobody'"),
        (["e", "--metric", "tes.f1"], 2, "did you mean: test.f1"),
        (["e", "--baseline", "tre"], 5, "'tre'"),
        (["e", "--alpha", "0"], 2, "--alpha"),
        (["e", "--correction", "bonferroni"], 2, "--correction"),
        (["e", "--where", "algorithm.name == 'x' and"], 2, "at position"),
    ],
)
def test_a_wrong_question_is_answered_in_a_few_lines(runtree, three, words, code, message):
    said = runtree("compare", *words)
    assert said.code == code
    assert message in said.err
    assert len(said.err.splitlines()) <= 5


def test_no_runs_is_told(runtree):
    assert runtree("compare").code == 5


def test_best_names_a_run_and_says_why(runtree, three):
    said = runtree("best", "e")
    assert said.code == 0, said.err
    assert said.out.startswith("best     20260101-ridge-1\ncommand  runtree train algorithm=ridge seed=1\n")
    assert "reason   rank 1 by validation.f1; the best of its 3 runs" in said.out
    assert runtree("best", "e", "--path").out == "outputs/e/20260101-ridge-1\n"


def test_the_cheapest_of_the_tied_is_named_with_its_cost(runtree, three):
    said = runtree("best", "e", "--by", "size")
    assert said.out.startswith("best     20260101-lasso-1")
    assert "rank 2, with the best size of 2 tied configurations: 1 kB (the best: 2 kB)" in said.out
    assert "tied     p >= 0.05 against the best" in said.out
    document = json.loads(runtree("best", "e", "--by", "size", "--json").out)
    assert (document["run"], document["by"], document["cost"]) == ("20260101-lasso-1", "size", 1000)
    assert runtree("best", "e", "--cheapest").out.startswith("best     20260101-ridge-1")
    assert runtree("best", "e", "--by", "nothing").code == 2


def test_a_narrow_terminal_is_filled_and_no_cell_moves_the_cursor(runtree, three, terminal):
    keep("x\x1b[2J|y", 0, 0.7)
    terminal(100)
    said = runtree("compare", "e")
    assert "\x1b" not in said.out
    assert "\\|y" in runtree("compare", "e", "--markdown").out


def test_runs_of_a_tuned_sweep_are_tested_by_the_predictions_that_each_keeps(runtree, copied, real_sweep):
    lines = json.loads(runtree("compare", real_sweep.name, "--json").out)["lines"]
    assert [line["against_best"]["over"] for line in lines[1:]] == ["rows"] * 3
    assert all(isinstance(line["tied"], bool) for line in lines)
    for number in range(4):
        copied.run(number).validation.unlink()
    lines = json.loads(runtree("compare", real_sweep.name, "--json").out)["lines"]
    # without a test equal scores are a tie all the same
    assert [line["tied"] for line in lines] == [True if line["mean"] == lines[0]["mean"] else None for line in lines]


@pytest.mark.slow
def test_real_runs_are_compared_fold_by_fold_and_row_by_row(runtree):
    several = [
        "-m",
        "algorithm=naive_bayes,dummy",
        "data=iris",
        "compute.engine=in_process",
        *UNEXAMINED,
    ]
    assert runtree("train", *several, "evaluator=cross_validation", "experiment.name=folds").code == 0
    folds = json.loads(runtree("compare", "folds", "--json").out)
    assert [line["settings"]["algorithm.name"] for line in folds["lines"]] == ["naive_bayes", "dummy"]
    assert folds["lines"][1]["against_best"]["over"] == "folds"
    assert folds["lines"][1]["tied"] is False
    assert runtree("train", *several, "tuner.keep=all", "experiment.name=rows").code == 0
    rows = json.loads(runtree("compare", "rows", "--metric", "accuracy", "--json").out)
    assert rows["lines"][1]["against_best"]["over"] == "rows"
    assert rows["lines"][0]["interval"]["over"] == "rows"
    assert "naive_bayes" in runtree("best", "rows").out
    refused = runtree("compare", "rows", "folds")
    assert refused.code == 2
    assert "another evaluator" in refused.err
