"""Registering, deciding, promoting and rolling back; what is refused, and what a kill leaves behind."""

import multiprocessing
import shutil

import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import GateError, NotFoundError, RequestError
from runtree.records.find import find_run
from runtree.records.model_log import ModelFolder, read_log
from runtree.records.model_versions import find_model, find_version
from runtree.registry.store import Registry
from runtree.registry.verify import verify_registry


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry", QuietHooks(), "anna")


@pytest.fixture
def record(tmp_path):
    return write_run(tmp_path / "r1")


def approved(registry, record, name="churn"):
    version = registry.register(name, record, {})
    return registry.decide(name, str(version.number), "approve", "checked")


def test_a_version_is_a_copy_that_stays_when_the_run_goes(registry, record):
    version = registry.register("churn", record, {"team": "credit"})
    shutil.rmtree(record.folder)
    found = find_version(registry.root, "models:/churn/1")
    assert found == version
    assert (found.run, found.state, dict(found.tags), found.by) == ("r1", "pending", {"team": "credit"}, "anna")
    assert (found.folder / "model" / "weights.bin").read_bytes() == b"weights"
    assert (found.folder / "card.md").read_text().startswith("# churn, version 1\n")
    assert registry.hooks.told == [("model_registered", {"version": version})]


def test_the_same_model_is_not_registered_twice_but_another_is(registry, record, tmp_path):
    registry.register("churn", record, {})
    with pytest.raises(RequestError, match="models:/churn/1 is the model of run r1 already"):
        registry.register("churn", record, {})
    assert registry.register("churn", write_run(tmp_path / "r2"), {}).number == 2
    assert registry.register("other", record, {}).number == 1


def test_a_model_that_was_changed_after_the_run_is_refused(registry, record):
    (record.folder / "model" / "weights.bin").write_bytes(b"other")
    with pytest.raises(RequestError, match="not the file that the run wrote"):
        registry.register("churn", record, {})
    assert not registry.root.exists()


@pytest.mark.parametrize("place", ["model/linked", "predictions.parquet", "code"])
def test_a_link_in_a_run_brings_in_no_file_of_the_user(registry, record, tmp_path, place):
    (tmp_path / "secret").mkdir()
    (record.folder / place).unlink(missing_ok=True)
    (record.folder / place).symlink_to(tmp_path / "secret")
    with pytest.raises(RequestError, match="link"):
        registry.register("churn", record, {})
    with pytest.raises(NotFoundError):
        find_version(registry.root, "models:/churn/1")


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", "a b", "", "a@b"])
def test_a_name_leads_nowhere_else(registry, record, name):
    with pytest.raises(RequestError, match="cannot name a model"):
        registry.register(name, record, {})


def test_a_protected_alias_needs_an_approval_with_a_reason(registry, record):
    registry.register("churn", record, {})
    with pytest.raises(RequestError, match="is pending, and champion is protected"):
        registry.move_alias("churn", "1", "champion")
    with pytest.raises(RequestError, match="a reason is needed"):
        registry.decide("churn", "1", "approve", " ")
    registry.decide("churn", "1", "approve", "checked")
    assert registry.move_alias("churn", "1", "champion").aliases == ("champion",)
    assert [name for name, _ in registry.hooks.told] == ["model_registered", "alias_moved"]


def test_another_alias_moves_as_it_is_told(registry, record):
    registry.register("churn", record, {})
    registry.move_alias("churn", None, "challenger")
    assert find_run(registry.root, str(registry.root / "churn/versions/1")).id == "r1"
    assert find_version(registry.root, "churn@challenger").number == 1
    registry.remove_alias("churn", "challenger")
    with pytest.raises(NotFoundError, match="unknown alias of churn 'challenger'"):
        find_version(registry.root, "churn@challenger")


@pytest.mark.parametrize("alias", ["3", "latest", "a/b", ".x", ""])
def test_an_alias_is_a_name_and_no_number(registry, record, alias):
    registry.register("churn", record, {})
    with pytest.raises(RequestError, match="cannot be an alias"):
        registry.move_alias("churn", "1", alias)


def test_only_those_named_by_the_policy_approve(registry, record):
    registry.register("churn", record, {})
    registry.set_policy("churn", {"approvers": ["ben"]})
    with pytest.raises(RequestError, match="anna may not approve versions of churn"):
        registry.decide("churn", "1", "approve", "checked")
    assert Registry(registry.root, registry.hooks, "ben").decide("churn", "1", "approve", "checked").state == "approved"


def test_a_plugin_may_object(registry, record):
    approved(registry, record)
    registry.hooks.objection = "not on a Friday"
    with pytest.raises(GateError, match="champion stays as it is: not on a Friday"):
        registry.move_alias("churn", "1", "champion")
    assert find_model(registry.root, "churn").aliases == {}


def test_roll_backs_go_back_move_by_move_and_leave_rejected_versions_out(registry, tmp_path):
    for number in range(1, 5):
        approved(registry, write_run(tmp_path / f"r{number}"))
        registry.move_alias("churn", str(number), "champion")
    assert registry.roll_back("churn", "champion").number == 3
    registry.decide("churn", "2", "reject", "trained on the wrong month")
    assert registry.roll_back("churn", "champion").number == 1
    with pytest.raises(RequestError, match="champion of churn meant no other version before 1"):
        registry.roll_back("churn", "champion")
    registry.move_alias("churn", "4", "champion")
    assert registry.roll_back("churn", "champion").number == 1


def test_a_version_in_production_is_rolled_back_before_it_is_rejected(registry, record, tmp_path):
    approved(registry, record)
    registry.move_alias("churn", "1", "champion")
    with pytest.raises(RequestError, match="unset churn champion"):  # there is no other to go back to
        registry.decide("churn", "1", "reject", "wrong")
    approved(registry, write_run(tmp_path / "r2"))
    registry.move_alias("churn", "2", "champion")
    with pytest.raises(RequestError, match="rollback churn champion"):
        registry.decide("churn", "2", "reject", "wrong")


def test_a_kill_between_the_files_and_the_line_registers_nothing(registry, record, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("runtree.registry.store.append_entry", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.register("churn", record, {})
    folder = ModelFolder(registry.root / "churn")
    assert folder.version(1).path.is_dir() and read_log(folder) == ([], [])
    assert registry.register("churn", record, {}).number == 1


def test_a_full_disk_registers_nothing_and_says_so(registry, record, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("runtree.records.model_log._write", full)
        with pytest.raises(RequestError, match="No space left on device"):
            registry.register("churn", record, {})
    assert registry.register("churn", record, {}).number == 1


def test_eight_processes_that_register_at_once_get_consecutive_numbers(registry, tmp_path):
    records = [write_run(tmp_path / f"r{number}", content=b"%d" % number) for number in range(16)]
    gate = multiprocessing.get_context("fork").Barrier(8)  # forked, since each import of pandas takes a second

    def race(index):
        gate.wait(60)
        for record in records[index::8]:
            registry.register("churn", record, {})

    racers = [multiprocessing.get_context("fork").Process(target=race, args=(index,)) for index in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0] * 8
    model = find_model(registry.root, "churn")
    assert list(model.versions) == list(range(1, 17))
    assert {version.run for version in model.versions.values()} == {record.id for record in records}
    assert verify_registry(registry.root).faults == []
