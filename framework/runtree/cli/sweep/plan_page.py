"""What `runtree plan` prints for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from runtree.cli.sweep.forecast import Forecast, told_bytes
from runtree.cli.sweep.plan_facts import algorithms, data_names, folder, is_single, judge, space_rows, total
from runtree.cli.sweep.words import clock, metric_name, next_lines, plural, told_total, wrapped
from runtree.cli.tables import print_table, terminal_width
from runtree.cli.words import command, counted

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan

NESTED = (("patience", "runs"), ("convergence", "window"), ("failures", "consecutive"), ("failures", "rate"))


def print_plan(plan: "SweepPlan", sweeps: bool) -> None:
    """Print everything that is known before the first run; `sweeps`: -m was typed."""
    one = is_single(plan, sweeps)
    for label, text in heading(plan, one):
        click.echo(wrapped(label, text))
    if not one:
        click.echo()
        print_space(plan)
        click.echo()
    for label, text in rest(plan, one):
        click.echo(wrapped(label, text))
    words = ["train", *plan.order.overrides] if one else ["train", "-m", *plan.order.overrides]
    click.echo(f"\nnothing was run\n{next_lines([command(*words)])}")


def heading(plan: "SweepPlan", one: bool) -> Iterator[tuple[str, str]]:
    """Yield what would be run, on what, and how it is judged."""
    names = plural(algorithms(plan))
    if one:
        yield "plan", f"one run of {names}"
    else:
        slots = plan.slots
        yield "plan", f"{plan.node.get('name')} over {names}: {told_count(plan)}, {slots} at once"
    found = plan.found
    yield "data", f"{', '.join(data_names(plan))}: {found.rows:,} rows ({found.task})"
    objectives = ", ".join(f"{metric_name(name)} ({way})" for name, way in found.objectives)
    keep = {"best": "; the test part is scored once, of the best", "all": "; the test part of each run is scored"}
    yield "judged", f"by {objectives}{keep.get(plan.options.keep, '') if not one else ''}"


def told_count(plan: "SweepPlan") -> str:
    """Return how many runs, and what they are of."""
    repeats = plan.options.repeats
    times = f", each {repeats} times" if repeats > 1 else ""
    size = "without end" if plan.size is None else counted(plan.size, "configuration")
    conditional = any(one.when is not None for family in plan.families for one in family.space)
    most = "at most " if plan.size is not None and conditional else ""
    bound = told_total(total(plan), (plan.options.stop or {}).get("max_seconds"))
    return f"{bound} (the space: {most}{size}{times})"


def print_space(plan: "SweepPlan") -> None:
    """Print what may be chosen: path, range, how many values; of each algorithm."""
    rows = [row for family in plan.families for row in space_rows(family)]
    several = any(family.name for family in plan.families)
    headings = ["algorithm", "path", "values", "space"]
    kept = headings if several else headings[1:]
    print_table(kept, [row if several else row[1:] for row in rows], width=terminal_width())
    for text in plan.absent:
        click.echo(text)


def rest(plan: "SweepPlan", one: bool) -> Iterator[tuple[str, str]]:
    """Yield what ends it, what it may take, where it goes."""
    allowed = plan.resources
    if not one:
        yield "ends", told_stop(plan)
    limits = [
        *([] if allowed.max_seconds is None else [f"{clock(allowed.max_seconds)} a run"]),
        *([] if allowed.memory is None else [f"{allowed.memory} a run"]),
    ]
    threads = f"{counted(allowed.threads_each, 'thread')} a run, {'no limit' if not limits else ', '.join(limits)}"
    yield "takes", f"{plan.config.compute.get('name')}, engine {allowed.engine}, {threads}"
    yield "time", told_forecast(plan, judge(plan, one))
    yield "folder", folder(plan, one)


def told_stop(plan: "SweepPlan") -> str:
    """Return the criteria that are set."""
    stop = plan.options.stop or {}
    nested = {f"{name}.{key}": (stop.get(name) or {}).get(key) for name, key in NESTED}
    plain = {name: stop.get(name) for name in ("max_runs", "max_seconds", "target")}
    found = [f"{name}={value:g}" for name, value in {**plain, **nested}.items() if value is not None]
    found += ["when nothing is left to try"] if plan.size is not None else []
    return f"{', or '.join(found)}; what runs then: {stop.get('running', 'finish')}"


def told_forecast(plan: "SweepPlan", found: Forecast) -> str:
    """Return time and disk, and what that rests on."""
    if not found.judged:
        return "no earlier run to judge by"
    each = ", ".join(f"{name} {clock(one.seconds)} a run" for name, one in found.judged.items())
    runs = sum(one.runs for one in found.judged.values())
    basis = f"judged by {counted(runs, 'earlier run')}: {each}"
    basis += f"; none of {plural(found.unknown)}" if found.unknown else ""
    limit = (plan.options.stop or {}).get("max_seconds")
    if found.seconds is None or found.bytes is None:
        return basis
    seconds = min(found.seconds, limit) if limit else found.seconds
    return f"about {clock(seconds)} and {told_bytes(found.bytes)} on disk ({basis})"
