"""The page of a comparison: the table, and in a few lines what its figures rest on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import format_cell, printable
from runtree.cli.clean import told_bytes
from runtree.cli.compare_rows import named, naming_keys
from runtree.cli.tables import indented, print_table, terminal_width
from runtree.cli.words import command, counted, duration, next_line, setting, told_looks

if TYPE_CHECKING:
    from runtree.records.compare.pairwise_test import PairwiseTest
    from runtree.records.compare.table import ComparisonRow, ComparisonTable

CORRECTED = {"holm": "Holm-corrected", "bh": "Benjamini-Hochberg-corrected", "none": "not corrected"}
METHODS = {"corrected t": "corrected resampled t", "paired t": "paired t"}
DASH = "\N{EN DASH}"
BETTER = {"maximize": "largest", "minimize": "smallest"}


def print_comparison(table: "ComparisonTable", outputs: str) -> None:
    """Print the heading, the table, what it rests on, and what to type next."""
    click.echo(heading(table))
    for obstacle in table.obstacles:
        click.echo(f"  does not compare, and was forced to: {printable(obstacle.line)}")
    click.echo()
    headings, rows = cells(table)
    print_table(headings, rows, width=terminal_width())
    click.echo()
    for text in footnotes(table):
        click.echo(indented(text, "", terminal_width()))
    click.echo(f"\n{next_line(suggestions(table, outputs))}")


def print_markdown(table: "ComparisonTable") -> None:
    """Print the same for a README: pipes in a cell are escaped."""
    headings, rows = cells(table)
    click.echo(f"{heading(table)}\n")
    lines = [headings, ["---"] * len(headings), *rows]
    for row in lines:
        click.echo(f"| {' | '.join(format_cell(cell).replace('|', chr(92) + '|') for cell in row)} |")
    click.echo()
    for text in [*(obstacle.line for obstacle in table.obstacles), *footnotes(table)]:
        click.echo(f"- {printable(text)}")


def heading(table: "ComparisonTable") -> str:
    """Return what is compared, in a line."""
    shown, way = len(table.lines), BETTER[table.measure.direction]
    which = f"{shown:,} of {table.total:,}" if shown < table.total else f"{table.total:,}"
    total = f"{which} configuration{'' if table.total == 1 else 's'} of {counted(table.runs, 'run')}"
    return f"{total}, best first by {table.measure.name} (the {way} is best)"


def cells(table: "ComparisonTable") -> tuple[list[str], list[list[Any]]]:
    """Return headings and rows."""
    keys = naming_keys(table.lines)
    shown = [key.removesuffix(".name").removesuffix("._target_") for key in keys]
    against = any(line.is_baseline for line in table.lines) and len(table.lines) > 1
    level = f"{100 * (1 - table.request.alpha):g} %"
    facts = ["n", "mean", "sd", level, "tied", "p", *(["p baseline"] if against else []), "fit s", "model", "run"]
    rows = []
    for line in table.lines:
        settings = named(line, keys)
        told = [line.spread.n, line.spread.mean, line.spread.sd, told_interval(line), told_tie(line), told_p(line.p)]
        told += [told_p(line.p_baseline)] if against else []
        told += [duration(line.fit_seconds), "-" if line.bytes is None else told_bytes(int(line.bytes))]
        rows.append([line.rank, *(_setting(settings, key) for key in keys), *told, line.top(table.measure).id])
    return ["", *shown, *facts], rows


def _setting(settings: dict[str, Any], key: str) -> Any:
    if key not in settings:
        return "-"
    value = settings[key]
    if key.endswith("._target_") and isinstance(value, str):
        return value.rpartition(".")[2]
    return "null" if value is None else setting(value)


def told_interval(line: "ComparisonRow") -> str:
    """Return "0.9364 to 0.9821" with a dash between."""
    low, high = line.spread.low, line.spread.high
    return "-" if low is None or high is None else f"{format_cell(low)}{DASH}{format_cell(high)}"


def told_tie(line: "ComparisonRow") -> str:
    """Return whether the data can tell it from the best."""
    return "best" if line.leader else {True: "yes", False: "no", None: "?"}[line.tied]


def told_p(p: float | None) -> str:
    """Return a p value to three decimals."""
    return "-" if p is None else "<0.001" if p < 0.0005 else f"{p:.3f}"


def footnotes(table: "ComparisonTable") -> Iterator[str]:
    """Yield what the figures rest on, and what was left out."""
    duels = [line.best for line in table.lines if line.best is not None]
    if ties := told_ties(table):
        yield f"tied: {ties}"
    base = next((line for line in table.lines if line.is_baseline), None)
    if base is not None and len(table.lines) > 1:
        others = [line.baseline for line in table.lines if line.baseline is not None]
        told = told_methods(others) or "nothing could be tested"
        yield f"p baseline: against {_name(base)} ({told}; {CORRECTED[table.request.correction]} likewise)"
    yield from _not_tested(duels)
    notes = dict.fromkeys(one.comparison.note for one in duels if one.comparison is not None and one.p == one.p)
    yield from (f"note: {note}" for note in [one for one in notes if one][:2])
    yield from _intervals(table)
    yield from _left_out(table)
    yield from _looked_at(table)


def _intervals(table: "ComparisonTable") -> Iterator[str]:
    """Yield what the intervals rest on, and why some have none."""
    rests = {"rows": "bootstrap of the rows", "seeds": "t over seeds", "folds": "corrected t over folds"}
    over = dict.fromkeys(line.spread.over for line in table.lines if line.spread.over)
    if over:
        yield f"interval: {', '.join(rests[one] for one in over)}"
    whys = Counter(line.spread.why for line in table.lines if line.spread.why)
    for why, count in whys.most_common(2):
        yield f"no interval: {why}" + (f" ({counted(count, 'configuration')})" if count > 1 else "")


def told_ties(table: "ComparisonTable") -> str:
    """Return what a tie means here; empty where nothing could be tested."""
    duels = [line.best for line in table.lines if line.best is not None]
    tested = sum(line.p is not None for line in table.lines)
    if not tested:
        return ""
    many = "" if table.request.correction == "none" else f" over {counted(tested, 'comparison')}"
    return (
        f"p >= {table.request.alpha:g} against the best ({told_methods(duels)}; two-sided, "
        f"{CORRECTED[table.request.correction]}{many}): these runs cannot tell the two apart, "
        "which does not show that they are equal"
    )


def _name(line: "ComparisonRow") -> str:
    return str(line.records[0].config.get("algorithm.name") or line.records[0].id)


def told_methods(duels: "Sequence[PairwiseTest]") -> str:
    """Return the tests that were made: "corrected resampled t over 3 seeds, DeLong over 114 rows"."""
    made = dict.fromkeys(
        (METHODS.get(one.comparison.method, one.comparison.method), one.comparison.n, one.over)
        for one in duels
        if one.comparison is not None and one.p == one.p
    )
    return ", ".join(f"{method} over {n:,} {over}" for method, n, over in list(made)[:4])


def _not_tested(duels: "Sequence[PairwiseTest]") -> Iterator[str]:
    whys = Counter(one.why or (one.comparison.note if one.comparison else "") for one in duels if one.p != one.p)
    for why, count in whys.most_common(3):
        yield f"?: {why}" if count == 1 else f"?: {why} ({counted(count, 'configuration')})"
    if len(whys) > 3:
        yield f"?: and {len(whys) - 3} other reasons (all: --json)"


def _left_out(table: "ComparisonTable") -> Iterator[str]:
    repeated = sum(line.repeated for line in table.lines)
    told = [
        f"{counted(table.unfinished, 'run')} not completed" if table.unfinished else "",
        f"{counted(table.unscored, 'run')} without {table.measure.name}" if table.unscored else "",
        f"{counted(repeated, 'older run')} with the seed of another" if repeated else "",
    ]
    if any(told):
        yield f"left out: {', '.join(filter(None, told))}"
    if len(table.lines) < table.total:
        yield f"{table.total - len(table.lines):,} more configurations are neither shown nor tested (all: --all)"


def _looked_at(table: "ComparisonTable") -> Iterator[str]:
    if table.measure.part == "test":
        told = told_looks(table.test_looks) if table.test_looks else f"test looks: {table.runs:,} at least"
        yield f"{told}. Whoever chooses by the test part has nothing left to judge by"


def suggestions(table: "ComparisonTable", outputs: str) -> list[str]:
    """Return what to type next."""
    best, *others = table.lines
    words, top = table.request.words, best.top(table.measure).id
    commands = [command("show", top, outputs=outputs)]
    if others:
        commands.append(command("diff", top, others[0].top(table.measure).id, outputs=outputs))
    if any(line.tied for line in others):
        commands.append(command("best", *words, "--cheapest", outputs=outputs))
    return commands
