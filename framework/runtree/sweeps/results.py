"""From the metrics of runs to results: objective values, the Pareto front, observations for tuners, the leaderboard."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.expression import parse
from runtree.contract.iteration import is_loss
from runtree.contract.redaction import redact
from runtree.contract.search import Observation, TrialState
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


COMPARABLE_BY = ("data", "split", "scoring")  # fingerprints: rows, their split, the plugins behind the metrics


def scored_on(runs: Sequence[RunState]) -> tuple[str | None, ...] | None:
    """Return the fingerprints of what a trial's score was measured on and by, None if it has no score.

    Only trials for which they are equal may be ranked together: whatever names a best, orders trials or advises on
    them asks here, or for the `rankings`.
    """
    # repeats use other seeds, so other splits, on purpose: the first run stands for the trial
    first = next((run for run in runs if run.state == "completed" and run.repeat == 0), None)
    return None if first is None else tuple(first.result.fingerprints.get(name) for name in COMPARABLE_BY)


def is_comparable(state: SweepState) -> bool:
    """Return whether all scores of a sweep were measured on the same rows, split alike."""
    return len({scored_on([run]) for run in state.completed() if run.repeat == 0}) < 2


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
        own = scored_on(runs)
        rivals = [pair for pair in self.best if scored_on(state.runs_of(pair[0])) == own]
        # of equal trials the one with the lower number, as in the leaderboard, whichever ended first
        if any(
            dominates(value, score, metrics) and (value != score or best.runs[0] < trial.runs[0])
            for best, value in rivals
        ):
            return False
        beaten = [best.key for best, value in rivals if dominates(score, value, metrics)]
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


def rank_trials(state: SweepState, objectives: Objectives) -> list[tuple[Trial, tuple[float, ...] | None]]:
    """Return the trials that were run and their scores, the best by the first objective first, then by the others.

    After the feasible ones come those that violate a constraint, then those that are not fully measured, last those
    without a score.
    """
    scored = [(trial, objectives.mean(state.runs_of(trial))) for trial in state.trials.values() if trial.runs]
    signs = [-1 if direction == "maximize" else 1 for _, direction in objectives.metrics]

    def rank(pair: tuple[Trial, tuple[float, ...] | None]) -> tuple[bool, bool, bool, tuple[float, ...], int]:
        trial, score = pair
        runs = state.runs_of(trial)
        losses = tuple(sign * value for sign, value in zip(signs, score or (), strict=False))
        partial, infeasible = not is_fully_measured(trial, runs), not objectives.is_feasible(runs)
        # False sorts before True; the number of the first run makes the order total, so that equal trials do not swap
        return score is None, partial, infeasible, losses, trial.runs[0]

    return sorted(scored, key=rank)


def rankings(state: SweepState, objectives: Objectives) -> list[list[tuple[Trial, tuple[float, ...] | None]]]:
    """Return the ranked trials, those that compare in one ranking: one for each table of a grid over data.

    Trials without a score are last in the first ranking.
    """
    ranked = rank_trials(state, objectives)
    groups: dict[tuple[str | None, ...], list[tuple[Trial, tuple[float, ...] | None]]] = {}
    # the rankings in the order of their first runs, so that they do not swap as runs end
    for trial in sorted((trial for trial, _ in ranked), key=lambda trial: trial.runs[0]):
        key = scored_on(state.runs_of(trial))
        if key is not None:
            groups.setdefault(key, [])
    if len(groups) < 2:
        return [ranked]
    first = next(iter(groups))
    for pair in ranked:
        groups[scored_on(state.runs_of(pair[0])) or first].append(pair)
    return list(groups.values())


def leaderboard_csv(state: SweepState, objectives: Objectives) -> str:
    """Return `leaderboard.csv`: one row per trial, test metrics where a run has them.

    Where the trials do not all compare, each ranking has its number in the column `ranking`, and ranks of its own.
    """
    groups = rankings(state, objectives)
    numbered = ["ranking"] if len(groups) > 1 else []
    paths = list(dict.fromkeys(path for trial in state.trials.values() if trial.runs for path in trial.values))
    tests = list(dict.fromkeys(name for run in state.completed() for name in run.result.metrics.get("test") or {}))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    metrics = [f"validation.{name}" for name, _ in objectives.metrics]
    test_metrics = [f"test.{name}" for name in tests]
    table.writerow([*numbered, "rank", "runs", "family", "state", *metrics, *paths, "seconds", *test_metrics])
    places = ((number, rank, pair) for number, group in enumerate(groups, 1) for rank, pair in enumerate(group, 1))
    for number, rank, (trial, score) in places:
        runs = state.runs_of(trial)
        numbers = " ".join(f"{run.number:04d}" for run in runs)
        states = "+".join(dict.fromkeys(run.state for run in runs))
        scores: Sequence[float | None] = score if score is not None else [None] * len(metrics)
        values = list(map(redact({path: trial.values.get(path) for path in paths}).get, paths))
        seconds = round(sum(run.result.seconds for run in runs), 3)
        test: Mapping[str, float] = next(filter(None, (run.result.metrics.get("test") for run in runs)), {})
        row = [*([number] if numbered else []), rank, numbers, trial.key[0], states, *scores, *values, seconds]
        table.writerow([*row, *(test.get(name) for name in tests)])
    return text.getvalue()
