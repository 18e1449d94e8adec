"""What is known of a sweep before its first run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.cli.sweep.forecast import Forecast, forecast

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.sweeps.search_space import SearchSpace


def is_single(plan: "SweepPlan", sweeps: bool) -> bool:
    """Tell whether it is one run, and would be no sweep."""
    return not sweeps and plan.node.get("name") == "grid" and not any(family.space for family in plan.families)


def algorithms(plan: "SweepPlan") -> list[str]:
    """Return the algorithms that would be fitted."""
    if any(family.name for family in plan.families):
        return [family.name for family in plan.families]
    swept = plan.axes.swept("algorithm")
    return list(swept) or [str(plan.composer.base(first(plan)).value("algorithm.name"))]


def data_names(plan: "SweepPlan") -> list[str]:
    """Return the data that would be worked on."""
    return list(plan.axes.swept("data")) or [str(plan.composer.base(first(plan)).value("data.name"))]


def first(plan: "SweepPlan") -> dict[str, str]:
    """Return the options of the first combination."""
    return {key: options[0] for key, options in plan.axes.composed.items()}


def total(plan: "SweepPlan") -> int | None:
    """Return how many runs there are at most."""
    most = None if plan.size is None else plan.size * plan.options.repeats
    bounds = [bound for bound in ((plan.options.stop or {}).get("max_runs"), most) if bound is not None]
    return min(bounds, default=None)


def space_rows(family: "SearchSpace") -> Iterator[list[Any]]:
    """Yield a row a dimension."""
    for one, (path, text) in zip(family.space, family.declared.items(), strict=True):
        size = one.domain.size
        yield [family.name, path, "any" if size is None else f"{size:,}", text]


def judge(plan: "SweepPlan", one: bool) -> Forecast:
    """Look at earlier runs."""
    runs, slots = (1, 1) if one else (total(plan), plan.slots)
    keep = "all" if one else plan.options.keep
    return forecast(Path(str(plan.config.outputs)), data_names(plan), algorithms(plan), runs, slots, keep)


def folder(plan: "SweepPlan", one: bool) -> str:
    """Return where it would be kept."""
    from omegaconf import OmegaConf

    node = plan.config.hydra.run if one else plan.config.hydra.sweep
    if not OmegaConf.is_missing(node, "dir") and node.dir != ".":
        return str(node.dir)
    parent = f"{plan.config.outputs}/{plan.config.experiment.name}"
    fingerprint = plan.composer.base(first(plan)).frozen.fingerprint[:8]
    return f"{parent}/<time>-{fingerprint}" if one else f"{parent}/<time>-sweep, a folder runs/0000 … for each run"


def as_document(plan: "SweepPlan", sweeps: bool) -> dict[str, Any]:
    """Return all of it for programs."""
    one = is_single(plan, sweeps)
    found, allowed, guess = plan.found, plan.resources, judge(plan, one)
    return {
        "sweep": not one,
        "tuner": None if one else plan.node.get("name"),
        "overrides": list(plan.order.overrides),
        "data": {"names": data_names(plan), "rows": found.rows, "task": found.task, "fingerprint": found.data},
        "split": found.split,
        "objectives": [{"metric": name, "direction": way} for name, way in found.objectives],
        "families": [
            {
                "name": family.name or None,
                "configurations": family.size,
                "space": [dict(zip(("path", "values", "space"), row[1:], strict=True)) for row in space_rows(family)],
            }
            for family in plan.families
        ],
        "algorithms": algorithms(plan),
        "absent": plan.absent,
        "configurations": plan.size,
        "repeats": plan.options.repeats,
        "most_runs": 1 if one else total(plan),
        "stop": plan.options.stop,
        "slots": plan.slots,
        "threads": allowed.threads_each,
        "max_seconds": allowed.max_seconds,
        "memory": allowed.memory,
        "engine": allowed.engine,
        "folder": folder(plan, one),
        "forecast": {
            "seconds": guess.seconds,
            "bytes": guess.bytes,
            "judged_by": {name: vars(judged) for name, judged in guess.judged.items()},
            "unknown": list(guess.unknown),
        },
    }
