import json
import os
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.manifest import check_manifest, write_manifest

NAMES = [f"20260101-00000{number}-0123456{number}" for number in range(8)]


def keep(number: int, score: float | None = 0.5, days: float = 30, where: str = "outputs/e", **changes) -> Path:
    """Write a small run with heavy leaves."""
    path = Path(where, changes.pop("name", NAMES[number]))
    moment = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    ranked = {"metric": "accuracy", "direction": "maximize", "part": "validation", "value": score}
    record = {
        "id": path.name, "experiment": "e", "state": "completed", "reason": None, "started": moment,
        "finished": moment, "config": {"algorithm.alpha": number}, "objective": ranked, "metrics": {"validation": {"accuracy": score}},
        "fingerprints": {"config": "c", "data": "d"}, "error": None,
    }  # fmt: skip
    (path / "model").mkdir(parents=True)
    (path / "plots").mkdir()
    (path / "model" / "model.json").write_text("{}" * 50)
    (path / "predictions.parquet").write_bytes(b"x" * 1000)
    (path / "config.yaml").write_text("seed: 0\n")
    write_manifest(RunFolder(path))
    (path / "run.json").write_text(json.dumps(record | changes))
    return path


def sweep(where: str = "outputs/e", objectives=(("accuracy", "maximize"),)) -> SweepFolder:
    """Write a sweep of two runs, the second of them the better."""
    import yaml

    from runtree.records.ledger import Ledger

    made = SweepFolder(Path(where, "20260101-000000-sweep"))
    made.runs.mkdir(parents=True)
    made.description.write_text(yaml.safe_dump({"overrides": [], "objectives": [list(pair) for pair in objectives]}))
    ledger = Ledger(made.ledger)
    for number, value in enumerate((0.5, 0.9)):
        keep(number, value, where=str(made.runs), name=f"000{number}", id=f"{made.path.name}/000{number}")
        asked = {
            "run": number,
            "family": "a",
            "trial": number,
            "repeat": 0,
            "of": 1,
            "values": {},
            "same": f"s{number}",
        }
        ledger.append({"event": "ended", **asked, "state": "completed", "objectives": [value], "kept": True, "at": 1.0})
    ledger.close()
    attempt = made.path / "attempts" / "0000-1"
    attempt.mkdir(parents=True)
    (attempt / "log.txt").write_text("died")
    return made


def aged(folder: Path, days: float = 30) -> Path:
    """Let a folder and what is in it look old."""
    then = datetime.now().timestamp() - days * 86400
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def chosen(runtree, *words):
    said = runtree("clean", "--json", *words)
    assert said.code == 0, said.err
    return {(item["kind"], Path(item["path"]).name) for item in json.loads(said.out)["items"]}


def tree(folder: Path = Path("outputs")) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_nothing_is_removed_unless_it_is_asked_for(runtree):
    keep(0, 0.9), keep(1, 0.5), keep(2, None, state="failed")
    sweep()
    before = tree()
    said = runtree("clean")
    assert said.code == 0
    assert "nothing was removed" in said.out
    assert "next     runtree clean --yes" in said.out
    assert tree() == before


def test_failed_and_interrupted_runs_that_are_old_go_and_the_others_stay(runtree):
    keep(0, None, state="failed"), keep(1, None, state="interrupted"), keep(2, None, state="running")
    keep(3, None, days=3, state="failed")
    keep(4)
    said = runtree("clean", "--yes", "--only", "failed")
    assert said.code == 0, said.err
    assert "removed 3 items" in said.out
    assert names("outputs/e") == NAMES[3:5]
    assert chosen(runtree, "--only", "failed", "--older", "2d") == {("failed", NAMES[3])}


def test_bytes_are_counted(runtree):
    path = keep(0, None, state="failed")
    total = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert json.loads(runtree("clean", "--json").out)["bytes"] == total


def test_heavy_leaves_go_from_all_but_the_best_and_the_run_stays_as_it_was(runtree):
    best, other = keep(0, 0.9), keep(1, 0.5)
    keep(2, 0.1, days=1)
    assert chosen(runtree) == {("artifacts", NAMES[1])}
    assert runtree("clean", "--yes").code == 0
    assert names(other) == [".lock", "cleaned.json", "config.yaml", "manifest.json", "run.json"]
    assert (best / "model" / "model.json").exists()
    assert set(json.loads((other / "manifest.json").read_text())) == {"config.yaml"}
    check_manifest(RunFolder(best), best / "model")
    assert len(json.loads(runtree("runs", "--json").out)["runs"]) == 3
    assert chosen(runtree) == set()
    assert chosen(runtree, "--best") == {("artifacts", NAMES[0])}


def test_the_best_is_the_smallest_where_it_is_to_be_minimised(runtree):
    for number, loss in enumerate((0.1, 0.7)):
        ranked = {"metric": "rmse", "direction": "minimize", "part": "validation", "value": loss}
        keep(number, objective=ranked, metrics={"validation": {"rmse": loss}})
    assert chosen(runtree) == {("artifacts", NAMES[1])}


def test_each_table_and_each_experiment_has_a_best_of_its_own(runtree):
    keep(0, 0.9), keep(1, 0.5, fingerprints={"data": "another"}), keep(2, 0.5, where="outputs/f", experiment="f")
    assert chosen(runtree) == set()


def test_show_and_predict_say_that_the_model_was_removed_and_how_to_have_it_again(runtree):
    keep(0, 0.9), keep(1, 0.5)
    assert runtree("clean", "--yes").code == 0
    shown = runtree("show", NAMES[1]).out
    assert "cleaned  removed by runtree clean: model, plots, predictions.parquet; to restore them" in shown
    assert f"next     runtree rerun {NAMES[1]}" in shown
    assert set(json.loads(runtree("show", NAMES[1], "--json").out)["run"]["cleaned"]) == {
        "model", "plots", "predictions.parquet",
    }  # fmt: skip
    Path("rows.csv").write_text("x\n1\n")
    said = runtree("predict", NAMES[1], "rows.csv")
    assert said.code == 5
    assert "its model was removed by runtree clean on 20" in said.err
    assert "runtree rerun" in said.err
    assert "cleaned" not in runtree("show", NAMES[0]).out


def test_a_run_that_somebody_works_on_is_passed_over(runtree):
    path = keep(0, None, state="failed")
    with RunFolder(path).held():
        said = runtree("clean", "--yes")
    assert (said.code, said.out) == (0, "nothing to remove\n")
    assert f"skipped, in use: {path}" in said.err
    assert path.exists()


def test_of_a_sweep_attempts_and_leaves_go_but_for_the_best(runtree):
    made = sweep()
    aged(made.path / "attempts")
    assert chosen(runtree) == {("attempts", "attempts"), ("artifacts", "0000")}
    assert runtree("clean", "--yes").code == 0
    assert not (made.path / "attempts").exists()
    assert not (made.run(0).path / "model").exists()
    assert (made.run(1).path / "model").exists()
    assert runtree("status", made.path.name).code == 0


def test_the_best_configuration_of_a_sweep_is_that_of_its_ledger(runtree):
    made = sweep(objectives=(("accuracy", "minimize"),))
    kept = {("artifacts", "0000"), ("artifacts", "0001")}
    assert chosen(runtree, "--only", "artifacts") & kept == set()
    assert chosen(runtree, "--only", "artifacts", "--best") == kept
    made.description.write_text("{")
    keep(0, 0.99)
    assert chosen(runtree, "--only", "artifacts") == set()


def test_a_sweep_that_somebody_works_on_is_passed_over_whole(runtree):
    made = sweep()
    aged(made.path / "attempts")
    with made.held():
        before = tree()
        said = runtree("clean", "--yes")
        assert tree() == before
    assert str(made.path) in said.err


def test_failed_runs_of_a_sweep_stay_for_its_ledger_speaks_of_them(runtree):
    made = sweep()
    file = made.run(0).record
    file.write_text(json.dumps(json.loads(file.read_text()) | {"state": "failed"}))
    assert chosen(runtree, "--only", "failed", "--only", "artifacts") == set()


def test_incomplete_runs_go_and_foreign_or_damaged_folders_stay(runtree):
    for name in (NAMES[0], "20260101-000009-sweep"):
        Path("outputs/e", name).mkdir(parents=True)
    Path("outputs/e", NAMES[0], "config.yaml").write_text("seed: 0\n")
    for name in ("mine", NAMES[1], NAMES[2]):
        Path("outputs/e", name).mkdir()
    Path("outputs/e/mine/config.yaml").write_text("mine\n")
    Path("outputs/e", NAMES[1], "thesis.docx").write_text("mine\n")
    Path("outputs/e", NAMES[2], "run.json").write_text("{")
    assert chosen(runtree) == set()
    aged(Path("outputs"))
    assert chosen(runtree) == {("incomplete", NAMES[0]), ("incomplete", "20260101-000009-sweep")}
    assert runtree("clean", "--yes").code == 0
    assert names("outputs/e") == [NAMES[1], NAMES[2], "mine"]


def test_a_folder_that_is_just_being_made_is_no_half(runtree):
    Path("outputs/e", NAMES[0]).mkdir(parents=True)
    assert chosen(runtree, "--older", "0s") == set()
    aged(Path("outputs"), days=0.01)
    assert chosen(runtree, "--older", "0s") == {("incomplete", NAMES[0])}


def test_symbolic_links_are_not_followed(runtree, folder):
    outside = keep(0, None, where="elsewhere", state="failed")
    heavy = keep(1, 0.5)
    keep(2, 0.9)
    Path("outputs/e", NAMES[0]).symlink_to(outside.absolute())
    Path("outputs/f").symlink_to(Path("elsewhere").absolute())
    shutil.rmtree(heavy / "model")
    (heavy / "model").symlink_to((outside / "model").absolute())
    (heavy / "plots" / "link").symlink_to((outside / "model").absolute())
    before = tree(Path("elsewhere"))
    assert chosen(runtree) == {("artifacts", NAMES[1])}
    assert runtree("clean", "--yes").code == 0
    assert tree(Path("elsewhere")) == before
    assert (heavy / "model").is_symlink()
    assert not (heavy / "plots").exists()


def test_a_removal_that_is_killed_leaves_no_run_that_looks_whole(runtree, monkeypatch):
    failed, other = keep(0, None, state="failed"), keep(1, 0.5)
    keep(2, 0.9)

    class Killed(BaseException):
        """What no verb catches, only the front door, which turns it into a message."""

    def killed(path, *more, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        for only in ("failed", "artifacts"):
            assert runtree("clean", "--yes", "--only", only).code == 1
    assert not failed.exists()
    assert [run["id"] for run in json.loads(runtree("runs", "--json").out)["runs"]] == [NAMES[2], NAMES[1]]
    assert not (other / "model").exists()
    said = runtree("predict", NAMES[1], "rows.csv")
    assert (said.code, "its model was removed" in said.err) == (5, True)
    left = {name for _, name in chosen(runtree, "--only", "incomplete")}
    assert len(left) == 2
    assert all(name.startswith(".removed-") for name in left)
    assert runtree("clean", "--yes").code == 0
    assert not list(Path("outputs").rglob(".removed-*"))
    assert names("outputs/e") == NAMES[1:3]


def test_what_cannot_be_removed_is_told_and_the_rest_goes(runtree, monkeypatch):
    keep(0, None, state="failed"), keep(1, None, state="failed")
    rename = Path.rename

    def refuse(self, target):
        if self.name == NAMES[0]:
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    said = runtree("clean", "--yes")
    assert said.code == 1
    assert f"not removed: outputs/e/{NAMES[0]}: Permission denied" in said.out
    assert "removed 1 item" in said.out
    assert names("outputs/e") == NAMES[:1]


@pytest.mark.parametrize("words", [["--older", "soon"], ["--only", "everything"], ["--experiment", "nix"]])
def test_a_wrong_question_is_exit_code_2(runtree, words):
    keep(0)
    assert runtree("clean", *words).code == 2


def test_one_experiment_is_cleaned_alone_and_told_so(runtree):
    keep(0, None, state="failed"), keep(1, None, where="outputs/f", experiment="f", state="failed")
    assert chosen(runtree, "--experiment", "f") == {("failed", NAMES[1])}
    said = runtree("clean", "--experiment", "f", "--older", "12h", "--only", "failed").out
    assert "next     runtree clean --older 12h --only failed --experiment f --yes" in said


def test_an_empty_tree_is_no_error(runtree):
    assert runtree("clean") == (0, "nothing to remove\n", "")


def test_a_real_sweep_goes_on_after_it_was_cleaned(runtree, copied, real_sweep):
    kept = sorted(path.parent.name for path in copied.runs.glob("*/model"))
    assert len(kept) == 1
    assert runtree("clean", "--older", "0s", "--yes").out == "nothing to remove\n"
    assert chosen(runtree, "--older", "0s", "--best") == {("artifacts", kept[0])}
    assert runtree("clean", "--older", "0s", "--best", "--yes").code == 0
    assert runtree("status", real_sweep.name).code == 0
    said = runtree("resume", real_sweep.name, "tuner.stop.max_runs=6")
    assert said.code == 0, said.err
    assert len(list(copied.runs.iterdir())) == 6


def test_conditions_say_which_runs_are_meant(runtree):
    kept = [keep(number, score) for number, score in enumerate((0.5, 0.6, 0.7, 0.9))]
    keep(5, None, state="failed", metrics={})
    where = ["--where", "accuracy < 0.65 and state == 'completed'"]
    told = runtree("clean", *where)
    assert told.code == 0
    assert "2 items" in told.out
    assert shlex.quote(where[1]) in told.out.splitlines()[-1]
    assert runtree("clean", *where, "--yes").code == 0
    assert [(path / "model").exists() for path in kept] == [False, False, True, True]
    assert Path("outputs/e", NAMES[5]).exists()
    refused = runtree("clean", "--where", "acuracy < 1 and state == 'failed'")
    assert refused.code == 2
    assert "did you mean: accuracy?" in refused.err


def test_with_conditions_nothing_goes_that_is_of_no_run(runtree):
    half = Path("outputs/e", NAMES[0])
    half.mkdir(parents=True)
    (half / "config.yaml").write_text("seed: 0\n")
    month_ago = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    for path in (half / "config.yaml", half):
        os.utime(path, (month_ago, month_ago))
    keep(1)
    assert "incomplete run" in runtree("clean").out
    assert runtree("clean", "--where", "state=completed").out == "nothing to remove\n"
