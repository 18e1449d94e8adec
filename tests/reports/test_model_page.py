"""The page of a registered model: what a reader learns of it, from its log, its versions and its windows."""

import json

import pytest

from registered_runs import QuietHooks, write_run
from runtree.app.report import report_model, write_any_report
from runtree.contract.errors import NotFoundError, RequestError
from runtree.records.layout import MonitorFolder
from runtree.records.model_log import audit
from runtree.records.model_versions import find_model
from runtree.records.retrain_requests import write_request
from runtree.registry.store import Registry
from runtree.registry.verify import find_faults

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNTREE_REGISTRY", str(tmp_path / "registry"))
    return Registry(tmp_path / "registry", QuietHooks(), "anna")


def use(registry, tmp_path, reason="checked on October"):
    registry.register("churn", write_run(tmp_path / "r1"), {})
    registry.decide("churn", "1", "approve", reason)
    registry.move_alias("churn", "1", "champion")


def watch(tmp_path, name, state, version=1, alarms=()):
    folder = tmp_path / "monitoring" / "churn" / name
    folder.mkdir(parents=True)
    window = {
        "window": {"name": name, "begin": f"2026-0{len(list(folder.parent.iterdir()))}-01", "end": None},
        "model": {"version": version}, "rows": 200, "state": state, "drift": [], "alarms": list(alarms),
        "kpis": {HOSTILE: {"value": 0.25, "segments": {}}},
    }  # fmt: skip
    (folder / "monitor.json").write_text(json.dumps(window))


def page(word="models:/churn"):
    return report_model(word, None).file.read_text(encoding="utf-8")


def test_the_first_screen_says_how_the_model_does(registry, tmp_path):
    registry.register("churn", write_run(tmp_path / "r1"), {})
    assert ">Not in use<" in page()
    registry.decide("churn", "1", "approve", "checked on October")
    registry.move_alias("churn", "1", "champion")
    found = page()
    assert ">Not watched<" in found
    assert "runtree monitor models:/churn@champion" in found
    assert "Approved by anna" in found
    watch(tmp_path, "june", "ok")
    assert ">In order<" in page()
    watch(tmp_path, "july", "alarm", alarms=["drift: age"])
    found = page()
    assert ">Needs attention<" in found
    assert "not over" in found
    watch(tmp_path, "september", "ok")
    found = page()
    assert ">In order<" in found
    assert "not over" not in found
    watch(tmp_path, "of-another-version", "alarm", version=2)
    assert ">In order<" in page()


def test_a_version_stays_as_it_was_registered(registry, tmp_path):
    use(registry, tmp_path)
    for word in ("models:/churn", "models:/churn@champion", "models:/churn/1"):
        assert report_model(word, None).file == tmp_path / "registry" / "churn" / "report.html"
    assert list(find_faults(find_model(registry.root, "churn"))) == []


def test_requests_to_train_it_again_are_told_with_how_they_ended(registry, tmp_path):
    use(registry, tmp_path)
    assert "no trigger has fired" in page()
    watched = MonitorFolder(tmp_path / "monitoring" / "churn")
    seen = {"version": 1, "evidence": [f"40% of the columns drift {HOSTILE}"], "triggers": ["drift_share"]}
    request = write_request(watched, ["churn", "1", "june", "drift_share"], seen)
    found = page()
    assert "40% of the columns drift &lt;script&gt;" in found and "<script>alert(1)" not in found
    assert ">open<" in found and "runtree retrain churn" in found
    request.note(outcome="refused", reasons=["change.low is -0.1, required > 0"], challenger=2)
    found = page()
    assert "change.low is -0.1, required &gt; 0" in found and "runtree retrain churn" not in found


def test_alerts_and_predictions_that_people_decided_on_are_told(registry, tmp_path):
    use(registry, tmp_path)
    assert "Alerts that were sent" not in page() and "People decided" not in page()
    watch(tmp_path, "june", "alarm", alarms=["drift: age"])
    lines = [{"event": "start", "channel": "webhook", "after": None},
             {"time": "2026-06-02T08:00:00+00:00", "event": "alarm", "channel": "webhook", "window": "june"}]  # fmt: skip
    MonitorFolder(tmp_path / "monitoring" / "churn").alerts.write_text("\n".join(map(json.dumps, lines)))
    for value, model in (("no", "churn"), ("yes", "churn"), ("no", "other")):
        facts = {"model": model, "version": "1", "request": f"q-{value}", "row": 0, "predicted": "yes"}
        audit(registry.root, "override", "ben", **facts, value=value, reason=f"called {HOSTILE}")
    found = page()
    assert "Alerts that were sent" in found and ">2026-06-02 08:00<" in found and ">webhook<" in found
    assert "People decided on 2 predictions, and changed 1." in found and ">q-no/0<" in found
    assert "<script>alert(1)" not in found


def test_what_people_wrote_is_text_on_the_page(registry, tmp_path):
    use(registry, tmp_path, HOSTILE)
    watch(tmp_path, "june", "alarm", alarms=[HOSTILE])
    found = page()
    assert "<script" not in found
    assert "\u202e" not in found
    assert found.count("&lt;script&gt;alert(1)") >= 4  # reason, alarm, KPI, incident


def test_thirty_versions_with_refusals_and_one_that_was_taken_back(registry, tmp_path):
    use(registry, tmp_path)
    for number in range(2, 31):
        registry.register("churn", write_run(tmp_path / f"r{number}"), {})
    registry.decide("churn", "30", "approve", "newer")
    registry.move_alias("churn", "30", "champion")
    registry.decide("churn", "29", "reject", "worse in the north")
    registry.roll_back("churn", "champion", "complaints")
    found = page()
    assert "champion, version 1 · 30 versions" in found
    assert "worse in the north" in found
    assert "1 decision went against a version" in found
    assert "champion rolled back from version 30 to version 1: complaints" in found


def test_a_log_that_was_changed_is_said_first(registry, tmp_path):
    use(registry, tmp_path)
    log = tmp_path / "registry" / "churn" / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"checked on October", b"checked on Octobre"))
    assert ">Do not rely on it<" in page("models:/churn/1")


def test_results_in_another_folder_are_named_and_a_folder_without_any_is_refused(registry, tmp_path):
    use(registry, tmp_path)
    watch(tmp_path, "june", "ok")
    (tmp_path / "monitoring").rename(tmp_path / "elsewhere")
    [missing] = report_model("models:/churn", None).missing
    assert missing.startswith("monitoring/churn: ") and "--monitoring FOLDER" in missing
    assert report_model("models:/churn", None, tmp_path / "elsewhere").missing == ()
    assert ">In order<" in (tmp_path / "registry" / "churn" / "report.html").read_text()
    with pytest.raises(NotFoundError, match="it has no results of churn"):
        report_model("models:/churn", None, tmp_path / "nowhere")
    with pytest.raises(RequestError, match="is for the page of a registered model"):
        write_any_report(tmp_path, "latest", None, tmp_path / "elsewhere")
