"""What workers are asked for beside the runs of a sweep: to keep one, to look at one again."""

from collections.abc import Sequence
from typing import Any

from runtree.sweeps.driver import TICK, Driver
from runtree.sweeps.executor import Job, Reported, Returned
from runtree.sweeps.payload import Complete


def ask_all(driver: Driver, payload: Complete) -> Sequence[Any]:
    """Hand a piece of work to every worker and return their answers."""
    return carry_out(driver, [payload] * driver.executor.slots)


def carry_out(driver: Driver, payloads: Sequence[Any]) -> list[Any]:
    """Let workers do some pieces of work and return what came of each, in order: None of one whose worker died.

    A second Ctrl-C ends the waiting.
    """
    jobs = {-1 - place: payload for place, payload in enumerate(payloads)}  # runs count from 0 on
    answers: dict[int, Any] = {}
    begun = 0
    while len(answers) < len(jobs) and driver.signals < 2:
        while begun < len(jobs) and begun - len(answers) < driver.executor.slots:
            driver.executor.submit(Job(-1 - begun, payloads[begun]))
            begun += 1
        for event in driver.executor.wait(TICK):
            if isinstance(event, Reported):
                driver.executor.go_on(event.job)
            else:
                answers[event.job] = event.result if isinstance(event, Returned) else None
    return [answers.get(job) for job in jobs]
