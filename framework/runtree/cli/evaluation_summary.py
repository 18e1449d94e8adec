"""A run's evaluation in a few lines: intervals beside the metrics, baselines, gates, findings of the diagnosis."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import next_steps, pluralize, printable
from runtree.cli.tables import print_csv, print_json, print_table
from runtree.records.commands import run_command, training_command

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

SCHEMA = 1
MAX_WARNINGS = 2  # printed after training; the line below them says where the others are
MAX_NAMES = 4  # of metrics on one line
DASH = "\N{EN DASH}"
LARGE_NUMBER = 1e5  # from here on three significant digits, not decimals
FINDING_COLUMNS = ["level", "finding", "says", "advice"]

Table = tuple[list[str], list[list[Any]]]


def with_intervals(headings: Sequence[str], rows: Sequence[Sequence[Any]], evaluation: Mapping[str, Any]) -> Table:
    """Return a table of metrics with a column ``test 95 % CI`` after `test`, where `evaluation` holds intervals.

    Parameters
    ----------
    rows
        The name of each metric, followed by its value on each split.
    evaluation
        The content of `evaluation.json`.
    """
    intervals = evaluation.get("intervals") or {}
    limits = intervals.get("test") or {}
    # a column of dashes would take the room of a metric
    if "test" not in headings or not any(_is_known(interval) for interval in limits.values()):
        return list(headings), [list(row) for row in rows]
    after = list(headings).index("test") + 1
    texts = [format_interval(limits.get(row[0]) or {}) for row in rows]
    extended = [*headings[:after], f"test {100 * intervals['level']:g} % CI", *headings[after:]]
    return extended, [[*row[:after], text, *row[after:]] for row, text in zip(rows, texts, strict=True)]


def format_interval(limits: Mapping[str, float | None]) -> str | None:
    """Return ``0.936-0.982``, with an en dash, to two significant digits of half its width; None without limits."""
    if not _is_known(limits):
        return None
    low, high = float(limits["low"] or 0), float(limits["high"] or 0)
    # half the width of a large interval may suggest no decimals, and the digits before the point are then too many
    if max(abs(low), abs(high)) >= LARGE_NUMBER:
        return f"{low:.3g}{DASH}{high:.3g}"
    half_width = (high - low) / 2  # of which two digits are meaningful, whatever the size of the value
    decimals = min(8, max(0, 2 - math.ceil(math.log10(half_width)))) if half_width > 0 else 4
    return f"{low:.{decimals}f}{DASH}{high:.{decimals}f}"


def _is_known(limits: Mapping[str, float | None]) -> bool:
    return limits.get("low") is not None and limits.get("high") is not None


def undefined_lines(undefined: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yield why metrics have no value, and why test metrics have no interval, a line for each reason.

    Parameters
    ----------
    undefined
        Reasons by metric, by split, as `metrics.json` holds them.
    """
    found: dict[str, dict[str, None]] = {}  # the names with a reason, in order
    for split, reasons in undefined.items():
        for name, reason in reasons.items():
            # a model is the same on every split, rows are not
            where = "" if reason.startswith("the model") else f" on {split}"
            found.setdefault(f"not defined{where}, {reason}", {})[name] = None
    intervals = evaluation.get("intervals") or {}
    for name, limits in (intervals.get("test") or {}).items():
        if limits.get("reason") and name not in (undefined.get("test") or {}):
            found.setdefault(f"no interval, {limits['reason']}", {})[name] = None
    for reason, names in found.items():
        shown = ", ".join([*names][:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
        yield printable(f"{shown}: {reason}")
    if intervals.get("note"):
        yield f"note: {intervals['note']}"


def evaluation_lines(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for the baselines, and one for each gate that was requested."""
    if evaluation.get("baselines"):
        yield format_baselines(evaluation["baselines"])
    if evaluation.get("benchmark"):
        conditions = evaluation["benchmark"]["conditions"]
        met = sum(bool(condition["passed"]) for condition in conditions)
        text = f"{met} of {pluralize(len(conditions), 'condition')} met"
        yield format_gate("benchmark", evaluation["benchmark"]["passed"], text)
    for group in evaluation.get("fairness") or ():
        if group["passed"] is not None:
            yield format_gate(f"fairness of {group['column']}", group["passed"], "no gap is larger than allowed")


def format_baselines(baselines: Sequence[Mapping[str, Any]]) -> str:
    """Return ``vs baselines (test f1): dummy +0.41, linear +0.01 (tie)``."""
    lifts = ", ".join(
        f"{baseline['name']} {format_lift(baseline['gain'], _better_by(baseline))}" for baseline in baselines
    )
    return f"vs baselines (test {baselines[0]['gain']['metric']}): {lifts}"


def _better_by(baseline: Mapping[str, Any]) -> list[str]:
    return [str(entry["metric"]) for entry in baseline.get("other_metrics") or () if entry["better"]]


def format_lift(lift: Mapping[str, Any], better_by: Sequence[str] = ()) -> str:
    """Return ``+0.012``, or with a word where the model is not shown to be better.

    ``-0.003 (tie)`` where the interval contains 0, ``-0.01 (worse)`` where it lies below, ``+0.2 (not tested)`` where
    the rows determine none; `better_by` names other metrics by which it is better.
    """
    if lift["value"] is None:
        return f"unknown ({lift['note']})" if lift.get("note") else "unknown"
    low, high = lift["low"], lift["high"]
    word = "worse" if lift["value"] < 0 else ""
    if low is not None and high is not None and low <= 0 <= high:
        word = "tie"
    elif low is None and lift.get("note"):
        word = "not tested"
    words = filter(None, [word, f"better by {', '.join(better_by[:MAX_NAMES])}" if better_by else ""])
    text = "; ".join(words)
    return f"{lift['value']:+.3g}" + (f" ({text})" if text else "")


def format_gate(name: str, passed: bool, text: str) -> str:
    """Return the line of a gate; the reason of a failure is in the error."""
    return printable(f"gate {name}: passed, {text}" if passed else f"gate {name}: failed")


def print_warnings(record: "RunRecord") -> None:
    """Print the first warnings of the diagnosis, and how to see the others."""
    from runtree.records.reader import RunReader

    findings = RunReader(record.folder).evaluation.get("findings") or []
    # what is wrong with the table was printed before the fit
    warnings = [
        finding
        for finding in findings
        if finding.get("level") == "warning" and not str(finding.get("name")).startswith("table: ")
    ]
    if not warnings:
        return
    click.echo()
    for warning in warnings[:MAX_WARNINGS]:
        click.echo(f"warning: {printable(warning['says'])}")
    hidden = f"{len(warnings) - MAX_WARNINGS} more, and " if len(warnings) > MAX_WARNINGS else ""
    click.echo(f"         {hidden}what to do: {run_command('show', record, '--findings')}")


def print_findings(record: "RunRecord", as_json: bool, as_csv: bool, outputs: str) -> None:
    """Print every finding of the diagnosis, the most severe first, with the advice below it."""
    from runtree.records.reader import RunReader

    findings = RunReader(record.folder).evaluation.get("findings") or []
    if as_json:
        print_json({"schema": SCHEMA, "run": record.id, "findings": findings})
    elif as_csv:
        print_csv(FINDING_COLUMNS, [[row["level"], row["name"], row["says"], row["advice"]] for row in findings])
    elif not findings:
        click.echo(f"{record.id} has no diagnosis; evaluator.diagnose=quick makes one of a completed run", err=True)
    else:
        rows = [[finding["level"], finding["name"], finding["says"]] for finding in findings]
        notes = {number: f"-> {finding['advice']}" for number, finding in enumerate(findings) if finding["advice"]}
        print_table(FINDING_COLUMNS[:3], rows, notes)
        commands = [run_command("show", record)]
        if not any(finding["name"] in ("more rows", "robustness") for finding in findings):  # only "full" has these
            commands.insert(0, training_command(record, "evaluator.diagnose=full"))
        click.echo(f"\n{next_steps(commands)}")
