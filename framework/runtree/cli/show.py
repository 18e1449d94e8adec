"""`runtree show`: one run on a page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import (
    command,
    first_notes,
    format_age,
    format_classes,
    format_seconds,
    format_test_usage,
    labelled,
    next_steps,
    outputs_option,
    printable,
    terminal_width,
)
from runtree.cli.tables import print_csv, print_json, print_table
from runtree.records.commands import prediction_commands, run_command, training_command

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

SCHEMA = 1
YAML_WIDTH = 120  # columns where the output goes to a file or a pipe

HELP = """Show one run: state, data, metrics and settings.

RUN is `latest`, `best`, `SWEEP/best`, a path, `models:/NAME@ALIAS`, or an unambiguous beginning of a run's id or
fingerprint. With --config, --history, --log or --findings only this part is printed: the whole config as YAML, the
metrics of each iteration, the log, or the findings of the diagnosis with advice.

\b
  runtree show latest
  runtree show 20261122-0317 --config > config.yaml
  runtree show latest --findings
"""


@click.command("show", help=HELP)
@click.argument("run", default="latest", shell_complete=complete_run)
@click.option("--config", is_flag=True, help="Print the whole config, with targets and search spaces.")
@click.option("--history", is_flag=True, help="Print the metrics of each iteration.")
@click.option("--log", is_flag=True, help="Print the log.")
@click.option("--findings", is_flag=True, help="Print the findings of the diagnosis, with advice.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print metrics, iterations or findings as CSV.")
@outputs_option()
def show_command(
    run: str, config: bool, history: bool, log: bool, findings: bool, as_json: bool, as_csv: bool, outputs: str
) -> None:
    from runtree.cli.evaluation_summary import print_findings
    from runtree.records.find import find_run
    from runtree.records.reader import RunReader

    flags = {"--config": config, "--history": history, "--log": log, "--findings": findings}
    chosen = [flag for flag, is_set in flags.items() if is_set]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} cannot be combined")
    record = find_run(Path(outputs), run)
    if findings:
        print_findings(record, as_json, as_csv, outputs)
    elif as_json:
        print_json({"schema": SCHEMA, "run": _make_document(record)})
    elif config:
        click.echo(RunReader(record.folder).read_config(), nl=False)
    elif history:
        _print_history(record, as_csv)
    elif log:
        _print_log(record)
    elif as_csv:
        print_csv(*_metric_rows(record))
    else:
        _print_page(record, outputs)


def _make_document(record: "RunRecord") -> dict[str, Any]:
    from runtree.cli.runs import record_fields
    from runtree.records.cleanup import removed_artifacts
    from runtree.records.layout import RunFolder
    from runtree.records.reader import RunReader

    cleaned = removed_artifacts(RunFolder(record.folder))
    return {
        **record_fields(record),
        "data": RunReader(record.folder).data,
        "undefined": RunReader(record.folder).undefined,
        "folds": RunReader(record.folder).folds,
        "history": RunReader(record.folder).history,
        "evaluation": RunReader(record.folder).evaluation,
        **({"cleaned": cleaned} if cleaned else {}),
    }


def _print_log(record: "RunRecord") -> None:
    from runtree.records.reader import RunReader

    for line in RunReader(record.folder).read_log().splitlines():
        click.echo(printable(line.replace("\t", "    ")))  # a log contains what libraries and data printed


def _print_history(record: "RunRecord", as_csv: bool) -> None:
    from runtree.records.reader import RunReader

    lines = RunReader(record.folder).history
    if not lines:
        click.echo(f"{record.id}: the algorithm reported no iterations", err=True)
    elif as_csv:
        headings = list(dict.fromkeys(name for line in lines for name in line))
        print_csv(headings, [[line.get(name) for name in headings] for line in lines])
    else:
        _print_mappings(lines)


def _print_mappings(rows: Any) -> None:
    """Print mappings as a table, a column for each key."""

    headings = list(dict.fromkeys(name for row in rows for name in row))
    print_table(headings, [[row.get(name) for name in headings] for row in rows])


def _print_page(record: "RunRecord", outputs: str) -> None:
    from runtree.records.cleanup import removed_artifacts
    from runtree.records.layout import RunFolder
    from runtree.records.reader import RunReader, nested_settings

    data, evaluation, folds = (
        RunReader(record.folder).data,
        RunReader(record.folder).evaluation,
        RunReader(record.folder).folds,
    )
    cleaned = removed_artifacts(RunFolder(record.folder))
    for label, text in (*_run_lines(record), *_data_lines(data), *_error_lines(record)):
        click.echo(labelled(label, text))
    if record.metrics:
        click.echo()
        _print_metrics(record, evaluation)
    if evaluation.get("test_looks"):
        click.echo(f"\n{format_test_usage(evaluation['test_looks'])} when this run was scored")
    if folds:
        click.echo()
        _print_mappings(folds)
    click.echo("\nconfig")
    for line in _yaml_lines(nested_settings(record)):
        click.echo(f"  {line}")
    click.echo()
    click.echo(labelled("command", training_command(record)))
    click.echo(labelled("folder", str(record.folder)))
    if cleaned:
        text = f"removed by runtree clean: {', '.join(cleaned)}; to restore them: {run_command('rerun', record)}"
        click.echo(labelled("cleaned", text))
    click.echo(f"\n{next_steps(_suggestions(record, outputs, has_model=not cleaned.get('model')))}")


def _run_lines(record: "RunRecord") -> Iterator[tuple[str, str]]:
    from runtree.cli.train import format_fit_end, format_refit

    reason = f" ({record.reason})" if record.reason and record.reason != record.state else ""
    yield "run", f"{record.id}   {record.state}{reason}"
    duration = f", took {format_seconds(record.seconds)} s" if record.seconds is not None else ""
    started = record.started[:19].replace("T", " ") + (" UTC" if record.started.endswith("+00:00") else "")
    yield "", f"experiment {record.experiment}, started {started} ({format_age(record.started)}){duration}"
    if record.fit.get("reason"):
        yield "fit", f"stopped {format_fit_end(record.fit)}"
    if record.fit.get("refit"):
        yield "refit", format_refit(record.fit)
    yield from (("gate", f"failed: {message}") for message in record.missed)
    if record.stages:
        yield "seconds", ", ".join(f"{name} {format_seconds(value)}" for name, value in record.stages.items())


def _data_lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines on the content of `data.json`; none where the run ended before it was written."""
    if not data:
        return
    target, split = data.get("target") or {}, data.get("split") or {}
    classes = f", {format_classes(target['classes'], target.get('positive'))}" if target.get("classes") else ""
    sizes = "/".join(str(split.get(part, "?")) for part in ("train", "validation", "test"))
    columns = len(data.get("columns") or ())
    yield (
        "data",
        f"{data.get('name')}: {data.get('rows')} rows, {columns} columns, "
        f"target '{target.get('name')}' ({data.get('task')}{classes}), split {sizes}",
    )
    yield "", f"{data.get('task')} since {data.get('why')}; fingerprint {str(data.get('fingerprint'))[:8]}"
    yield from (("note", note) for note in first_notes(data.get("notes") or ()))


def _error_lines(record: "RunRecord") -> Iterator[tuple[str, str]]:
    from runtree.records.layout import RunFolder

    if record.error:
        first, *others = str(record.error.get("message")).strip().splitlines() or [""]
        yield "error", f"{record.error.get('type')}: {first}"
        yield from (("", line) for line in (*others, *(record.error.get("hints") or ())))
    if record.state in ("failed", "interrupted"):
        yield "log", str(RunFolder(record.folder).log)


def _metric_rows(record: "RunRecord") -> tuple[list[str], list[list[Any]]]:
    """Return headings and rows: a row for each metric, a column for each split."""
    names = dict.fromkeys(name for values in record.metrics.values() for name in values)
    rows = [[name, *(values.get(name) for values in record.metrics.values())] for name in names]
    return ["metric", *record.metrics], rows


def _print_metrics(record: "RunRecord", evaluation: Mapping[str, Any]) -> None:
    """Print each metric on each split; an arrow marks the objective."""
    from runtree.cli.evaluation_summary import undefined_lines, with_intervals
    from runtree.records.reader import RunReader

    headings, rows = with_intervals(*_metric_rows(record), evaluation)
    objective = record.objective
    marks = {objective.get("metric"): f"<- objective: {objective.get('part')}, {objective.get('direction')}"}
    print_table([*headings, ""], [[*row, marks.get(row[0], "")] for row in rows])
    for line in undefined_lines(RunReader(record.folder).undefined, evaluation):
        click.echo(line)


def _yaml_lines(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield nested settings as YAML, each group in as few lines as the terminal allows and its name first."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for group, value in settings.items():
        if isinstance(value, dict):
            value = {key: value[key] for key in sorted(value, key=lambda key: key != "name")}
        width = (terminal_width() or YAML_WIDTH) - len(group) - 20
        text = yaml.dump(
            value, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=width
        )
        first, *others = text.removesuffix("...\n").splitlines()  # "..." ends the document of a scalar
        yield printable(f"{group}: {first}")
        yield from (printable(f"  {line}") for line in others)


def _suggestions(record: "RunRecord", outputs: str, has_model: bool) -> list[str]:
    if record.state != "completed":
        return [run_command("show", record, "--log"), command("runs", outputs=outputs)]
    config = run_command("show", record, "--config")
    if not has_model:
        return [run_command("rerun", record), config]
    return [*prediction_commands(record), config]
