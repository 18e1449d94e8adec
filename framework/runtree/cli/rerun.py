"""`runtree rerun`: train the config of a run again, and compare the results."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import labelled, next_steps, outputs_option, trust_option
from runtree.cli.tables import print_json
from runtree.records.commands import run_command, run_name

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.diff import Diff
    from runtree.records.reproducibility import Agreement

SCHEMA = 1
LABEL_WIDTH = 13
OTHER_SECTIONS = ("config", "environment", "code")  # of the diff, which may explain a difference

HELP = """Train the config of a run again, in a new folder of the same experiment, and compare the two.

RUN is `latest`, `best`, a path, the beginning of a run's id, or `models:/NAME@ALIAS`; a run of a sweep is trained
alone. If the config composed from its overrides has changed, the rerun is refused with the keys that differ; --force
takes the config as it is now. If the data has changed, the output says so, and the run continues. Metrics and
predictions are compared to the last digit.

The exit code is 0 if both are equal, 3 if they differ, 1 if the run fails.

\b
  runtree rerun latest
  runtree rerun 20261122-0317 --json
"""


@click.command("rerun", help=HELP)
@click.argument("run", default="latest", shell_complete=complete_run)
@click.option("--force", is_flag=True, help="Train it although its config has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@trust_option()
@outputs_option()
def rerun_command(run: str, force: bool, as_json: bool, trust: tuple[str, ...], outputs: str) -> int:
    from runtree.app import TrainCallbacks
    from runtree.app.rerun import rerun
    from runtree.cli.progress import RunProgress
    from runtree.records.diff import diff
    from runtree.records.find import find_run
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record
    from runtree.records.reproducibility import compare_metrics, compare_predictions

    record = find_run(Path(outputs), run)
    # before the training, which may take hours: the user can still install the old versions
    _warn_of_environment(record)
    progress = RunProgress()
    try:
        callbacks = TrainCallbacks(progress.on_stage, progress.on_run_end, progress.on_iteration)
        result = rerun(record, force, _print_note, callbacks, trust)
    finally:
        progress.stop()
    differences = diff(record, read_record(RunFolder(result.runs[0].folder)))
    agreements = {
        "metrics": compare_metrics(differences),
        "predictions": compare_predictions(record, differences.second),
    }
    # equal scores of a run that was stopped and of one that completed do not count as agreement
    same_state = record.state == differences.second.state
    equal = same_state and all(agreement.equal for agreement in agreements.values())
    if as_json:
        _print_json(differences, agreements, equal)
    else:
        _print_comparison(differences, agreements, outputs)
    return 0 if equal else 3


def _print_note(text: str) -> None:
    click.echo(f"note: {text}", err=True)


def _warn_of_environment(record: "RunRecord") -> None:
    """Print, before the training, the versions in which this environment differs from that of the run."""
    from runtree.records.environment import environment
    from runtree.records.reader import RunReader, flatten

    recorded, fault = RunReader(record.folder).read_environment()
    if not recorded:
        _print_note(f"the environment cannot be compared: {fault}")
        return
    current = environment()
    before, now = (
        dict(flatten({key: versions.get(key) for key in ("python", "packages")})) for versions in (recorded, current)
    )
    changed = [key for key in dict.fromkeys([*before, *now]) if before.get(key) != now.get(key)]
    if changed:
        changes = (f"{key.removeprefix('packages.')} {before.get(key)} -> {now.get(key)}" for key in changed)
        _print_note(f"the environment has changed: {', '.join(changes)}")


def _print_json(differences: "Diff", agreements: "dict[str, Agreement]", equal: bool) -> None:
    from dataclasses import asdict

    from runtree.cli.diff import diff_document

    documents: dict[str, Any] = {
        name: {"equal": agreement.equal, **asdict(agreement)} for name, agreement in agreements.items()
    }
    print_json({**diff_document(differences), "equal": equal, **documents})


def _print_comparison(differences: "Diff", agreements: "dict[str, Agreement]", outputs: str) -> None:
    from runtree.cli.diff import print_sections

    first, second = differences.first, differences.second
    changed = "other data" in differences.obstacles
    lines = [
        ("A", f"{first.id}   {first.state}"),
        ("B", f"{second.id}   {second.state}, the rerun"),
        ("data", "changed: the metrics are not comparable" if changed else "same"),
        ("metrics", _format_agreement(agreements["metrics"], "values")),
        ("predictions", _format_agreement(agreements["predictions"], "rows")),
    ]
    for label, text in lines:
        click.echo(labelled(label, text, LABEL_WIDTH))
    print_sections(
        section for section in differences.sections if section.name in OTHER_SECTIONS and section.differences
    )
    commands = [run_command("diff", first, run_name(second)), run_command("show", second)]
    click.echo(f"\n{next_steps(commands)}")


def _format_agreement(agreement: "Agreement", unit: str) -> str:
    note = f" ({agreement.note})" if agreement.note else ""
    if not agreement.compared:
        return f"nothing to compare{note}"
    if agreement.equal:
        return f"equal to the last digit: {agreement.compared:,} {unit}{note}"
    largest = f", at most by {agreement.largest[1]:.3g}: {agreement.largest[0]}" if agreement.largest else ""
    return f"differ: {agreement.differing:,} of {agreement.compared:,} {unit}{largest}{note}"
