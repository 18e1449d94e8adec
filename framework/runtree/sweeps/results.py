"""From the metrics of runs to results: objective values, the Pareto front, observations for tuners."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import stdev
from typing import TYPE_CHECKING

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.expression import parse
from runtree.contract.iteration import is_loss
from runtree.contract.search import Observation, TrialState
from runtree.records.compare.comparability import decides_scores, scored_by
from runtree.sweeps.messages import AttemptResult, MetricDirections, dominates
from runtree.sweeps.state import RunState, SweepState, Trial
from runtree.sweeps.stopping import StopMonitor

if TYPE_CHECKING:  # it imports omegaconf, which `runtree status` does without
    from runtree.sweeps.proposer import Proposer


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric, such as ``validation.log_loss <= 0.3``.

    Attributes
    ----------
    sign
        1 for an upper bound, -1 for a lower one.
    """

    text: str
    metric: str
    limit: float
    sign: int

    def violation(self, result: AttemptResult) -> float:
        """Return by how much a run violates the bound; 0 or less: it does not. A missing metric violates it by inf."""
        split, _, name = self.metric.partition(".")
        scored = result.metrics.get(split, {}).get(name)
        value = result.stages.get("fit") if self.metric == "fit_seconds" else scored
        # No sampler of Optuna takes NaN for a violation
        return math.inf if value is None or math.isnan(value) else self.sign * (value - self.limit)


def read_constraints(texts: Sequence[str] | str | None) -> list[Constraint]:
    """Read `tuner.constraints`; a metric without a split is that of the validation split.

    Raises
    ------
    ConfigError
        A text that is not a metric, <= or >=, and a number; or a metric of the test split.
    """
    constraints = []
    for text in [texts] if isinstance(texts, str) else texts or []:
        bound = parse(text, source="tuner.constraints", error=ConfigError).bound
        if bound is None or bound.operator not in ("<=", ">=") or not math.isfinite(bound.limit):
            raise ConfigError(
                f"tuner.constraints: '{text}' does not bound a metric",
                "possible: a metric, <= or >=, and a number",
                "for example: 'tuner.constraints=\"validation.log_loss <= 0.3\"'",
            )
        metric = bound.name if "." in bound.name or bound.name == "fit_seconds" else f"validation.{bound.name}"
        split = metric.partition(".")[0]
        # a constraint on test metrics would select by the test split
        if split not in ("train", "validation", "fit_seconds"):
            raise ConfigError(f"tuner.constraints: '{text}' uses the {split} split", "bound validation.METRIC")
        constraints.append(Constraint(text, metric, bound.limit, 1 if bound.operator == "<=" else -1))
    return constraints


def check_constraint_metrics(constraints: Sequence[Constraint], metrics: Sequence[str]) -> None:
    """Refuse a bound on a metric that is not computed: no run could ever keep it."""
    for constraint in constraints:
        name = constraint.metric.partition(".")[2]
        if name and name not in metrics:
            raise unknown("metric at tuner.constraints:", name, metrics, error=ConfigError)


@dataclass(frozen=True)
class Objectives:
    """The metrics and constraints that decide which trial is better."""

    metrics: MetricDirections
    constraints: Sequence[Constraint] = ()

    @property
    def maximizes(self) -> bool:
        """Return whether greater values of the first objective are better."""
        return self.metrics[0][1] == "maximize"

    def is_better(self, value: float, other: float) -> bool:
        """Compare two values of the first objective."""
        return value > other if self.maximizes else value < other

    def mean(self, runs: Sequence[RunState]) -> tuple[float, ...] | None:
        """Return the mean objectives of the runs that completed, None if none did."""
        values = [run.objectives for run in runs if run.state == "completed" and run.objectives is not None]
        return tuple(sum(column) / len(values) for column in zip(*values, strict=True)) if values else None

    def deviation(self, runs: Sequence[RunState]) -> tuple[float, ...] | None:
        """Return the standard deviations (n - 1) over the runs that completed, None for fewer than two."""
        values = [run.objectives for run in runs if run.state == "completed" and run.objectives is not None]
        return tuple(map(stdev, zip(*values, strict=True))) if len(values) > 1 else None

    def ranking_key(self, state: SweepState, trial: Trial) -> tuple[str | None, ...] | None:
        """Return what a trial's score was measured on and by, None if it has no score, or none of its first repeat.

        Only trials for which it is equal may be ranked together: whatever names a best, orders trials or advises on
        them asks here, or for the `rankings`. All trials have one base config, so that of it the swept keys are enough.
        """
        # repeats use other seeds, so other splits, on purpose: the first run stands for the trial
        runs = (run for run in state.runs_of(trial) if run.state == "completed" and run.repeat == 0)
        first = next(runs, None)
        if first is None:
            return None
        known, names = first.result.fingerprints, [name for name, _ in self.metrics]
        swept = {
            path: value
            for path, value in trial.values.items()
            if any(decides_scores(path.lstrip("+"), name) for name in names)
        }
        scoring = (scored_by(known.get("scoring"), name) for name in names)
        return (known.get("data"), known.get("split"), *scoring, str(swept) if swept else None)

    def are_comparable(self, state: SweepState) -> bool:
        """Return whether all trials that have a score may be ranked together."""
        keys = {self.ranking_key(state, trial) for trial in state.trials.values() if trial.runs}
        return len(keys - {None}) < 2

    def violations(self, run: RunState) -> tuple[float, ...]:
        """Return by how much a run violates each constraint."""
        return tuple(constraint.violation(run.result) for constraint in self.constraints)

    def is_feasible(self, runs: Sequence[RunState]) -> bool:
        """Return whether every run that completed keeps every constraint."""
        # every run and not their mean: a bound that holds on average is broken by some of the models
        return all(max(self.violations(run), default=0.0) <= 0 for run in runs if run.state == "completed")

    def observation(self, state: SweepState, trial: Trial, visible: bool = True) -> Observation:
        """Return the observation of a trial for its tuner; it is "running" unless its end is `visible`."""
        runs = state.runs_of(trial)
        observation = partial(Observation, trial.key[1], values=trial.values, memo=trial.memo)
        if trial.earlier_objectives is not None:
            return observation("completed", objectives=trial.earlier_objectives)
        if not visible or not all(run.is_finished for run in runs):
            return observation("running")
        ended = trial_state(runs)
        reports = tuple(runs[0].reports)
        objectives = self.mean(runs)
        if ended == "pruned":
            # a pruned run has its last intermediate value: samplers rank pruned trials by it
            objectives = (reports[-1][1],) if reports else None
        violations = [self.violations(run) for run in runs if run.state == "completed"]
        worst = tuple(max(column) for column in zip(*violations, strict=True)) if violations else ()
        return observation(
            ended, objectives=objectives if ended != "failed" else None, constraints=worst, reports=reports
        )


def trial_state(runs: Sequence[RunState]) -> TrialState:
    """Return how a trial ended whose runs have: one run that completed is enough."""
    states = {run.state for run in runs}
    return "completed" if "completed" in states else "pruned" if "pruned" in states else "failed"


def is_fully_measured(trial: Trial, runs: Sequence[RunState]) -> bool:
    """Return whether all repeats of a trial have ended, or one was pruned: the mean of fewer does not compare."""
    return all(run.is_finished for run in runs) and (
        len(runs) >= trial.repeats or any(run.state == "pruned" for run in runs)
    )


def count_completed(runs: Sequence[RunState]) -> int:
    """Return of how many runs a trial's mean is."""
    return sum(run.state == "completed" for run in runs)


def objective_from_report(metrics: Mapping[str, float], name: str, direction: str) -> float | None:
    """Return the intermediate value of an objective from what a run reported, None if nothing stands for it.

    That is the metric itself on the validation split; else a validation loss, negated if the objective is maximized.
    """
    for key in (f"validation_{name}", f"validation.{name}", name):
        if key in metrics:
            return metrics[key]
    losses = [key for key in metrics if key.startswith("validation") and is_loss(key.removeprefix("validation_"))]
    losses += [key for key in ("loss",) if key in metrics]
    if not losses:
        return None
    return metrics[losses[0]] if direction == "minimize" else -metrics[losses[0]]


class ParetoFront:
    """The best trial so far; with several objectives, the trials that no other dominates.

    Trials that were scored on other data, or another split, have a best of their own.
    """

    def __init__(self, objectives: Objectives) -> None:
        self.objectives = objectives
        self.best: list[tuple[Trial, tuple[float, ...]]] = []

    def add(self, state: SweepState, trial: Trial) -> bool:
        """Add a trial whose runs have ended; return whether it is one of the best."""
        runs = state.runs_of(trial)
        score = self.objectives.mean(runs)
        if score is None or trial.same_as is not None or not self.objectives.is_feasible(runs):
            return False
        metrics = self.objectives.metrics
        if not is_fully_measured(trial, runs):
            return False
        own, measured = self.objectives.ranking_key(state, trial), count_completed(runs)
        keys = {best.key: self.objectives.ranking_key(state, best) for best, _ in self.best}
        rivals = [pair for pair in self.best if own is None or keys[pair[0].key] in (own, None)]
        # the mean of fewer repeats, as some failed, is of other seeds: such a trial is best only as long as all are so
        fewer = {best.key for best, _ in rivals if count_completed(state.runs_of(best)) < measured}
        more = any(count_completed(state.runs_of(best)) > measured for best, _ in rivals)
        # of equal trials the one with the lower number, as in the leaderboard, whichever ended first
        if more or any(
            dominates(value, score, metrics) and (value != score or best.runs[0] < trial.runs[0])
            for best, value in rivals
            if best.key not in fewer
        ):
            return False
        beaten = [best.key for best, value in rivals if best.key in fewer or dominates(score, value, metrics)]
        self.best = [pair for pair in self.best if pair[0].key not in beaten]
        self.best.append((trial, score))
        return True

    @property
    def scores(self) -> tuple[tuple[float, ...], ...]:
        """Return the objective values of the best trials."""
        return tuple(score for _, score in self.best)


@dataclass
class ResultTracker:
    """Counts runs for the stop criteria, and reports trials to the tuners and to the Pareto front.

    Attributes
    ----------
    delay
        None: a run counts as soon as it ends. A number: runs count in the order of their numbers, and a proposal knows
        nothing of the latest `delay` runs. Then it does not depend on which run ends first, and a deterministic sweep
        repeats whatever the number of slots.
    counted
        How many runs have been counted in order.
    """

    state: SweepState
    objectives: Objectives
    proposer: "Proposer"
    monitor: StopMonitor
    delay: int | None = None
    front: ParetoFront = field(init=False)
    counted: int = 0

    def __post_init__(self) -> None:
        self.front = ParetoFront(self.objectives)
        self.proposer.is_visible = self.is_visible

    def is_visible(self, number: int) -> bool:
        """Return whether the next proposal may know how a run ended."""
        return self.delay is None or number < self.counted

    def restore(self, next_number: int) -> None:
        """Count and report again what the state knows from former sessions."""
        # All runs start before any ends: `max_runs` limits how many may start, and unfinished ones have started, too
        for number in sorted(self.state.runs):
            self.monitor.started(number)
        if self.delay is None:
            for number in self.state.ended:
                self._count(self.state.runs[number])
        else:
            self._count_known(next_number - self.delay)
        # Tuners number their proposals, and have to get observations in that order, not in that of the ends
        for trial in sorted(self.state.trials.values(), key=lambda trial: trial.key):
            if trial.same_as is not None:
                self.monitor.reused()
            visible = all(self.is_visible(run.number) for run in self.state.runs_of(trial))
            observation = self.objectives.observation(self.state, trial, visible)
            if visible:
                self.front.add(self.state, trial)
            self.proposer.restore(trial.key[0], observation, self._score(observation))

    def _count_known(self, limit: int) -> None:
        """Count the runs of former sessions in order, up to one that is tried again."""
        while self.counted < limit:
            run = self.state.runs.get(self.counted)  # None: its lines in the ledger are damaged
            if run is not None and not run.is_finished:
                break
            self.counted += 1
            if run is not None:
                self._count(run)

    def ready(self, next_number: int) -> bool:
        """Count the runs that the proposal of run `next_number` may know; return whether all of them have ended."""
        # run n may know the runs from 0 to n - delay: with as many slots as the delay, it waits only for a run that is
        # slower than its successors
        limit = 0 if self.delay is None else next_number - self.delay + 1
        self.count_in_order(limit)
        return self.delay is None or self.counted >= limit

    def count_in_order(self, limit: int) -> None:
        """Count runs by number up to `limit` of them; without a `delay` they have been counted already."""
        while self.delay is not None and self.counted < limit:
            run = self.state.runs.get(self.counted)
            # waits for the slowest run: to skip it would let the order of ends decide what a proposal knows
            if run is None or not run.is_finished:
                break
            self.counted += 1
            self._count_and_report(run)

    def ended(self, run: RunState) -> None:
        """Count a run that has ended, unless runs count in order."""
        if self.delay is None:
            self._count_and_report(run)

    def _count_and_report(self, run: RunState) -> None:
        if self._count(run):
            trial = self.state.trials[run.trial]
            for ended in (trial, *self.state.reusing(trial)):
                self.report(ended)

    def _count(self, run: RunState) -> bool:
        """Count a run; return whether its trial has ended with it."""
        trial = self.state.trials[run.trial]
        runs = self.state.runs_of(trial)
        states = self.monitor.counters.states
        # by the monitor and not by the state of the runs, which in a deterministic sweep may have ended without being
        # counted
        is_last = len(runs) == trial.repeats and all(states.get(other.number) for other in runs if other != run)
        score = self.objectives.mean(runs) if is_last else None
        single = len(self.objectives.metrics) == 1
        # several objectives have no best value; an infeasible trial must not reset patience
        value = score[0] if score is not None and single and self.objectives.is_feasible(runs) else None
        self.monitor.ended(run.number, run.state, value, run.result.seconds, counts=is_last)  # type: ignore[arg-type]
        return is_last or run.state == "pruned"  # the repeats of a pruned run do not begin

    def report(self, trial: Trial) -> None:
        """Report a trial to its tuner, if all of its runs have ended and the tuner may know that."""
        visible = all(self.is_visible(run.number) for run in self.state.runs_of(trial))
        observation = self.objectives.observation(self.state, trial, visible)
        if observation.state != "running":
            self.front.add(self.state, trial)
            self.proposer.tell(trial.key[0], observation, self._score(observation))

    def _score(self, observation: Observation) -> float | None:
        """Return the first objective so that greater is better: what algorithms are compared by."""
        if observation.state != "completed" or observation.objectives is None:
            return None
        value = observation.objectives[0]
        return value if self.objectives.maximizes else -value
