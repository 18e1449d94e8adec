"""A sweep of a command: a run is pruned by what it reports, one goes on from its own checkpoint after kill -9."""

import json
import sys

from real_sweeps import UNEXAMINED, ended, left_nothing, session, sweep_of, wait_for

from runtree.cli.main import main

SCRIPT = """
import argparse, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
parser.add_argument("--checkpoint-path")
given = parser.parse_args()
file = given.checkpoint_path + "/epoch"
done = int(open(file).read()) if os.path.exists(file) else 0
with open("begun.txt", "a") as begun:
    print(given.scale, done, file=begun)
for epoch in range(done + 1, 4):
    with open(file, "w") as checkpoint:
        checkpoint.write(str(epoch))
    print(f"epoch {epoch} rmse={given.scale / epoch}", flush=True)
    while given.scale == 2 and epoch == 2 and os.path.exists("slow"):
        time.sleep(0.02)
"""
WORDS = [
    "train", "-m", "algorithm=command", f"algorithm.command=[{sys.executable},-S,epochs.py]", "data=csv",
    "data.path=rows.csv", "data.target=y", "algorithm.hyperparameters.scale=choice(1,2,9)",
    "algorithm.hyperparameters.checkpoint-path=/opt/ml/checkpoints", "algorithm.grace=1",
    'algorithm.metrics={step: "epoch ([0-9]+)", validation_rmse: "rmse=(.*)"}', "fit.checkpoint.every=1",
    "tuner=random", "tuner.stop.max_runs=3", "tuner.plots=false", "tuner.backoff=0", "compute.slots=1", *UNEXAMINED,
    "tuner.pruner={_target_: optuna.pruners.ThresholdPruner, upper: 5}",
]  # fmt: skip


def test_a_sweep_of_a_command_is_pruned_killed_and_resumed(folder, capsys):
    (folder / "epochs.py").write_text(SCRIPT)
    (folder / "rows.csv").write_text("a,y\n" + "".join(f"{n},{n / 2}\n" for n in range(40)))
    (folder / "slow").touch()
    with session(folder, *WORDS) as one:
        wait_for(
            one, lambda: slow_run(folder) and (slow_run(folder) / "checkpoints" / "00000002").is_dir(), "a checkpoint"
        )
        one.kill()
        left_nothing(one)
    (folder / "slow").unlink()
    code = main(["resume", "latest", "--trust", "algorithm.command"])
    assert code == 0, capsys.readouterr().err
    states = {event["values"]["algorithm.hyperparameters.scale"]: event["state"] for event in ended(folder)}
    assert states == {1: "completed", 2: "completed", 9: "pruned"}
    assert len(ended(folder)) == 3
    [number] = [event["run"] for event in ended(folder) if event["values"]["algorithm.hyperparameters.scale"] == 2]
    assert (folder / "begun.txt").read_text().count("2.0 2\n") == 1
    steps = [json.loads(line) for line in sweep_of(folder).run(number).history.read_text().splitlines()]
    assert [(line["step"], line["validation_rmse"]) for line in steps] == [(1, 2.0), (2, 1.0), (3, 2 / 3)]


def slow_run(folder):
    """Return the folder of the run that waits."""
    histories = folder.glob("outputs/*/*/runs/*/history.jsonl")
    return next((file.parent for file in histories if '"validation_rmse": 2.0' in file.read_text()), None)
