"""`runtree train`: overrides in, a table of metrics and a folder out."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from statistics import stdev
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override
from runtree.cli.format import (
    command,
    display_path,
    first_notes,
    format_cell,
    format_classes,
    format_test_usage,
    labelled,
    next_steps,
    typed,
)
from runtree.cli.tables import print_table
from runtree.contract.errors import GateError, RequestError
from runtree.contract.types import SPLITS

if TYPE_CHECKING:
    from runtree.app import TrainResult
    from runtree.app.sweep_plan import SweepRequest
    from runtree.training.active_run import ActiveRun

MAX_GATE_MESSAGES = 3
STANDARD_DEVIATION = "± sd"

HELP = """Train, evaluate and record a model.

OVERRIDES follow Hydra's grammar: group=option chooses, key=value sets, +key=value adds, ~key removes.

\b
  runtree train algorithm=logistic data.test_size=0.3 seed=7 experiment.name=churn
  runtree train data=csv data.path=houses.csv data.target=price
  runtree train -m algorithm=logistic,random_forest seed=1,2,3
  runtree train --cfg job --resolve           print the config without running
  runtree train --info defaults-tree          show how the config is composed
  runtree train --continue latest             continue from the last checkpoint of a run
  runtree train --trust net.MyNet …           allow a class, or a config path, that files or records name

Hydra's flags: -m, --cfg, --resolve, --package, --info, -cn NAME, -cd FOLDER, --hydra-help.
"""


# click must not touch what follows: -m and --cfg are Hydra's, and --help alone is ours
@click.command("train", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
def train_command(overrides: tuple[str, ...]) -> int:
    from runtree.app import App
    from runtree.config.hydra_engine import parse_flags

    return run_training(App(), parse_flags(overrides))


def run_training(app: Any, flags: argparse.Namespace) -> int:
    """Run what the flags request, one run or a sweep, print the result and return the exit code."""
    from runtree.app import TrainCallbacks, train
    from runtree.cli.progress import RunProgress

    if is_hydra_query(flags):
        return print_hydra_answer(app, flags)
    if flags.multirun:
        if flags.going_on:
            raise RequestError("--continue is for one run, and -m is for many", "to continue a sweep: runtree resume")
        return run_observed_sweep(app, lambda request: train(app, flags, order=request))
    _warn_of_unused_tuner(flags.overrides)
    progress = RunProgress()
    callbacks = TrainCallbacks(progress.on_stage, progress.on_run_end, progress.on_iteration)
    try:
        if flags.going_on:
            from runtree.app.resume import continue_run

            result = continue_run(app, flags.going_on, flags.overrides, callbacks, flags.trusted)
        else:
            result = train(app, flags, callbacks)
    finally:
        # before anything is printed: rich redraws the line in which the cursor stands
        progress.stop()
    return print_result(result)


def run_observed_sweep(app: Any, begin: "Callable[[SweepRequest], TrainResult]") -> int:
    """Run a sweep with a live view of its progress, print the result and return the exit code."""
    from runtree.app.sweep_plan import SweepRequest
    from runtree.cli.sweep.live_view import make_view

    view = make_view()
    try:
        view.preparing()
        result = begin(SweepRequest(app, observer=view))
    finally:
        view.close()
    return print_result(result)


def is_hydra_query(flags: argparse.Namespace) -> bool:
    """Return whether a flag of Hydra requests output instead of a run."""
    return bool(flags.cfg or flags.info or flags.hydra_help or flags.shell_completion)


def print_hydra_answer(app: Any, flags: argparse.Namespace) -> int:
    """Print the output of Hydra for --cfg, --info, --hydra-help or --shell-completion."""
    from runtree.app.application import typed_words
    from runtree.config.hydra_engine import force_open_parameters
    from runtree.config.hydra_errors import refuse_sweeps, translate_error
    from runtree.config.root_keys import check_choices

    app, overrides = app.with_folders_of(flags), list(flags.overrides)
    if flags.cfg or flags.info:
        refuse_sweeps(overrides)
    check_choices(overrides, app.catalogue)
    # after the check, whose message shows what was typed
    flags.overrides = force_open_parameters(overrides)
    engine = app.engine(flags, app.allow_list(typed_words(flags)))
    try:
        engine.show(flags)
    except Exception as error:
        raise translate_error(error, overrides, app.catalogue) from error
    return 0


def _warn_of_unused_tuner(overrides: Sequence[str]) -> None:
    """Print a note that overrides of the tuner have no effect on a single run: most likely `-m` was forgotten."""
    unused = [text for text in overrides if text.startswith(("tuner=", "tuner."))]
    # hydra.mode=MULTIRUN is -m in another form
    if unused and not any(text.startswith("hydra.mode=") for text in overrides):
        click.echo(f"note: {' '.join(unused)} has no effect on a single run; for a sweep: runtree train -m …", err=True)


def print_result(result: "TrainResult") -> int:
    """Print the result and return the exit code.

    Raises
    ------
    GateError
        A quality gate of the run failed, or of the best runs of the sweep. Their folders are kept.
    """
    from runtree.app.sweep import failed_gates

    if result.swept is not None and result.swept.driver is not None:
        from runtree.cli.sweep.report import print_sweep

        code = print_sweep(result.swept)
    elif result.multirun:
        _print_foreign_multirun(result)
        code = 1 if result.failures else 0
    else:
        _print_run(result.runs[0])
        code = 0
    # a failure of the run itself has the last word: its exit code is more informative than that of a gate
    messages = failed_gates(result) if code == 0 else []
    if messages:
        hidden = len(messages) - MAX_GATE_MESSAGES
        raise GateError(*messages[:MAX_GATE_MESSAGES], f"… {hidden} more" if hidden > 0 else "")
    return code


def _print_run(run: "ActiveRun") -> None:
    from runtree.cli.evaluation_summary import evaluation_lines, print_warnings, undefined_lines, with_intervals
    from runtree.records.commands import outputs_of, prediction_commands, run_command, run_name
    from runtree.records.layout import RunFolder
    from runtree.records.reader import RunReader
    from runtree.records.record import read_record

    record = read_record(RunFolder(run.folder))
    for label, text in run_lines(run):
        click.echo(labelled(label, text))
    click.echo()
    evaluation = RunReader(run.folder).evaluation
    print_table(*with_intervals(*_metric_table(run), evaluation))
    for line in undefined_lines(run.undefined, evaluation):
        click.echo(line)
    lines = list(evaluation_lines(evaluation))
    lines += [format_test_usage(run.test_access)] if run.test_access else []
    for line in lines:
        click.echo(f"\n{line}")
    print_warnings(record)
    click.echo()
    click.echo(labelled("run", display_path(run.folder)))
    if RunFolder(run.folder).profile.exists():
        click.echo(labelled("profile", display_path(RunFolder(run.folder).profile)))
    # by its name and not as `latest`, which another run may be by the time that this is typed
    commands = [run_command("show", record)]
    if RunFolder(run.folder).report.exists():
        click.echo(labelled("report", display_path(RunFolder(run.folder).report)))
    else:
        commands.append(run_command("report", record, "--open"))
    commands += prediction_commands(record)
    if run_name(record) == record.id:  # else it lies where no listing finds it
        commands.append(command("runs", outputs=outputs_of(record)))
    click.echo(next_steps(commands))


def run_lines(run: "ActiveRun") -> list[tuple[str, str]]:
    """Return label and text of the lines on data, algorithm, and how the fit stopped."""
    split, data = run.split, run.data
    classes = f", {format_classes(data.classes, data.positive)}" if data.classes else ""
    streamed = run.metadata.get("batches") or {}
    sizes = "/".join(str(split.count(part)) for part in SPLITS)
    how = "predefined" if len(split.given) == len(SPLITS) else run.metadata["split"]
    rows, columns = streamed.get("rows", len(data.features)), data.features.shape[1]
    lines = [
        (
            "data",
            f"{data.name}: {rows:,} rows, {columns} columns, target '{data.target.name}' ({data.task}{classes}), "
            f"{how} split {sizes}, seed {run.seed}",
        ),
        (
            "fit",
            f"{run.config.algorithm.name} on {run.device}, evaluator {run.config.evaluator.name}",
        ),
    ]
    lines[1:1] = [("note", note) for note in first_notes([*data.notes, *split.notes])]
    if sampled := run.metadata.get("imbalance"):
        rows_of_classes = ", ".join(f"{count:,} of {label}" for label, count in sampled["classes"].items())
        lines.append(("resample", f"{sampled['method']}: {sampled['rows']:,} train rows, then {rows_of_classes}"))
    if run.fit_summary.get("reason"):
        lines.append(("stopped", format_fit_end(run.fit_summary)))
    if run.fit_summary.get("refit"):
        lines.append(("refit", format_refit(run.fit_summary)))
    if run.folds:
        lines.append(("folds", f"{len(run.folds)}; ± is the standard deviation over them"))
    if run.search_result:
        lines.append(("selected", _format_search(run)))
    return lines


def format_fit_end(fit: Mapping[str, Any]) -> str:
    """Return ``after 37 epochs: tolerance (the model is that of epoch 30)``."""
    count, unit, best = fit.get("iterations"), fit.get("unit"), fit.get("best")
    if not isinstance(count, int):  # a damaged record
        return str(fit.get("reason"))
    kept = f" (the model is that of {unit} {best})" if best and best != count else ""
    return f"after {count:,} {unit}{'' if count == 1 else 's'}: {fit.get('reason')}{kept}"


def format_refit(fit: Mapping[str, Any]) -> str:
    """Return ``on the train and validation split (455 rows), 30 epochs: the test scores are of this model``, or ""."""
    refit = fit.get("refit")
    if not isinstance(refit, Mapping):
        return ""
    splits, rows, count = refit.get("splits") or (), refit.get("rows"), refit.get("iterations")
    unit = f", {count:,} {fit.get('unit')}{'' if count == 1 else 's'}" if isinstance(count, int) else ""
    return f"on the {' and '.join(map(str, splits))} split ({rows} rows){unit}: the test scores are of this model"


def _format_search(run: "ActiveRun") -> str:
    """Return the values that a nested search selected, and by how much its score was optimistic over the folds."""
    search = run.search_result
    if search is None:
        return ""
    pairs = (f"{path.removeprefix('algorithm.')}={format_cell(value)}" for path, value in search.values.items())
    text = f"{', '.join(pairs)} of {search.tried} candidates"
    optimism = run.details.get("search", {}).get("optimism")
    if optimism is None:
        return text
    word = "optimistic" if optimism > 0 else "pessimistic"
    return f"{text}; over the folds its selection score was {word} by {abs(optimism):.3g}"


def _metric_table(run: "ActiveRun") -> tuple[list[str], list[list[Any]]]:
    """Return headings and rows; after the validation values stands their standard deviation over the folds."""
    names = list(dict.fromkeys(name for split in run.metrics.values() for name in split))
    scores = {name: [fold[name] for fold in run.folds if name in fold] for name in names}
    deviations = {name: stdev(values) for name, values in scores.items() if len(values) > 1}
    headings, rows = ["metric"], [[name] for name in names]
    for split, values in run.metrics.items():
        columns: list[tuple[str, Mapping[str, Any]]] = [(split, values)]
        columns += [(STANDARD_DEVIATION, deviations)] if deviations and split == "validation" else []
        for heading, column in columns:
            headings.append(heading)
            for row in rows:
                row.append(column.get(row[0]))  # type: ignore[arg-type]
    return headings, rows


def _print_foreign_multirun(result: "TrainResult") -> None:
    """Print a row for each run of a multirun that another sweeper than runtree's has run."""
    from runtree.records.commands import outputs_of, run_command, run_name

    records = result.records
    # only what differs between the runs is shown
    common = set.intersection(*(set(record.overrides) for record in records)) if len(records) > 1 else set()
    rows = [
        [
            record.folder.name,
            " ".join(text for text in record.overrides if text not in common),
            record.objective.get("value"),
            record.seconds,
        ]
        for record in records
    ]
    metric = records[0].objective["metric"] if records else "objective"
    click.echo()
    print_table(["run", "overrides", f"validation.{metric}", "seconds"], rows)
    for overrides, error in result.failures:
        click.echo(f"\nfailed: {typed(*overrides)}\n  {error}", err=True)
    click.echo()
    click.echo(labelled("runs", display_path(result.folder) if result.folder else "-"))
    commands = [run_command("show", record) for record in records[:1]]
    if records and run_name(records[0]) == records[0].id:  # else they lie where no listing finds them
        commands.append(command("runs", "--sort", f"validation.{metric}", outputs=outputs_of(records[0])))
    click.echo(next_steps(commands or [command("runs")]))
