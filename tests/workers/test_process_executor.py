import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_helpers import until

from runtree.contract.errors import MissingError, RunFailedError
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned

HERE = str(Path(__file__).parent)


def test_the_result_is_that_of_the_job_function(start):
    assert start().run_job("echo", {"a": [1, 2]}) == [JobReturned(0, {"a": [1, 2]})]


def test_the_factory_is_called_once_for_all_workers(start):
    executor = start(2, argument="given")
    origins = {event.result for job in range(6) for event in executor.run_job("origin", job=job)}
    assert len(origins) == 1
    assert origins.pop()[1] == "given"


def test_a_worker_runs_many_jobs(start):
    executor = start()
    assert len({executor.run_job("pid", job=job)[0].result for job in range(20)}) == 1


def test_slots_run_concurrently_and_end_in_any_order(start, tmp_path):
    executor = start(2)
    executor.submit(Job(0, ("until_there", str(tmp_path / "end"))))
    executor.submit(Job(1, ("echo", 1)))
    with pytest.raises(ValueError, match="no free slot"):
        executor.submit(Job(2, ("echo", 2)))
    assert executor.events_until_end(1) == [JobReturned(1, 1)]
    (tmp_path / "end").touch()
    assert executor.events_until_end(0) == [JobReturned(0, "it is there")]


def test_wait_returns_at_its_timeout_and_at_once_without_a_job(start):
    executor = start()
    executor.run_job("echo", 0)
    assert executor.wait() == executor.wait(60) == []
    executor.submit(Job(0, ("sleep", 60)))
    assert executor.wait(0) == []
    assert executor.wait(0.05) == []


def test_two_executors_are_independent(start):
    first, second = start(), start()
    assert first.run_job("echo", 1) == [JobReturned(0, 1)]
    second.submit(Job(0, ("saving", 0.3)))
    first.close()
    assert second.events_until_end() == [JobReturned(0, "slept")]


def test_close_ends_running_jobs_and_can_be_repeated(start, started):
    executor = start(2)
    executor.submit(Job(0, ("deaf",)))
    executor.submit(Job(1, ("litter_and_stay",)))
    assert until(lambda: executor.wait(0) or len(started()) == 7)  # supervisor, fork server, workers, children
    for _ in range(2):
        executor.close()
        assert started() == []
    assert executor.wait() == []
    with pytest.raises(ValueError, match="closed"):
        executor.submit(Job(2, ()))


def test_close_does_not_wait_for_the_factory(start, started):
    with start(factory="jobs:slow"):
        assert until(lambda: len(started()) == 2)
    assert started() == []


def test_a_runtree_error_of_the_factory_is_raised_as_it_is(start):
    executor = start(factory="jobs:refusing", argument="x")
    executor.submit(Job(0, ()))
    for _ in range(2):
        with pytest.raises(MissingError, match="plugin 'x' is not installed") as raised:
            executor.wait(20)
    assert raised.value.hints == ("type pip install it",)
    assert "in refusing" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("jobs:failing", "the workers could not start: KeyError: 'x'"),
        ("no.such:module", "the workers could not start: ModuleNotFoundError: No module named 'no'"),
        ("jobs:crashing", "the process that starts the workers ended with code 3, 2 times in a row"),
    ],
)
def test_any_other_error_of_the_factory_is_one_line(start, factory, reason):
    executor = start(factory=factory, argument="x")
    with pytest.raises(RunFailedError, match=reason):
        executor.run_job("echo", 1)


def test_an_unpicklable_payload_is_refused_by_submit(start):
    executor = start()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        executor.submit(Job(0, lambda: None))
    assert executor.run_job("echo", 1) == [JobReturned(0, 1)]


@pytest.mark.parametrize("name", ["escape", "unwritable", "unreadable", "ask_to_leave"])
def test_an_exception_of_the_job_function_is_in_the_log(start, tmp_path, name):
    executor, log = start(), tmp_path / "log.txt"
    (died,) = executor.run_job(name, log=log)
    assert (died.job, died.cause) == (0, "crashed")
    assert "Traceback" in log.read_text()
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_all_output_goes_to_the_log(start, tmp_path, capfd):
    executor, log = start(), tmp_path / "log.txt"
    log.write_text("there before\n")
    executor.run_job("talk", log=log)
    executor.run_job("talk", job=1)
    lines = log.read_text().splitlines()
    assert lines[0] == "there before"
    assert sorted(lines[1:]) == ["from C", "from Python", "from a child", "to standard error"]
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_does_not_harm_the_job(start, tmp_path):
    assert start().run_job("echo", 1, log=tmp_path / "no" / "log.txt") == [JobReturned(0, 1)]


def test_reports_arrive_while_the_job_runs_and_it_can_be_pruned(start):
    executor = start()
    executor.submit(Job(0, ("train", 500)))
    assert executor.wait(20)[0] == JobReported(0, 0, {"loss": 1.0})
    executor.acknowledge(0)
    executor.prune(0)
    assert executor.events_until_end()[-1].result[0] == "pruned"


def test_a_job_can_be_pruned_before_it_starts(start):
    executor = start()
    executor.submit(Job(0, ("train", 500)))
    executor.prune(0)
    assert executor.events_until_end()[-1].result[0] == "pruned"


def test_a_synchronous_report_waits_for_the_decision(start):
    executor = start(sync_reports=True)
    for job, name in enumerate(("train", "train_in_thread")):
        executor.submit(Job(job, (name, 10)))
        for step in range(4):
            (event,) = executor.wait(20)
            assert (event.job, event.step) == (job, step)
            assert executor.wait(0.05) == []
            executor.prune(job) if step == 3 else executor.acknowledge(job)
        assert executor.events_until_end(job)[-1] == JobReturned(job, ("pruned", 3))


def test_a_late_decision_does_not_reach_the_next_job(start):
    executor = start()
    executor.submit(Job(0, ("train", 1)))
    until(lambda: executor.wait(0) and time.sleep(0.1) is None)  # it has ended, and its event is unread
    executor.prune(0)
    executor.events_until_end()
    executor.prune(0)
    assert executor.run_job("train", 2, job=1)[-1].result == ("completed", 2)


def test_a_job_can_start_processes_and_wait_for_them(start):
    executor = start()
    assert executor.run_job("pool", job=0)[-1] == JobReturned(0, [1, 2, 3])
    assert executor.run_job("pool", job=1)[-1] == JobReturned(1, [1, 2, 3])


def test_a_fork_that_returns_out_of_the_job_function_sends_nothing(start):
    executor = start()
    assert executor.run_job("fork_and_fall_out") == [JobReturned(0, "the parent")]
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_changes_of_the_worker_by_a_job_are_undone(start, tmp_path):
    executor = start()
    executor.run_job("wander", str(tmp_path), job=0)
    assert executor.run_job("where", job=1)[0].result == Path.cwd()
    assert executor.run_job("saving", 600, job=2, max_seconds=1.0) == [JobReturned(2, "saved")]


def test_ctrl_c_reaches_only_the_driver(started, tmp_path):
    code = f"""
import os, pathlib, signal, sys; sys.path.insert(0, {HERE!r})
from runtree.workers.executor import Job
from runtree.workers.process_executor import ProcessExecutor
with ProcessExecutor(2, "jobs:make_function", None) as executor:
    executor.submit(Job(0, ("until_there", {str(tmp_path / "end")!r})))
    print(executor.wait(0.5), flush=True)
    try:
        os.killpg(0, signal.SIGINT)  # what a terminal does
        executor.wait()
    except KeyboardInterrupt:
        pathlib.Path({str(tmp_path / "end")!r}).touch()
        print(executor.wait())
"""
    # a program from standard input: it cannot be imported a second time
    done = subprocess.run(
        [sys.executable, "-"], input=code, capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert done.stdout.splitlines() == ["[]", "[JobReturned(job=0, result='it is there')]"], done.stderr


def test_a_driver_that_does_not_close_leaves_no_process(started):
    code = f"""
import sys; sys.path.insert(0, {HERE!r})
from runtree.workers.executor import Job
from runtree.workers.process_executor import ProcessExecutor
executor = ProcessExecutor(2, "jobs:make_function", None)
executor.submit(Job(0, ("echo", 1)))
print(executor.wait())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[JobReturned(job=0, result=1)]\n", "")
    assert started() == []


def test_ended_workers_leave_no_open_descriptors(start):
    executor = start()
    executor.run_job("leave", 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for job in range(1, 11):
        executor.run_job("leave", 0, job=job)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_forks_after_the_import_of_scikit_learn_can_use_native_threads(start):
    executor = start(2, factory="jobs:boosting", threads=2)
    executor.submit(Job(0, 0))
    results = [executor.events_until_end(0), executor.run_job(job=2), executor.run_job(job=3, memory=1_000_000_000)]
    assert all(threads == {2} and score > 0.8 for [event] in results for _, score, threads in [event.result])


def test_the_death_of_a_job_is_described(start):
    (died,) = start().run_job("kill_me")
    assert isinstance(died, JobDied)
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert died.peak > 5_000_000
    assert 0 <= died.seconds < 1000  # a duration, and no time of a clock
