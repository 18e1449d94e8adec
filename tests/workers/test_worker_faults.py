"""Faults F1, F2, F12 to F14 of the workers, each caused for real."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from observing import nursery, until, workers

from runtree.contract.errors import RunFailedError
from runtree.workers import fork_server
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned

HERE = str(Path(__file__).parent)
MB = 1_000_000


def begin(one, log, *payload, job=0):
    """Submit a job and wait until it says that it is at work."""
    log = log / f"{job}.txt"
    one.executor.submit(Job(job, payload, log=log))
    assert until(lambda: one.executor.wait(0) or (log.exists() and log.read_text()))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (("leave", 0), 0),
        (("leave", 7), 7),
        (("segfault",), -signal.SIGSEGV),
        (("kill_me",), -signal.SIGKILL),
    ],
)
def test_a_worker_that_ends_takes_its_job_alone_with_it(driver, payload, code):
    two = driver(2)
    two.executor.submit(Job(0, ("saving", 0.6)))
    (died,) = two.do(*payload, job=1)
    assert (died.job, died.cause, died.code) == (1, "crashed", code)
    assert two.do("echo", "the next", job=2) == [JobReturned(2, "the next")]
    assert two.hear(0) == [JobReturned(0, "slept")]


def test_a_worker_that_dies_idle_is_replaced_unheard(driver):
    one = driver()
    one.do("echo", 0)
    first = workers()
    os.kill(first[0], signal.SIGKILL)
    assert until(lambda: one.executor.wait(0) or (workers() and workers() != first))
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_fork_that_fails_is_tried_again_but_not_for_ever(driver):
    assert driver(factory="jobs:hardly_forking", argument=2).do("echo", 1) == [JobReturned(0, 1)]
    with pytest.raises(RunFailedError, match="4 of them ended right after their start, with code 71"):
        driver(factory="jobs:hardly_forking", argument=100).do("echo", 1)


def test_a_stray_term_ends_an_idle_worker_and_no_later_job(driver):
    one = driver()
    one.do("echo", 0)
    first = workers()
    os.kill(first[0], signal.SIGTERM)
    assert until(lambda: one.executor.wait(0) or (workers() and workers() != first))
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_job_whose_time_is_up_may_save(driver):
    one = driver(grace=20.0)
    before = time.monotonic()
    assert one.do("saving", 60, max_seconds=0.2) == [JobReturned(0, "saved")]
    assert time.monotonic() - before < 10
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


@pytest.mark.parametrize("payload", [("sleep", 60), ("backtrack",), ("litter_and_stay",)])
def test_a_job_that_does_not_save_dies_of_the_signal_with_all_below_it(driver, family, tmp_path, payload):
    (died,) = driver(grace=20.0).do(*payload, max_seconds=0.4, log=tmp_path / "log.txt")
    assert (died.cause, died.code) == ("max_seconds", -signal.SIGTERM)
    assert died.seconds >= 0.4
    assert len(family()) <= 3  # guard, nursery, and perhaps the next worker already
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("name", ["deaf", "stop_me", "loop_in_c", "breed"])
def test_a_job_that_does_not_listen_is_killed_after_the_grace_with_all_below_it(driver, family, name):
    one = driver(grace=0.2)
    (died,) = one.do(name, max_seconds=0.5)
    assert (died.cause, died.code) == ("max_seconds", -signal.SIGKILL)
    assert died.seconds >= 0.7
    assert len(family()) <= 3
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_job_may_be_terminated_before_and_after_it_has_begun(driver, tmp_path):
    one = driver()
    one.executor.submit(Job(0, ("sleep", 60)))
    one.executor.terminate(0)
    assert one.hear() == [JobDied(0, "terminated", 0, 0.0, 0)]
    for job, payload, code in ((1, ("sleep", 60), -signal.SIGTERM), (2, ("deaf",), -signal.SIGKILL)):
        begin(one, tmp_path, *payload, job=job)
        one.executor.terminate(job)
        one.executor.terminate(job)
        (died,) = one.hear(job)
        assert (died.cause, died.code) == ("terminated", code)
        one.executor.terminate(job)  # it has ended already
    assert one.do("echo", 3, job=3) == [JobReturned(3, 3)]


@pytest.mark.parametrize("name", ["grow", "grow_in_child"])
def test_a_job_that_grows_beyond_its_memory_is_killed(driver, family, name):
    one = driver()
    (died,) = one.do(name, 350 * MB, memory=150 * MB)
    assert (died.cause, died.code) == ("memory", -signal.SIGKILL)
    assert died.peak > 150 * MB
    assert len(family()) <= 3
    assert one.do("grow", 60 * MB, job=1, memory=150 * MB) == [JobReturned(1, "held")]


def test_pages_that_forks_share_count_once(driver):
    one = driver()
    assert one.do("share_with_forks", 100 * MB, 4, memory=300 * MB) == [JobReturned(0, [0] * 4)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not count it")
def test_a_sudden_huge_allocation_is_an_error_of_the_work_and_leaves_no_bound_behind(driver):
    one = driver()
    assert one.do("hoard", 20_000 * MB, memory=200 * MB) == [JobReturned(0, "MemoryError")]
    assert one.do("hoard", 1_000 * MB, job=1) == [JobReturned(1, 1_000 * MB)]


def test_a_flood_of_output_is_cut_in_the_middle(driver, tmp_path):
    log = tmp_path / "log.txt"
    driver().do("flood", 300 * MB, log=log)
    lines = log.read_bytes().splitlines()
    assert log.stat().st_size <= 10 * MB
    assert lines[0] == b"the first line"
    assert lines[-1].endswith(b"the last line")
    assert any(b"cut here" in line for line in lines)


def test_what_a_job_leaves_behind_is_gone_when_its_result_is_told(driver, family):
    one = driver()
    (returned,) = one.do("litter")
    assert isinstance(returned, JobReturned)
    assert len(family()) <= 3
    assert one.do("pid", job=1)[0].result != returned.result


def test_a_nursery_that_is_killed_is_replaced_and_its_jobs_are_told_dead(driver, family, tmp_path):
    two = driver(2)
    two.executor.submit(Job(1, ("echo", 1)))
    two.hear(1)
    begin(two, tmp_path, "litter_and_stay")
    first = nursery()
    first.kill()
    (died,) = two.hear(0)
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert not any(process.pid == first.pid for process in family())
    assert two.do("echo", 2, job=2) == [JobReturned(2, 2)]
    assert len(family()) == 4


def test_a_guard_that_is_killed_takes_nursery_and_workers_with_it(driver, family, tmp_path):
    one = driver()
    begin(one, tmp_path, "deaf")
    old = family()
    nursery().parent().kill()
    (died,) = one.hear(0)
    assert died.cause == "crashed"
    assert until(lambda: not set(old) & set(family()))
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


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
@pytest.mark.parametrize("with_nursery", [False, True])
def test_a_driver_that_is_killed_leaves_no_process(family, name, with_nursery):
    with subprocess.Popen([sys.executable, "-c", DRIVER, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        assert until(lambda: len(family()) == 8)
        guard = psutil.Process(process.pid).children()[0]
        for victim in (guard.children() if with_nursery else []) + [process]:
            victim.kill()
        process.wait()
        assert until(lambda: not family(), 2)


def test_a_fork_of_a_killed_driver_does_not_keep_the_workers_alive(family):
    code = DRIVER.replace("while True", "if not os.fork():\n    import time; time.sleep(60)\nwhile True")
    with subprocess.Popen([sys.executable, "-c", code, "deaf"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        assert until(lambda: len(family()) == 9)
        process.kill()
        process.wait()
        assert until(lambda: len(family()) == 1, 5)
        family()[0].kill()


def test_a_worker_that_stops_amid_a_message_does_not_stop_the_driver(driver, tmp_path, monkeypatch):
    monkeypatch.setattr(fork_server, "_MESSAGE_TIMEOUT", struct.pack("@ll", 0, 300_000))
    one = driver()
    begin(one, tmp_path, "stop_while_talking", 50 * MB)
    assert until(lambda: any(psutil.Process(pid).status() == "stopped" for pid in workers()))
    (died,) = one.hear()
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_a_stopped_driver_keeps_its_workers_and_a_killed_one_in_its_set_up_leaves_nothing(family):
    code = DRIVER.replace("jobs:make_function", "jobs:slow")
    with subprocess.Popen([sys.executable, "-c", code, "deaf"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[]\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        assert len(family()) == 3
        process.kill()
        process.wait()
        assert until(lambda: not family(), 2)


def test_every_job_is_returned_or_dead_however_many_workers_are_killed(driver, family):
    two, chance = driver(2), random.Random(0)
    heard, open_jobs, killed, job = Counter(), set(), 0, 0
    while job < 200 or open_jobs:
        while job < 200 and len(open_jobs) < 2:
            two.executor.submit(Job(job, ("train", chance.randrange(4))))
            open_jobs.add(job)
            job += 1
        if killed < 20 and job > killed * 9 and (found := workers()):
            os.kill(chance.choice(found), signal.SIGKILL)
            killed += 1
        for event in two.executor.wait(20):
            if not isinstance(event, JobReported):
                assert isinstance(event, JobReturned) or (event.cause, event.code) == ("crashed", -signal.SIGKILL)
                heard[event.job] += 1
                heard[type(event).__name__] += 1
                open_jobs.remove(event.job)
    assert killed == 20
    assert all(heard[job] == 1 for job in range(200))
    assert heard["JobReturned"] >= 180
