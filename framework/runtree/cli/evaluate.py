"""`runtree evaluate`: the scores of a saved model on labelled rows, beside those of its run."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.evaluation_summary import evaluation_lines, format_interval, undefined_lines
from runtree.cli.format import display_path, format_age, labelled, next_steps, outputs_option, printable
from runtree.cli.tables import print_json, print_table
from runtree.contract.errors import GateError
from runtree.records.commands import run_command

if TYPE_CHECKING:
    from runtree.app.evaluate import EvaluationResult
    from runtree.contract.types import RunRecord

MAX_EARLIER = 3

HELP = """Score the model of RUN on labelled rows, and compare with the run's own test scores.

The rows are those of FILE (CSV, Parquet, Arrow, JSON lines, Excel; a folder, a glob, a URL), or of any table of the
group `data`. They are read as the table of the run was: target, types, words for missing values, separator. Keys of
`data`, `evaluator` and `objective` may differ from those of the run; nothing is trained, and the run is not changed.

\b
  runtree evaluate latest new.csv
  runtree evaluate latest data.path=new.csv data.target=outcome
  runtree evaluate latest data=parquet data.path=new.parquet
  runtree evaluate latest new.csv "evaluator.benchmark.metrics=['test.f1 >= 0.8']"

Exit code 3: a bound of evaluator.benchmark.metrics, the run's or one that is typed, does not hold on these rows.
"""


@click.command("evaluate", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("words", nargs=-1, metavar="[FILE] [KEY=VALUE]...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The folder of the result. [default: below the run's]"
)
@click.option(
    "--unreadable",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    show_default=True,
    help="What to do with a value that is no number or date where the model needs one, a missing column, or a row "
    "that is against the schema of the model.",
)
@click.option(
    "--trained/--no-trained",
    default=True,
    help="Whether to read the run's own table again, to find rows that the model was made with. [default: yes]",
)
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def evaluate_command(
    run: str,
    words: tuple[str, ...],
    output: Path | None,
    unreadable: str,
    trained: bool,
    trust: tuple[str, ...],
    as_json: bool,
    outputs: str,
) -> None:
    from runtree.app import App
    from runtree.app.evaluate import EvaluationRequest, evaluate_run
    from runtree.records.find import find_run

    file, overrides = one_file(words)
    record = find_run(Path(outputs), run, needs="model")
    request = EvaluationRequest(record, file, overrides, trust, unreadable == "refuse", trained, output)
    result = evaluate_run(App(), request)
    if as_json:
        print_json({**result.content, "folder": display_path(result.folder.path), "failed": list(result.failed)})
    else:
        print_evaluation(result, record)
    if result.failed:
        raise GateError(*result.failed)


def one_file(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the file among some words, if there is one, and the overrides."""
    keys = tuple(word for word in words if re.match(r"[+~]*[A-Za-z_][\w.]*=", word) and not Path(word).exists())
    files = [word for word in words if word not in keys]
    if len(files) > 1:
        raise click.UsageError(f"one file at a time, not {', '.join(files)}; or their folder, or a glob in quotes")
    return next(iter(files), None), keys


def print_evaluation(result: "EvaluationResult", record: "RunRecord") -> None:
    """Print the scores beside those of the run, and what was found in the rows."""
    content = result.content
    data = content["data"]
    place = str(data.get("path") or data.get("name"))
    click.echo(labelled("run", f"{content['run']}: {content['algorithm']}"))
    click.echo(labelled("rows", f"{place}: {content['rows']:,} rows, target '{content['target']}'"))
    for note in content["notes"]:
        click.echo(labelled("note", note))
    click.echo()
    print_table(*_score_table(content))
    for line in undefined_lines({"test": content["undefined"]}, content):
        click.echo(line)
    for line in _lines(content):
        click.echo(f"\n{printable(line)}")
    click.echo()
    for line in _earlier_lines(result):
        click.echo(labelled("earlier", line))
    click.echo(labelled("scores", display_path(result.folder.result)))
    click.echo(next_steps([run_command("show", record)]))


def _score_table(content: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    own, intervals = content["run_metrics"], content.get("intervals") or {}
    limits, level = intervals.get("test") or {}, f"{100 * intervals.get('level', 0.95):g} % CI"
    headings = ["metric", "test of the run", "these rows", level, "difference", f"its {level}"]
    rows = []
    for name, value in content["metrics"].items():
        change = content["differences"].get(name) or {}
        row = [name, own.get(name), value, format_interval(limits.get(name) or {}), change.get("value")]
        rows.append([*row, format_interval(change)])
    return headings, rows


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    yield from _verdict(content)
    without = content.get("without_seen")
    if without:
        name = content["objective"]["metric"]
        value = without["metrics"].get(name)
        shown = "not defined" if value is None else f"{value:.4f}"
        yield f"without the rows that the model was made with ({without['rows']:,} rows): {name} {shown}"
    yield from evaluation_lines(content)
    calibration, threshold = content.get("calibration"), content.get("threshold")
    if calibration:
        yield (
            f"calibration error {calibration['ece']:.2g}; a perfectly calibrated model would show up to "
            f"{calibration['noise']:.2g} on this many rows"
        )
    if threshold:
        yield (
            f"threshold {threshold['used']:.3g}: {threshold['by']} {threshold['value']:.4f}; the best on these rows, "
            f"{threshold['best']:.3g}: {threshold['best_value']:.4f}"
        )


def _earlier_lines(result: "EvaluationResult") -> Iterator[str]:
    """Yield the objective in the last evaluations of this run, as they lie beside the new one."""
    from runtree.records.layout import EvaluationFolder
    from runtree.records.reader import read_json

    name = result.content["objective"]["metric"]
    # by name: it begins with the time
    folders = sorted(path for path in result.folder.path.parent.iterdir() if path.name < result.folder.path.name)
    for folder in folders[-MAX_EARLIER:]:
        content = read_json(EvaluationFolder(folder).result)[0]
        value = (content.get("metrics") or {}).get(name) if content.get("run") == result.content["run"] else None
        if isinstance(value, float):
            data = content.get("data") or {}
            same = (content.get("fingerprints") or {}).get("rows") == result.content["fingerprints"]["rows"]
            rows = f"{'the same ' if same else ''}{content.get('rows')} rows of {data.get('path') or data.get('name')}"
            yield f"{name} {value:.4f} on {rows}, {format_age(str(content.get('evaluated')))}"


def _verdict(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether the objective differs from that of the test split beyond chance."""
    name, direction = content["objective"]["metric"], content["objective"]["direction"]
    change = content["differences"].get(name)
    if not change:
        return
    low, high = change["low"], change["high"]
    if low is None or high is None:
        side = "above" if change["value"] > 0 else "below"
        yield f"{name} is {abs(change['value']):.3g} {side} that on the test split; whether by chance is not known"
    elif low <= 0 <= high:
        yield f"{name} is not shown to differ from that on the test split"
    else:
        better = (change["value"] > 0) == (direction == "maximize")
        yield f"{name} is {'better' if better else 'worse'} than on the test split, beyond chance"
