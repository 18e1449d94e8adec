"""`runtree plan`: the runs that a sweep would start, with an estimate of time and disk, and the output folder."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override
from runtree.cli.cost_forecast import (
    CostForecast,
    algorithm_names,
    data_names,
    first_combination,
    forecast_sweep,
    is_refitted,
    max_runs,
)
from runtree.cli.format import (
    command,
    format_bound,
    format_bytes,
    format_duration,
    list_names,
    metric_name,
    next_steps,
    pluralize,
    wrapped,
)
from runtree.cli.tables import print_json, print_table
from runtree.records.commands import flags_for

if TYPE_CHECKING:
    import argparse

    from runtree.app import App
    from runtree.app.sweep_plan import SweepPlan
    from runtree.sweeps.search_space import SearchSpace

SCHEMA = 1
NESTED_CRITERIA = (("patience", "runs"), ("convergence", "window"), ("failures", "consecutive"), ("failures", "rate"))
SELECTION = {
    "best": "; the best run is scored on the test set once",
    "all": "; each run is scored on the test set",
}

HELP = """Show what `runtree train -m OVERRIDES` would run: search space, number of runs, folders, time and disk.

The data is loaded and split, and each algorithm is built with both ends of its ranges; nothing is fitted or written.
Errors are reported as by `train`.

\b
  runtree plan algorithm=random_forest,logistic tuner=tpe tuner.stop.max_runs=50
  runtree plan algorithm=ridge algorithm.alpha=0.1,1,10 data=diabetes seed=1,2 --json
"""


@click.command("plan", help=HELP, context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan_command(overrides: tuple[str, ...], as_json: bool) -> int:
    from runtree.app import App
    from runtree.cli.train import is_hydra_query, print_hydra_answer
    from runtree.config.hydra_engine import parse_flags

    app, flags = App(), parse_flags(overrides)
    if is_hydra_query(flags):
        return print_hydra_answer(app, flags)
    # read before `_make_plan` sets it
    typed_multirun = bool(flags.multirun)
    plan = _make_plan(app, flags)
    has_space = any(family.space for family in plan.spaces)
    is_single = not typed_multirun and plan.node.get("name") == "grid" and not has_space and plan.options.repeats == 1
    if as_json:
        print_json({"schema": SCHEMA, "plan": _make_document(plan, is_single)})
    else:
        _print_plan(plan, is_single)
    return 0


def _make_plan(app: "App", flags: "argparse.Namespace") -> "SweepPlan":
    """Run the preflight that a sweep runs before its first run."""
    from runtree.app import train
    from runtree.app.sweep_plan import SweepRequest
    from runtree.cli.sweep.live_view import make_view

    flags.multirun = True  # only a sweep has a preflight; a single run is planned as a sweep of one
    view: Any = make_view()
    try:
        view.preparing()
        result = train(app, flags, order=SweepRequest(app, plan_only=True))
    finally:
        view.close()
    assert result.swept is not None and result.swept.plan is not None
    return result.swept.plan


# Facts


def _space_rows(family: "SearchSpace") -> Iterator[list[Any]]:
    """Yield algorithm, path, number of values and declaration of each dimension."""
    for dimension, (path, text) in zip(family.space, family.declared.items(), strict=True):
        size = dimension.domain.size
        yield [family.name, path, "continuous" if size is None else f"{size:,}", text]


def _output_folder(plan: "SweepPlan", is_single: bool) -> str:
    from omegaconf import OmegaConf

    node = plan.config.hydra.run if is_single else plan.config.hydra.sweep
    # "." is the default, for which runtree makes a folder of its own
    if not OmegaConf.is_missing(node, "dir") and node.dir != ".":  # the user has set it
        return str(node.dir)
    parent = f"{plan.config.outputs}/{plan.config.experiment.name}"
    if not is_single:
        return f"{parent}/<time>-sweep, with a folder runs/0000 … for each run"
    fingerprint = plan.composer.base(first_combination(plan)).frozen.fingerprint
    return f"{parent}/<time>-{fingerprint[:8]}"


def _format_after(plan: "SweepPlan", forecast: CostForecast) -> str:
    """Return what is fitted once the search is over, which no limit on its time counts."""
    steps = ["one more fit of the best, on train and validation rows (tuner.refit)"] if is_refitted(plan) else []
    recheck = plan.options.recheck
    steps += [f"a cross-validation of the best {pluralize(recheck, 'trial')} (tuner.recheck)"] if recheck else []
    seconds = f": about {format_duration(forecast.after)}" if steps and forecast.after else ""
    return f"{', '.join(steps)}{seconds}"


def _make_document(plan: "SweepPlan", is_single: bool) -> dict[str, Any]:
    preflight, resources, forecast = plan.preflight, plan.resources, forecast_sweep(plan, is_single)
    return {
        "sweep": not is_single,
        "tuner": None if is_single else plan.node.get("name"),
        "overrides": list(plan.request.overrides),
        "data": {
            "names": data_names(plan),
            "rows": preflight.rows,
            "task": preflight.task,
            "fingerprint": preflight.data,
        },
        "split": preflight.split,
        "objectives": [{"metric": name, "direction": direction} for name, direction in preflight.objectives],
        "families": [
            {
                "name": family.name or None,
                "configurations": family.size,
                "space": [dict(zip(("path", "values", "space"), row[1:], strict=True)) for row in _space_rows(family)],
            }
            for family in plan.spaces
        ],
        "algorithms": algorithm_names(plan),
        "absent": plan.absent,
        "configurations": plan.size,
        "repeats": plan.options.repeats,
        "seeds": list(plan.overrides.seeds),
        "most_runs": 1 if is_single else max_runs(plan),
        "stop": plan.options.stop,
        "slots": plan.slots,
        "threads": resources.threads_each,
        "max_seconds": resources.max_seconds,
        "memory": resources.memory,
        "engine": resources.engine,
        "folder": _output_folder(plan, is_single),
        "warm_start": list(plan.warm_start),
        "predictions": {"bytes_per_run": preflight.prediction_bytes, "limit": plan.options.prediction_bytes},
        "forecast": {
            "seconds": forecast.seconds,
            "seconds_after_search": forecast.after,
            "bytes": forecast.bytes,
            "judged_by": {name: vars(cost) for name, cost in forecast.costs.items()},
            "unknown": list(forecast.unknown),
        },
    }


# The page


def _print_plan(plan: "SweepPlan", is_single: bool) -> None:
    names, preflight, resources = list_names(algorithm_names(plan)), plan.preflight, plan.resources
    if is_single:
        click.echo(wrapped("plan", f"one run of {names}"))
    else:
        slots = f"{plan.slots} in parallel"
        click.echo(wrapped("plan", f"{plan.node.get('name')} over {names}: {_format_size(plan)}, {slots}"))
    click.echo(wrapped("data", f"{', '.join(data_names(plan))}: {preflight.rows:,} rows ({preflight.task})"))
    objectives = ", ".join(f"{metric_name(name)} ({direction})" for name, direction in preflight.objectives)
    selection = "" if is_single else SELECTION.get(plan.options.keep, "")
    click.echo(wrapped("metric", f"{objectives}{selection}"))
    if not is_single:
        several = any(family.name for family in plan.spaces)
        rows = [row if several else row[1:] for family in plan.spaces for row in _space_rows(family)]
        headings = ["algorithm", "path", "values", "space"]
        click.echo()
        if rows:  # none where only seeds are named
            print_table(headings if several else headings[1:], rows)
        for text in plan.absent:
            click.echo(text)
        click.echo()
        for text in plan.warm_start:
            click.echo(wrapped("start", text))
        click.echo(wrapped("stop", format_stop(plan)))
    limits = [] if resources.max_seconds is None else [f"at most {format_duration(resources.max_seconds)} per run"]
    limits += [] if resources.memory is None else [f"at most {resources.memory} per run"]
    threads = f"{pluralize(resources.threads_each, 'thread')} per run"
    engine = f"engine {resources.engine}"
    click.echo(wrapped("compute", ", ".join([str(plan.config.compute.get("name")), engine, threads, *limits])))
    forecast = forecast_sweep(plan, is_single)
    click.echo(wrapped("time", _format_forecast(plan, forecast)))
    if not is_single and (after := _format_after(plan, forecast)):
        click.echo(wrapped("after", after))
    if not is_single and (most := plan.options.prediction_bytes) and preflight.prediction_bytes:
        sizes = f"at most {format_bytes(preflight.prediction_bytes)} per run, {format_bytes(most)} in all"
        click.echo(wrapped("disk", f"{sizes}, for the validation predictions (tuner.predictions)"))
    click.echo(wrapped("folder", _output_folder(plan, is_single)))
    request = plan.request
    composed_by = flags_for(request.config_name, request.config_dir, request.config_path)
    words = ["train", *([] if is_single else ["-m"]), *composed_by, *request.overrides]
    click.echo(f"\nnothing was run\n{next_steps([command(*words)])}")


def _format_size(plan: "SweepPlan") -> str:
    """Return ``at most 50 runs (search space: 9 configurations, each 3 times)``."""
    repeats = f", each {plan.options.repeats} times" if plan.options.repeats > 1 else ""
    if plan.overrides.seeds:
        repeats = f", each with {pluralize(len(plan.overrides.seeds), 'seed')}"
    conditional = any(dimension.when is not None for family in plan.spaces for dimension in family.space)
    size = "continuous" if plan.size is None else pluralize(plan.size, "configuration")
    at_most = "at most " if plan.size is not None and conditional else ""
    bound = format_bound(max_runs(plan), (plan.options.stop or {}).get("max_seconds"))
    return f"{bound} (search space: {at_most}{size}{repeats})"


def format_stop(plan: "SweepPlan") -> str:
    """Return what ends a sweep, and what becomes of the runs that are running then."""
    stop = plan.options.stop or {}
    criteria = {name: stop.get(name) for name in ("max_runs", "max_seconds", "target")}
    criteria |= {f"{name}.{key}": (stop.get(name) or {}).get(key) for name, key in NESTED_CRITERIA}
    texts = [f"{name}={value:g}" for name, value in criteria.items() if value is not None]
    texts += ["when the search space is exhausted"] if plan.size is not None else []
    return f"{', or '.join(texts)}; {_format_end(plan, stop)}"


def _format_end(plan: "SweepPlan", stop: Mapping[str, Any]) -> str:
    """Return what happens to the runs that are running when a criterion is reached."""
    running, limited = stop.get("running") or "auto", stop.get("max_seconds") is not None
    if not plan.reaches_runs:
        limit = "; max_seconds cannot end a run there" if limited else ""
        return f"running jobs then finish{limit}"
    if running == "terminate":
        return "running jobs are then terminated"
    if running == "finish" or not limited:
        return "running jobs then finish"
    grace = format_duration(float(plan.options.grace))
    return f"running jobs then finish, but after max_seconds they are ended within {grace}"


def _format_forecast(plan: "SweepPlan", forecast: CostForecast) -> str:
    if not forecast.costs:
        return "no estimate, since there is no earlier run"
    runs = sum(cost.runs for cost in forecast.costs.values())
    costs = ", ".join(f"{name} {format_duration(cost.seconds)} per run" for name, cost in forecast.costs.items())
    basis = f"estimated from {pluralize(runs, 'run')}: {costs}"
    basis += f"; none of {list_names(forecast.unknown)}" if forecast.unknown else ""
    if forecast.seconds is None or forecast.bytes is None:
        return basis
    limit = (plan.options.stop or {}).get("max_seconds")
    # the sweep ends at `max_seconds`, whatever the runs would take
    seconds = min(forecast.seconds, limit) if limit else forecast.seconds
    return f"about {format_duration(seconds)} and {format_bytes(forecast.bytes)} on disk ({basis})"
