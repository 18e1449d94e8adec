"""Triggers over windows that are written by hand: when each fires, and what holds a request back."""

from datetime import UTC, datetime, timedelta

import pytest

from runtree.contract.errors import ConfigError
from runtree.monitoring.options import read_condition, read_options
from runtree.monitoring.triggers import TriggerView, find_fired, held_back
from runtree.records.layout import MonitorFolder
from runtree.records.retrain_requests import read_requests, write_request
from runtree.records.writer import write_json

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def window(share=None, drop=None, kpi=None, schema=None, state="ok", rows=100):
    figures = {"rows": rows, "drift.share": share, "kpi.share": kpi}
    differences = {"f1": {"value": -drop, "low": -drop - 0.01, "high": -drop + 0.01}} if drop is not None else {}
    return {
        "window": {"name": "w"},
        "state": state,
        "rows": rows,
        "figures": figures,
        "quality": {"metric": "f1", "differences": differences} if drop is not None else None,
        "drift": [] if schema is None else [{"detector": "schema", "alarm": schema, "note": "column 'a' is missing"}],
    }


def options_of(**triggers):
    return read_options({"triggers": triggers, "kpis": {"share": "count()"}})


def fired(looked_at, trained=NOW, direction="maximize", **triggers):
    options = options_of(**triggers)
    model = TriggerView(looked_at, trained.isoformat(), direction, NOW)
    return find_fired(options.triggers, model, lambda text, path: read_condition(options, text, path))


@pytest.mark.parametrize(
    ("trigger", "yes", "no"),
    [
        ({"drift_share": 0.3}, window(share=0.3), window(share=0.29)),
        # 0.031 worse with an interval of 0.01: at least 0.021 worse
        ({"quality_drop": 0.02}, window(drop=0.031), window(drop=0.029)),
        ({"kpi": "kpi.share > 0.5"}, window(kpi=0.6), window(kpi=0.5)),
        ({"schema": True}, window(schema=True), window(schema=False)),
        ({"new_rows": 100}, window(), window(rows=99)),
    ],
)
def test_each_trigger_fires_at_its_limit(trigger, yes, no):
    name = next(iter(trigger))
    names, evidence = fired([yes], any=trigger, windows=1)
    assert names == [name] and len(evidence) == 1 and evidence[0]
    assert fired([no], any=trigger, windows=1) == ([], [])


def test_age_counts_from_the_day_that_the_version_was_registered():
    names, [says] = fired([window()], NOW - timedelta(days=30), any={"age": "30d"})
    assert names == ["age"] and "30 days old" in says
    assert fired([window()], NOW - timedelta(days=29), any={"age": "30d"}) == ([], [])


def test_a_metric_that_is_to_be_small_drops_as_it_grows():
    grown = window(drop=-0.05)
    assert fired([grown], direction="minimize", any={"quality_drop": 0.02}, windows=1)[0] == ["quality_drop"]
    assert fired([grown], direction="maximize", any={"quality_drop": 0.02}, windows=1)[0] == []


def test_windows_that_do_not_tell_neither_count_nor_interrupt():
    bad, good, unlabelled, small = window(drop=0.1), window(drop=0.0), window(), window(drop=0.0, state="small")
    three = {"any": {"quality_drop": 0.02}, "windows": 3}
    says = fired([good, bad, unlabelled, bad, small, bad, unlabelled], **three)[1]
    assert says == ["f1 -0.1000 from the held-out rows, at least 0.0900 worse, limit 0.02, in 3 windows in a row"]
    assert fired([bad, bad, good, bad], **three)[0] == []
    assert fired([bad, unlabelled, bad], **three)[0] == []


def test_of_those_under_all_none_or_all_fire():
    both = {"all": {"drift_share": 0.3, "quality_drop": 0.02}, "windows": 1}
    assert fired([window(share=0.5, drop=0.0)], **both)[0] == []
    assert fired([window(share=0.5, drop=0.1)], **both)[0] == ["drift_share", "quality_drop"]
    assert fired([window(share=0.5, drop=0.1)], any={"schema": True}, **both)[0] == ["drift_share", "quality_drop"]


@pytest.mark.parametrize(
    ("triggers", "says"),
    [
        ({"any": {"drift": 0.3}}, "drift_share"),
        ({"any": {"drift_share": "much"}}, "monitor.triggers.any.drift_share"),
        ({"any": {"drift_share": 2}}, "is no share, and would never be reached"),
        ({"all": {"age": 30}}, "monitor.triggers.all.age"),
        ({"any": {"kpi": "kpi.none > 1"}}, "monitor.triggers.any.kpi"),
        ({"any": {"schema": False}}, "monitor.triggers.any.schema=true"),
        ({"cool_down": "soon"}, "monitor.triggers.cool_down"),
        ({"windows": 0}, "monitor.triggers.windows"),
    ],
)
def test_what_a_trigger_does_not_take_is_refused_with_its_path(triggers, says):
    with pytest.raises(ConfigError) as caught:
        options_of(**triggers)
    assert says in str(caught.value)


def test_requests_wait_for_the_open_one_the_cool_down_and_the_next_day(tmp_path):
    watched, triggers = MonitorFolder(tmp_path / "churn"), options_of(cool_down="2h", per_day=9).triggers

    def ask(word, version=1, **state):
        content = {"version": version, "evidence": ["drift"], "triggers": ["drift_share"]}
        request = write_request(watched, ["churn", str(version), word], content)
        request.note(**state)
        return request

    def back(hours, options=triggers, version=1):
        return held_back(options, read_requests(watched), version, NOW + timedelta(hours=hours))

    assert back(0) == ""
    first = ask("w1")
    assert ask("w1").id == first.id and len(read_requests(watched)) == 1  # the same look twice is one request
    assert back(0) == f"request {first.id} is open"
    first.note(outcome="pending", closed=NOW.isoformat())
    assert "2026-11-28 14:00 UTC" in back(1.9) and back(2) == ""
    # each refusal of a challenger of this version doubles it; that of another version does not count
    ask("w2", outcome="refused", closed=NOW.isoformat())
    assert "16:00 UTC, after 1 refused" in back(3.9) and back(4) == ""
    ask("w3", outcome="refused", closed=NOW.isoformat())
    assert "20:00 UTC, after 2 refused" in back(7.9) and back(8) == ""
    assert "14:00 UTC" in back(1, version=2)


def test_triggers_make_so_many_requests_a_day_and_typed_ones_do_not_count(tmp_path):
    watched, options = MonitorFolder(tmp_path / "churn"), options_of(cool_down="0h", per_day=2).triggers
    now = datetime.now(UTC)

    def back(days=0):
        return held_back(options, read_requests(watched), 1, now + timedelta(days=days))

    for word, triggers in (("w1", ["age"]), ("typed", []), ("w2", ["age"])):
        assert back() == ""
        request = write_request(watched, [word], {"version": 1, "evidence": [], "triggers": triggers})
        request.note(outcome="pending", closed=(now - timedelta(seconds=1)).isoformat())
        write_json(
            request.folder.request, {**request.content, "created": now.isoformat()}
        )  # not a moment after midnight
    assert back() == "2 of 2 a day were made today" and back(days=1) == ""
