"""`runtree monitor`: drift, quality and KPIs of the rows that a model has met."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import display_path, first_notes, labelled, next_steps, outputs_option, pluralize
from runtree.cli.model_options import log_option
from runtree.cli.tables import print_json, print_table
from runtree.contract.commands import command
from runtree.contract.errors import GateError, RequestError
from runtree.records.commands import run_command, training_command
from runtree.records.layout import timestamp
from runtree.records.model_versions import registered_in

if TYPE_CHECKING:
    from runtree.app.monitor import MonitorResult
    from runtree.app.monitored_rows import MonitorRequest

MAX_ALARMS = 8  # lines of a window each; all are on the page
MAX_NOTES = 4  # lines of what could not be tested
MAX_KPIS = 3  # columns of the table
DEFAULT_PLACE = Path("monitoring")

HELP = """Watch the model of RUN: compare rows that it has met with those that it was made with.

The rows are those of a file, or the answers of `runtree serve` in its prediction log, with the late truths there.

Columns and predictions are tested for drift, predictions for their quality if rows have labels (else it is estimated),
and KPIs are computed. Rows are cut into windows by time or by count; each gets a record, and the model a page.

\b
  runtree monitor models:/churn@champion monitor.window.every=day
  runtree monitor models:/churn@champion --watch 1h 'monitor.alerting.webhook.url=${secret:HOOK}'
  runtree monitor models:/churn@champion --data november.parquet
  runtree monitor models:/churn@champion --data november.parquet --labels truths.csv --key id
  runtree monitor latest --data new.csv monitor.window.rows=500 "monitor.segments=[city]"
  runtree monitor latest --data new.csv monitor=quality_only "monitor.kpis.share='count(y_pred == yes) / count()'"

Exit code 3: a window raises an alarm. Without any change, at most 5 % of windows do by chance (monitor.budget).
"""


@click.command("monitor", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", "file", metavar="FILE", help="The rows: a file, a folder, a glob, a URL. [default: the log]")
@log_option()
@click.option("--since", default="", metavar="DATE", help="Only rows of the log from this moment on, in UTC.")
@click.option("--labels", metavar="FILE", help="A file with the target, where it came later.")
@click.option("--key", metavar="COLUMN", help="The column by which labels find their rows.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=DEFAULT_PLACE, show_default=True,
    help="The folder of the results, in which each model has one.",
)  # fmt: skip
@click.option("--watch", metavar="DURATION", help="Look again each time so long has passed, until a signal comes: 1h.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def monitor_command(
    run: str,
    overrides: tuple[str, ...],
    file: str | None,
    log: str,
    since: str,
    labels: str | None,
    key: str | None,
    output: Path,
    watch: str | None,
    trust: tuple[str, ...],
    as_json: bool,
    outputs: str,
) -> None:
    from runtree.app import App
    from runtree.app.monitor import monitor_run
    from runtree.app.monitored_rows import MonitorRequest
    from runtree.contract.durations import read_duration
    from runtree.records.find import find_run

    plain = [word for word in overrides if "=" not in word]
    if plain:
        raise click.UsageError(f"'{plain[0]}' is not KEY=VALUE; the rows are named by --data {plain[0]}")

    def make_request() -> MonitorRequest:
        record = find_run(Path(outputs), run, needs="model")
        words = (file, labels, key, overrides, trust, log, since, output)
        return MonitorRequest(record, run, *words, is_watching=watch is not None)

    if watch is not None:
        if as_json:
            raise click.UsageError("--watch and --json cannot be combined; each window has its monitor.json")
        _watch(make_request, read_duration(watch, "--watch", RequestError))
        return
    request = make_request()
    result = monitor_run(App(), request)
    if as_json:
        windows = [{**window, "folder": display_path(folder_of(result, window))} for window in result.windows]
        report = display_path(result.folder.report)
        asked = {"id": result.request.id, **result.request.content} if result.request else None
        notes = [*result.notes, *result.failures]
        print_json({"schema": 1, "windows": windows, "notes": notes, "report": report, "request": asked})
    else:
        print_windows(result, request)
    if result.alarms:
        raised = f"{len(result.alarms)} of {pluralize(len(result.windows), 'window')} raised an alarm"
        raise GateError(raised, f"last: {result.alarms[-1]['window']['name']}: {result.alarms[-1]['alarms'][0]}")


def _watch(make_request: "Callable[[], MonitorRequest]", every: float) -> None:
    """Print a line for each look, and one for each error."""
    from runtree.app.watch import watch_model

    printed: set[str] = set()

    def on_look(result: "MonitorResult") -> None:
        newest = result.windows[-1]
        version = newest["model"]["version"]
        name = result.folder.path.name + (f" version {version}" if version is not None else "")
        parts = [
            pluralize(len(result.windows), "window"),
            f"{len(result.tested)} tested",
            f"{len(result.alarms)} with an alarm",
            f"newest {newest['window']['name']}: {newest['state']}",
        ]
        notes = [*(note for note in result.notes if note not in printed), *result.failures]
        lines = [f"{timestamp()[:19]}  {name}: {', '.join(parts)}", *(labelled("note", note) for note in notes)]
        if result.request:
            lines.append(labelled("request", f"{result.request.cause}: {_retrain_command(result)}"))
        click.echo("\n".join(lines))
        printed.update(result.notes)

    def on_training(text: str) -> None:
        click.echo(f"{timestamp()[:19]}  {text}")

    def on_error(text: str) -> None:
        click.echo(f"{timestamp()[:19]}  error: {text}", err=True)

    watch_model(make_request, every, on_look, on_error, on_training)


def _retrain_command(result: "MonitorResult") -> str:
    """Return what works on the request of a look."""
    assert result.request is not None
    place, alias = result.folder.path.parent, str(result.request.content["alias"])
    name = result.folder.path.name if alias == "champion" else f"{result.folder.path.name}@{alias}"
    return command("retrain", name, *([] if place == DEFAULT_PLACE else ["-o", display_path(place)]))


def folder_of(result: "MonitorResult", window: Mapping[str, Any]) -> Path:
    """Return the folder of a window."""
    return result.folder.window(str(window["window"]["name"])).path


def print_windows(result: "MonitorResult", request: "MonitorRequest") -> None:
    """Print a line for each window, what each alarm is about, and what to type next."""
    first = result.windows[0]
    reference = first["reference"]
    source = "" if reference["source"] == "table" else ", by what its record keeps"
    count = pluralize(sum(window["rows"] for window in result.windows), "row")
    click.echo(labelled("model", f"{request.reference}: run {first['model']['run']}"))
    click.echo(labelled("rows", f"{first['data']['path']}: {count}"))
    click.echo(labelled("beside", f"the {reference['rows']:,} rows of the run{source}"))
    for note in first_notes([*result.failures, *result.notes]):
        click.echo(labelled("note", note))
    click.echo()
    print_table(*_table(result.windows))
    click.echo()
    for label, texts, most in (("alarm", lambda window: window["alarms"], MAX_ALARMS), ("note", _notes, MAX_NOTES)):
        lines = [f"{window['window']['name']}: {text}" for window in result.windows for text in texts(window)]
        # the newest are the ones to act on
        for line in lines[-most:]:
            click.echo(labelled(label, line))
        if len(lines) > most:
            click.echo(labelled("", f"{len(lines) - most:,} earlier ones are on the page"))
    click.echo(labelled("page", display_path(result.folder.report)))
    if result.request:
        click.echo(labelled("request", f"{result.request.id} to train it again: {result.request.cause}"))
    click.echo(next_steps(list(_next(result, request))))


def _notes(window: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is no alarm: conditions without their figure, and broken rules of the schema that only warn."""
    yield from (f"not checked: {text}" for text in window["unchecked"])
    for rule in window["schema_rules"] or ():
        if rule["severity"] != "error" or window["state"] == "small":
            yield f"schema: {rule['says']}"


def _table(windows: "tuple[Mapping[str, Any], ...]") -> tuple[list[str], list[list[Any]]]:
    found = [window[kind] for window in windows for kind in ("quality", "estimate") if window[kind]]
    metric = found[0]["metric"] if found else ""
    shows = {
        "labelled": any(window["labelled"] for window in windows),
        "drifting": any(window["drift"] for window in windows),
        "overridden": any((window["overrides"] or {}).get("reviewed") for window in windows),
        metric: any(window["quality"] for window in windows),
        f"{metric} estimated": any(window["estimate"] for window in windows),
    }
    kpis = list(dict.fromkeys(name for window in windows for name in window["kpis"]))[:MAX_KPIS]
    rows = []
    for window in windows:
        figures = window["figures"]
        values = {
            "labelled": window["labelled"],
            "drifting": figures.get("drift.columns"),
            "overridden": figures.get("overrides.rows"),
            metric: figures.get(f"quality.{metric}"),
            f"{metric} estimated": figures.get(f"estimate.{metric}"),
        }
        own = [values[name] for name, shown in shows.items() if shown]
        own += [figures.get(f"kpi.{name}") for name in kpis]
        rows.append([window["window"]["name"], window["rows"], *own, window["state"]])
    return ["window", "rows", *(str(name) for name, shown in shows.items() if shown), *kpis, "state"], rows


def _next(result: "MonitorResult", request: "MonitorRequest") -> Iterator[str]:
    """Yield what to type next: what would tell more, or what mends an alarm."""
    from runtree.monitoring.options import MIN_ROWS

    record, registered = request.record, registered_in(request.record.folder)
    small = [window for window in result.windows if window["state"] == "small"]
    if any(window["rows"] >= MIN_ROWS for window in small):
        yield command(*_typed_again(request), f"monitor.window.minimum={MIN_ROWS}")
    # new parameters mend no column that is missing
    mends = [text for window in result.alarms for text in window["alarms"] if not text.startswith("schema: ")]
    if result.request:
        yield _retrain_command(result)
    elif mends and registered:
        yield command("retrain", registered.name, "--data", "NEW_ROWS")
    elif mends:
        yield run_command("show", record)
        if record.config.get("data.path") is not None:  # a table of one's own, and not one that scikit-learn brings
            yield training_command(record, "data.path=NEW_ROWS")
    elif not any(window["labelled"] for window in result.windows):
        yield command(*_typed_again(request), "--labels", "FILE", "--key", "COLUMN" if request.file else "request_id")
    else:
        yield run_command("show", record)
    place = result.folder.path.parent
    if result.windows[0]["model"]["version"] is not None:
        elsewhere = ["--monitoring", display_path(place)] if place != DEFAULT_PLACE else []
        yield command("report", f"models:/{result.folder.path.name}", *elsewhere)


def _typed_again(request: "MonitorRequest") -> list[str]:
    """Return the words of a request, without its labels and the smallest number of rows."""
    from runtree.app.monitored_rows import DEFAULT_LOG

    words = ["monitor", request.reference, *(["--data", request.file] if request.file else [])]
    words += ["--log", request.log] if request.log != DEFAULT_LOG else []
    words += ["--since", request.since] if request.since else []
    words += ["--output", display_path(request.output)] if request.output != DEFAULT_PLACE else []
    return words + [word for word in request.overrides if not word.startswith("monitor.window.minimum=")]
