"""The `fit` block on the command line: why a fit ended, what is left of it, and how it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtree.testing.fixtures import UNEXAMINED

SGD = ("train", "algorithm=sgd", "algorithm.tol=null", "data=iris", *UNEXAMINED)


def only_run(folder, experiment="default"):
    (run,) = (folder / "outputs" / experiment).iterdir()
    return run


def record(run):
    return json.loads((run / "run.json").read_text())


def history(run):
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def test_one_fit_ends_by_its_bound_and_one_by_tolerance_at_the_step_computed_by_hand(runtree, folder):
    assert runtree(*SGD, "fit.max_iterations=60", "experiment.name=bound").code == 0
    bounded = only_run(folder, "bound")
    losses = [line["train_loss"] for line in history(bounded)]
    assert record(bounded)["reason"] == "max_iterations"
    assert len(losses) == 60

    best, count, expected = losses[0], 0, 1
    while count < 3:
        loss = losses[expected]
        count = 0 if best - loss >= 0.01 else count + 1
        best, expected = min(best, loss), expected + 1

    rule = ("fit.tolerance.min_change=0.01", "fit.tolerance.checks=3")
    said = runtree(*SGD, "fit.max_iterations=60", *rule, "experiment.name=tolerance")
    ended = only_run(folder, "tolerance")
    assert record(ended)["reason"] == "tolerance"
    assert record(ended)["fit"] == {"unit": "epoch", "iterations": expected, "reason": "tolerance"}
    assert [line["train_loss"] for line in history(ended)] == losses[:expected]
    assert f"stopped  after {expected} epochs: tolerance" in said.out
    assert f"stopped after {expected} epochs: tolerance" in runtree("show", "latest").out


def test_history_holds_losses_and_metrics_of_both_parts_and_a_picture_shows_them(runtree, folder):
    assert runtree("train", "algorithm=gradient_boosting", "data=iris", "fit.every=20", *UNEXAMINED).code == 0
    assert runtree("report").code == 0
    run = only_run(folder)
    assert [line["step"] for line in history(run)] == [20, 40, 60, 80, 100]
    wanted = {f"{part}_{name}" for part in ("train", "validation") for name in ("loss", "balanced_accuracy")}
    assert set(history(run)[0]) == {"step", "learning_rate", "seconds", *wanted}
    metrics = json.loads((run / "metrics.json").read_text())
    assert history(run)[-1]["train_loss"] == pytest.approx(metrics["train"]["log_loss"])
    assert history(run)[-1]["validation_balanced_accuracy"] == metrics["validation"]["balanced_accuracy"]
    assert (run / "plots" / "learning_curve.svg").read_text().startswith("<?xml")
    assert json.loads((run / "plots" / "learning_curve.json").read_text())["history"] == history(run)


def test_what_watching_costs_too_much_for_is_watched_when_asked(runtree, folder):
    assert runtree("train", "algorithm=logistic", "data=iris", *UNEXAMINED).code == 0
    assert not (only_run(folder) / "history.jsonl").exists()
    assert record(only_run(folder))["reason"] == "tolerance"
    assert (
        runtree("train", "algorithm=logistic", "data=iris", "fit.history=true", "experiment.name=b", *UNEXAMINED).code
        == 0
    )
    assert len(history(only_run(folder, "b"))) == record(only_run(folder, "b"))["fit"]["iterations"]
    one, other = ((only_run(folder, name) / "predictions.parquet").read_bytes() for name in ("default", "b"))
    assert one == other


def test_patience_keeps_the_best_iterations_model(runtree, folder):
    rule = ("fit.patience.checks=2", "fit.patience.metric=validation_loss", "fit.every=1")
    assert runtree("train", "algorithm=gradient_boosting", "algorithm.learning_rate=0.5", *rule, *UNEXAMINED).code == 0
    run = only_run(folder)
    losses = [line["validation_loss"] for line in history(run)]
    best = losses.index(min(losses)) + 1
    assert record(run)["fit"]["best"] == best == len(losses) - 2
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["validation"]["log_loss"] == pytest.approx(min(losses))


def test_patience_watches_the_objective_whatever_else_is_scored(runtree, folder):
    asked = ("fit.patience.checks=3", "fit.metrics=[f1]", "algorithm=sgd", "data=iris")
    assert runtree("train", *asked, *UNEXAMINED).code == 0
    assert {"validation_f1", "validation_balanced_accuracy"} < set(history(only_run(folder))[0])


def test_text_that_an_algorithm_cannot_read_is_told_with_what_to_do(runtree, folder):
    (folder / "rows.csv").write_text("a,b,y\n" + "".join(f"{n},x{n % 3},{n % 2}\n" for n in range(60)))
    said = runtree("train", "data=csv", "data.path=rows.csv", "data.target=y", "preprocess=raw", "algorithm=sgd")
    assert said.code == 2
    assert "algorithm=sgd takes only numbers" in said.err
    assert "preprocess=tabular" in said.err


def test_a_loss_that_explodes_fails_the_run_with_advice(runtree, folder):
    wild = ("data=diabetes", "algorithm=sgd", "algorithm.learning_rate=constant", "algorithm.eta0=1e5")
    said = runtree("train", *wild, "preprocess=none")
    assert said.code == 1
    assert "diverged at iteration 1" in said.err
    assert "lower the learning rate" in said.err
    assert record(only_run(folder))["reason"] == "diverged"


def test_folds_are_fitted_under_the_same_rules(runtree, folder):
    rule = ("fit.patience.checks=2", "evaluator=cross_validation", "algorithm=sgd", "data=iris")
    refused = runtree("train", *rule)
    assert refused.code == 2
    assert "fit.validation_fraction=0.1" in refused.err
    assert runtree("train", *rule, "fit.validation_fraction=0.2", "experiment.name=b", *UNEXAMINED).code == 0
    run = only_run(folder, "b")
    assert record(run)["reason"] == "patience"
    assert len(json.loads((run / "metrics.json").read_text())["folds"]) == 5


SLOW = """
import time
from pathlib import Path
from sklearn.neural_network import MLPClassifier

calls, held = [], Path(__file__).parent / "held"

class Slow(MLPClassifier):
    def partial_fit(self, X, y, classes=None):
        calls.append("of this process")
        while len(calls) > 20 and held.exists():
            time.sleep(0.02)
        return super().partial_fit(X, y, classes=classes)
"""
MLP = (
    *("train", "algorithm=mlp", "data=iris", "fit.max_iterations=60", "algorithm.tol=0", "fit.checkpoint.every=4"),
    *("fit.patience.checks=50", "fit.patience.metric=validation_loss", *UNEXAMINED),
)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(runtree, folder):
    assert runtree(*MLP, "experiment.name=whole").code == 0
    whole = only_run(folder, "whole")
    (folder / "slow.py").write_text(SLOW)
    (folder / "held").touch()
    typed = (*MLP, "experiment.name=cut", "algorithm._target_.classification=slow.Slow")
    code = f"import sys; from runtree.cli.main import main; sys.exit(main({list(typed)!r}))"
    for step in (12, 30):
        args = [*typed] if step == 12 else ["train", "--continue", "latest", "--trust", "slow.Slow"]
        code = f"import sys; from runtree.cli.main import main; sys.exit(main({args!r}))"
        worker = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.DEVNULL)
        wait_until(lambda step=step: len(kept(folder)) and max(kept(folder)) >= step, worker)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert record(only_run(folder, "cut"))["state"] == "running"
    (folder / "held").unlink()
    assert runtree("train", "--continue", "latest", "--trust", "slow.Slow").code == 0
    cut = only_run(folder, "cut")
    assert record(cut)["state"] == "completed"
    assert (cut / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    assert (cut / "predictions.parquet").read_bytes() == (whole / "predictions.parquet").read_bytes()
    first, second = ([{**line, "seconds": 0} for line in history(run)] for run in (whole, cut))
    assert first == second


def kept(folder):
    return [int(path.name) for path in folder.glob("outputs/cut/*/checkpoints/[0-9]*")]


def wait_until(true, worker):
    end = time.monotonic() + 180
    while not true():
        assert worker.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.02)


def test_a_run_that_is_done_is_trained_further_in_a_folder_of_its_own(runtree, folder):
    assert runtree(*SGD, "fit.max_iterations=20", "fit.checkpoint.every=5").code == 0
    first = only_run(folder)
    assert runtree("train", "--continue", "latest", "fit.max_iterations=33", "experiment.name=further").code == 0
    further = only_run(folder, "further")
    assert runtree(*SGD, "fit.max_iterations=33", "experiment.name=whole").code == 0
    assert (further / "metrics.json").read_bytes() == (only_run(folder, "whole") / "metrics.json").read_bytes()
    assert [line["step"] for line in history(further)] == list(range(1, 34))
    assert record(first)["fit"]["iterations"] == 20


@pytest.mark.parametrize(
    ("first", "then", "code", "said"),
    [
        ((), (), 2, "has no checkpoint to continue from"),
        (("fit.checkpoint.every=2",), (), 2, "has completed"),
        (("fit.checkpoint.every=2",), ("algorithm.alpha=1",), 2, "the config has changed: algorithm.alpha"),
        (("fit.checkpoint.every=2",), ("-m",), 2, "--continue is for one run"),
    ],
)
def test_what_cannot_go_on_says_why(runtree, folder, first, then, code, said):
    assert runtree(*SGD, "fit.max_iterations=4", *first).code == 0
    before = sorted(path.name for path in only_run(folder).rglob("*"))
    answer = runtree("train", "--continue", "latest", *then)
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert sorted(path.name for path in only_run(folder).rglob("*")) == before


def test_nothing_to_go_on_with_is_no_such_run(runtree):
    assert runtree("train", "--continue", "latest").code == 5


@pytest.mark.slow
def test_a_sweep_gives_runs_up_by_their_iterations(runtree, folder: Path):
    asked = ("tuner=hyperband", "tuner.stop.max_runs=12", "fit.every=5", "data=breast_cancer")
    space = ("algorithm.learning_rate=tag(log,interval(1e-4,0.3))", "algorithm.max_iter=60")
    alone = ("compute.engine=in_process", "tuner.refit=false", "tuner.plots=false", "tuner.report=false")
    assert runtree("tune", "algorithm=hist_gradient_boosting", *asked, *space, *alone, *UNEXAMINED).code == 0
    (sweep,) = (folder / "outputs" / "default").iterdir()
    states = [record(run)["state"] for run in sorted((sweep / "runs").iterdir())]
    assert states.count("pruned") >= 1
    pruned = [run for run in (sweep / "runs").iterdir() if record(run)["state"] == "pruned"]
    assert all(history(run)[-1]["step"] < 60 for run in pruned)
    assert all("validation_balanced_accuracy" in history(run)[0] for run in pruned)


def test_a_tuner_that_prunes_makes_reports_of_what_is_not_watched_unasked(runtree, folder):
    refused = runtree(
        "tune", "algorithm=hist_gradient_boosting", "tuner=hyperband", "fit.history=false", "tuner.stop.max_runs=2"
    )
    assert refused.code == 2
    assert "reports nothing to prune by" in refused.err


COUNTED = """
import os, time
from pathlib import Path
from sklearn.linear_model import SGDClassifier

class Counted(SGDClassifier):
    def partial_fit(self, X, y, classes=None):
        epochs = Path(__file__).parent / "epochs.txt"
        with epochs.open("a") as file:
            file.write(f"{os.getpid()}\\\\n")
        while len(seen := epochs.read_text().split()) > 23 and set(seen) == {str(os.getpid())}:
            time.sleep(0.02)  # until this first process is killed
        return super().partial_fit(X, y, classes=classes)
"""


@pytest.mark.slow
def test_a_run_of_a_sweep_whose_worker_dies_goes_on_from_its_checkpoint(runtree, folder):
    (folder / "counted.py").write_text(COUNTED.replace("\\\\n", "\\n"))
    typed = (
        *("tune", "algorithm=sgd", "algorithm._target_.classification=counted.Counted", "data=iris"),
        *("algorithm.tol=null", "fit.max_iterations=60", "fit.checkpoint.every=5", "experiment.name=cut"),
        *(
            "tuner=random",
            "tuner.stop.max_runs=1",
            "tuner.backoff=0",
            "tuner.plots=false",
            "tuner.refit=false",
            *UNEXAMINED,
        ),
    )
    code = f"import sys; from runtree.cli.main import main; sys.exit(main({list(typed)!r}))"
    driver = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.DEVNULL)
    wait_until(lambda: any(folder.glob("outputs/cut/*/runs/0000/checkpoints/0000002[0-9]")), driver)
    os.kill(int((folder / "epochs.txt").read_text().split()[-1]), signal.SIGKILL)
    assert driver.wait(180) == 0
    (sweep,) = (folder / "outputs" / "cut").iterdir()
    run = sweep / "runs" / "0000"
    epochs = (folder / "epochs.txt").read_text().split()
    assert len(set(epochs)) == 2, "another worker took it up"
    assert 60 <= len(epochs) <= 66, "and did again what came after the last checkpoint, no more"
    assert [line["step"] for line in history(run)] == list(range(1, 61))
    assert record(run)["state"] == "completed"


def test_runs_of_a_sweep_that_are_not_kept_keep_no_checkpoints(runtree, folder):
    asked = ("tuner.stop.max_runs=4", "tuner=random", "fit.max_iterations=6", "fit.checkpoint.every=2", *UNEXAMINED)
    assert runtree("tune", "algorithm=sgd", "data=iris", *asked, "compute.engine=in_process").code == 0
    kept_by = {path.parent.parent.name for path in folder.glob("outputs/default/*/runs/*/checkpoints/*")}
    models = {path.parent.name for path in folder.glob("outputs/default/*/runs/*/model")}
    assert kept_by == models
    assert len(models) == 1
