"""The ranked trials of a sweep, one ranking for those that compare, and `leaderboard.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence

from runtree.contract.redaction import redact
from runtree.sweeps.results import Objectives, count_completed
from runtree.sweeps.state import SweepState, Trial

DEVIATION = ".sd"  # after the name of a metric: the column of its standard deviation over the runs of a trial


def rank_trials(state: SweepState, objectives: Objectives) -> list[tuple[Trial, tuple[float, ...] | None]]:
    """Return the trials that were run and their scores, the best by the first objective first, then by the others.

    After the feasible ones come those that violate a constraint, then those of which a repeat is missing or failed,
    last those without a score.
    """
    scored = [(trial, objectives.mean(state.runs_of(trial))) for trial in state.trials.values() if trial.runs]
    signs = [-1 if direction == "maximize" else 1 for _, direction in objectives.metrics]

    def rank(pair: tuple[Trial, tuple[float, ...] | None]) -> tuple[bool, bool, bool, tuple[float, ...], int]:
        trial, score = pair
        runs = state.runs_of(trial)
        losses = tuple(sign * value for sign, value in zip(signs, score or (), strict=False))
        partial, infeasible = count_completed(runs) < trial.repeats, not objectives.is_feasible(runs)
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
        key = objectives.ranking_key(state, trial)
        if key is not None:
            groups.setdefault(key, [])
    if len(groups) < 2:
        return [ranked]
    first = next(iter(groups))
    for pair in ranked:
        groups[objectives.ranking_key(state, pair[0]) or first].append(pair)
    return list(groups.values())


def leaderboard_csv(state: SweepState, objectives: Objectives) -> str:
    """Return `leaderboard.csv`: one row per trial, test metrics where a run has them.

    Where the trials do not all compare, each ranking has its number in the column `ranking`, and ranks of its own. The
    score of a trial with several runs is their mean; a further column has the standard deviation.
    """
    groups = rankings(state, objectives)
    numbered = ["ranking"] if len(groups) > 1 else []
    paths = list(dict.fromkeys(path for trial in state.trials.values() if trial.runs for path in trial.values))
    tests = list(dict.fromkeys(name for run in state.completed() for name in run.result.metrics.get("test") or {}))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    repeated = any(trial.repeats > 1 for trial in state.trials.values())
    metrics = [f"validation.{name}" for name, _ in objectives.metrics]
    deviations = [f"{name}{DEVIATION}" for name in metrics] if repeated else []
    test_metrics = [f"test.{name}" for name in tests]
    table.writerow(
        [*numbered, "rank", "runs", "family", "state", *metrics, *deviations, *paths, "seconds", *test_metrics]
    )
    places = ((number, rank, pair) for number, group in enumerate(groups, 1) for rank, pair in enumerate(group, 1))
    for number, rank, (trial, score) in places:
        runs = state.runs_of(trial)
        numbers = " ".join(f"{run.number:04d}" for run in runs)
        states = "+".join(dict.fromkeys(run.state for run in runs))
        scores: Sequence[float | None] = score if score is not None else [None] * len(metrics)
        spread: Sequence[float | None] = objectives.deviation(runs) or [None] * len(metrics)
        scores = [*scores, *spread] if repeated else scores
        values = list(map(redact({path: trial.values.get(path) for path in paths}).get, paths))
        seconds = round(sum(run.result.seconds for run in runs), 3)
        test: Mapping[str, float] = next(filter(None, (run.result.metrics.get("test") for run in runs)), {})
        row = [*([number] if numbered else []), rank, numbers, trial.key[0], states, *scores, *values, seconds]
        table.writerow([*row, *(test.get(name) for name in tests)])
    return text.getvalue()
