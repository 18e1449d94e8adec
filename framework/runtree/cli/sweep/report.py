"""The output at the end of a sweep: why it ended, the best configurations, failures, and next steps."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import (
    NO_BREAK_SPACE,
    command,
    display_path,
    first_notes,
    format_cell,
    format_duration,
    format_seconds,
    format_state_counts,
    format_test_usage,
    format_trial,
    format_value,
    format_values,
    is_listed,
    labelled,
    list_names,
    metric_name,
    next_steps,
    pluralize,
    shorten_paths,
    sweep_name,
    wrapped,
)
from runtree.cli.sweep.progress_state import ProgressState
from runtree.cli.tables import print_table, table_fits
from runtree.config.calls import COMMANDS
from runtree.contract.redaction import redact
from runtree.records.commands import training_command

if TYPE_CHECKING:
    from runtree.app.sweep import SweepResult
    from runtree.app.sweep_plan import SweepPlan
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.results import Objectives
    from runtree.sweeps.state import RunState, SweepState, Trial

MAX_RANKED = 10  # rows of the leaderboard
MAX_UNRANKED = 30  # rows of a Pareto front
MAX_RANKINGS = 5
MAX_ADVICE = 3
MAX_FAILURES = 5  # kinds

ScoredTrial = tuple["Trial", tuple[float, ...] | None]


def print_sweep(swept: "SweepResult") -> int:
    """Print the results of a sweep and return the exit code."""
    plan, driver = swept.plan, swept.driver
    assert plan is not None and driver is not None and plan.folder is not None
    # counted again from the state, so that a resumed sweep reports all of its sessions
    progress = ProgressState(driver.state, driver.objectives, driver.front, driver.monitor)
    for number in driver.state.ended:
        progress.count(driver.state.runs[number])
    click.echo(labelled("sweep", _format_heading(plan, driver, progress)))
    reason = str(swept.stop.get("explanation") or "the reason was not recorded")
    click.echo(wrapped("ended", explain_end(reason, progress)))
    for text in driver.state.warm.get("says") or ():
        click.echo(wrapped("start", str(text)))
    _print_trials(driver, progress)
    bounds = driver.objectives.constraints
    if bounds and driver.state.completed() and not driver.front.best:
        text = ", ".join(bound.text for bound in bounds)
        click.echo("\n" + wrapped("bounds", f"no configuration satisfies tuner.constraints ({text}), so none is best"))
    if progress.comparable:
        _print_algorithms(driver, progress)
    for best in _find_bests(driver, progress)[:MAX_RANKINGS]:
        _print_best(plan, driver, *best)
    if progress.comparable:
        _print_advice(plan)
    _print_failures(plan, progress)
    if progress.deaths:
        click.echo("\n" + wrapped("died", progress.deaths))
    click.echo()
    click.echo(labelled("folder", display_path(plan.folder.path)))
    if any(plan.folder.plots.glob("*.svg")):
        click.echo(labelled("plots", display_path(plan.folder.plots)))
    if plan.folder.report.exists():
        click.echo(labelled("report", display_path(plan.folder.report)))
    click.echo(next_steps(_suggestions(plan, driver, progress, str(swept.stop.get("criterion")))))
    return exit_code(driver)


def explain_end(explanation: str, progress: ProgressState) -> str:
    """Return why a sweep ended, without the best run where the runs cannot be ranked."""
    return explanation if progress.comparable else explanation.partition(", best ")[0]


def exit_code(driver: "Driver") -> int:
    """Return 130 after Ctrl-C; 1 if a run failed or hit a limit, or the best could not be kept; else 0."""
    from runtree.sweeps.finish import runs_to_keep

    if driver.stop_cause == "interrupt":
        # as a shell reports SIGINT, so that a script can tell an interruption from a failure
        return 130
    failed = any(entry.needs_attention for entry in driver.state.runs.values())
    not_kept = driver.options.keep == "best" and not all(entry.kept for entry in runs_to_keep(driver))
    return 1 if failed or not_kept or driver.stop_cause == "disk" else 0


def _format_heading(plan: "SweepPlan", driver: "Driver", progress: ProgressState) -> str:
    names = [family.name for family in plan.spaces if family.name]
    over = f" over {list_names(names)}" if names else ""
    reused = driver.monitor.counters.reused
    reuse = f", {pluralize(reused, 'result')} reused" if reused else ""
    runs = f"{pluralize(len(driver.state.runs), 'run')} in {format_duration(driver.seconds)}"
    return f"{plan.node.get('name')}{over}, {runs}: {format_state_counts(progress.states)}{reuse}"


# Trials


def _print_trials(driver: "Driver", progress: ProgressState) -> None:
    """Print the best trials; with several objectives the Pareto front; a table for each ranking."""
    from runtree.sweeps.leaderboard import rank_trials, rankings

    objectives, state = driver.objectives, driver.state
    if not state.runs:
        return
    click.echo()
    if not progress.comparable:
        groups = rankings(state, objectives)
        click.echo(f"{len(groups)} rankings, since the runs differ in data, split or scoring")
        for number, (group, label) in enumerate(zip(groups[:MAX_RANKINGS], _label_rankings(groups), strict=False), 1):
            click.echo(f"\nranking {number}: {label}")
            _print_scored(driver, [pair for pair in group if pair[1] is not None], MAX_RANKED, with_rank=True)
        if len(groups) > MAX_RANKINGS:
            click.echo(f"\n… {len(groups) - MAX_RANKINGS} more rankings in leaderboard.csv")
    elif len(objectives.metrics) > 1:
        names = ", ".join(f"{name} ({direction})" for name, direction in objectives.metrics)
        count = pluralize(len(driver.front.best), "configuration")
        click.echo(wrapped("front", f"{count} on the Pareto front of {names}"))
        sign = progress.first_objective_sign
        front = sorted(driver.front.best, key=lambda pair: -sign * pair[1][0])
        _print_scored(driver, [*front], MAX_UNRANKED)
    else:
        scored = [pair for pair in rank_trials(state, objectives) if pair[1] is not None]
        # those that violate a bound last
        scored.sort(key=lambda pair: not objectives.is_feasible(state.runs_of(pair[0])))
        _print_scored(driver, scored, MAX_RANKED, with_rank=True)


def _label_rankings(groups: Sequence[Sequence[ScoredTrial]]) -> list[str]:
    """Return for each ranking the settings that all of its trials have, and those of another ranking do not."""
    trials = [[trial for trial, score in group if score is not None] for group in groups]
    paths = _varying_paths(trial for group in trials for trial in group)
    shared = [
        path for path in paths if all(len({str(trial.values.get(path)) for trial in group}) == 1 for group in trials)
    ]
    names = shorten_paths(shared)
    return [format_values({path: group[0].values.get(path) for path in shared}, names) for group in trials]


def _print_scored(driver: "Driver", trials: list[ScoredTrial], limit: int, with_rank: bool = False) -> None:
    """Print a row for each trial: rank, runs, scores, and the settings in which the trials differ.

    Each setting has a column where there is one algorithm and room enough; else they are one column of text, and
    without room for that a line below the row.
    """
    if not trials:
        return
    state, shown = driver.state, trials[:limit]
    several = len({trial.key[0] for trial in state.trials.values()}) > 1
    columns = _make_columns(state, driver.objectives, [pair[0] for pair in shown], [pair[1] for pair in shown], several)
    if with_rank:
        columns = {"rank": list(range(1, len(shown) + 1)), **columns}
    names = shorten_paths(_varying_paths(trial for trial in state.trials.values() if trial.runs))
    seconds = {"seconds": columns.pop("seconds")}
    settings = {
        name: [format_value(redact(trial.values[path], path)) if path in trial.values else None for trial, _ in shown]
        for path, name in names.items()
    }
    texts = [format_values(trial.values, names) for trial, _ in shown]
    layouts = [*([] if several else [{**columns, **settings, **seconds}]), {**columns, **seconds, "values": texts}]
    # from the widest table to the narrowest that the terminal has room for
    for layout in layouts:
        rows = list(zip(*layout.values(), strict=True))
        if table_fits(list(layout), rows):
            print_table(list(layout), rows)
            break
    else:
        columns |= seconds
        print_table(list(columns), list(zip(*columns.values(), strict=True)), dict(enumerate(texts)))
    if len(trials) > limit:
        click.echo(f"… {len(trials) - limit} more in leaderboard.csv")


def _make_columns(
    sweep_state: "SweepState", objectives: "Objectives", trials: Sequence["Trial"], scores: Sequence[Any], several: bool
) -> dict[str, list[Any]]:
    runs = [sweep_state.runs_of(trial) for trial in trials]
    columns: dict[str, list[Any]] = {"run": [_format_runs(entries) for entries in runs]}
    if several:
        columns["algorithm"] = [trial.key[0] for trial in trials]
    states = ["+".join(dict.fromkeys(entry.state for entry in entries)) for entries in runs]
    if set(states) != {"completed"}:
        columns["state"] = states
    satisfied = [objectives.is_feasible(entries) for entries in runs]
    if not all(satisfied):
        columns["bounds"] = ["satisfied" if is_satisfied else "violated" for is_satisfied in satisfied]
    for position, (name, _) in enumerate(objectives.metrics):
        columns[metric_name(name)] = [None if score is None else score[position] for score in scores]
        if any(trial.repeats > 1 for trial in trials):
            deviations = [objectives.deviation(entries) for entries in runs]
            heading = "sd" if len(objectives.metrics) == 1 else f"sd {name}"
            columns[heading] = [None if spread is None else spread[position] for spread in deviations]
    seconds = (sum(float(entry.result.seconds) for entry in entries) for entries in runs)
    columns["seconds"] = [format_seconds(value) for value in seconds]
    return columns


def _format_runs(entries: Sequence["RunState"]) -> str:
    """Return the runs of a trial as their folders are named: 0003, or with repeats 0003-0005."""
    names = [f"{entry.number:04d}" for entry in entries]
    consecutive = len(names) > 1 and entries[-1].number - entries[0].number == len(names) - 1
    return f"{names[0]}-{names[-1]}" if consecutive else " ".join(names)


def _varying_paths(trials: Iterable["Trial"]) -> list[str]:
    """Return the config paths in which trials differ, also those that only some trials have."""
    trials = list(trials)
    paths = dict.fromkeys(path for trial in trials for path in trial.values)
    missing = object()
    # by their text, because a value may be a list, which has no hash
    return [path for path in paths if len({str(trial.values.get(path, missing)) for trial in trials}) > 1]


def _print_algorithms(driver: "Driver", progress: ProgressState) -> None:
    """Print the best of each algorithm, where there are several and one objective."""
    if len(progress.algorithms) < 2 or len(driver.objectives.metrics) > 1:
        return
    rows = []
    for name, algorithm in progress.ranked_algorithms():
        runs = _format_runs(driver.state.runs_of(algorithm.trial)) if algorithm.trial else None
        rows.append([name, algorithm.best, runs, algorithm.ended])
    click.echo("\nbest of each algorithm")
    print_table(["algorithm", metric_name(driver.objectives.metrics[0][0]), "run", "runs"], rows)


# The best


def _find_bests(driver: "Driver", progress: ProgressState) -> "list[tuple[Trial, RunState]]":
    """Return the best trial of each ranking, and of its runs the one whose artifacts were kept."""
    bests = []
    for trial, _ in progress.bests:
        completed = [entry for entry in driver.state.runs_of(trial) if entry.state == "completed"]
        # of several repeats the one with a model, which the suggested commands need
        bests.append((trial, next((entry for entry in completed if entry.kept), completed[0])))
    return bests


def _print_best(plan: "SweepPlan", driver: "Driver", trial: "Trial", entry: "RunState") -> None:
    """Print the best run, the notes on its table, and its metrics on the test set, the objective first."""
    from runtree.contract.errors import NotFoundError
    from runtree.records.reader import RunReader
    from runtree.records.record import read_record

    assert plan.folder is not None
    objective = driver.objectives.metrics[0][0]
    by = f" (by {objective})" if len(driver.objectives.metrics) > 1 else ""
    click.echo("\n" + wrapped("best", f"run {entry.number:04d}{by}: {format_trial(trial)}"))
    with suppress(NotFoundError):
        # whole, and not only what was searched: what is typed again has to be this configuration
        click.echo(labelled("command", training_command(read_record(plan.folder.run(entry.number)))))
    metrics = entry.result.metrics.get("test") or {}
    if not metrics:
        return
    for note in first_notes(RunReader(plan.folder.run(entry.number).path).data.get("notes") or ()):
        click.echo(labelled("note", note))
    names = sorted(metrics, key=lambda name: name != objective)
    # the no-break spaces keep name and value on one line, and must not reach a user who copies them
    pairs = ", ".join(f"{name}{NO_BREAK_SPACE}{format_cell(metrics[name])}" for name in names)
    if text := _describe_refit(plan, entry):
        click.echo(wrapped("refit", text))
    usage = _describe_test_usage(plan, entry)
    click.echo(wrapped("test", f"{pairs}{f' ({usage})' if usage else ''}").replace(NO_BREAK_SPACE, " "))


def _describe_refit(plan: "SweepPlan", entry: "RunState") -> str:
    from runtree.cli.train import format_refit
    from runtree.contract.errors import NotFoundError
    from runtree.records.record import read_record

    assert plan.folder is not None
    try:
        return format_refit(read_record(plan.folder.run(entry.number)).fit)
    except NotFoundError:
        return ""


def _describe_test_usage(plan: "SweepPlan", entry: "RunState") -> str:
    """Return how often the test set was used, by other runs and sweeps too, until now."""
    from runtree.records.reader import RunReader
    from runtree.records.test_access import count_accesses

    assert plan.folder is not None
    recorded = RunReader(plan.folder.run(entry.number).path).evaluation.get("test_looks") or {}
    # counted again: later runs of this sweep may have used it since
    usage = count_accesses(Path(str(plan.config.outputs)), str(recorded.get("rows")))
    is_after_selection = plan.options.keep == "best"
    if usage.count > 1:
        return ("after selection; " if is_after_selection else "") + format_test_usage(asdict(usage))
    return "test set used once, after selection" if is_after_selection else ""


def _print_advice(plan: "SweepPlan") -> None:
    """Print the most important findings about the search. Failures have a section of their own."""
    from runtree.records.reader import read_json

    assert plan.folder is not None
    recorded = read_json(plan.folder.advice)[0].get("findings") or []
    findings = [finding for finding in recorded if finding["level"] != "good" and finding["name"] != "failures"]
    for finding in findings[:MAX_ADVICE]:
        click.echo("\n" + wrapped("note", finding["says"]))
        click.echo(wrapped("", f"-> {finding['advice']}"))
    if len(findings) > MAX_ADVICE:
        click.echo(labelled("", f"… {len(findings) - MAX_ADVICE} more in advice.json"))


def _print_failures(plan: "SweepPlan", progress: ProgressState) -> None:
    """Print each kind of failure once, the most frequent first, with the log of its first run."""
    assert plan.folder is not None
    kinds = sorted(progress.failures.items(), key=lambda pair: -len(pair[1]))
    for message, runs in kinds[:MAX_FAILURES]:
        click.echo("\n" + wrapped("failed", f"{pluralize(len(runs), 'run')}: {message}"))
        click.echo(labelled("", f"log: {display_path(plan.folder.run(runs[0]).log)}"))
    if len(kinds) > MAX_FAILURES:
        click.echo(labelled("", f"… {len(kinds) - MAX_FAILURES} more kinds of failure in ledger.jsonl"))


# Next steps


def _suggestions(plan: "SweepPlan", driver: "Driver", progress: ProgressState, criterion: str) -> list[str]:
    assert plan.folder is not None
    outputs = str(plan.config.outputs)
    name = sweep_name(plan.folder, outputs)
    is_inside = is_listed(plan.folder, outputs)  # else a folder elsewhere, which the other verbs find by path only
    best = next(iter(_find_bests(driver, progress)), None)
    resume = resume_suggestions(name, criterion, progress, outputs, _trust_options(plan))
    commands = resume if criterion == "interrupted" else []
    if best is not None:
        run = f"{name}/{best[1].number:04d}" if is_inside else f"{name}/runs/{best[1].number:04d}"
        commands.append(command("show", run, outputs=outputs))
        if best[1].kept and plan.config.evaluator.get("name") != "reported":
            commands.append(command("predict", run, "ROWS.csv", "-o", "OUT.csv", outputs=outputs))
    commands += [text for text in resume if text not in commands]
    if is_inside and best is not None and progress.comparable and len(driver.state.completed()) > 1:
        commands.append(command("compare", name, outputs=outputs))
    if is_inside:
        commands.append(command("runs", "--where", f"id~{name}", outputs=outputs))
    return commands


def _trust_options(plan: "SweepPlan") -> list[str]:
    """Return ``--trust`` with what the user typed in this call and a record alone would not allow."""
    typed, installed = plan.request.typed, plan.request.app.allow_list()
    names = {*typed.trusted, *(target for target in typed.targets if not installed.permits(target))}
    names |= {path for path in (f"algorithm.{key}" for key in COMMANDS) if path in typed.paths}
    return [word for name in sorted(names) for word in ("--trust", name)]


def resume_suggestions(
    name: str, criterion: str, progress: ProgressState, outputs: str | None = None, options: Sequence[str] = ()
) -> list[str]:
    """Return the commands that continue a sweep that ended by `criterion`, and that run again what failed.

    None of them continues a sweep whose space is exhausted.
    """
    rules, runs = progress.monitor.rules, progress.sweep_state.runs.values()
    overrides = {
        "max_runs": f"tuner.stop.max_runs={2 * (rules.max_runs or 1)}",
        "max_seconds": f"tuner.stop.max_seconds={2 * (rules.max_seconds or 1):g}",
        "patience": f"tuner.stop.patience.runs={2 * (rules.patience.runs or 1)}",
        "target": "tuner.stop.target=null",
        "convergence": "tuner.stop.convergence.window=null",
        "failures": "tuner.stop.failures=null",
        "on_failure": "tuner.on_failure=continue",
    }
    # each override loosens the criterion that ended the sweep, or it would end again at once
    words = [overrides[criterion]] if criterion in overrides else []
    out_of_time = criterion == "max_seconds"
    cut_off = any(run.state == "stopped" and not run.needs_attention for run in runs)
    retry_stopped = ["--retry", "stopped"] if cut_off and criterion in ("max_seconds", "asked") else []
    commands = [command("resume", name, *words, *retry_stopped, *options, outputs=outputs)]
    if criterion == "space_exhausted":
        commands = []
    if any(run.state == "failed" for run in runs):
        # a run that is tried again needs time, whatever other criterion was reached
        words = words if out_of_time else []
        commands.append(command("resume", name, *words, "--retry", "failed", *options, outputs=outputs))
    return commands
