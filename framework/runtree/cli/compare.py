"""`runtree compare`: configurations side by side, with tests of their differences."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import (
    command,
    format_bytes,
    format_cell,
    format_seconds,
    format_setting,
    format_test_usage,
    indented,
    next_steps,
    outputs_option,
    pluralize,
    printable,
    where_option,
    whole_number,
)
from runtree.cli.tables import print_csv, print_json, print_table
from runtree.contract.fingerprint import PLUGINS, affects_fingerprint
from runtree.records.commands import run_command, run_name, training_command, training_overrides

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.compare.pairwise_test import PairwiseTest
    from runtree.records.compare.table import CompareRequest, ComparisonRow, ComparisonTable

SCHEMA = 1
DEFAULT_LIMIT = 20
DEFAULT_ALPHA = 0.05
DEFAULT_CORRECTION = "holm"
MAX_TESTS = 4  # named in a footnote
MAX_REASONS = 3
MAX_NOTES = 2
MIN_SHOWN_P = 0.0005  # a smaller one is shown as "<0.001"
DASH = "\N{EN DASH}"
CORRECTIONS = {"holm": "Holm-corrected", "bh": "Benjamini-Hochberg-corrected", "none": "not corrected"}
TESTS = {"corrected t": "corrected resampled t", "paired t": "paired t"}
INTERVALS = {"rows": "bootstrap of the rows", "seeds": "t over seeds", "folds": "corrected t over folds"}

HELP = f"""Compare configurations, with statistical tests. Runs that differ only in the seed are one configuration.

RUNS are runs (`latest`, `best`, a path, the beginning of an id, `models:/NAME@ALIAS`), experiments and sweeps; without
any, all runs of the output folder are compared. Configurations are listed best first, with the settings in which they
differ, mean, standard deviation and confidence interval. Each is tested against the best on runs with the same seed and
rows: fold by fold where there are folds, else seed by seed, or with one seed row by row. `tied` marks those without a
significant difference.

Runs on other data or splits, with another evaluator or objective, are refused.

\b
  runtree compare churn
  runtree compare churn --metric test.f1 --baseline logistic
  runtree compare 20261122-0317 20261122-0410-sweep --markdown > table.md

A table shows {DEFAULT_LIMIT} configurations unless --limit or --all is given, and tests only these.
"""


def comparison_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select the runs and the tests."""
    # decorators apply from the bottom up, so the list is in reverse order of the help
    for option in (
        click.option("--force", is_flag=True, help="Compare although data, split or scoring differ."),
        click.option(
            "--correction",
            type=click.Choice(["holm", "bh", "none"]),
            default=DEFAULT_CORRECTION,
            show_default=True,
            help="Correction for multiple tests: family-wise error (holm) or false discovery rate (bh).",
        ),
        click.option(
            "--alpha",
            type=click.FloatRange(0, 0.5, min_open=True),
            default=DEFAULT_ALPHA,
            show_default=True,
            help="Significance level; confidence intervals have the level 1 - alpha.",
        ),
        where_option(),
        click.option("--metric", metavar="NAME", help="Compare by this metric, e.g. test.f1. Default: the objective."),
        click.argument("runs", nargs=-1, metavar="[RUNS]...", shell_complete=complete_run),
    ):
        function = option(function)
    return function


@click.command("compare", help=HELP)
@comparison_options
@click.option("--baseline", metavar="NAME|RUN", help="Also test against this algorithm or run. Default: dummy.")
@click.option("--limit", metavar="N", type=whole_number(1), help="Show and test at most N configurations.")
@click.option("--all", "everything", is_flag=True, help="Show and test every configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, numbers in full.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
@outputs_option()
def compare_command(
    runs: tuple[str, ...],
    metric: str | None,
    where: tuple[str, ...],
    alpha: float,
    correction: Any,
    force: bool,
    baseline: str | None,
    limit: int | None,
    everything: bool,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    outputs: str,
) -> None:
    from runtree.app.compare import make_comparison
    from runtree.records.compare.table import CompareRequest

    most = limit if limit is not None else None if everything else DEFAULT_LIMIT
    table, _ = make_comparison(
        Path(outputs), CompareRequest(runs, metric, baseline, where, alpha, correction, most, force)
    )
    if as_json:
        _print_json(table)
    elif as_csv:
        _print_csv(table)
    elif as_markdown:
        _print_markdown(table)
    else:
        _print_page(table, outputs)


# The rows


def naming_keys(rows: "Sequence[ComparisonRow]") -> list[str]:
    """Return the config keys in which the configurations differ; the algorithm's name where they differ in none."""
    from runtree.records.diff import varying_keys
    from runtree.records.index import TABLE

    # Runs of one configuration differ in the seed and in what follows it. These keys vary, but do not distinguish rows.
    def without_seeds(row: "ComparisonRow") -> "RunRecord":
        # any record of the configuration will do: all others differ from it in the seed alone
        record = row.records[0]
        config = {key: value for key, value in record.config.items() if key not in row.followers}
        typed = tuple(text for text in record.overrides if text.lstrip("+~").partition("=")[0] not in row.followers)
        return replace(record, config=config, overrides=typed)

    keys = [key for key in varying_keys([without_seeds(row) for row in rows]) if affects_fingerprint(key)]
    for name, fingerprint in ((TABLE, "data"), (PLUGINS, PLUGINS)):
        if len({row.records[0].fingerprints.get(fingerprint) for row in rows}) > 1:
            keys.append(name)
    return keys or ["algorithm.name"]


def naming_settings(row: "ComparisonRow", keys: Sequence[str]) -> dict[str, Any]:
    """Return the settings by which a configuration differs from the others."""
    from runtree.records.index import TABLE
    from runtree.records.query import record_value
    from runtree.records.tables import TITLE_DIGITS

    record = row.records[0]
    data = str(record.fingerprints.get("data") or "")
    table = f"{record_value(record, TABLE)} {data[:TITLE_DIGITS]}".rstrip()
    values = {**record.config, TABLE: table, PLUGINS: record.fingerprints.get(PLUGINS)}
    return {key: values.get(key) for key in keys if key not in row.followers}


def row_document(row: "ComparisonRow", keys: Sequence[str]) -> dict[str, Any]:
    """Return a configuration as plain data."""
    spread = row.spread
    return {
        "rank": row.rank,
        "settings": naming_settings(row, keys),
        # whole, and not only what distinguishes it here: what is typed again has to be this configuration
        "overrides": training_overrides(row.records[0]),
        "command": training_command(row.records[0]),
        "n": spread.n,
        "mean": spread.mean,
        "sd": spread.sd,
        "interval": {"low": spread.low, "high": spread.high, "over": spread.over, "why_not": spread.why},
        "tied": row.tied,
        "against_best": _test_document(row.best, row.p),
        "is_baseline": row.is_baseline,
        "against_baseline": _test_document(row.baseline, row.p_baseline),
        "fit_seconds": row.fit_seconds,
        "bytes": row.bytes,
        "runs": [{"id": record.id, "folder": record.folder} for record in row.records],
        "repeats_left_out": row.repeated,
    }


def _test_document(test: "PairwiseTest | None", corrected_p: float | None) -> dict[str, Any] | None:
    """Return a test as plain data; its `p` is not corrected for multiple tests, `corrected_p` is."""
    if test is None:
        return None
    # the keys of a test that was not possible are left out, and `why_not` gives the reason
    result: Mapping[str, Any] = test.comparison.to_dict() if test.comparison is not None else {}
    return {**result, "over": test.over, "corrected_p": corrected_p, "why_not": test.why}


def _print_json(table: "ComparisonTable") -> None:
    keys = naming_keys(table.lines)
    document = {
        "schema": SCHEMA,
        "metric": table.measure.name,
        "direction": table.measure.direction,
        "alpha": table.request.alpha,
        "correction": table.request.correction,
        "runs": table.runs,
        "left_out": {"not_completed": table.unfinished, "without_the_metric": table.unscored},
        "configurations": table.total,
        "test_looks": table.test_looks,
        "forced_over": [obstacle.line for obstacle in table.obstacles],
        "lines": [row_document(row, keys) for row in table.lines],
    }
    print_json(document)


def _print_csv(table: "ComparisonTable") -> None:
    keys = naming_keys(table.lines)
    facts = ["rank", "n", "mean", "sd", "low", "high", "tied", "p", "p_baseline", "fit_seconds", "bytes", "runs"]
    rows = []
    for row in table.lines:
        spread, ids = row.spread, " ".join(record.id for record in row.records)
        numbers = [row.rank, spread.n, spread.mean, spread.sd, spread.low, spread.high]
        test = [row.tied, row.p, row.p_baseline]
        settings = map(naming_settings(row, keys).get, keys)
        rows.append([*settings, *numbers, *test, row.fit_seconds, row.bytes, ids])
    print_csv([*keys, *facts], rows)


# The page


def _print_page(table: "ComparisonTable", outputs: str) -> None:
    click.echo(format_heading(table))
    for obstacle in table.obstacles:
        click.echo(f"  not comparable, forced: {printable(obstacle.line)}")
    click.echo()
    print_table(*_make_cells(table))
    click.echo()
    for text in _footnotes(table):
        click.echo(indented(text, ""))
    click.echo(f"\n{next_steps(_suggestions(table, outputs))}")


def _print_markdown(table: "ComparisonTable") -> None:
    headings, rows = _make_cells(table)
    click.echo(f"{format_heading(table)}\n")
    for row in [headings, ["---"] * len(headings), *rows]:
        # a | inside a cell would end it: Markdown takes \| for the character
        click.echo(f"| {' | '.join(format_cell(cell).replace('|', chr(92) + '|') for cell in row)} |")
    click.echo()
    for text in [*(obstacle.line for obstacle in table.obstacles), *_footnotes(table)]:
        click.echo(f"- {printable(text)}")


def format_heading(table: "ComparisonTable") -> str:
    """Return ``3 configurations of 9 runs, best first by validation.f1 (the largest is best)``."""
    shown, best = len(table.lines), {"maximize": "largest", "minimize": "smallest"}[table.measure.direction]
    count = f"{shown:,} of {table.total:,}" if shown < table.total else f"{table.total:,}"
    noun = "configuration" if table.total == 1 else "configurations"
    runs = pluralize(table.runs, "run")
    return f"{count} {noun} of {runs}, best first by {table.measure.name} (the {best} is best)"


def _make_cells(table: "ComparisonTable") -> tuple[list[str], list[list[Any]]]:
    keys = naming_keys(table.lines)
    names = [key.removesuffix(".name").removesuffix("._target_") for key in keys]
    # the baseline compared with itself is no column
    has_baseline = any(row.is_baseline for row in table.lines) and len(table.lines) > 1
    facts = ["n", "mean", "sd", f"{100 * (1 - table.request.alpha):g} % CI", "tied", "p"]
    facts += [*(["p baseline"] if has_baseline else []), "fit s", "model", "run"]
    rows = []
    for row in table.lines:
        settings, spread = naming_settings(row, keys), row.spread
        tied = "best" if row.leader else {True: "yes", False: "no", None: "?"}[row.tied]
        cells = [spread.n, spread.mean, spread.sd, format_limits(row), tied, _format_p(row.p)]
        cells += [_format_p(row.p_baseline)] if has_baseline else []
        cells += [format_seconds(row.fit_seconds), format_bytes(row.bytes), row.top(table.measure).id]
        rows.append([row.rank, *(_format_key(settings, key) for key in keys), *cells])
    return ["", *names, *facts], rows


def _format_key(settings: Mapping[str, Any], key: str) -> Any:
    if key not in settings:
        return "-"
    value = settings[key]
    if key.endswith("._target_") and isinstance(value, str):
        return value.rpartition(".")[2]
    return "null" if value is None else format_setting(value)


def format_limits(row: "ComparisonRow") -> str:
    """Return the confidence interval of the mean."""
    low, high = row.spread.low, row.spread.high
    return "-" if low is None or high is None else f"{format_cell(low)}{DASH}{format_cell(high)}"


def _format_p(p: float | None) -> str:
    return "-" if p is None else "<0.001" if p < MIN_SHOWN_P else f"{p:.3f}"


def _footnotes(table: "ComparisonTable") -> Iterator[str]:
    """Yield the tests and intervals behind the numbers, and the runs that were left out."""
    tests = [row.best for row in table.lines if row.best is not None]
    if text := describe_ties(table):
        yield f"tied: {text}"
    baseline = next((row for row in table.lines if row.is_baseline), None)
    if baseline is not None and len(table.lines) > 1:
        name = baseline.records[0].config.get("algorithm.name") or baseline.records[0].id
        against = [row.baseline for row in table.lines if row.baseline is not None]
        methods = _describe_tests(against) or "no test was possible"
        yield f"p baseline: against {name} ({methods}; {CORRECTIONS[table.request.correction]})"
    yield from _untested(tests)
    # p is NaN, which differs from itself, where no test was possible
    notes = dict.fromkeys(test.comparison.note for test in tests if test.comparison is not None and test.p == test.p)
    yield from (f"note: {note}" for note in list(filter(None, notes))[:MAX_NOTES])
    yield from _intervals(table)
    yield from _left_out(table)
    if table.measure.part == "test":
        usage = f"test set used at least {pluralize(table.runs, 'time')}"
        if table.test_looks:
            usage = format_test_usage(table.test_looks)
        yield f"{usage}. A configuration selected on the test set needs new data for an unbiased estimate"


def describe_ties(table: "ComparisonTable") -> str:
    """Return the meaning of `tied` in this comparison; empty where no test was possible."""
    tests = [row.best for row in table.lines if row.best is not None]
    tested = sum(row.p is not None for row in table.lines)
    if not tested:
        return ""
    correction = table.request.correction
    over = "" if correction == "none" else f" over {pluralize(tested, 'comparison')}"
    return (
        f"p >= {table.request.alpha:g} against the best ({_describe_tests(tests)}; two-sided, "
        f"{CORRECTIONS[correction]}{over}): no significant difference, which does not show that they are equal"
    )


def _describe_tests(tests: "Sequence[PairwiseTest]") -> str:
    """Return the tests with their sizes: "corrected resampled t over 3 seeds, DeLong over 114 rows"."""
    # most rows have the same test over the same number of rows, which is then stated once
    distinct = dict.fromkeys(
        (TESTS.get(test.comparison.method, test.comparison.method), test.comparison.n, test.over)
        for test in tests
        if test.comparison is not None and test.p == test.p
    )
    return ", ".join(f"{method} over {n:,} {over}" for method, n, over in list(distinct)[:MAX_TESTS])


def _untested(tests: "Sequence[PairwiseTest]") -> Iterator[str]:
    # most rows fail for one reason, such as missing predictions
    reasons = Counter(
        test.why or (test.comparison.note if test.comparison else "") for test in tests if test.p != test.p
    )
    for reason, count in reasons.most_common(MAX_REASONS):
        yield f"?: {reason}" if count == 1 else f"?: {reason} ({pluralize(count, 'configuration')})"
    if len(reasons) > MAX_REASONS:
        yield f"?: {len(reasons) - MAX_REASONS} more reasons (all: --json)"


def _intervals(table: "ComparisonTable") -> Iterator[str]:
    kinds = dict.fromkeys(row.spread.over for row in table.lines if row.spread.over)
    if kinds:
        yield f"CI: {', '.join(INTERVALS[kind] for kind in kinds)}"
    reasons = Counter(row.spread.why for row in table.lines if row.spread.why)
    for reason, count in reasons.most_common(2):
        yield f"no CI: {reason}" + (f" ({pluralize(count, 'configuration')})" if count > 1 else "")


def _left_out(table: "ComparisonTable") -> Iterator[str]:
    repeated = sum(row.repeated for row in table.lines)
    texts = [
        f"{pluralize(table.unfinished, 'run')} not completed" if table.unfinished else "",
        f"{pluralize(table.unscored, 'run')} without {table.measure.name}" if table.unscored else "",
        f"{pluralize(repeated, 'older run')} with the same configuration and seed" if repeated else "",
    ]
    if any(texts):
        yield f"left out: {', '.join(filter(None, texts))}"
    if len(table.lines) < table.total:
        yield f"{table.total - len(table.lines):,} more configurations are neither shown nor tested (all: --all)"


def _suggestions(table: "ComparisonTable", outputs: str) -> list[str]:
    best, *others = table.lines
    top = best.top(table.measure)
    commands = [run_command("show", top)]
    if others:
        commands.append(run_command("diff", top, run_name(others[0].top(table.measure))))
    if any(row.tied for row in others):
        commands.append(command("best", *request_words(table.request), "--cheapest", outputs=outputs))
    return commands


def request_words(request: "CompareRequest") -> list[str]:
    """Return the words and options that select the same runs and the same metric again."""
    words = [*request.words, *(["--metric", request.metric] if request.metric else [])]
    words += [word for condition in request.where for word in ("--where", condition)]
    words += ["--alpha", f"{request.alpha:g}"] if request.alpha != DEFAULT_ALPHA else []
    words += ["--correction", request.correction] if request.correction != DEFAULT_CORRECTION else []
    return [*words, *(["--force"] if request.force else [])]
