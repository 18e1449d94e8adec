"""Workers that crash, hang, grow, fork and get killed: each fault is caused for real."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from process_helpers import fork_server, until, worker_pids

import runtree.workers.fork_server
import runtree.workers.pool
from runtree.contract.errors import RunFailedError
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned

HERE = str(Path(__file__).parent)
MB = 1_000_000


def begin(executor, log, *payload, job=0):
    """Submit a job and wait until it has printed something."""
    log = log / f"{job}.txt"
    executor.submit(Job(job, payload, log=log))
    assert until(lambda: executor.wait(0) or (log.exists() and log.read_text()))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (("leave", 0), 0),
        (("leave", 7), 7),
        (("segfault",), -signal.SIGSEGV),
        (("kill_me",), -signal.SIGKILL),
    ],
)
def test_the_end_of_a_worker_ends_only_its_own_job(start, tmp_path, payload, code):
    executor = start(2)
    executor.submit(Job(0, ("until_there", str(tmp_path / "end"))))
    (died,) = executor.run_job(*payload, job=1)
    assert (died.job, died.cause, died.code) == (1, "crashed", code)
    assert executor.run_job("echo", "the next", job=2) == [JobReturned(2, "the next")]
    (tmp_path / "end").touch()
    assert executor.events_until_end(0) == [JobReturned(0, "it is there")]


def test_a_worker_that_dies_idle_is_replaced_without_an_event(start):
    executor = start()
    executor.run_job("echo", 0)
    first = worker_pids()
    os.kill(first[0], signal.SIGKILL)
    assert until(lambda: executor.wait(0) or (worker_pids() and worker_pids() != first))
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_failed_fork_is_retried_a_limited_number_of_times(start):
    assert start(factory="jobs:hardly_forking", argument=2).run_job("echo", 1) == [JobReturned(0, 1)]
    with pytest.raises(RunFailedError, match="4 of them ended right after their start, with code 71"):
        start(factory="jobs:hardly_forking", argument=100).run_job("echo", 1)


@pytest.mark.parametrize("whose", ["fork server", "supervisor"])
def test_the_death_of_a_starting_helper_is_told_and_tried_again(start, tmp_path, caplog, whose):
    left = tmp_path / "left"
    left.write_text("2")
    executor = start(factory="jobs:dying", argument=(whose, left))
    assert executor.run_job("echo", 1) == [JobReturned(0, 1)]
    assert caplog.text.count("the process that starts the workers ended with code") == 2


def test_helpers_that_die_again_and_again_while_they_start_end_the_work(start, tmp_path, monkeypatch):
    monkeypatch.setattr(runtree.workers.pool, "MAX_FORK_SERVER_KILLS", 2)
    (tmp_path / "left").write_text("9")
    with pytest.raises(RunFailedError, match="ended with code 137, 3 times in a row"):
        start(factory="jobs:dying", argument=("fork server", tmp_path / "left")).run_job("echo", 1)
    assert (tmp_path / "left").read_text() == "6"


def test_a_fork_server_that_the_system_cannot_start_is_tried_again(start, monkeypatch):
    popen, failures = subprocess.Popen, iter(range(2))

    def hardly(*arguments, **options):
        if next(failures, None) is not None:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return popen(*arguments, **options)

    monkeypatch.setattr(runtree.workers.pool, "START_RETRY_SECONDS", 0)
    monkeypatch.setattr(runtree.workers.fork_server.subprocess, "Popen", hardly)
    assert start().run_job("echo", 1) == [JobReturned(0, 1)]


def test_an_error_of_the_system_in_a_starting_worker_is_not_taken_for_the_end_of_the_driver(start):
    with pytest.raises(RunFailedError, match="4 of them ended right after their start, with code 1"):
        start(factory="jobs:unable_to_serve").run_job("echo", 1)


def test_a_stray_sigterm_ends_an_idle_worker_and_no_later_job(start):
    executor = start()
    executor.run_job("echo", 0)
    first = worker_pids()
    os.kill(first[0], signal.SIGTERM)
    assert until(lambda: executor.wait(0) or (worker_pids() and worker_pids() != first))
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_job_that_exceeds_its_time_can_save_its_state(start):
    executor = start(grace=60.0)
    assert executor.run_job("saving", 600, max_seconds=1.0) == [JobReturned(0, "saved")]
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


@pytest.mark.parametrize("payload", [("sleep", 60), ("backtrack",), ("litter_and_stay",)])
def test_a_job_that_does_not_save_dies_of_sigterm_with_all_below_it(start, started, tmp_path, payload):
    (died,) = start(grace=60.0).run_job(*payload, max_seconds=0.4, log=tmp_path / "log.txt")
    assert (died.cause, died.code) == ("max_seconds", -signal.SIGTERM)
    assert died.seconds >= 0.4
    assert len(started()) <= 3  # supervisor, fork server, and perhaps the next worker already
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("name", ["deaf", "stop_me", "loop_in_c", "breed"])
def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_with_all_below_it(start, started, name):
    executor = start(grace=0.2)
    (died,) = executor.run_job(name, max_seconds=0.5)
    assert (died.cause, died.code) == ("max_seconds", -signal.SIGKILL)
    assert died.seconds >= 0.7
    assert len(started()) <= 3
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_job_can_be_terminated_before_and_after_its_start(start, tmp_path):
    executor = start()
    executor.submit(Job(0, ("sleep", 60)))
    executor.terminate(0)
    assert executor.events_until_end() == [JobDied(0, "terminated", 0, 0.0, 0)]
    for job, payload, code in ((1, ("sleep", 60), -signal.SIGTERM), (2, ("deaf",), -signal.SIGKILL)):
        begin(executor, tmp_path, *payload, job=job)
        executor.terminate(job)
        executor.terminate(job)
        (died,) = executor.events_until_end(job)
        assert (died.cause, died.code) == ("terminated", code)
        executor.terminate(job)  # it has ended already
    assert executor.run_job("echo", 3, job=3) == [JobReturned(3, 3)]


@pytest.mark.parametrize("name", ["grow_and_stay", "grow_in_child"])
def test_a_job_that_exceeds_its_memory_is_killed(start, started, name):
    executor = start()
    (died,) = executor.run_job(name, 350 * MB, memory=150 * MB)
    assert (died.cause, died.code) == ("memory", -signal.SIGKILL)
    assert died.peak > 150 * MB
    assert len(started()) <= 3
    assert executor.run_job("grow", 60 * MB, job=1, memory=150 * MB) == [JobReturned(1, "held")]


def test_pages_shared_by_forks_count_once(start):
    executor = start()
    assert executor.run_job("share_with_forks", 100 * MB, 4, memory=300 * MB) == [JobReturned(0, [0] * 4)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not count it")
def test_a_huge_allocation_is_a_memory_error_in_the_job_and_leaves_no_limit_behind(start):
    executor = start()
    assert executor.run_job("hoard", 20_000 * MB, memory=200 * MB) == [JobReturned(0, "MemoryError")]
    assert executor.run_job("hoard", 1_000 * MB, job=1) == [JobReturned(1, 1_000 * MB)]


def test_a_large_log_is_cut_in_the_middle(start, tmp_path):
    log = tmp_path / "log.txt"
    start().run_job("flood", 100 * MB, log=log)
    lines = log.read_bytes().splitlines()
    assert log.stat().st_size <= 10 * MB
    assert lines[0] == b"the first line"
    assert lines[-1].endswith(b"the last line")
    assert any(b"cut here" in line for line in lines)


def test_processes_left_by_a_job_are_gone_when_its_result_is_returned(start, started):
    executor = start()
    (returned,) = executor.run_job("litter")
    assert isinstance(returned, JobReturned)
    assert len(started()) <= 3
    assert executor.run_job("pid", job=1)[0].result != returned.result


def test_a_killed_fork_server_is_replaced_and_its_jobs_have_died(start, started, tmp_path):
    executor = start(2)
    executor.submit(Job(1, ("echo", 1)))
    executor.events_until_end(1)
    begin(executor, tmp_path, "litter_and_stay")
    first = fork_server()
    first.kill()
    (died,) = executor.events_until_end(0)
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert not any(process.pid == first.pid for process in started())
    assert executor.run_job("echo", 2, job=2) == [JobReturned(2, 2)]
    assert until(lambda: len(started()) == 4)  # the other worker may still be on its way


def test_a_killed_supervisor_ends_fork_server_and_workers(start, started, tmp_path):
    executor = start()
    begin(executor, tmp_path, "deaf")
    old = started()
    fork_server().parent().kill()
    (died,) = executor.events_until_end(0)
    assert died.cause == "crashed"
    assert until(lambda: not set(old) & set(started()))
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


DRIVER = f"""
import os, sys; sys.path.insert(0, {HERE!r})
from runtree.workers.executor import Job
from runtree.workers.process_executor import ProcessExecutor
executor = ProcessExecutor(2, "jobs:make_function", None)
executor.submit(Job(0, ("litter_and_stay",)))
executor.submit(Job(1, (sys.argv[1],)))
print(executor.wait(1), flush=True)
while True:
    executor.wait()
"""


@pytest.mark.parametrize("name", ["deaf", "stop_me", "loop_in_c"])
@pytest.mark.parametrize("with_fork_server", [False, True])
def test_a_killed_driver_leaves_no_process(started, name, with_fork_server):
    with subprocess.Popen([sys.executable, "-c", DRIVER, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        assert until(lambda: len(started()) == 8)
        supervisor = psutil.Process(process.pid).children()[0]
        for victim in (supervisor.children() if with_fork_server else []) + [process]:
            victim.kill()
        process.wait()
        assert until(lambda: not started())


def test_a_fork_of_a_killed_driver_does_not_keep_the_workers_alive(started):
    code = DRIVER.replace("while True", "if not os.fork():\n    import time; time.sleep(60)\nwhile True")
    with subprocess.Popen([sys.executable, "-c", code, "deaf"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        assert until(lambda: len(started()) == 9)
        process.kill()
        process.wait()
        assert until(lambda: len(started()) == 1)
        started()[0].kill()


def test_a_worker_stopped_within_a_message_does_not_block_the_driver(start, tmp_path, monkeypatch):
    monkeypatch.setattr(runtree.workers.fork_server, "_MESSAGE_TIMEOUT", struct.pack("@ll", 0, 300_000))
    executor = start()
    begin(executor, tmp_path, "stop_while_talking", 50 * MB)
    assert until(lambda: any(psutil.Process(pid).status() == "stopped" for pid in worker_pids()))
    (died,) = executor.events_until_end()
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert executor.run_job("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_stopped_driver_keeps_its_workers_and_one_killed_during_the_factory_leaves_none(started):
    code = DRIVER.replace("jobs:make_function", "jobs:slow")
    with subprocess.Popen([sys.executable, "-c", code, "deaf"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        assert until(lambda: len(started()) == 3)
        process.kill()
        process.wait()
        assert until(lambda: not started())


def test_every_job_returns_or_dies_exactly_once_while_workers_are_killed(start, started):
    executor, rng = start(2), random.Random(0)
    ends, open_jobs, killed, job = Counter(), set(), 0, 0
    while job < 200 or open_jobs:
        while job < 200 and len(open_jobs) < 2:
            executor.submit(Job(job, ("train", rng.randrange(4))))
            open_jobs.add(job)
            job += 1
        if killed < 20 and job > killed * 9 and (found := worker_pids()):
            with suppress(ProcessLookupError):  # one that was killed before is gone meanwhile
                os.kill(rng.choice(found), signal.SIGKILL)
                killed += 1
        for event in executor.wait(20):
            if not isinstance(event, JobReported):
                assert isinstance(event, JobReturned) or (event.cause, event.code) == ("crashed", -signal.SIGKILL)
                ends[event.job] += 1
                ends[type(event).__name__] += 1
                open_jobs.remove(event.job)
    assert killed == 20
    assert all(ends[job] == 1 for job in range(200))
    assert ends["JobReturned"] >= 180
