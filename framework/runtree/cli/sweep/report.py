"""What is printed when a sweep ends: why, the best configurations, what failed, and what to type next."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.cells import format_cell
from runtree.cli.sweep.next import best_entry, suggestions
from runtree.cli.sweep.standing import Standing
from runtree.cli.sweep.tables import Scored, by_run, print_configurations, run_names
from runtree.cli.sweep.words import (
    TIED,
    clock,
    labelled,
    metric_name,
    next_lines,
    plural,
    shown_path,
    told_states,
    told_trial,
    wrapped,
)
from runtree.cli.tables import print_table, terminal_width
from runtree.cli.words import counted, told_looks

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.app.sweep import SweepResult
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.state import RunState, Trial

SHOWN = 10  # configurations of a table
ADVICE = 3  # findings about the search
FRONT = 30  # … of a Pareto set
KINDS = 5  # of failures


def report_sweep(swept: "SweepResult") -> int:
    """Print what came of a sweep and return the exit code."""
    plan, driver = swept.plan, swept.driver
    assert plan is not None and driver is not None and plan.folder is not None
    standing = standing_of(driver)
    click.echo(labelled("sweep", heading(plan, driver, standing)))
    click.echo(wrapped("ended", why(str(swept.stop.get("explanation") or "nobody knows why"), standing)))
    print_best(driver, standing)
    print_bounds(driver)
    if standing.comparable:
        print_families(driver, standing)
        print_test(plan, driver, standing)
        print_advice(plan)
    print_failures(plan, standing)
    click.echo(f"\n{labelled('folder', shown_path(plan.folder.path))}")
    if any(plan.folder.plots.glob("*.svg")):
        click.echo(labelled("plots", shown_path(plan.folder.plots)))
    if plan.folder.report.exists():
        click.echo(labelled("page", shown_path(plan.folder.report)))
    click.echo(next_lines(suggestions(plan, driver, standing, str(swept.stop.get("criterion")))))
    return exit_code(driver)


def why(explanation: str, standing: Standing) -> str:
    """Return why it ended; where the runs make no ranking no best is named."""
    return explanation if standing.comparable else explanation.partition(", best ")[0]


def standing_of(driver: "Driver") -> Standing:
    """Count all runs of a sweep."""
    standing = Standing(driver.book, driver.judge, driver.front, driver.progress)
    for number in driver.book.ended:
        standing.take(driver.book.runs[number])
    return standing


def exit_code(driver: "Driver") -> int:
    """Return 130 after Ctrl-C, 1 where a run failed or was ended by a limit or the best is not kept, else 0."""
    if driver.leaving == "interrupt":
        return 130
    from runtree.sweeps.finish import runs_to_keep

    failed = any(
        entry.state == "failed" or (entry.state == "stopped" and entry.outcome.get("reason") == "max_seconds")
        for entry in driver.book.runs.values()
    )
    unkept = driver.options.keep == "best" and not all(entry.kept for entry in runs_to_keep(driver))
    return 1 if failed or unkept or driver.leaving == "disk" else 0


def heading(plan: "SweepPlan", driver: "Driver", standing: Standing) -> str:
    """Return who proposed, over what, how many runs it were, and how they ended."""
    names = [family.name for family in plan.families if family.name]
    over = f" over {plural(names)}" if names else ""
    reused = driver.progress.tally.reused
    again = f", {counted(reused, 'result')} reused" if reused else ""
    return (
        f"{plan.node.get('name')}{over}, {counted(len(driver.book.runs), 'run')} in {clock(driver.seconds)}: "
        f"{told_states(standing.states)}{again}"
    )


def print_best(driver: "Driver", standing: Standing) -> None:
    """Print the best configurations; of several objectives those that no other beats."""
    judge, book = driver.judge, driver.book
    if not book.runs:
        return
    if not standing.comparable:
        click.echo("\nnot one ranking: the runs differ in data or split; in the order of their runs:\n")
        _print_some(driver, by_run(book, judge), FRONT, ranked=False)
    elif len(judge.objectives) > 1:
        names = ", ".join(f"{name} ({way})" for name, way in judge.objectives)
        click.echo()
        click.echo(wrapped("front", f"{counted(len(driver.front.best), 'configuration')} that no other beats: {names}"))
        front: list[Scored] = [*best_first(driver)]
        _print_some(driver, front, FRONT, ranked=False)
    else:
        click.echo()
        _print_some(driver, ranked_feasible(driver), SHOWN, ranked=True)


def best_first(driver: "Driver") -> "list[tuple[Trial, tuple[float, ...]]]":
    """Return the configurations that no other beats, the best in the first objective first."""
    sign = -1 if driver.judge.objectives[0][1] == "maximize" else 1
    return sorted(driver.front.best, key=lambda pair: sign * pair[1][0])


def _print_some(driver: "Driver", found: list[Scored], most: int, ranked: bool) -> None:
    if found:
        print_configurations(driver.book, driver.judge, found[:most], ranked)
    if len(found) > most:
        click.echo(f"… {len(found) - most} more in leaderboard.csv")


def ranked_feasible(driver: "Driver") -> list[Scored]:
    """Return the configurations that came to a value, the best first, those that break a bound at the end."""
    from runtree.sweeps.results import rank_trials

    scored = [pair for pair in rank_trials(driver.book, driver.judge) if pair[1] is not None]
    return sorted(scored, key=lambda pair: not driver.judge.feasible(driver.book.entries(pair[0])))


def print_bounds(driver: "Driver") -> None:
    """Say so where no run that completed keeps the bounds of `tuner.constraints`: then there is no best."""
    bounds = driver.judge.constraints
    if bounds and driver.book.completed() and not driver.front.best:
        asked = ", ".join(one.text for one in bounds)
        click.echo()
        click.echo(wrapped("bounds", f"no configuration keeps tuner.constraints ({asked}), so none is the best"))


def print_families(driver: "Driver", standing: Standing) -> None:
    """Print the best of each algorithm, where there are several and one objective."""
    if len(standing.families) < 2 or len(driver.judge.objectives) > 1:
        return
    sign = -1 if driver.judge.objectives[0][1] == "maximize" else 1
    families = sorted(standing.families.items(), key=lambda pair: (pair[1].best is None, sign * (pair[1].best or 0.0)))
    rows = [
        [name, family.best, run_names(driver.book.entries(family.trial)) if family.trial else None, family.ended]
        for name, family in families
    ]
    click.echo("\nbest of each algorithm")
    print_table(["algorithm", metric_name(driver.judge.objectives[0][0]), "run", "runs"], rows, width=terminal_width())


def print_test(plan: "SweepPlan", driver: "Driver", standing: Standing) -> None:
    """Print how the best did on the test part, the objective first."""
    found = best_entry(driver, standing)
    if found is None:
        return
    trial, entry = found
    click.echo()
    first = driver.judge.objectives[0][0]
    among = f" (by {first})" if len(driver.judge.objectives) > 1 else ""
    click.echo(wrapped("best", f"run {entry.number:04d}{among}: {told_trial(trial)}"))
    test = (entry.outcome.get("metrics") or {}).get("test") or {}
    if not test:
        return
    names = sorted(test, key=lambda name: name != first)
    once = ["test part scored once, after selection"] if plan.options.keep == "best" else []
    told = "; ".join(filter(None, [*once, looks_of(plan, entry)]))
    said = f" ({told})" if told else ""
    pairs = ", ".join(f"{name}{TIED}{format_cell(test[name])}" for name in names)
    click.echo(wrapped("test", pairs + said).replace(TIED, " "))


def looks_of(plan: "SweepPlan", entry: "RunState") -> str:
    """Return how often the rows of the test part were scored by now, this sweep included; nothing where only by it."""
    from runtree.records.artifacts import mapping
    from runtree.records.test_access import count_accesses

    assert plan.folder is not None
    told = mapping(plan.folder.run(entry.number).evaluation).get("test_looks") or {}
    found = count_accesses(
        Path(str(plan.config.outputs)), str(told.get("rows"))
    )  # by now, later runs of the sweep included
    return told_looks(asdict(found)) if found.count > 1 else ""


def print_advice(plan: "SweepPlan") -> None:
    """Print what the runs say about the search: the weightiest first, no more than a few; failures are told below."""
    from runtree.records.artifacts import mapping

    assert plan.folder is not None
    told = mapping(plan.folder.advice).get("findings") or []
    findings = [one for one in told if one["level"] != "good" and one["name"] != "failures"]
    for one in findings[:ADVICE]:
        click.echo()
        click.echo(wrapped("note", one["says"]))
        click.echo(wrapped("", f"-> {one['advice']}"))
    if len(findings) > ADVICE:
        click.echo(labelled("", f"… {len(findings) - ADVICE} more in advice.json"))


def print_failures(plan: "SweepPlan", standing: Standing) -> None:
    """Print each kind of failure once, the commonest first: how often, and where one of them is told in full."""
    assert plan.folder is not None
    kinds = sorted(standing.failures.items(), key=lambda pair: -len(pair[1]))
    for message, runs in kinds[:KINDS]:
        click.echo()
        click.echo(wrapped("failed", f"{counted(len(runs), 'run')}: {message}"))
        click.echo(labelled("", f"log: {shown_path(plan.folder.run(runs[0]).log)}"))
    if len(kinds) > KINDS:
        click.echo(labelled("", f"… {len(kinds) - KINDS} more kinds of failure in ledger.jsonl"))
