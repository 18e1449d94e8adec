"""Comparisons of recorded runs by the metrics that runs and installed plugins declare."""

from collections.abc import Mapping
from pathlib import Path

from runtree.plugins import installed_plugins
from runtree.records.compare.compare import compare_runs
from runtree.records.compare.table import CompareRequest, ComparisonTable, KnownMetrics
from runtree.records.index import RunIndex, query_index
from runtree.statistics.metrics import catalogue


def make_comparison(outputs: Path, request: CompareRequest) -> tuple[ComparisonTable, KnownMetrics]:
    """Compare runs of the output folder; return the comparison and the metrics that runs and plugins declare."""

    def run_comparison(runs: RunIndex) -> tuple[ComparisonTable, KnownMetrics]:
        # a test recomputes the metric on resamples, so its function is needed and not only its name
        known = catalogue(installed_plugins().contributions("register_metrics"))
        metrics = KnownMetrics(metric_directions(runs), known)
        return compare_runs(runs, request, metrics), metrics

    # everything happens inside: if the index proves stale, the whole comparison is made again without it
    return query_index(outputs, run_comparison)


def metric_directions(runs: RunIndex) -> Mapping[str, str]:
    """Return "maximize" or "minimize" by metric: as plugins declare it, and as the objectives of the runs do."""
    declared = {metric.name: metric.direction for _, metric in installed_plugins().contributions("register_metrics")}
    # what runs have recorded wins: a metric of a plugin may not be installed any more
    return declared | runs.directions()
