"""`runtree doctor`: what this machine lacks."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from runtree.cli.format import labelled, outputs_option, pluralize

LABEL_WIDTH = 14

HELP = """Check what this machine lacks for training, serving or packaging: versions, disk, memory, ports, engines.

\b
  runtree doctor
  runtree doctor serve --port 8000
  runtree doctor train --gpu
  runtree doctor package --json
"""


@click.command("doctor", help=HELP)
@click.argument("subject", type=click.Choice(("train", "serve", "package")), default="train")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Of the service.")
@click.option("--gpu", is_flag=True, help="Look for a GPU, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def doctor_command(subject: str, port: int, gpu: bool, as_json: bool, outputs: str) -> int:
    from runtree.packaging.host import examine

    facts = examine(subject, port, Path(outputs), gpu=gpu)
    lacking = [fact for fact in facts if fact.state == "lacking"]
    if as_json:
        click.echo(json.dumps({"subject": subject, "lacking": len(lacking), "facts": [asdict(fact) for fact in facts]}))
    else:
        for fact in facts:
            mark = "" if fact.state == "ok" else f"{fact.state}: "
            click.echo(labelled(fact.subject, f"{mark}{fact.found}", LABEL_WIDTH))
            if fact.remedy:
                click.echo(labelled("", fact.remedy, LABEL_WIDTH))
        left = f"{pluralize(len(lacking), 'thing')} lacking" if lacking else "nothing is lacking"
        click.echo(f"\n{subject}: {left}")
    return 3 if lacking else 0
