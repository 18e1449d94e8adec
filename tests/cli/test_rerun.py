import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from runtree.testing.fixtures import UNEXAMINED

TYPED = ["algorithm=ridge", "data=csv", "data.path=rows.csv", "data.target=y", "experiment.name=e"]
TYPED += UNEXAMINED


def write_rows(bump: int = 0) -> None:
    rows = [f"{n % 17},{(n * 7) % 23},{3.0 * (n % 17) + n % 5 + bump}" for n in range(80)]
    Path("rows.csv").write_text("\n".join(["a,b,y", *rows]))


@pytest.fixture
def trained(runtree):
    """Train a small run; return what types a command, and the run's id."""
    write_rows()
    assert runtree("train", *TYPED).code == 0
    return runtree, ids(runtree)[0]


def ids(runtree, *words: str) -> list[str]:
    return [run["id"] for run in json.loads(runtree("runs", "--json", *words).out)["runs"]]


def change(run: str, **changes) -> dict:
    file = Path("outputs/e", run, "run.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | changes))
    return record


def test_a_run_that_is_done_again_is_equal_to_the_last_digit(trained):
    runtree, run = trained
    said = runtree("rerun", run)
    assert said.code == 0, said.err
    other = next(name for name in ids(runtree) if name != run)
    assert "metrics      equal to the last digit: " in said.out
    assert "predictions  equal to the last digit: 80 rows" in said.out
    assert "data         same" in said.out
    assert "note:" not in said.err
    assert Path("outputs/e", other, "model").is_dir()
    document = json.loads(runtree("rerun", run, "--json").out)
    assert (document["equal"], document["metrics"]["equal"], document["predictions"]["compared"]) == (True, True, 80)
    assert document["same_science"] is True


def test_what_differs_is_told_with_the_largest_difference(trained):
    runtree, run = trained
    metrics = json.loads(json.dumps(change(run)["metrics"]))
    metrics["test"]["r2"] += 0.25
    metrics["test"]["rmse"] += 1e-9
    change(run, metrics=metrics)
    file = Path("outputs/e", run, "predictions.parquet")
    table = pd.read_parquet(file)
    table.loc[3, "y_pred"] += 0.5
    table.to_parquet(file, index=False)
    said = runtree("rerun", run)
    assert said.code == 3
    assert "metrics      differ: 2 of " in said.out
    assert "values, at most by 0.25: test.r2" in said.out
    assert "predictions  differ: 1 of 80 rows, at most by 0.5: y_pred" in said.out


def test_a_config_that_is_not_what_it_was_is_refused_with_the_keys(trained):
    runtree, run = trained
    option = Path("conf/algorithm")
    option.mkdir(parents=True)
    shipped = Path(__file__).parents[2] / "conf" / "algorithm" / "ridge.yaml"
    (option / "ridge.yaml").write_text(shipped.read_text().replace("alpha: 1.0", "alpha: 7.5", 1))
    said = runtree("rerun", run)
    assert said.code == 2
    assert f"{run}: the config has changed: algorithm.alpha" in said.err
    assert ids(runtree) == [run]
    said = runtree("rerun", run, "--force")
    assert said.code == 3, said.err
    assert "algorithm.alpha  1.0  7.5" in said.out


def test_data_that_has_changed_is_told_and_the_run_goes_on(trained):
    runtree, run = trained
    write_rows(bump=1)
    said = runtree("rerun", run)
    assert said.code == 3
    assert "note: the data has changed: the run continues" in said.err
    assert "data         changed: the metrics are not comparable" in said.out
    assert "(they are of other rows or classes)" in said.out


def test_another_environment_is_told_before_the_work_and_after_it(trained):
    runtree, run = trained
    file = Path("outputs/e", run, "environment.json")
    places = json.loads(file.read_text())
    places["packages"]["numpy"] = "1.0"
    file.write_text(json.dumps(places))
    said = runtree("rerun", run)
    assert said.code == 0
    assert "note: the environment has changed: numpy 1.0 -> " in said.err
    assert "packages.numpy" in said.out
    file.write_text("{")
    said = runtree("rerun", run)
    assert said.code == 0
    assert "note: the environment cannot be compared: environment.json cannot be read" in said.err


def test_predictions_that_are_not_there_are_not_compared(trained):
    runtree, run = trained
    Path("outputs/e", run, "predictions.parquet").unlink()
    said = runtree("rerun", run)
    assert said.code == 0
    assert f"predictions  nothing to compare ({run} has no predictions)" in said.out


def test_a_run_that_failed_did_not_come_to_the_same(trained):
    runtree, run = trained
    change(run, state="failed", reason="error", metrics={})
    said = runtree("rerun", run)
    assert said.code == 3
    assert f"A            {run}   failed" in said.out


def test_a_run_with_a_hidden_secret_or_one_that_still_runs_is_refused(trained):
    from runtree.records.layout import RunFolder

    runtree, run = trained
    before = change(run, overrides=["data.password=***"])
    said = runtree("rerun", run)
    assert said.code == 2
    assert "was given a secret on the command line" in said.err
    change(run, **before | {"state": "running"})
    with RunFolder(Path("outputs/e", run)).held():
        said = runtree("rerun", run)
    assert said.code == 2
    assert "is still running" in said.err
    assert ids(runtree) == [run]
    assert runtree("rerun", "nix").code == 5


def test_the_rerun_lies_beside_the_run_in_whichever_tree(trained):
    runtree, run = trained
    shutil.move("outputs", "o'ther")
    said = runtree("rerun", run, "--outputs", "o'ther")
    assert said.code == 0, said.err
    assert len(ids(runtree, "--outputs", "o'ther")) == 2
    assert not Path("outputs").exists()


def test_a_model_that_was_cleaned_away_comes_back_by_a_rerun(trained):
    runtree, run = trained
    assert runtree("clean", "--older", "0s", "--best", "--yes").code == 0
    assert runtree("predict", run, "rows.csv", "-o", "out.csv").code == 5
    said = runtree("rerun", f"outputs/e/{run}")
    assert said.code == 0, said.err
    assert runtree("predict", "latest", "rows.csv", "-o", "out.csv").code == 0


def test_runs_of_a_sweep_are_done_again_alone(runtree, copied, real_sweep):
    kept_first = sorted(range(4), key=lambda number: not copied.run(number).predictions.exists())
    for number in kept_first[:2]:  # the best was kept, the others were not
        run = f"{real_sweep.name}/{number:04d}"
        kept = copied.run(number).predictions.exists()
        said = runtree("rerun", run)
        assert said.code == 0, said.out + said.err
        assert "equal to the last digit" in said.out
        assert ("test: scored by the rerun alone" in said.out) is not kept
        assert (f"{run} has no predictions" in said.out) is not kept
    assert len([path for path in Path("outputs/default").iterdir() if not path.name.endswith("-sweep")]) == 2
