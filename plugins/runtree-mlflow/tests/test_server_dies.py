"""A server that dies in the midst of a run. Last of the files, as there is no server afterwards."""

import json
import time
from collections.abc import Callable
from typing import Any

from conftest import Seen, Server, stage, warnings
from runtree.cli.main import main


def test_a_server_that_dies_in_the_midst_costs_a_line_and_push_makes_up_for_it(
    run: Callable[..., Any], server: Server, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    place = (server.place / "dies").as_uri()  # written by clients themselves, so that the store alone will do later
    Seen(server.uri).client.create_experiment("dies", artifact_location=place)

    def dies(run: Any) -> None:
        seen = Seen(server.uri)
        for _ in range(240):
            if seen.runs("dies") and seen.history(seen.one("dies"), "train_loss"):
                break
            time.sleep(0.5)
        assert seen.one("dies").info.status == "RUNNING"  # while it runs
        server.stop()

    patience = "+tracking.mlflow.patience=120"
    [one] = run("fit.max_iterations=3", "experiment.name=dies", patience, extra=stage(dies)).runs
    assert json.loads((one.folder / "run.json").read_text())["state"] == "completed"
    [line] = warnings(caplog)
    assert line.startswith("mlflow: ") and f"runtree mlflow push {one.folder}" in line
    assert main(["mlflow", "push", "--uri", server.store]) == 0
    seen = Seen(server.store)
    found = seen.one("dies")
    assert (found.info.status, {"config.yaml", "model"} <= seen.files(found)) == ("FINISHED", True)
    assert [len(seen.history(found, name)) for name in ("train_loss", "test/accuracy")] == [3, 1]
