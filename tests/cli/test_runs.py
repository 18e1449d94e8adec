import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def keep(name: str, folder: str = "outputs/e", minutes: float = 5, accuracy: float | None = 0.9, **changes) -> Path:
    """Write the run.json of a small classification run."""
    config = {
        "seed": 0, "outputs": "outputs", "algorithm.name": "ridge", "algorithm._target_": "x.Ridge",
        "algorithm.alpha": 1.0, "algorithm.space.alpha": "interval(0, 1)", "data.name": "iris",
    }  # fmt: skip
    scores = {"validation": {"accuracy": accuracy, "log_loss": 0.5}, "test": {"accuracy": accuracy, "log_loss": 0.6}}
    record = {
        "schema": 1, "id": name, "experiment": Path(folder).name, "state": "completed", "reason": None,
        "started": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(), "finished": None, "seconds": 1.25,
        "overrides": [], "config": config | changes.pop("config", {}), "metrics": {} if accuracy is None else scores,
        "objective": {} if accuracy is None else
            {"metric": "accuracy", "direction": "maximize", "part": "validation", "value": accuracy},
        "fingerprints": {"config": f"f{name}", "data": "d1", "split": "s1"}, "stages": {}, "task": "classification",
        "error": None,
    }  # fmt: skip
    path = Path(folder, name)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | changes))
    return path


def rows(text: str) -> list[str]:
    """Return the names of the runs in a table, from above."""
    return [line.split()[0] for line in text.splitlines() if line.startswith("r")][1:]


def test_no_runs_is_no_error(runtree):
    said = runtree("runs")
    assert said == (0, "no runs in outputs yet\nnext     runtree train\n", "")
    assert json.loads(runtree("runs", "--json").out) == {"schema": 1, "runs": []}


def test_the_newest_run_comes_first(runtree):
    keep("r1", minutes=9), keep("r2", minutes=1), keep("r3", minutes=5)
    said = runtree("runs")
    assert rows(said.out) == ["r2", "r3", "r1"]
    assert said.out.startswith("3 runs, newest first")
    assert said.out.endswith("\nnext     runtree show r2\n         runtree runs --sort test.accuracy\n")


def test_a_metric_sorts_best_first_whichever_way_is_better(runtree):
    losses = {"r1": 0.3, "r2": 0.1, "r3": 0.2}
    for name, loss in losses.items():
        keep(name, accuracy=loss, metrics={"validation": {"accuracy": loss, "log_loss": loss}})
    assert rows(runtree("runs", "--sort", "accuracy").out) == ["r1", "r3", "r2"]
    assert rows(runtree("runs", "--sort", "log_loss").out) == ["r2", "r3", "r1"]
    assert rows(runtree("runs", "--sort", "log_loss", "--reverse").out) == ["r1", "r3", "r2"]


def test_the_objective_of_the_runs_says_what_is_better(runtree):
    for name, loss in {"r1": 0.3, "r2": 0.1}.items():
        score = {"metric": "regret", "direction": "minimize", "part": "validation", "value": loss}
        keep(name, metrics={"validation": {"regret": loss}}, objective=score)
    assert rows(runtree("runs", "--sort", "regret").out) == ["r2", "r1"]


def test_what_is_the_same_is_said_once_and_what_varies_gets_a_column(runtree):
    keep("r1"), keep("r2", config={"algorithm.alpha": 0.1, "algorithm._target_": "y", "algorithm.space.alpha": "z"})
    said = runtree("runs").out
    assert "(state=completed, algorithm=ridge, data=iris)" in said.splitlines()[0]
    heading = said.splitlines()[2].split()
    assert heading == ["run", "validation.accuracy", "test.accuracy", "algorithm.alpha", "seconds", "started"]
    assert "1.25  5 min ago" in said


def test_state_algorithm_data_and_experiment_get_a_column_where_they_differ(runtree):
    keep("r1"), keep("r2", "outputs/f", state="stopped", config={"algorithm.name": "lasso", "data.name": "wine"})
    assert runtree("runs").out.splitlines()[2].split()[:5] == ["run", "experiment", "state", "algorithm", "data"]
    assert rows(runtree("runs", "--experiment", "f").out) == ["r2"]


def test_conditions_are_combined_and_counted(runtree):
    keep("r1", accuracy=0.5), keep("r2", accuracy=0.8), keep("r3", accuracy=0.9, config={"algorithm.name": "lasso"})
    said = runtree("runs", "--where", "algorithm.name=ridge", "--where", "test.accuracy>0.6")
    assert rows(said.out) == ["r2"]
    assert said.out.startswith("1 of 3 runs")


def test_nothing_that_matches_is_told_with_what_there_is(runtree):
    keep("r1")
    said = runtree("runs", "--where", "data=wine")
    assert said.code == 0
    assert said.out.splitlines() == ["0 of 1 run match", "  data.name is iris", "next     runtree runs"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sort", "acuracy"], "unknown key or metric 'acuracy'\n  did you mean: accuracy?"),
        (["--where", "alpa=1"], "did you mean: alpha?"),
        (["--where", "nonsense"], "put it in quotes: 'nonsense'"),
        (["--experiment", "g"], "unknown experiment 'g'\n  possible: e"),
        (["--limit", "-1"], "--limit"),
    ],
)
def test_a_wrong_question_is_answered_in_a_few_lines(runtree, words, message):
    keep("r1")
    said = runtree("runs", *words)
    assert said.code == 2
    assert message in said.err
    assert said.out == ""
    assert len(said.err.splitlines()) <= 5


def test_a_failed_run_shows_the_first_line_of_its_error(runtree):
    (
        keep("r1"),
        keep("r2", accuracy=None, state="failed", error={"type": "DataError", "message": "no rows\nmore", "hints": []}),
    )
    said = runtree("runs").out
    assert "failed" in said
    assert "    DataError: no rows\n" in said
    assert "more" not in said


def test_a_table_is_limited_and_says_so(runtree):
    for number in range(32):
        keep(f"r{number}")
    assert runtree("runs").out.startswith("30 of 32 runs, newest first, --all shows every run")
    assert len(rows(runtree("runs", "--all").out)) == 32
    assert len(rows(runtree("runs", "--limit", "2").out)) == 2
    assert len(json.loads(runtree("runs", "--json").out)["runs"]) == 32


def test_json_is_one_document_with_full_records(runtree):
    path = keep("r1", accuracy=0.123456789)
    document = json.loads(runtree("runs", "--json").out)
    (run,) = document["runs"]
    assert document["schema"] == 1
    assert run["metrics"]["test"]["accuracy"] == 0.123456789
    assert run["config"]["algorithm.space.alpha"] == "interval(0, 1)"
    assert run["folder"] == str(path)


def test_csv_holds_every_column_in_full_precision_and_no_formula(runtree):
    keep("r1", accuracy=0.123456789, config={"algorithm.note": "=1+1", "algorithm.layers": [1, 2]})
    (row,) = csv.DictReader(io.StringIO(runtree("runs", "--csv").out))
    assert float(row["test.accuracy"]) == 0.123456789
    assert row["algorithm.note"] == "'=1+1"
    assert row["algorithm.layers"] == "[1, 2]"
    assert row["fingerprint.data"] == "d1"
    assert row["objective"] == "accuracy"


def test_an_unreadable_run_is_one_line_of_warning(runtree):
    keep("r1")
    (keep("r2") / "run.json").write_text("{")
    said = runtree("runs", "--json")
    assert [run["id"] for run in json.loads(said.out)["runs"]] == ["r1"]
    assert said.err.startswith("warning: outputs/e/r2/run.json: cannot be read")
    assert len(said.err.splitlines()) == 1


def test_a_ranking_over_several_tables_is_remarked_upon(runtree):
    keep("r1"), keep("r2", fingerprints={"data": "other"})
    assert "note: these runs are not comparable: other data: " in runtree("runs", "--sort", "accuracy").err
    assert runtree("runs").err == ""


def test_tables_are_called_by_name_and_their_versions_by_fingerprint(runtree):
    config = {"data.name": "csv", "data.path": "shop/orders.csv"}
    keep("r1", config=config, minutes=3, fingerprints={"data": "a" * 64})
    keep("r2", config={**config, "data.fingerprint": "bbbbbbbb"}, minutes=2, fingerprints={"data": "b" * 64})
    keep("r3", config=config | {"data.path": "customers.csv"}, minutes=1, fingerprints={"data": "c" * 64})
    said = runtree("runs").out
    assert said.splitlines()[2].split()[:2] == ["run", "table"]
    assert "data.fingerprint" not in said
    titles = [line.split("  ")[1].strip() for line in said.splitlines() if line.startswith("r")][1:]
    assert titles == ["customers", "orders bbbbbbbb", "orders aaaaaaaa"]
    assert rows(runtree("runs", "--where", "table=orders").out) == ["r2", "r1"]
    assert rows(runtree("runs", "--where", "table == customers or seed == 1").out) == ["r3"]
    assert "table=orders, fingerprint.data=bbbbbbbb)" in runtree("runs", "--where", "fingerprint.data~bbbb").out
    assert rows(runtree("runs", "--sort", "table").out) == ["r3", "r2", "r1"]
    assert "select: --where fingerprint.data~" in runtree("runs", "--sort", "accuracy").err


def test_a_narrow_terminal_gets_fewer_columns_and_whole_ids(runtree, terminal):
    names = [f"r20261122-031705-sweep-{'x' * 20}-{number}" for number in range(2)]
    for number, name in enumerate(names):
        keep(name, config={f"algorithm.with_a_long_name_{key}": number for key in range(9)})
    terminal(80)
    said = runtree("runs")
    table = said.out.partition("\n\n")[2].partition("\n\n")[0].splitlines()
    assert max(map(len, table)) <= 80
    assert rows(said.out) == sorted(names, reverse=True)
    assert "hidden, since the terminal is too narrow:" in said.err
    assert "algorithm.with_a_long_name_8" in said.err


def test_what_a_run_wrote_cannot_move_the_cursor(runtree):
    keep("r1", config={"data.name": "\x1b[2Jiris\nnext"}), keep("r2")
    said = runtree("runs").out
    assert "\x1b" not in said
    assert r"\x1b[2Jiris\nnext" in said


def test_another_folder_is_named_in_what_to_type_next(runtree):
    keep("r1", "elsewhere/e")
    said = runtree("runs", "--outputs", "elsewhere")
    assert "next     runtree show r1 --outputs elsewhere" in said.out
    assert runtree("show", "r1", "--outputs", "elsewhere").code == 0


def test_the_users_own_config_says_where_runs_are(runtree):
    keep("r1", "kept/e")
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text("outputs: kept\n")
    assert rows(runtree("runs").out) == ["r1"]


def test_listing_runs_loads_nothing_heavy(folder):
    keep("r1")
    code = (
        "import sys; from runtree.cli.main import main; main(['runs', '--sort', 'accuracy', '--where', 'alpha>0']);"
        "print([name for name in ('sklearn', 'pandas', 'numpy', 'hydra', 'omegaconf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "r1" in done.stdout


def test_a_boolean_expression_says_which_runs_are_meant(runtree):
    keep("r1", accuracy=0.5), keep("r2", accuracy=0.8), keep("r3", accuracy=0.9, config={"algorithm.name": "lasso"})
    said = runtree("runs", "--where", 'algorithm.name == "ridge" and metrics.test.accuracy > 0.6')
    assert rows(said.out) == ["r2"]
    assert said.out.startswith("1 of 3 runs")
    assert rows(runtree("runs", "--where", "not (0.6 < accuracy < 0.85) or algorithm in ['x']").out) == ["r3", "r1"]
    nothing = runtree("runs", "--where", "algorithm == 'forest' and accuracy > 0.6")
    assert "  algorithm.name is lasso or ridge" in nothing.out
    assert runtree("export", "-o", "some.csv", "--where", "accuracy < 0.6 or algorithm == 'lasso'").code == 0
    assert len(Path("some.csv").read_text().splitlines()) == 3


def test_an_expression_that_cannot_be_read_is_told_with_its_place(runtree):
    keep("r1")
    said = runtree("runs", "--where", "open('x') == 1 and seed == 1")
    assert said.code == 2
    assert "functions cannot be called, at position 1 ('open('x') ==')" in said.err
    assert len(said.err.splitlines()) <= 5
