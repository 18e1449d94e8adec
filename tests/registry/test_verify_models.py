"""Whatever is changed in a registry afterwards is found and named, and a log that was changed is not continued."""

import json
import shutil

import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import RequestError
from runtree.records.model_log import AuditFolder, read_log
from runtree.records.model_versions import at_end_of, find_model, find_version
from runtree.registry.store import Registry
from runtree.registry.verify import find_faults, seal, verify_registry


@pytest.fixture
def registry(tmp_path, monkeypatch):
    days = (f"2026-11-{day:02d}T10:00:00.000+00:00" for day in range(1, 31))
    monkeypatch.setattr("runtree.records.model_log.timestamp", lambda: next(days))
    registry = Registry(tmp_path / "registry", QuietHooks(), "anna")
    registry.register("churn", write_run(tmp_path / "r1"), {})
    registry.decide("churn", "1", "approve", "checked")
    registry.move_alias("churn", "1", "champion")
    return registry


def faults(registry):
    return list(find_faults(find_model(registry.root, "churn")))


def all_faults(registry, *words):
    return verify_registry(registry.root, *words).faults


def cut(log, lines=1):
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-lines]))


def test_nothing_is_found_where_nothing_was_changed(registry):
    assert all_faults(registry) == all_faults(registry, "churn") == []
    assert all_faults(registry, "churn", seal(find_model(registry.root, "churn").entries)[:16]) == []
    assert all_faults(registry, None, seal(read_log(AuditFolder(registry.root))[0])[:16]) == []


@pytest.mark.parametrize("name", ["model/weights.bin", "run.json", "predictions.parquet", "card.md", "data.json"])
def test_a_changed_file_of_a_version_is_named(registry, name):
    file = registry.root / "churn/versions/1" / name
    file.write_bytes(file.read_bytes() + b" ")
    assert faults(registry) == [f"{file}: was changed"]


def test_files_that_are_missing_or_new_are_named(registry):
    folder = registry.root / "churn/versions/1"
    (folder / "card.md").unlink()
    (folder / "model/more.bin").write_bytes(b"")
    assert faults(registry) == [f"{folder / 'card.md'}: is missing", f"{folder / 'model/more.bin'}: was added"]


def test_a_manifest_that_fits_the_changed_files_is_found_by_the_log(registry):
    folder = registry.root / "churn/versions/1"
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"card.md": "0" * 64}))
    assert faults(registry) == [f"{folder / 'manifest.json'}: not the manifest that was registered"]


def test_versions_that_are_gone_or_put_in_by_hand_are_named(registry):
    (registry.root / "churn/versions/1").rename(registry.root / "churn/versions/7")
    assert faults(registry) == [
        f"{registry.root}/churn/versions/1: is missing",
        f"{registry.root}/churn/versions/7: no version of that number was registered",
    ]


def changed(lines, how):
    """Return the lines of a log, changed in one of the ways that a person or a disk may."""
    match how:
        case "a word":
            return [*lines[:2], lines[2].replace(b"champion", b"challenger"), *lines[3:]]
        case "a line less":
            return [lines[0], *lines[2:]]
        case "two lines exchanged":
            return [lines[0], lines[2], lines[1], *lines[3:]]
        case "a line twice":
            return [*lines[:2], *lines[1:]]
        case _:
            return [*lines[:2], b"{}", *lines[2:]]


@pytest.mark.parametrize("how", ["a word", "a line less", "two lines exchanged", "a line twice", "a line more"])
def test_a_changed_log_is_found_and_neither_continued_nor_followed(registry, how):
    log = registry.root / "churn/log.jsonl"
    before = log.read_bytes().rstrip(b"\n").split(b"\n")
    log.write_bytes(b"\n".join(changed(before, how)) + b"\n")
    found = faults(registry)
    assert len(found) == 1
    assert str(log) in found[0] and "line " in found[0]
    content = log.read_bytes()
    with pytest.raises(RequestError, match=r"log\.jsonl"):
        registry.tag("churn", "1", {"a": "b"})
    with pytest.raises(RequestError, match="models verify churn"):
        find_version(registry.root, "models:/churn@champion")
    assert log.read_bytes() == content


def test_logs_that_were_all_cut_show_by_a_seal_that_was_noted(registry):
    noted = seal(find_model(registry.root, "churn").entries)[:16]
    audited = seal(read_log(AuditFolder(registry.root))[0])[:16]
    cut(registry.root / "churn/log.jsonl")
    cut(AuditFolder(registry.root).log)
    assert all_faults(registry) == []
    assert "churn/log.jsonl: has no line with the seal" in all_faults(registry, "churn", noted)[0]
    assert "audit.jsonl: has no line with the seal" in all_faults(registry, None, audited)[0]


def test_a_line_that_a_kill_tore_never_happened_and_the_log_goes_on(registry):
    log = registry.root / "churn/log.jsonl"
    with log.open("ab") as file:
        file.write(b'{"number":5,"act":"rej')
    assert faults(registry) == []
    registry.tag("churn", "1", {"a": "b"})
    assert find_model(registry.root, "churn").versions[1].tags == {"a": "b"}
    assert faults(registry) == []


@pytest.mark.parametrize(
    ("date", "state", "aliases"),
    [("2026-11-01", "pending", {}), ("2026-11-02T09:00", "pending", {}), ("2026-11-02", "approved", {})]
    + [(date, "approved", {"champion": 1}) for date in ("2026-11-04", "2026-11-04T11:00+01:00", "2027-01-01")],
)
def test_the_past_is_read_as_it_was(registry, date, state, aliases):
    then = find_model(registry.root, "churn", until=at_end_of(date))
    assert (then.versions[1].state, dict(then.aliases)) == (state, aliases)


def test_before_it_was_registered_there_was_no_version(registry):
    assert find_model(registry.root, "churn", until=at_end_of("2026-10-31")).versions == {}
    with pytest.raises(RequestError, match="'soon' is not a date"):
        at_end_of("soon")


@pytest.mark.parametrize("words", [(), ("churn",)])
def test_the_audit_log_notices_a_log_that_was_cut_and_a_model_that_was_removed(registry, words):
    log = registry.root / "churn/log.jsonl"
    cut(log)
    assert faults(registry) == []
    [found] = all_faults(registry, *words)
    assert "log.jsonl: lacks its line 4, which line 4 of audit.jsonl notes" in found
    content = log.read_bytes()
    with pytest.raises(RequestError, match="lacks its line 4"):
        registry.tag("churn", "1", {"a": "b"})
    assert log.read_bytes() == content
    log.unlink()
    assert "churn/log.jsonl: was removed" in all_faults(registry, *words)[0]


@pytest.mark.parametrize(("lines", "says"), [(1, "lacks line 4 of"), (2, "lacks line 3 and later ones of")])
def test_an_audit_log_that_was_cut_is_noticed_by_the_logs_of_models(registry, lines, says):
    cut(AuditFolder(registry.root).log, lines)
    for words in ((), ("churn",)):
        [found] = all_faults(registry, *words)
        assert f"audit.jsonl: {says} {registry.root}/churn/log.jsonl" in found
    if lines == 1:  # as a kill between the two lines leaves it
        registry.tag("churn", "1", {"a": "b"})
        assert all_faults(registry) == []
        return
    with pytest.raises(RequestError, match="lacks line 3 and later ones"):
        registry.tag("churn", "1", {"a": "b"})


def test_an_audit_log_that_was_begun_anew_is_told_for_good(registry):
    AuditFolder(registry.root).log.unlink()
    registry.tag("churn", "1", {"a": "b"})
    assert "audit.jsonl: lacks line 1 and later ones of" in all_faults(registry)[0]


def test_the_log_of_one_model_does_not_pass_for_that_of_another(registry, tmp_path):
    other = registry.register("other", write_run(tmp_path / "r2"), {})
    logs = [registry.root / name / "log.jsonl" for name in ("churn", "other")]
    contents = [log.read_bytes() for log in logs]
    for log, content in zip(logs, reversed(contents), strict=True):
        log.write_bytes(content)
    assert sum("lacks its line 1, which line" in fault for fault in all_faults(registry)) == 2
    logs[0].write_bytes(contents[0])
    shutil.copytree(logs[0].parent, other.folder.parents[1], dirs_exist_ok=True)
    assert any("audit.jsonl: lacks line 1 and later ones of" in fault for fault in all_faults(registry, "other"))


def test_an_audit_log_that_was_changed_is_named_and_not_continued(registry):
    log = AuditFolder(registry.root).log
    log.write_text(log.read_text().replace('"act":"register"', '"act":"approve"'))
    assert all_faults(registry)[0].endswith("audit.jsonl: line 1 was changed after it was written")
    before = (registry.root / "churn/log.jsonl").read_bytes()
    with pytest.raises(RequestError, match=r"audit\.jsonl: line 1 was changed"):
        registry.tag("churn", "1", {"a": "b"})
    assert (registry.root / "churn/log.jsonl").read_bytes() == before  # the act did not happen
