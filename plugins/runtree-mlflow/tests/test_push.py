"""`runtree mlflow push`, from the tree into a store in a file, read back with MLflow's client."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from runtree_mlflow import push as pushing
from runtree_mlflow.facts import read
from runtree_mlflow.settings import Settings
from runtree_mlflow.store import Store

from conftest import Seen, Server, stage
from runtree.cli.main import main
from runtree.contract.errors import RunFailedError

Run = Callable[..., Any]


def push(*words: str) -> int:
    return main(["mlflow", "push", *words])


def told(one: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((one / "run.json").read_text())
    return content


def retell(one: Path, **changes: Any) -> None:
    (one / "run.json").write_text(json.dumps(told(one) | changes))


def milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def fail(run: Any) -> None:
    raise RunFailedError("größer als 3")


def test_all_of_a_run_is_there(one: Path, store: str) -> None:
    assert push("--uri", store) == 0
    seen = Seen(store)
    found, record = seen.one(), told(one)
    assert (found.info.run_name, found.info.status) == (one.name, "FINISHED")
    assert (found.info.start_time, found.info.end_time) == tuple(
        map(milliseconds, (record["started"], record["finished"]))
    )
    assert found.data.params["algorithm.alpha"] == "0.25"
    assert set(record["config"]) - set(found.data.params) == {"trackers", "tracking"}
    for part, metrics in record["metrics"].items():
        for name, value in metrics.items():
            assert found.data.metrics[f"{part}/{name}"] == pytest.approx(value, abs=1e-12)
    tags = found.data.tags
    assert (tags["runtree.id"], tags["runtree.state"]) == (record["id"], "completed")
    assert tags["runtree.fingerprint.data"] == record["fingerprints"]["data"]
    assert "algorithm.alpha=0.25" in tags["runtree.overrides"]
    assert tags["runtree.objective.metric"] == "balanced_accuracy"


def test_the_history_is_there_step_by_step(one: Path, store: str) -> None:
    push("--uri", store)
    seen = Seen(store)
    lines = [json.loads(line) for line in (one / "history.jsonl").read_text().splitlines()]
    begun = milliseconds(told(one)["started"])
    assert seen.history(seen.one(), "train_loss") == [
        (line["step"], pytest.approx(line["train_loss"]), begun + round(1000 * line["seconds"])) for line in lines
    ]


def test_files_plots_and_the_model_are_there(one: Path, store: str, folder: Path) -> None:
    import mlflow
    import pandas as pd

    push("--uri", store)
    seen = Seen(store)
    found = seen.one()
    assert {"config.yaml", "metrics.json", "evaluation.json", "plots", "model"} <= seen.files(found)
    assert len(seen.files(found, "plots")) == len(list((one / "plots").iterdir()))
    mlflow.set_tracking_uri(store)
    try:
        loaded = mlflow.pyfunc.load_model(f"runs:/{found.info.run_id}/model")
    finally:
        mlflow.set_tracking_uri(None)
    rows = pd.read_csv(folder / "binary.csv")
    known = pd.read_parquet(one / "predictions.parquet").set_index("row")
    answers = loaded.predict(rows).loc[known.index]
    assert answers["prediction"].tolist() == known["y_pred"].tolist()
    assert answers["p_yes"].to_numpy() == pytest.approx(known["p_yes"].to_numpy())
    place = Path(seen.client.download_artifacts(found.info.run_id, "model", str(folder)))
    assert not [file.name for file in place.rglob("*") if file.suffix in (".pkl", ".pickle")]
    assert (place / "data" / "model" / "model.skops").read_bytes() == (one / "model" / "model.skops").read_bytes()


def test_a_second_push_changes_nothing(one: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    push("--uri", store)
    seen = Seen(store)
    before = seen.one()
    capsys.readouterr()
    assert push("--uri", store, "--json") == 0
    assert [one["result"] for one in json.loads(capsys.readouterr().out)["runs"]] == ["known"]
    after = seen.one()
    assert (after.data.to_dictionary(), after.info.end_time) == (before.data.to_dictionary(), before.info.end_time)
    assert [len(seen.history(after, name)) for name in ("train_loss", "test/accuracy")] == [4, 1]


@pytest.mark.parametrize(("dies_at", "became"), [(0, "completed"), (1, "completed"), (2, "known")])
def test_what_broke_off_is_completed_without_duplicates(
    one: Path, store: str, monkeypatch: pytest.MonkeyPatch, dies_at: int, became: str
) -> None:
    calls = 0

    def log(self: Store, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            usual(self, *arguments)
        if calls >= dies_at:
            raise ConnectionError("the server is gone")
        usual(self, *arguments)

    usual = Store.log
    with monkeypatch.context() as broken:
        broken.setattr(Store, "log", log)
        with pytest.raises(ConnectionError):
            pushing.RunSender(one, Store(Settings(store))).send()
    assert list(pushing.RunSender(one, Store(Settings(store))).send().values()) == [became]
    seen = Seen(store)
    found = seen.one()
    assert found.info.status == "FINISHED"
    assert [len(seen.history(found, name)) for name in ("train_loss", "test/accuracy")] == [4, 1]
    assert {"config.yaml", "model"} <= seen.files(found)


def test_a_run_that_is_found_to_be_more_is_sent_again(one: Path, store: str) -> None:
    push("--uri", store)
    (one / "report.html").write_text("<p>drawn later")
    push("--uri", store)
    seen = Seen(store)
    assert "report.html" in seen.files(seen.one())
    assert len(seen.history(seen.one(), "train_loss")) == 4


def test_what_changes_while_it_is_sent_is_sent_the_next_time(
    one: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log(self: Store, *arguments: Any) -> None:
        usual(self, *arguments)
        retell(one, metrics=metrics)  # as at the end of a sweep, for its best run

    metrics, usual = told(one)["metrics"], Store.log
    retell(one, metrics={part: found for part, found in metrics.items() if part != "test"})
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Store, "log", log)
        pushing.RunSender(one, Store(Settings(store))).send()
    assert list(pushing.RunSender(one, Store(Settings(store))).send().values()) == ["completed"]
    assert Seen(store).one().data.metrics["test/accuracy"] == metrics["test"]["accuracy"]


def test_a_failed_run_says_why(run: Run, store: str) -> None:
    with pytest.raises(RunFailedError):
        run(extra=stage(fail))
    push("--uri", store)
    seen = Seen(store)
    found = seen.one()
    assert found.info.status == "FAILED"
    assert found.data.tags["runtree.error"] == "RunFailedError: größer als 3"
    assert {"config.yaml", "log.txt"} <= seen.files(found)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("pruned", "KILLED"),
        ("stopped", "KILLED"),
        ("interrupted", "KILLED"),
        ("running", "KILLED"),
        ("failed", "FAILED"),
    ],
)
def test_how_it_ended_is_told_in_mlflows_words(one: Path, store: str, state: str, status: str) -> None:
    retell(one, state=state)  # "running" without anybody who works there: it died
    push("--uri", store, one.name)
    assert Seen(store).one().info.status == status


def test_unicode_long_and_strange_settings(one: Path, store: str) -> None:
    strange = {"note.größe": "ä" * 7000, "note.a%b": 1, "note.a&b": 2}
    retell(one, config=told(one)["config"] | strange, experiment="Ä 1")
    assert push("--uri", store) == 0
    params = Seen(store).one("Ä 1").data.params
    assert params["note.größe"].startswith("ää") and len(params["note.größe"]) == 6000
    assert sorted(value for key, value in params.items() if key.startswith("note.a_b_")) == ["1", "2"]


def test_the_experiment_may_be_another(one: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    push("--uri", store, "--experiment", "team/eins", "--no-model")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    push("--uri", store)
    seen = Seen(store)
    assert [len(seen.runs(name)) for name in ("team/eins", "named", "default")] == [1, 1, 0]
    assert ["model" in seen.files(seen.one(name)) for name in ("team/eins", "named")] == [False, True]


@pytest.mark.parametrize(("what", "count"), [("one", 2), ("two", 1), ("latest", 1)])
def test_what_to_send_is_named(one: Path, store: str, what: str, count: int) -> None:
    for id, experiment in (("a", "one"), ("b", "one"), ("c", "two")):
        place = Path(shutil.copytree(one, one.parents[1] / experiment / id))
        retell(place, id=id, experiment=experiment)
    shutil.rmtree(one.parent)
    push("--uri", store, what)
    assert sum(len(Seen(store).runs(name)) for name in ("one", "two")) == count


def test_a_report_in_json_is_all_that_stands_in_standard_output(
    one: Path, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    assert push("--uri", server.uri, "--experiment", "json", "--json") == 0
    assert json.loads(capfd.readouterr().out)["runs"] == [{"id": one.name, "result": "sent"}]


def test_what_is_not_there_is_said(folder: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert push("--uri", store) == 5
    assert "no runs in outputs" in capsys.readouterr().err


def test_two_do_not_send_the_same_run(one: Path, store: str) -> None:
    with pushing.sending_lock(one) as free:
        assert free
        assert list(pushing.RunSender(one, Store(Settings(store))).send().values()) == ["busy"]
    assert Seen(store).runs() == []


def test_a_run_that_goes_on_is_sent_as_far_as_it_is(one: Path, store: str) -> None:
    from runtree.records.layout import RunFolder

    content, lines = told(one), (one / "history.jsonl").read_text()
    (one / "run.json").write_text(json.dumps({**content, "state": "running", "finished": None, "metrics": {}}))
    (one / "history.jsonl").write_text("".join(lines.splitlines(keepends=True)[:2]) + '{"step": 3, "tr')
    seen = Seen(store)
    sender = pushing.RunSender(one, Store(Settings(store)))
    with RunFolder(one).held():
        sender.send()
        assert seen.one().info.status == "RUNNING"
        assert len(seen.history(seen.one(), "train_loss")) == 2
    (one / "history.jsonl").write_text(lines)
    (one / "run.json").write_text(json.dumps(content))
    sender.send()
    found = seen.one()
    assert (found.info.status, len(seen.history(found, "train_loss"))) == ("FINISHED", 4)
    assert read(one).mark == found.data.tags["runtree.mark"]
