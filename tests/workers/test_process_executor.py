import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from observing import until

from runtree.contract.errors import MissingError, RunFailedError
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned

HERE = str(Path(__file__).parent)


def test_a_job_returns_what_its_work_returns(driver):
    assert driver().do("echo", {"a": [1, 2]}) == [JobReturned(0, {"a": [1, 2]})]


def test_set_up_is_done_once_for_all_workers(driver):
    one = driver(2, argument="given")
    made = {event.result for job in range(6) for event in one.do("made", job=job)}
    assert len(made) == 1
    assert made.pop()[1] == "given"


def test_a_worker_does_many_jobs(driver):
    one = driver()
    assert len({one.do("pid", job=job)[0].result for job in range(20)}) == 1


def test_slots_work_at_the_same_time_and_finish_in_their_own_order(driver):
    two = driver(2)
    two.executor.submit(Job(0, ("sleep", 0.5)))
    two.executor.submit(Job(1, ("echo", 1)))
    with pytest.raises(ValueError, match="no free slot"):
        two.executor.submit(Job(2, ("echo", 2)))
    assert [event.job for event in two.hear(0)] == [1, 0]


def test_waiting_ends_with_its_time_and_at_once_without_a_job(driver):
    one = driver()
    one.do("echo", 0)
    assert one.executor.wait() == one.executor.wait(60) == []
    one.executor.submit(Job(0, ("sleep", 60)))
    assert one.executor.wait(0) == []
    assert one.executor.wait(0.05) == []


def test_two_executors_do_not_know_of_each_other(driver):
    first, second = driver(), driver()
    assert first.do("echo", 1) == [JobReturned(0, 1)]
    second.executor.submit(Job(0, ("saving", 0.3)))
    first.executor.close()
    assert second.hear() == [JobReturned(0, "slept")]


def test_closing_ends_what_is_running_and_may_be_repeated(driver, family):
    two = driver(2)
    two.executor.submit(Job(0, ("deaf",)))
    two.executor.submit(Job(1, ("litter_and_stay",)))
    assert until(lambda: two.executor.wait(0) or len(family()) == 7)  # guard, nursery, workers, children
    for _ in range(2):
        two.executor.close()
        assert family() == []
    assert two.executor.wait() == []
    with pytest.raises(ValueError, match="closed"):
        two.executor.submit(Job(2, ()))


def test_closing_does_not_wait_for_the_set_up(driver, family):
    with driver(factory="jobs:slow").executor:
        assert until(lambda: len(family()) == 2)
    assert family() == []


def test_an_error_of_the_set_up_comes_as_itself(driver):
    one = driver(factory="jobs:refusing", argument="x")
    one.executor.submit(Job(0, ()))
    for _ in range(2):
        with pytest.raises(MissingError, match="plugin 'x' is not installed") as raised:
            one.executor.wait(20)
    assert raised.value.hints == ("type pip install it",)
    assert "in refusing" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("jobs:failing", "the workers could not start: KeyError: 'x'"),
        ("no.such:module", "the workers could not start: ModuleNotFoundError: No module named 'no'"),
        ("jobs:crashing", "the process that starts them ended with code 3"),
    ],
)
def test_another_fault_of_the_set_up_is_told_in_a_line(driver, factory, reason):
    one = driver(factory=factory, argument="x")
    with pytest.raises(RunFailedError, match=reason):
        one.do("echo", 1)


def test_what_cannot_be_pickled_is_refused_where_it_is_given(driver):
    one = driver()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        one.executor.submit(Job(0, lambda: None))
    assert one.do("echo", 1) == [JobReturned(0, 1)]


@pytest.mark.parametrize("name", ["escape", "unwritable", "unreadable", "ask_to_leave"])
def test_an_error_that_escapes_the_work_is_in_the_log(driver, tmp_path, name):
    one, log = driver(), tmp_path / "log.txt"
    (died,) = one.do(name, log=log)
    assert (died.job, died.cause) == (0, "crashed")
    assert "Traceback" in log.read_text()
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_whoever_prints_prints_to_the_log(driver, tmp_path, capfd):
    one, log = driver(), tmp_path / "log.txt"
    log.write_text("there before\n")
    one.do("talk", log=log)
    one.do("talk", job=1)
    lines = log.read_text().splitlines()
    assert lines[0] == "there before"
    assert sorted(lines[1:]) == ["from C", "from Python", "from a child", "to standard error"]
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_does_not_harm_the_job(driver, tmp_path):
    assert driver().do("echo", 1, log=tmp_path / "no" / "log.txt") == [JobReturned(0, 1)]


def test_reports_come_as_they_are_told_and_a_job_may_be_pruned(driver):
    one = driver()
    one.executor.submit(Job(0, ("train", 500)))
    assert one.executor.wait(20)[0] == JobReported(0, 0, {"loss": 1.0})
    one.executor.acknowledge(0)
    one.executor.prune(0)
    ended = one.hear()[-1].result
    assert ended[0] == "pruned"
    assert ended[1] < 100


def test_a_job_may_be_pruned_before_it_begins(driver):
    one = driver()
    one.executor.submit(Job(0, ("train", 500)))
    one.executor.prune(0)
    assert one.hear()[-1].result[0] == "pruned"


def test_with_synchronous_reports_each_waits_for_its_answer(driver):
    one = driver(sync_reports=True)
    for job, name in enumerate(("train", "train_in_thread")):
        one.executor.submit(Job(job, (name, 10)))
        for step in range(4):
            (event,) = one.executor.wait(20)
            assert (event.job, event.step) == (job, step)
            assert one.executor.wait(0.05) == []
            one.executor.prune(job) if step == 3 else one.executor.acknowledge(job)
        assert one.hear(job)[-1] == JobReturned(job, ("pruned", 3))


def test_an_answer_that_comes_late_does_not_reach_the_next_job(driver):
    one = driver()
    one.executor.submit(Job(0, ("train", 1)))
    until(lambda: one.executor.wait(0) and time.sleep(0.1) is None)  # it has ended, and nobody has heard of it
    one.executor.prune(0)
    one.hear()
    one.executor.prune(0)
    assert one.do("train", 2, job=1)[-1].result == ("completed", 2)


def test_a_job_may_start_processes_and_wait_for_them(driver):
    one = driver()
    assert one.do("pool", job=0)[-1] == JobReturned(0, [1, 2, 3])
    assert one.do("pool", job=1)[-1] == JobReturned(1, [1, 2, 3])


def test_a_fork_that_falls_out_of_the_work_says_nothing(driver):
    one = driver()
    assert one.do("fork_and_fall_out") == [JobReturned(0, "the parent")]
    assert one.do("echo", 1, job=1) == [JobReturned(1, 1)]


def test_what_a_job_changes_about_its_worker_is_undone(driver, tmp_path):
    one = driver()
    one.do("wander", str(tmp_path), job=0)
    assert one.do("where", job=1)[0].result == Path.cwd()
    assert one.do("saving", 60, job=2, max_seconds=0.1) == [JobReturned(2, "saved")]


def test_interrupting_from_the_keyboard_reaches_the_driver_alone(family):
    code = f"""
import os, signal, sys; sys.path.insert(0, {HERE!r})
from runtree.workers.executor import Job
from runtree.workers.process_executor import ProcessExecutor
with ProcessExecutor(2, "jobs:make_function", None) as executor:
    executor.submit(Job(0, ("saving", 1)))
    print(executor.wait(0.5), flush=True)
    try:
        os.killpg(0, signal.SIGINT)  # what a terminal does
        executor.wait()
    except KeyboardInterrupt:
        print(executor.wait())
"""
    # a program from standard input: nothing may import it again
    done = subprocess.run(
        [sys.executable, "-"], input=code, capture_output=True, text=True, timeout=30, start_new_session=True
    )
    assert done.stdout.splitlines() == ["[]", "[JobReturned(job=0, result='slept')]"], done.stderr


def test_a_driver_that_forgets_to_close_leaves_nothing(family):
    code = f"""
import sys; sys.path.insert(0, {HERE!r})
from runtree.workers.executor import Job
from runtree.workers.process_executor import ProcessExecutor
executor = ProcessExecutor(2, "jobs:make_function", None)
executor.submit(Job(0, ("echo", 1)))
print(executor.wait())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("[JobReturned(job=0, result=1)]\n", "")
    assert family() == []


def test_nothing_is_left_open_by_workers_that_come_and_go(driver):
    one = driver()
    one.do("leave", 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for job in range(1, 11):
        one.do("leave", 0, job=job)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_forks_of_a_process_that_has_imported_scikit_learn_use_native_threads(driver):
    two = driver(2, factory="jobs:boosting", threads=2)
    two.executor.submit(Job(0, 0))
    results = [two.hear(0), two.do(job=2), two.do(job=3, memory=1_000_000_000)]
    assert all(threads == {2} and score > 0.8 for [event] in results for _, score, threads in [event.result])


def test_died_says_how(driver):
    (died,) = driver().do("kill_me")
    assert isinstance(died, JobDied)
    assert (died.cause, died.code) == ("crashed", -signal.SIGKILL)
    assert died.peak > 5_000_000
    assert 0 <= died.seconds < 10
