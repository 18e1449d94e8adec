"""A look before the first run, by whoever will work on the runs."""

from runtree.contract.errors import RequestError
from runtree.sweeps.endings import how
from runtree.sweeps.messages import PreflightRequest, PreflightResult
from runtree.workers.executor import Executor, Job, JobDied, JobReported, JobReturned

LOOKS = 3  # how often somebody else looks where a process died of it, or was killed


def ask(prober: Executor, probe: PreflightRequest) -> PreflightResult:
    """Let a worker look; where its process dies, another one does.

    Raises
    ------
    RuntreeError
        What speaks against the sweep, or that nobody survives the look.
    """
    deaths: list[JobDied] = []
    while len(deaths) < LOOKS:
        prober.submit(Job(-1, probe))
        event = _ending(prober)
        if isinstance(event, JobDied):
            deaths.append(event)
            continue
        if isinstance(event.result, Exception):
            raise event.result
        assert isinstance(event.result, PreflightResult)
        return event.result
    raise RequestError(
        f"data: to look at it ended the process that did, {LOOKS} times: {how(deaths[-1])}",
        "see where, in one run: runtree train … without -m",
    )


def _ending(prober: Executor) -> JobReturned | JobDied:
    while True:
        for event in prober.wait(None):
            if not isinstance(event, JobReported):
                return event
