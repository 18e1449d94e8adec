"""`runtree load-test`: latency, throughput and errors of a service under load."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import display_path, format_cell, labelled, whole_number
from runtree.cli.tables import print_json
from runtree.contract.errors import GateError

if TYPE_CHECKING:
    from runtree.app.load_test import LoadResult

MAX_SECONDS = 3600.0

HELP = """Send requests to the service at URL, and measure latency, throughput and errors.

The requests are the example that the service itself describes (/openapi.json), or the rows of a file, in turn. Without
--rate, each of --connections sends its next request when the last one is answered (closed loop), which shows the
throughput. With --rate, requests start at a fixed rate whether the service keeps up or not (open loop), and the latency
counts from the moment at which a request was to start, which shows what clients would wait.

\b
  runtree load-test http://127.0.0.1:8000 --seconds 20
  runtree load-test http://127.0.0.1:8000 --rate 200 --rows customers.csv --max-p95 20 --max-errors 0
  runtree load-test https://churn.example.org --anywhere --key CHURN_KEY --connections 4

Exit code 3: --max-p95 or --max-errors does not hold.
"""


@click.command("load-test", help=HELP)
@click.argument("url")
@click.option(
    "--seconds", type=click.FloatRange(0.1, MAX_SECONDS), default=10.0, show_default=True, help="How long to send."
)
@click.option("--requests", type=whole_number(1), metavar="N", help="Send no more than so many.")
@click.option("--connections", type=click.IntRange(1, 1024), default=32, show_default=True, help="At the same time.")
@click.option("--rate", type=click.FloatRange(0.1, 100_000), metavar="N", help="Requests a second: an open loop.")
@click.option("--rows", metavar="FILE", help="Send the rows of this file (up to 1,000) in turn, one a request.")
@click.option("--key", metavar="NAME|FILE", help="The API key, in this environment variable or file.")
@click.option("--anywhere", is_flag=True, help="The service may be on another machine. It should be yours.")
@click.option("--max-p95", type=click.FloatRange(0), metavar="MS", help="Fail if 5 % of the answers take longer.")
@click.option("--max-errors", type=click.FloatRange(0, 1), metavar="SHARE", help="Fail if more requests fail, as 0.01.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("load_tests"), show_default=True,
    help="The folder of the results, in which each test has one.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def load_test_command(
    url: str,
    seconds: float,
    requests: int | None,
    connections: int,
    rate: float | None,
    rows: str | None,
    key: str | None,
    anywhere: bool,
    max_p95: float | None,
    max_errors: float | None,
    output: Path,
    as_json: bool,
) -> None:
    from runtree.app.load_test import LoadRequest, run_load_test
    from runtree.packaging.load_report import broken_bounds

    word = read_key(key) if key else None
    result = run_load_test(LoadRequest(url, seconds, connections, rate, requests, rows, word, anywhere, output))
    broken = broken_bounds(result.content, max_p95, max_errors)
    if as_json:
        print_json({**result.content, "folder": display_path(result.folder.path), "failed": broken})
    else:
        _print(result)
    if broken:
        raise GateError(*broken)


def read_key(word: str) -> str:
    """Return the API key in the file or the environment variable that a word names."""
    import os

    from runtree.contract.errors import RequestError
    from runtree.contract.redaction import redact_override

    if "/" in word or Path(word).is_file():
        try:
            key = Path(word).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise RequestError(f"--key {word}: cannot be read") from None
    else:
        key = os.environ.get(word, "").strip()
    # what follows is one header: a line break would begin another
    if not key or not key.isascii() or not key.isprintable():
        raise RequestError(f"--key {word}: is neither a file with a key nor set in the environment", f"export {word}=…")
    redact_override(f"api_key={key}")  # hidden in all that is printed from here on
    return key


def _print(result: "LoadResult") -> None:
    content = result.content
    latency = content["latency_ms"]
    loop = f"{content['connections']} connections" if content["rate"] is None else f"{content['rate']:g} requests/s"
    sent = content["bodies"]
    bodies = "its own example" if sent["source"] == "example" else f"{sent['count']:,} rows of {sent['source']}"
    click.echo(labelled("service", content["url"]))
    click.echo(labelled("sent", f"{content['requests']:,} requests in {content['seconds']:.1f} s, {loop}: {bodies}"))
    figures = [f"{name} {format_cell(value) if value is None else f'{value:.2f}'}" for name, value in latency.items()]
    click.echo(labelled("latency", f"{', '.join(figures)} ms"))
    click.echo(labelled("answers", f"{content['throughput']:,.1f} a second"))
    statuses = ", ".join(f"{status}: {count:,}" for status, count in content["statuses"].items())
    click.echo(labelled("errors", f"{content['error_share']:.2%} ({statuses})"))
    plot = result.folder.plot.with_suffix(".svg")
    click.echo(
        labelled("files", ", ".join(display_path(file) for file in (result.folder.result, plot) if file.is_file()))
    )
