import os

import pytest

from runtree.contract.errors import ConfigError, MissingError, RunFailedError
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned
from runtree.workers.in_process import InProcessExecutor


def test_wait_runs_the_job_in_this_process():
    executor = InProcessExecutor("jobs:make_function", "given")
    assert executor.wait() == []
    executor.submit(Job(0, ("pid",)))
    with pytest.raises(ValueError, match="the only slot is taken"):
        executor.submit(Job(1, ("pid",)))
    assert executor.wait(0) == [JobReturned(0, os.getpid())]
    assert executor.wait() == []
    executor.submit(Job(1, ("origin",)))
    assert executor.wait() == [JobReturned(1, (os.getpid(), "given"))]


def test_reports_are_returned_with_the_result():
    executor = InProcessExecutor("jobs:make_function", None)
    executor.submit(Job(0, ("train", 2)))
    assert executor.wait() == [
        JobReported(0, 0, {"loss": 1.0}),
        JobReported(0, 1, {"loss": 0.5}),
        JobReturned(0, ("completed", 2)),
    ]


def test_the_report_callback_may_prune():
    executor = InProcessExecutor("jobs:make_function", None)
    executor.on_report = lambda event: executor.prune(event.job) if event.step == 3 else executor.acknowledge(event.job)
    for job in range(2):
        executor.submit(Job(job, ("train", 10)))
        assert executor.wait() == [JobReturned(job, ("pruned", 3))]


@pytest.mark.parametrize("limit", ["max_seconds", "memory"])
def test_limits_are_refused(limit):
    with pytest.raises(ConfigError, match=f"compute.{limit}: .*\n.*compute.engine=processes"):
        InProcessExecutor("jobs:make_function", None).submit(Job(0, (), **{limit: 10}))


def test_an_exception_of_the_job_escapes_from_wait():
    executor = InProcessExecutor("jobs:make_function", None)
    executor.submit(Job(0, ("escape",)))
    with pytest.raises(ZeroDivisionError):
        executor.wait()
    executor.submit(Job(1, ("echo", 1)))
    assert executor.wait() == [JobReturned(1, 1)]


@pytest.mark.parametrize(("factory", "error"), [("jobs:refusing", MissingError), ("jobs:failing", RunFailedError)])
def test_errors_of_the_factory_are_those_of_the_other_engine(factory, error):
    executor = InProcessExecutor(factory, "x")
    executor.submit(Job(0, ()))
    with pytest.raises(error):
        executor.wait()


def test_a_job_that_has_not_started_can_be_terminated():
    executor = InProcessExecutor("jobs:make_function", None)
    executor.submit(Job(0, ("echo", 1)))
    executor.terminate(0)
    assert executor.wait() == [JobDied(0, "terminated", 0, 0.0, 0)]
    executor.submit(Job(1, ("echo", 1)))
    executor.close()
    assert executor.wait() == []
