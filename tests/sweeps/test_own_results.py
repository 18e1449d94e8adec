"""A result is taken for a run only from a record of that run, that config and that attempt, whatever lies in its folder."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from runtree.app.engines import LauncherExecutor
from runtree.contract.errors import RequestError
from runtree.records.layout import RunFolder
from runtree.records.record import new_record, write_record
from runtree.sweeps.attempts import difference_from_request
from runtree.sweeps.messages import AttemptResult, RunRequest
from runtree.sweeps.tasks import _own_record
from runtree.workers.executor import Job

CONFIG = {"experiment": {"name": "e"}, "seed": 1}


@pytest.fixture
def request_(tmp_path):
    (tmp_path / "0003").mkdir()
    return RunRequest(3, CONFIG, "f" * 64, tmp_path / "0003", "s", "2.1", objectives=(("accuracy", "maximize"),))


def record_of(request, **changes):
    record = new_record("s/0003", "e", "completed", (), CONFIG, changes.pop("fingerprint", "f" * 64), request.folder)
    metrics = {"validation": {"accuracy": 0.9}}
    return replace(record, **{"number": 3, "attempt": "2.1", "metrics": metrics, "seconds": 1.0, **changes})


OTHERS = [
    ({"number": 1}, "run 1"),
    ({"number": None}, "run ?"),
    ({"fingerprint": "e" * 64}, "another config"),
    ({"attempt": "1.1"}, "attempt 1.1"),
    ({"attempt": None}, "attempt None"),
]


@pytest.mark.parametrize(("changes", "said"), OTHERS)
def test_each_part_of_the_identity_has_to_agree(request_, changes, said):
    assert difference_from_request(record_of(request_), request_) == ""
    assert said in difference_from_request(record_of(request_, **changes), request_)


class Launching:
    """Stands for a launcher whose jobs leave a record behind, or are refused."""

    def __init__(self, record, returned=0.9):
        self.record, self.returned = record, returned

    def launch(self, overrides, initial_job_idx):
        if self.record is not None:
            write_record(RunFolder(self.record.folder), self.record, durable=False)
        return [SimpleNamespace(_return_value=self.returned)]


def launched(request, record, returned=0.9):
    task = SimpleNamespace(attempts={})
    executor = LauncherExecutor(SimpleNamespace(launcher=Launching(record, returned)), 1, None, task)
    executor.submit(Job(request.number, request))
    [event] = executor.wait()
    assert task.attempts == {3: "2.1"}
    return event.result


def test_a_launched_run_has_the_result_of_its_own_record(request_):
    result = launched(request_, record_of(request_))
    assert isinstance(result, AttemptResult)
    assert (result.state, result.objectives) == ("completed", (0.9,))


@pytest.mark.parametrize(("changes", "said"), OTHERS)
def test_a_launched_run_never_has_the_result_of_another(request_, changes, said):
    assert said in launched(request_, record_of(request_, **changes)).message
    refused = RequestError("refused")
    assert launched(request_, record_of(request_, **changes), refused) is refused


def test_a_launched_run_without_a_record_has_failed(request_):
    assert "no run.json" in launched(request_, None, ValueError("why")).message


@pytest.mark.parametrize(("changes", "said"), OTHERS[:3])
def test_what_is_written_for_a_run_takes_nothing_over_from_another(request_, changes, said):
    folder = RunFolder(request_.folder)
    write_record(folder, record_of(request_, started="before", **changes), durable=False)
    assert _own_record(request_, attempt=False).started != "before"
    write_record(folder, record_of(request_, started="before", attempt="1.1"), durable=False)
    assert _own_record(request_, attempt=False).started == "before"
    assert _own_record(request_, attempt=True).started != "before"
