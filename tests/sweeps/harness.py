"""A sweep without processes: the objective is a function, and who ends first is settled by the test."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.contract.search import Dimension, Interval
from runtree.records.ledger import Ledger, read_ledger
from runtree.sweeps.loop import Driver
from runtree.sweeps.messages import AttemptResult
from runtree.sweeps.options import read_loop_options, read_stop_rules
from runtree.sweeps.proposer import Proposer, Study
from runtree.sweeps.results import Objectives, read_constraints
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import SweepState
from runtree.sweeps.stopping import StopMonitor
from runtree.workers.executor import Job, JobDied, JobReported, JobReturned

LINE = (Dimension("x", Interval(0.0, 1.0)),)
Objective = Callable[[int, Mapping[str, Any]], Any]


def outcome(value: Any, seconds: float = 1.0, **more: Any) -> AttemptResult:
    values = value if isinstance(value, tuple) else (value,)
    facts = {"metrics": {"validation": {"score": values[0]}}, "stages": {}, "fingerprints": {}, "error": None}
    facts |= {"reason": None, "state": "completed", "task": None, "kept": False} | more
    return AttemptResult(objectives=values, seconds=seconds, **facts)


class Scripted:
    """An executor whose jobs end in the order that `first` picks from those that run."""

    def __init__(self, objective: Objective, slots: int = 1, first: Callable[[list[int]], int] = min) -> None:
        self.objective, self.slots, self.first = objective, slots, first
        self.jobs: dict[int, Mapping[str, Any]] = {}
        self.begun: list[int] = []
        self.pruned: list[int] = []
        self.most = 0
        self.terminated: set[int] = set()
        self.pending: list[Any] = []

    def submit(self, job: Job) -> None:
        assert len(self.jobs) < self.slots and job.id not in self.jobs
        self.jobs[job.id] = job.payload
        self.begun.append(job.id)
        self.most = max(self.most, len(self.jobs))

    def wait(self, timeout: float | None = None) -> list[Any]:
        if self.pending:
            event = self.pending.pop(0)
            if not isinstance(event, JobReported):
                del self.jobs[event.job]
            return [event]
        number = self.first(sorted(self.jobs))
        if number in self.terminated:
            del self.jobs[number]
            return [JobDied(number, "terminated", -15, 0.5, 0)]
        found = self.objective(number, self.jobs[number])
        if isinstance(found, list):  # reports first, the result last
            *reports, found = found
            for step, value in enumerate(reports, 1):
                self.pending.append(JobReported(number, step, {"validation_score": value}))
            self.pending.append(found if isinstance(found, JobDied) else JobReturned(number, found))
            return self.wait()
        del self.jobs[number]
        if isinstance(found, JobDied):
            return [found]
        return [JobReturned(number, found if isinstance(found, AttemptResult | Exception) else outcome(found))]

    def prune(self, job: int) -> None:
        self.pruned.append(job)
        self.pending = [JobReturned(job, outcome(0.0, state="pruned", reason="pruned"))]

    def acknowledge(self, job: int) -> None:
        pass

    def terminate(self, job: int) -> None:
        self.terminated.add(job)

    def close(self) -> None:
        pass


class NoFiles:
    """The tasks of a sweep whose runs have no folders."""

    def make_job(self, run, trial, front) -> Job:
        return Job(run.number, dict(trial.values))

    def archive_attempt(self, run) -> None:
        pass

    def count_predictions(self, run) -> None:
        pass

    def record_failure(self, run, result, trial) -> None:
        pass

    def stop_request(self) -> None:
        return None


class Silent:
    def ended(self, driver: Driver, entry: Any) -> None:
        pass

    def tick(self, driver: Driver) -> None:
        pass


def freeze(family: SearchSpace, values: Mapping[str, Any]) -> tuple[FrozenConfig, str]:
    return FrozenConfig({"seed": 0, **values}, ""), family.name + json.dumps(dict(values), sort_keys=True, default=str)


def make(
    folder,
    executor,
    tuner,
    space=LINE,
    *,
    objectives=(("score", "maximize"),),
    families=None,
    stop=None,
    retry=(),
    **tuner_node,
) -> Driver:
    """Return a driver over a ledger in `folder`, which is gone on with where there is one."""
    options = read_loop_options({"stop": stop or {}, "backoff": 0.0, **tuner_node})
    judge = Objectives(tuple(objectives), read_constraints(options.constraints))
    families = families or [SearchSpace("", {}, tuple(space))]
    ledger = Ledger(folder / "ledger.jsonl")
    book = SweepState().apply_all(read_ledger(ledger.file))
    arms = []
    for family in families:
        own = tuner()
        own.begin(family.space, [direction for _, direction in objectives], 0)
        arms.append(Study(family, own))
    rules = read_stop_rules(options.stop)
    driver = Driver(
        executor=executor,
        ledger=ledger,
        state=book,
        proposer=Proposer(arms, book, freeze, rules.max_runs, options.shares),
        objectives=judge,
        monitor=StopMonitor(rules, objectives[0][1]),
        options=options,
        tasks=NoFiles(),
        observer=Silent(),
        result_delay=options.lag or executor.slots,
        retry=frozenset(retry),
    )
    driver.open()
    return driver


def history(driver: Driver) -> list[tuple[int, Any, Any]]:
    """Return number, values and objectives of each run."""
    return [(n, dict(driver.state.trials[e.trial].values), e.objectives) for n, e in sorted(driver.state.runs.items())]
