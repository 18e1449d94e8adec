"""`runtree monitor` on one trained model: records, page, exit code, labels that come later, and what is refused."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtree.app import log_parts, monitored_rows
from runtree.cli.main import main
from runtree.contract.errors import NotFoundError
from runtree.monitoring.options import WindowOptions
from runtree.records.layout import RunFolder
from runtree.records.manifest import amend_manifest
from runtree.testing.fixtures import UNEXAMINED

OTHER = {"yes": "no", "no": "yes"}
KPI = "monitor.kpis.share='count(y_pred == yes) / count()'"


def rows(count, seed, shift=0.0, cities="abc"):
    rng = np.random.default_rng(seed)
    age, city = rng.normal(40 + shift, 10, count).round(2), rng.choice(list(cities), count)
    known = (age - 40) / 10 + (city == "a") + rng.logistic(size=count) / 2 > 0.3
    return pd.DataFrame(
        {
            "id": np.arange(count) + 10_000 * seed,
            "day": pd.date_range("2026-01-01", periods=count, freq="6h").astype(str),
            "age": age,
            "city": city,
            "y": np.where(known, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    tree = tmp_path_factory.mktemp("monitored")
    rows(500, 0).to_csv(tree / "train.csv", index=False)
    rows(240, 1).to_csv(tree / "clean.csv", index=False)
    moved = rows(240, 2, shift=8.0, cities="abd")
    moved.drop(columns="y").to_parquet(tree / "moved.parquet")
    moved[["id", "y"]].assign(id=moved["id"].astype(str)).to_csv(tree / "truths.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree)
        table = ["data=csv", "data.path=train.csv", "data.target=y", "data.drop=[id,day]", "hydra.run.dir=run"]
        watched = ["monitor=default", "monitor.window.minimum=60", "evaluator.intervals.resamples=0"]
        assert main(["train", *table, "algorithm=logistic", *UNEXAMINED, *watched]) == 0
    return tree


@pytest.fixture
def tree(trained, folder):
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return folder


def windows_of(said):
    return json.loads(said.out)["windows"]


def test_clean_rows_raise_no_alarm_and_leave_records_and_a_page(tree, runtree):
    by_month = ["monitor.window.time=day", "monitor.window.every=month"]
    said = runtree("monitor", "run", "--data", "clean.csv", *by_month, KPI, "monitor.segments=[city]")
    assert said.code == 0, said
    assert "the 500 rows of the run" in said.out and "2026-02-01" in said.out and "page     monitoring/run" in said.out
    [place] = (tree / "monitoring").iterdir()
    found = json.loads((place / "2026-01-01" / "monitor.json").read_text())
    assert found["state"] == "ok" and found["reference"] == {"source": "table", "rows": 500}
    assert found["rows"] == found["labelled"] == found["quality"]["rows"] == 124
    # the run was trained with it
    assert found["options"]["window"]["minimum"] == 60
    assert found["window"]["begin"] == "2026-01-01T00:00:00"
    assert {result["column"] for result in found["drift"]} == {"", "age", "city", "prediction", "p_yes", "y"}
    assert 0 < found["kpis"]["share"]["value"] < 1 and set(found["kpis"]["share"]["segments"]["city"]) == {
        "a",
        "b",
        "c",
    }
    page = (place / "report.html").read_text()
    assert "no alarm" in page and page.count("data:image/svg+xml") == 4
    # watched again, a window is replaced and not doubled
    assert runtree("monitor", "run", "--data", "clean.csv", *by_month).code == 0
    states = {path.parent.name: json.loads(path.read_text())["state"] for path in place.glob("*/monitor.json")}
    assert states == {"2026-01-01": "ok", "2026-02-01": "ok", "2026-03-01": "small"}


def test_moved_rows_raise_an_alarm_and_an_estimate_stands_for_labels_that_are_not_there(tree, runtree):
    said = runtree("monitor", "run", "--data", "moved.parquet", "--json")
    assert said.code == 3 and "1 of 1 window raised an alarm" in said.err
    [window] = windows_of(said)
    alarms = {(result["column"], result["detector"]) for result in window["drift"] if result["alarm"]}
    assert {("age", "ks"), ("city", "unseen"), ("p_yes", "wasserstein"), ("", "classifier")} <= alarms
    assert window["quality"] is None and window["estimate"]["method"] == "CBPE" and window["labelled"] == 0
    later = runtree("monitor", "run", "--data", "moved.parquet", "--labels", "truths.csv", "--key", "id", "--json")
    [window] = windows_of(later)
    assert (window["labelled"], window["estimate"]) == (240, None)
    assert window["quality"]["metrics"]["accuracy"] > 0.6


def test_without_the_runs_table_its_record_stands_for_it(tree, runtree):
    (tree / "train.csv").unlink()
    said = runtree("monitor", "run", "--data", "moved.parquet", "--json")
    assert said.code == 3
    assert "the run's table cannot be read again" in json.loads(said.out)["notes"][0]
    [window] = windows_of(said)
    assert window["reference"]["source"] == "record"
    alarms = {(result["column"], result["detector"]) for result in window["drift"] if result["alarm"]}
    # of inputs what the record keeps, of predictions everything
    assert ("city", "unseen") in alarms and ("p_yes", "ks") in alarms
    assert {result["detector"] for result in window["drift"] if result["column"] == "age"} == {"missing"}


def test_a_broken_schema_and_a_condition_are_alarms_and_too_few_rows_are_none(tree, runtree):
    clean = rows(150, 3)
    clean.drop(columns="city").assign(age=["old", *clean["age"][1:].astype(str)]).to_csv("broken.csv", index=False)
    only = ["monitor.detectors=[schema]", "monitor.quality=none"]
    [window] = windows_of(runtree("monitor", "run", "--data", "broken.csv", "--json", *only))
    [schema] = window["drift"]
    assert schema["alarm"] and "column 'city' is missing" in schema["note"] and "'old'" in schema["note"]
    require = 'monitor.require=["kpi.share > 0.99","quality.f1 > 0.1"]'
    said = runtree(
        "monitor", "run", "--data", "clean.csv", "monitor=drift_only", "monitor.detectors=none", KPI, require
    )
    assert said.code == 3 and "require: kpi.share > 0.99; kpi.share is 0." in said.out
    assert "not checked: quality.f1 > 0.1" in said.out
    said = runtree("monitor", "run", "--data", "clean.csv", "monitor.window.minimum=500", "--json")
    assert said.code == 0 and windows_of(said)[0]["state"] == "small"


def test_rows_against_the_schema_of_the_training_are_an_alarm_of_their_window(tree, runtree):
    pytest.importorskip("pandera.pandas")
    file = tree / "run" / "model" / "model.json"
    columns = {
        "age": {"dtype": "number", "checks": {"in_range": {"min_value": -50, "max_value": 150}}},
        "city": {"checks": {"isin": ["a", "b", "c"]}, "severity": "warn"},
        "y": {"unique": True},  # of the target, and of what is unique, a window says nothing
    }
    schema = {"name": "people", "id": "id", "columns": columns, "rules": ['age > 0 or city != "c"']}
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": schema}))
    amend_manifest(RunFolder(tree / "run"), [file])
    clean = rows(240, 1)
    only = ["monitor.detectors=none", "monitor.quality=none", "monitor.window.rows=120"]
    said = runtree("monitor", "run", "--data", "clean.csv", *only, "--json")
    assert said.code == 0, said.err
    assert [window["figures"]["schema.rules"] for window in windows_of(said)] == [0, 0]
    clean.loc[[125, 130], "age"], clean.loc[[3, 126], "city"] = 400.0, "x"
    clean.loc[200, ["age", "city"]] = -3.0, "c"
    clean.to_csv("broken.csv", index=False)
    said = runtree("monitor", "run", "--data", "broken.csv", *only)
    assert said.code == 3
    assert (
        "schema: column 'age': 2 values are against in_range(min_value=-50, max_value=150), such as 400.0" in said.out
    )
    assert "(id 10125, 10130); rule age > 0 or city" in said.out and said.out.count("alarm  ") == 1
    assert said.out.count("\nnote ") == 2 and "column 'city': 1 value is against isin" in said.out
    first, second = windows_of(runtree("monitor", "run", "--data", "broken.csv", *only, "--json"))
    assert (first["state"], second["state"], second["figures"]["schema.rules"]) == ("ok", "alarm", 2)
    assert [(rule["rows"], rule["severity"]) for rule in second["schema_rules"]] == [
        (2, "error"),
        (1, "warn"),
        (1, "error"),
    ]


def test_the_log_of_a_service_is_watched_with_its_late_truths_and_its_own_answers(tree, runtree):
    from runtree.records.find import find_run
    from runtree.serving.prediction_log import LoggedPrediction, LogOptions, PredictionLog

    run = find_run(tree, "run").id
    asked = rows(220, 2, shift=8.0)
    log = PredictionLog.open(LogOptions(to="predictions", sensitive=["city"]))
    for number, row in enumerate(asked.to_dict("records")):
        outputs = {"prediction": row["y"], "probabilities": {"no": 0.4, "yes": 0.6}}
        route = "shadow" if number < 20 else "primary"
        facts = ({"age": row["age"], "city": row["city"]}, outputs, 0.004, route)
        log.append(LoggedPrediction(f"q{number}", f"2026-11-{1 + number // 110:02d}T10:00:00+00:00", run, "1", *facts))
    for number, moment in enumerate(("2026-11-01T03:00:00", "2026-11-02T22:00:00", "2026-11-03T01:00:00")):
        failed = ({"age": 1.0, "city": "a"}, {"error": "no age"}, 0.004, "primary")
        log.append(LoggedPrediction(f"e{number}", f"{moment}+00:00", run, "1", *failed))
    log.add_labels({"request_id": f"q{number}", "label": label} for number, label in enumerate(asked["y"][:160]))
    # a person looked at three answers: one is confirmed, two are changed, of which one has no truth yet
    decided = {150: asked["y"][150], 151: OTHER[asked["y"][151]], 200: OTHER[asked["y"][200]]}
    log.add_labels({"request_id": f"q{n}", "label": label, "kind": "override"} for n, label in decided.items())
    log.close()
    said = runtree("monitor", "run", "--json", "monitor.window.every=day", "monitor.kpis.slow='max(seconds)'")
    assert said.code == 3, said
    first, second, third = windows_of(said)
    assert [first["window"]["name"], second["window"]["name"]] == ["2026-11-01", "2026-11-02"]
    # answers that no client got are left out; the last 60 rows have no label yet
    assert (first["rows"], first["labelled"], second["rows"], second["labelled"]) == (90, 90, 110, 50)
    assert first["quality"]["metrics"]["accuracy"] == 1.0 and second["estimate"]["method"] == "CBPE"
    assert first["kpis"]["slow"]["value"] == 0.004
    # answers of every route count as traffic
    assert first["traffic"] == {
        "rows": 111,
        "errors": 1,
        "seconds": {"p50": 0.004, "p95": 0.004, "p99": 0.004},
        "routes": {"primary": 91, "shadow": 20},
        "versions": {"1": 111},
    }
    # errors before and after all answers count, and a day of errors alone is a window
    assert second["traffic"]["errors"] == 1 and (third["rows"], third["traffic"]["errors"]) == (0, 1)
    assert first["figures"]["seconds.p95"] == 0.004 and first["figures"]["labelled"] == 90
    assert {result["column"] for result in first["drift"]} == {"", "age", "prediction", "p_yes", "y"}
    assert "not in the log, and not compared: city" in json.loads(said.out)["notes"]
    # what people decided is counted, and is no label unless it is asked for; a truth wins
    yes = int((asked["y"][20:110] == "yes").sum())
    assert first["overrides"]["by_class"]["yes"] == {"rows": yes, "reviewed": 0, "changed": 0}
    counts = second["overrides"]
    assert (counts["reviewed"], counts["changed"], counts["share"]) == (3, 2, 2 / 110)
    assert sum(part["changed"] for part in counts["by_class"].values()) == 2
    require = 'monitor.require=["overrides.share < 0.01"]'
    more = ["monitor.window.minimum=50", "monitor.detectors=none", "monitor.labels=truths_and_overrides", require]
    one = runtree("monitor", "run", "--since", "2026-11-02", "--json", *more)
    window, _ = windows_of(one)
    assert (window["rows"], window["labelled"], window["quality"]["metrics"]["accuracy"]) == (110, 51, 50 / 51)
    assert "require: overrides.share < 0.01; overrides.share is 0.01818" in window["alarms"]
    one = runtree("monitor", "run", "--since", "2026-11-02", "--json", "monitor.quality=none")
    assert [window["rows"] for window in windows_of(one)] == [110, 0]
    second = windows_of(one)[0]
    # without words a window is a day, and what has not changed is not looked at again
    found = json.loads((tree / second["folder"] / "monitor.json").read_text())
    (tree / second["folder"] / "monitor.json").write_text(json.dumps({**found, "alarms": ["kept"]}))
    again = runtree("monitor", "run", "--since", "2026-11-02", "--json", "monitor.quality=none")
    kept, newest = windows_of(again)
    assert kept["alarms"] == ["kept"] and newest["checked"] > kept["checked"] == second["checked"]
    # a day of which only a part is read keeps its record
    late = runtree("monitor", "run", "--since", "2026-11-02T12:00", "--json", "monitor.quality=none")
    assert late.code == 5 and "no answer of" in late.err
    # a service that only fails has no rows to test, and its errors are to be seen
    require = ["monitor.window.every=day", 'monitor.require=["errors.share < 0.001","rows > 3"]']
    failing = windows_of(runtree("monitor", "run", "--json", "monitor.quality=none", *require))
    assert "errors.share is" in failing[0]["alarms"][-1] and failing[2]["state"] == "small"
    assert runtree("monitor", "run", "--log", "nowhere").code == 5
    assert "is not a date" in runtree("monitor", "run", "--since", "soon").err
    other = runtree("monitor", "run", "--since", "2026-12-01")
    assert other.code == 5 and "no answer of" in other.err


def test_a_log_in_which_each_row_was_refused_has_no_answer_and_says_so(monkeypatch):
    # the files have no column of predictions then
    rows = {
        "model": ["run-1"] * 2,
        "version": ["run"] * 2,
        "route": ["primary"] * 2,
        "time": [0, 1],
        "seconds": [0.1, 0.1],
    }
    batch = pa.RecordBatch.from_pydict({**rows, "outputs.error": ["age", "age"]})
    monkeypatch.setattr(monitored_rows, "read_prediction_log", lambda *args, **kwargs: [batch])
    record = SimpleNamespace(folder=Path("run-1"), id="run-1")
    with pytest.raises(NotFoundError, match="no answer of run-1") as caught:
        monitored_rows.read_log(monitored_rows.MonitorRequest(record, "run-1"), "y")
    assert "it holds run-1 run refused (2 rows)" in caught.value.hints[0]
    log = SimpleNamespace(batches=lambda *args, **kwargs: [batch])
    assert log_parts.part_ends(log, monitored_rows.MonitorRequest(record, "run-1"), WindowOptions()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["monitor.windw.rows=500"], "did you mean: monitor.window.rows"),
        (["window.rows=500"], "did you mean: monitor.window.rows?"),
        (["monitor=qualty_only"], "did you mean: quality_only"),
        (["monitor.detectors=[kss]"], "did you mean: ks?"),
        (["monitor.thresholds.pis=0.3"], "did you mean: psi?"),
        (["monitor.segments=[town]"], "unknown column at monitor.segments: 'town'"),
        (["monitor.ignore=[ag]"], "did you mean: age?"),
        (["monitor.kpis.x='sum(ag)'"], "did you mean: age?"),
        (["algorithm.C=1"], "monitor takes keys of data and monitor"),
        (["montior.budget=0.1"], "did you mean: monitor.budget?"),
        (["--watch", "soon"], "--watch: 'soon' is not a duration"),
        (["--watch", "0h"], "such as 30s, 15min, 1h"),
        (["--watch", "1h", "--json"], "cannot be combined"),
        (["--watch", "1h", "monitor.remind=often"], "monitor.remind: 'often' is not a duration"),
        (["monitor.alerts=[pager]"], "unknown alert channel at monitor.alerts: 'pager'"),
        (["monitor.alerting.webhook.adress=x"], "did you mean: monitor.alerting.webhook.headers"),
        (["monitor.alerting.email.password=a-typed-1"], "a secret is not typed, but named"),
        (["--labels", "truths.csv"], "--labels and --key belong together"),
        (["--since", "2026-01-01"], "--since is of the prediction log, and --data names other rows"),
        (["--log", "logged"], "--log is of the prediction log"),
        (["--labels", "truths.csv", "--key", "nr"], "unknown column of --data: 'nr'"),
        (["--labels", "truths.csv", "--key", "id"], "no 'id' of the labels is among the rows"),
    ],
)
def test_a_wrong_request_is_told(tree, runtree, words, said):
    answer = runtree("monitor", "run", "--data", "clean.csv", *words)
    assert answer.code == 2 and said in answer.err and len(answer.err.splitlines()) <= 5, answer
    assert not [*tree.glob("monitoring/*/[!.]*")]  # at most the lock of --watch


def test_what_could_not_be_tested_and_labels_of_another_class_are_told(tree, runtree):
    new = rows(150, 5)
    new.loc[:29, "y"], new.loc[40:, "y"] = "maybe", None
    new.to_csv("new.csv", index=False)
    only = ["monitor.detectors=[unseen,schema]", "monitor.segments=[age]"]
    said = runtree("monitor", "run", "--data", "new.csv", *only)
    assert said.code == 3 and "30 labels are no class of the model, such as 'maybe'" in said.out, said
    assert "drift: 'y' (unseen 0.75, 30 of 40 rows hold 'maybe')" in said.out
    assert "not checked: quality: 10 of 150 rows have a label, 60 are needed" in said.out
    assert "not checked: drift by age: no value of it has 60 rows here and in the table of the run" in said.out
    # what is typed next names the rows, and a column that is missing is no reason to train again
    new.drop(columns=["y", "city"]).to_csv("gone.csv", index=False)
    said = runtree("monitor", "run", "--data", "gone.csv", "monitor.detectors=[schema]")
    assert said.code == 3 and "gone-" in said.out and ": schema: column 'city' is missing" in said.out
    assert "--data gone.csv 'monitor.detectors=[schema]' --labels FILE --key COLUMN" in said.out


def test_keys_with_several_labels_are_refused_and_equal_ones_are_not():
    from runtree.app.monitored_rows import join_labels
    from runtree.contract.errors import DataError

    new = pd.DataFrame({"k": [1, 2, None, 4]})
    truths = pd.DataFrame({"k": ["2", "1", "1", "9"], "y": ["b", "a", "a", "c"]})
    assert join_labels(new, truths, "k", "y").tolist()[:2] == ["a", "b"]
    assert join_labels(new, truths, "k", "y")[2:].isna().all()
    with pytest.raises(DataError, match="1 keys have several labels, such as k '1'"):
        join_labels(new, truths.assign(y=["b", "a", "x", "c"]), "k", "y")


def test_each_look_prints_a_line_and_an_alarm_is_sent_once(tree, runtree, monkeypatch):
    from runtree.app import watch

    def look_and_end(app, request):
        os.kill(os.getpid(), signal.SIGTERM)
        return monitor_run(app, request)

    monitor_run = watch.monitor_run
    monkeypatch.setattr(watch, "monitor_run", look_and_end)
    words = ["run", "--data", "moved.parquet", "--watch", "1h", "monitor.alerting.webhook.url=http://127.0.0.1:9/"]
    first, second = runtree("monitor", *words), runtree("monitor", *words)
    assert (first.code, second.code) == (0, 0), first
    [line, failed] = first.out.splitlines()
    assert re.fullmatch(r"\S{19}  \S+: 1 window, 1 tested, 1 with an alarm, newest moved-\w+: alarm", line)
    assert "alerts: webhook: " in failed and "refused" in failed and "tried again at the next look" in failed
    assert "1 window, 0 tested" in second.out and "alerts: webhook" in second.out
    assert first.err.startswith("alert    ") and "alarm in window moved-" in first.err and second.err == ""
    [file] = (tree / "monitoring").glob("*/alerts.jsonl")
    events = [json.loads(text) for text in file.read_text().splitlines()]
    assert [(one["channel"], one["event"]) for one in events] == [
        ("console", "start"),
        ("console", "alarm"),
        ("webhook", "start"),
    ]
    # a single look prints its alarms anyway, and the exit code is that of the windows
    once = runtree("monitor", *words[:3], *words[5:])
    assert once.code == 3 and "alerts: webhook: " in once.out and "alert    " not in once.err


def test_a_log_that_is_read_in_parts_is_watched_as_one_that_is_read_whole(tree, runtree, monkeypatch):
    from runtree.app import log_parts
    from runtree.app.monitored_rows import read_rows
    from runtree.records.find import find_run
    from runtree.serving.prediction_log import LoggedPrediction, LogOptions, PredictionLog

    run, asked = find_run(tree, "run").id, rows(300, 2, shift=4.0)
    for part in (range(0, 300, 2), range(1, 300, 2)):  # two processes, whose files overlap in time
        log = PredictionLog.open(LogOptions(to="predictions"))
        for number in part:
            row, day = asked.iloc[number], 1 + number // 40
            fails = number < 5 or number % 17 == 0
            outputs = {"error": "age"} if fails else {"prediction": row["y"], "probabilities": {"no": 0.4, "yes": 0.6}}
            time = f"2026-11-{day:02d}T10:{number // 10 % 4:02d}:{number % 10:02d}+00:00"
            facts = ({"age": row["age"], "city": row["city"]}, outputs, 0.001 * (number % 7), "primary")
            log.append(LoggedPrediction(f"q{number}", time, run, "run", *facts))
        log.add_labels({"request_id": f"q{n}", "label": asked["y"][n]} for n in part if n % 3)
        log.close()
    reads = []
    monkeypatch.setattr("runtree.app.monitor.write_page", lambda folder: None)  # drawing takes the most time
    monkeypatch.setattr(
        "runtree.app.monitor.read_rows", lambda *given: reads.append(given[1].since) or read_rows(*given)
    )
    for number, window in enumerate(("every=day", "rows=70", "minimum=60")):

        def look(size, number=number, window=window):
            reads.clear()
            monkeypatch.setattr(log_parts, "PART_ROWS", size)
            words = [f"monitor.window.{window}", "monitor.detectors=[ks]", "monitor.budget=0.01", KPI]
            found = windows_of(runtree("monitor", "run", "--json", "-o", f"m{number}-{size}", *words))
            return [{**one, "checked": "", "folder": ""} for one in found], len(reads)

        whole, parts = look(10**9), look(1)
        assert whole[1] == 1 and parts[1] > 3 and len(whole[0]) > 3
        assert parts[0] == whole[0], window
        assert sum(one["traffic"]["rows"] for one in parts[0]) == 300
        assert look(1) == parts  # and again, beside the records
