"""`runtree rerun`: train a run's config again, and say whether it came to the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.show import complete_run
from runtree.cli.words import outputs_option

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.diff import Diff
    from runtree.records.reproducibility import Agreement

SCHEMA = 1
LABEL = 13  # room for the word at the beginning of a line
BESIDE = ("config", "environment", "code")  # in what the two may differ besides

HELP = """Train the config of a run again, in a new folder of the same experiment, and compare the two.

RUN is `latest`, a path, or the beginning of a run's id; a run of a sweep is trained alone. Where its config is not what
it was it is refused, with the keys; --force takes the config as it is now. Data that has changed is told as soon as it
is loaded, and the run goes on. In the end metrics and predictions are compared to the last digit.

The exit code is 0 where both are equal, 3 where they differ, 1 where the run fails.

\b
  runtree rerun latest
  runtree rerun 20261122-0317 --json
"""


@click.command("rerun", help=HELP)
@click.argument("run", default="latest", shell_complete=complete_run)
@click.option("--force", is_flag=True, help="Train it although its config is not what it was.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def rerun_command(run: str, force: bool, as_json: bool, outputs: str) -> int:
    """Find the run, train it again, and compare."""
    from runtree.app import TrainCallbacks
    from runtree.app.rerun import rerun
    from runtree.cli.progress import Progress
    from runtree.records.diff import diff
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record
    from runtree.records.reproducibility import compare_metrics, compare_predictions
    from runtree.records.selectors import find_run

    record = find_run(Path(outputs), run)
    warn_of_environment(record)
    progress = Progress()
    try:
        done = rerun(record, force, say, TrainCallbacks(progress.stage, progress.run, progress.iterated))
    finally:
        progress.stop()
    found = diff(record, read_record(RunFolder(done.runs[0].folder)))
    agreements = {
        "metrics": compare_metrics(found),
        "predictions": compare_predictions(record, found.other),
    }
    equal = record.state == found.other.state and all(one.equal for one in agreements.values())
    if as_json:
        print_as_json(found, agreements, equal)
    else:
        print_comparison(found, agreements, outputs)
    return 0 if equal else 3


def say(text: str) -> None:
    """Tell it beside the results."""
    click.echo(f"note: {text}", err=True)


def warn_of_environment(record: "RunRecord") -> None:
    """Say before the work in which versions this environment is not the one of the run."""
    from runtree.records import artifacts
    from runtree.records.environment import environment

    before, fault = artifacts.environment(record)
    if not before:
        say(f"the environment cannot be checked: {fault}")
        return
    now = environment()
    pair = [dict(artifacts.leaves({key: side.get(key) for key in ("python", "packages")})) for side in (before, now)]
    changed = [key for key in dict.fromkeys([*pair[0], *pair[1]]) if pair[0].get(key) != pair[1].get(key)]
    if changed:
        told = (f"{key.removeprefix('packages.')} {pair[0].get(key)} -> {pair[1].get(key)}" for key in changed)
        say(f"the environment is not what it was: {', '.join(told)}")


def print_as_json(found: "Diff", agreements: "dict[str, Agreement]", equal: bool) -> None:
    """Print what came of it as one document: the difference of the two runs, and how far they agree."""
    from dataclasses import asdict

    from runtree.cli.diff import document
    from runtree.cli.tables import print_json

    told: dict[str, Any] = {name: {"equal": one.equal, **asdict(one)} for name, one in agreements.items()}
    print_json({**document(found), "equal": equal, **told})


def print_comparison(found: "Diff", agreements: "dict[str, Agreement]", outputs: str) -> None:
    """Print both runs, how far they agree, in what else they differ, and what to type next."""
    from runtree.cli.cells import printable
    from runtree.cli.diff_page import print_sections
    from runtree.cli.words import command, next_line

    one, other = found.one, found.other
    lines = [("A", f"{one.id}   {one.state}"), ("B", f"{other.id}   {other.state}, the rerun")]
    data = "other data" in found.obstacles
    lines.append(("data", "not what it was: the metrics do not compare" if data else "the same"))
    lines += [(name, told(one, "rows" if name == "predictions" else "values")) for name, one in agreements.items()]
    for label, text in lines:
        click.echo(f"{label:<{LABEL}}{printable(text)}")
    print_sections(section for section in found.sections if section.name in BESIDE and section.found)
    commands = [command("diff", one.id, other.id, outputs=outputs), command("show", other.id, outputs=outputs)]
    click.echo(f"\n{next_line(commands)}")


def told(found: "Agreement", what: str) -> str:
    """Return how far two sets of values agree, in a line."""
    note = f" ({found.note})" if found.note else ""
    if not found.compared:
        return f"nothing to compare{note}"
    if found.equal:
        return f"equal to the last digit: {found.compared:,} {what}{note}"
    most = f", the most by {found.largest[1]:.3g}: {found.largest[0]}" if found.largest else ""
    return f"differ: {found.differing:,} of {found.compared:,} {what}{most}{note}"
