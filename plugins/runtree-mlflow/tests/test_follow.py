"""The tracker with a real server: live, down, hanging; and a sweep with its runs below it."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Seen, Server, stage, warnings
from runtree.cli.main import main
from runtree.contract.errors import RunFailedError

Run = Callable[..., Any]
PATIENT = "+tracking.mlflow.patience=120"  # the machine may be busy


def test_a_run_is_there_when_it_has_ended(run: Run, server: Server, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)  # that alone asks for it
    [one] = run("fit.max_iterations=3", "experiment.name=one", "evaluator.report=true", PATIENT).runs
    seen = Seen(server.uri)
    found = seen.one("one")
    assert (found.info.run_name, found.info.status, warnings(caplog)) == (one.folder.name, "FINISHED", [])
    assert len(seen.history(found, "train_loss")) == 3
    assert {"config.yaml", "model", "plots"} <= seen.files(found)


def test_a_sweep_has_its_runs_below_it(run: Run, server: Server, caplog: Any, capsys: Any) -> None:
    asked = [
        "trackers=[mlflow]",
        f"+tracking.mlflow.uri={server.uri}",
        PATIENT,
        "tuner.keep=best",
        "fit.max_iterations=3",
        "experiment.name=six",
    ]
    done = run("-m", "algorithm.alpha=0.001,0.01,0.1", "algorithm.penalty=l1,l2", *asked)
    seen = Seen(server.uri)
    runs = {found.info.run_name: found for found in seen.runs("six")}
    parent = runs.pop(done.folder.name)
    assert sorted(runs) == [f"{number:04d}" for number in range(6)]
    assert {found.data.tags["mlflow.parentRunId"] for found in runs.values()} == {parent.info.run_id}
    assert {found.info.status for found in (parent, *runs.values())} == {"FINISHED"}
    assert sorted(
        (found.data.params["algorithm.alpha"], found.data.params["algorithm.penalty"]) for found in runs.values()
    ) == [(alpha, penalty) for alpha in ("0.001", "0.01", "0.1") for penalty in ("l1", "l2")]
    stop = json.loads((done.folder / "stop.json").read_text())
    assert (parent.data.metrics["best"], parent.data.metrics["runs/completed"]) == (stop["best"]["value"], 6)
    assert {"sweep.yaml", "leaderboard.csv", "stop.json"} <= seen.files(parent)
    best = runs[f"{stop['best']['run']:04d}"]
    assert "test/accuracy" in best.data.metrics
    assert "model" in seen.files(best)
    assert parent.info.start_time <= min(found.info.start_time for found in runs.values())
    assert parent.info.end_time >= max(found.info.end_time for found in runs.values())
    capsys.readouterr()
    assert main(["mlflow", "push", done.folder.name, "--uri", server.uri, "--json"]) == 0
    assert {one["result"] for one in json.loads(capsys.readouterr().out)["runs"]} == {"known"}
    assert len(seen.runs("six")) == 7
    assert warnings(caplog) == []


def test_a_server_that_is_not_there_costs_a_line(run: Run, monkeypatch: Any, caplog: Any, capsys: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    uri = f"http://me:hidden-word@{place}"
    [one] = run("fit.max_iterations=3", "trackers=[mlflow]", f"+tracking.mlflow.uri='{uri}'", PATIENT).runs
    assert json.loads((one.folder / "run.json").read_text())["state"] == "completed"
    [line] = warnings(caplog)
    assert "refused" in line and place in line
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert main(["mlflow", "push"]) == 1
    said = capsys.readouterr()
    assert "continue with: runtree mlflow push" in said.err
    written = [file.read_bytes() for file in one.folder.rglob("*") if file.is_file()]
    assert not [True for content in (*written, said.err.encode(), line.encode()) if b"hidden-word" in content]


def test_a_server_that_hangs_is_not_waited_for(run: Run, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")  # of the follower, which goes on without us
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        run("fit.max_iterations=3", "+tracking.mlflow.patience=0")
    [line] = warnings(caplog)
    assert "continues in the background" in line


def test_nobody_is_told_where_the_config_says_so(run: Run, store: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    run("fit.max_iterations=2", "trackers=[]")
    assert Seen(store).runs() == []


def test_a_failed_run_is_told_as_such(run: Run, store: str, monkeypatch: Any) -> None:
    def fail(run: Any) -> None:
        raise RunFailedError("no")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with pytest.raises(Exception, match="no"):
        run(PATIENT, extra=stage(fail))
    assert Seen(store).one().info.status == "FAILED"


def test_the_run_does_not_load_mlflow() -> None:
    import subprocess
    import sys

    code = "import sys, runtree_mlflow.plugin, runtree_mlflow.tracker; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_whoever_follows_ends_when_the_process_that_trains_dies(one: Path, store: str) -> None:
    from runtree_mlflow.follower import Follower
    from runtree_mlflow.settings import Settings

    from runtree.records.layout import RunFolder

    record = json.loads((one / "run.json").read_text())
    (one / "run.json").write_text(json.dumps({**record, "state": "running", "finished": None}))
    with RunFolder(one).held():
        follower = Follower(one, Settings(store))
    process = follower._process
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()  # as the kernel does
    assert json.loads(process.stdout.readline())["trouble"] is None
    process.stdout.close()
    process.wait()
    assert Seen(store).one().info.status == "KILLED"
