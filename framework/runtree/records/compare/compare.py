"""The comparison of configurations, best first: each is tested against the best and against a baseline."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from runtree.contract.commands import command
from runtree.contract.errors import NotFoundError, RequestError, unknown
from runtree.contract.types import Metric
from runtree.records.compare.comparability import find_mismatches, refuse_mismatches
from runtree.records.compare.configurations import (
    SEED,
    Configuration,
    RankingMetric,
    choose_metric,
    completed_rows,
    group_configurations,
    scored_rows,
)
from runtree.records.compare.pairwise_test import PairwiseTest, have_equal_scores, measure_dispersion, run_pairwise_test
from runtree.records.compare.run_data import RunData, count_test_accesses
from runtree.records.compare.table import CompareRequest, ComparisonRow, ComparisonTable, Correction, KnownMetrics
from runtree.records.find import find_rows
from runtree.records.index import RunIndex
from runtree.records.query import RunQuery, matching_rows

DUMMY = "dummy"


def compare_runs(runs: RunIndex, request: CompareRequest, known: KnownMetrics) -> ComparisonTable:
    """Group runs into configurations and compare these.

    Raises
    ------
    NotFoundError, RequestError
        Words that mean no run, runs that are not comparable, an unknown metric or baseline.
    """
    rows = _select_rows(runs, request)
    measure = choose_metric(runs, rows, request.metric, known.directions)
    completed = completed_rows(runs, rows)
    scored = scored_rows(runs, completed, measure)
    if not scored:
        raise NotFoundError(
            f"none of these runs is completed and has {measure.name}", f"see: {command('runs', outputs=runs.outputs)}"
        )
    mismatches = find_mismatches(runs, completed, measure, bool(request.metric))
    if not request.force:
        refuse_mismatches(mismatches)
    configurations = group_configurations(runs, scored, measure)
    baseline = _find_baseline(runs, configurations, request.baseline)
    lines = tuple(_compare_configurations(runs, configurations, baseline, measure, known.metrics, request))
    if not lines:
        raise NotFoundError(
            "the records of these runs cannot be read any more", f"see: {command('runs', outputs=runs.outputs)}"
        )
    shown = [record for line in lines for record in line.records]
    return ComparisonTable(
        request=request,
        measure=measure,
        lines=lines,
        total=len(configurations),
        runs=len(scored),
        unfinished=len(rows) - len(completed),
        unscored=len(completed) - len(scored),
        obstacles=tuple(mismatches),
        test_looks=count_test_accesses(runs.outputs, shown) if measure.part == "test" else None,
    )


def _select_rows(runs: RunIndex, request: CompareRequest) -> list[int]:
    rows = find_rows(runs, request.words)
    if request.where:
        matching = set(matching_rows(runs, RunQuery(where=request.where)))
        rows = [row for row in rows if row in matching]
    if request.baseline and not _rows_of_algorithm(runs, rows, request.baseline):
        rows = list(dict.fromkeys([*rows, *find_rows(runs, [request.baseline])]))
    return rows


def _rows_of_algorithm(runs: RunIndex, rows: Sequence[int], name: str) -> list[int]:
    names = runs.column("config:algorithm.name")
    return [row for row in rows if names[row] == name]


def _find_baseline(runs: RunIndex, configurations: Sequence[Configuration], name: str | None) -> Configuration | None:
    """Return the configuration that `name` means, an algorithm or a run; without a name the dummy, if there is one."""
    rows = [row for configuration in configurations for row in configuration.rows]
    wanted = set(_rows_of_algorithm(runs, rows, name or DUMMY))
    if name and not wanted:
        wanted = set(find_rows(runs, [name]))
    matching = [configuration for configuration in configurations if wanted & set(configuration.rows)]
    if name and not matching:
        raise unknown("baseline", name, {str(name) for name in runs.column("config:algorithm.name").values()})
    if name and len(matching) > 1:
        raise RequestError(f"--baseline: '{name}' names {len(matching)} configurations", "name one run of it")
    return matching[0] if matching else None


def _compare_configurations(
    runs: RunIndex,
    configurations: Sequence[Configuration],
    baseline: Configuration | None,
    measure: RankingMetric,
    metrics: Mapping[str, Metric],
    request: CompareRequest,
) -> Iterator[ComparisonRow]:
    """Test the first configurations against the best and against the baseline. The baseline is always included.

    Only configurations that are shown are tested: the correction counts these tests, and each reads predictions.
    """
    limit = request.most or len(configurations)
    ranked = [pair for pair in enumerate(configurations, 1) if pair[0] <= limit or pair[1] is baseline]
    data = read_run_data(runs, [configuration for _, configuration in ranked], measure)
    shown = [(rank, configuration, group) for (rank, configuration), group in zip(ranked, data, strict=True) if group]
    level = 1 - request.alpha
    of_baseline = next((group for _, configuration, group in shown if configuration is baseline), None)
    best_tests = [None, *(run_pairwise_test(group, shown[0][2], metrics, level) for _, _, group in shown[1:])]
    baseline_tests = [
        None if group is of_baseline or not of_baseline else run_pairwise_test(group, of_baseline, metrics, level)
        for _, _, group in shown
    ]
    best_p, baseline_p = (correct_p_values(tests, request.correction) for tests in (best_tests, baseline_tests))
    for number, (rank, configuration, group) in enumerate(shown):
        p = best_p[number]
        yield ComparisonRow(
            rank=rank,
            records=tuple(run.record for run in group),
            followers=configuration.followers | {SEED},
            repeated=configuration.repeated,
            spread=measure_dispersion(group, metrics, level),
            best=best_tests[number],
            baseline=baseline_tests[number],
            p=p,
            p_baseline=baseline_p[number],
            tied=number == 0 or _is_tied(p, group, shown[0][2], request.alpha),
            is_baseline=configuration is baseline,
        )


def _is_tied(p: float | None, group: Sequence[RunData], best: Sequence[RunData], alpha: float) -> bool | None:
    if p is not None:
        return p >= alpha
    # equal scores of the same rows are a tie, whether or not they can be tested
    return True if have_equal_scores(group, best) else None


def read_run_data(
    runs: RunIndex, configurations: Sequence[Configuration], measure: RankingMetric
) -> list[list[RunData]]:
    """Read the records of each configuration. One that cannot be read any more is a warning, and left out."""
    rows = [row for configuration in configurations for row in configuration.rows]
    records = {record.folder: record for record in runs.read_records(rows)}
    folders = [[runs.outputs / runs.folder(row) for row in configuration.rows] for configuration in configurations]
    return [[RunData(records[folder], measure) for folder in group if folder in records] for group in folders]


def correct_p_values(tests: Sequence[PairwiseTest | None], correction: Correction) -> list[float | None]:
    """Return the p values, corrected for the number of tests; None where there is no test."""
    from runtree.statistics.comparison import benjamini_hochberg, holm

    methods: Mapping[Correction, Callable[[Sequence[float]], list[float]]] = {
        "holm": holm,
        "bh": benjamini_hochberg,
        "none": list,
    }
    corrected = methods[correction]([math.nan if test is None else test.p for test in tests])
    return [None if math.isnan(p) else p for p in corrected]
