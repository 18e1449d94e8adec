"""The time and the disk space that a sweep will take, from the runs of its algorithms so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtree.app.sweep_plan import SweepPlan
    from runtree.contract.types import RunRecord

MAX_MEASURED_FOLDERS = 50  # of each algorithm, the latest: measuring a folder reads the size of each file in it
RECHECK_FOLDS = 5  # `evaluator=cross_validation`, by which `tuner.recheck` scores


@dataclass(frozen=True)
class AlgorithmCost:
    """Cost of earlier runs of an algorithm: median seconds, median bytes with and without artifacts."""

    runs: int
    seconds: float
    light: float | None
    heavy: float | None


@dataclass(frozen=True)
class CostForecast:
    """Expected seconds and bytes of a sweep.

    `costs` are those of the algorithms that ran before, on which it is based; `unknown` are the others. `seconds` are
    those of the search; `after` those of what comes after it.
    """

    costs: Mapping[str, AlgorithmCost] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    seconds: float | None = None
    bytes: float | None = None
    after: float | None = None


def first_combination(plan: "SweepPlan") -> dict[str, str]:
    """Return the first option of each group that the sweep goes over."""
    return {key: options[0] for key, options in plan.overrides.composed.items()}


def algorithm_names(plan: "SweepPlan") -> list[str]:
    """Return the algorithms of a sweep."""
    if any(family.name for family in plan.spaces):
        return [family.name for family in plan.spaces]
    swept = plan.overrides.swept("algorithm")
    return list(swept) or [str(plan.composer.base(first_combination(plan)).value("algorithm.name"))]


def data_names(plan: "SweepPlan") -> list[str]:
    """Return the options of the group `data` of a sweep."""
    return list(plan.overrides.swept("data")) or [str(plan.composer.base(first_combination(plan)).value("data.name"))]


def max_runs(plan: "SweepPlan") -> int | None:
    """Return how many runs there are at most; None without a bound."""
    size = None if plan.size is None else plan.size * plan.options.repeats
    # a finite space ends a sweep before its limit does
    limits = [limit for limit in ((plan.options.stop or {}).get("max_runs"), size) if limit is not None]
    return min(limits, default=None)


def forecast_sweep(plan: "SweepPlan", is_single: bool) -> CostForecast:
    """Return the expected cost of a sweep, or of the single run that a plan without ranges is."""
    outputs, data, algorithms = Path(str(plan.config.outputs)), data_names(plan), algorithm_names(plan)
    if is_single:
        return forecast_cost(outputs, data, algorithms, runs=1, slots=1, keep="all")
    return with_later_fits(
        plan, forecast_cost(outputs, data, algorithms, max_runs(plan), plan.slots, plan.options.keep)
    )


def with_later_fits(plan: "SweepPlan", forecast: CostForecast) -> CostForecast:
    """Add the seconds of what is fitted after the search."""
    if not forecast.costs:
        return forecast
    seconds = fmean(cost.seconds for cost in forecast.costs.values())
    # the folds of a recheck take about as long as a run each
    fits = int(is_refitted(plan)) + RECHECK_FOLDS * plan.options.recheck
    return replace(forecast, after=fits * seconds)


def is_refitted(plan: "SweepPlan") -> bool:
    """Return whether the best run is fitted once more after the search, on more rows."""
    fit = plan.composer.base(first_combination(plan)).frozen.config.get("fit") or {}
    return plan.options.keep == "best" and bool(fit.get("refit")) and not plan.preflight.has_folds


def forecast_cost(
    outputs: Path, data: Sequence[str], algorithms: Sequence[str], runs: int | None, slots: int, keep: str
) -> CostForecast:
    """Estimate time and disk from completed runs of the same data and algorithms in the output folder.

    Each algorithm is assumed to get an equal share of the runs.
    """
    from runtree.records.selectors import read_records

    earlier: dict[str, list[RunRecord]] = {}
    for record in read_records(outputs):
        name = str(record.config.get("algorithm.name"))
        is_measured = record.state == "completed" and record.seconds is not None
        # failed runs end early, and other data takes other times: neither says anything about this sweep
        if is_measured and name in algorithms and record.config.get("data.name") in data:
            earlier.setdefault(name, []).append(record)
    costs = {name: _measure(earlier[name]) for name in algorithms if name in earlier}
    unknown = tuple(name for name in algorithms if name not in earlier)
    if not costs or runs is None:
        return CostForecast(costs, unknown)
    # slots share the cores, so this is a lower estimate where a run uses several threads
    seconds = runs * fmean(cost.seconds for cost in costs.values()) / slots
    # where only runs with artifacts were measured, or only runs without, they stand for the others
    heavy = fmean(cost.heavy if cost.heavy is not None else cost.light or 0.0 for cost in costs.values())
    light = fmean(cost.light if cost.light is not None else cost.heavy or 0.0 for cost in costs.values())
    # `tuner.keep`: artifacts of all runs, of the best, or of none
    with_artifacts = {"all": runs, "best": 1}.get(keep, 0)
    return CostForecast(costs, unknown, seconds, with_artifacts * heavy + (runs - with_artifacts) * light)


def _measure(read_records: "Sequence[RunRecord]") -> AlgorithmCost:
    from runtree.records.cleanup import disk_usage
    from runtree.records.folder_claims import ARTIFACT_FOLDERS

    sizes: dict[bool, list[int]] = {True: [], False: []}
    for record in sorted(read_records, key=lambda record: record.started)[-MAX_MEASURED_FOLDERS:]:
        # a model takes most of the disk, so runs with and without one are measured apart
        sizes[(record.folder / ARTIFACT_FOLDERS[0]).is_dir()].append(disk_usage(record.folder))
    light, heavy = (float(median(sizes[kept])) if sizes[kept] else None for kept in (False, True))
    return AlgorithmCost(
        len(read_records), float(median(record.seconds or 0.0 for record in read_records)), light, heavy
    )
