"""`runtree serve`: a model as a service."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, labelled, next_steps, outputs_option, whole_number
from runtree.cli.serve_keys import keys_command

if TYPE_CHECKING:
    from runtree.serving.service import Service

EXTRA = ("fastapi", "uvicorn", "uvloop", "httptools", "prometheus_client")
LABEL_WIDTH = 9

HELP = """Serve the model of RUN: REST, the Open Inference Protocol, a web form.

RUN is what `predict` takes; models:/NAME@ALIAS is exchanged while it serves when the alias moves. Settings are those
of the config group serve: `runtree describe serve=default`.

\b
  runtree serve latest
  runtree serve models:/churn@champion --port 8000 --workers 2
  runtree serve models:/churn@champion --canary models:/churn@challenger=10%
  runtree serve latest serve.policy.range=refuse serve.batch.max_rows=64
  runtree serve keys add --role predict --name branch-bern
"""


class ServeGroup(click.Group):
    """`serve RUN`, and `serve keys`, which is no run."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Take everything that begins no subcommand for what is served."""
        return super().parse_args(context, args if args and args[0] in self.commands else ["run", *args])


class ServeRun(click.Command):
    """`serve RUN`, whose help does not show the name by which the group finds it."""

    def format_usage(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage as it is typed."""
        assert context.parent is not None
        formatter.write_usage(context.parent.command_path, " ".join(self.collect_usage_pieces(context)))


@click.group("serve", cls=ServeGroup, add_help_option=False, subcommand_metavar="[ARGS]...")
def serve_command() -> None:
    """Serve a model over REST and as a form, or manage the API keys of services."""


@serve_command.command("run", cls=ServeRun, help=HELP, hidden=True)
@click.argument("run", shell_complete=complete_run)
@click.argument("settings", nargs=-1, metavar="[serve.KEY=VALUE]...")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at: 0.0.0.0 is all.")
@click.option("--workers", default=1, show_default=True, type=whole_number(1), help="Processes behind the port.")
@click.option(
    "--canary", "canaries", multiple=True, metavar="RUN=SHARE", help="Let RUN answer a share of the requests."
)
@click.option(
    "--shadow", "shadows", multiple=True, metavar="RUN", help="Let RUN predict all requests, for the log alone."
)
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Speak TLS, with this PEM file.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its private key, if in another file.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@outputs_option()
def serve_model(
    run: str,
    settings: tuple[str, ...],
    port: int,
    host: str,
    workers: int,
    canaries: tuple[str, ...],
    shadows: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    trust: tuple[str, ...],
    outputs: str,
) -> int:
    _require_extra()
    from runtree.app import App
    from runtree.app.serve import ModelLoader, ServeRequest
    from runtree.contract.errors import RequestError
    from runtree.records.model_versions import registry_root
    from runtree.serving.access import check_exposure, tls_options
    from runtree.serving.keys import KeyStore
    from runtree.serving.server import Place, listen, run_service
    from runtree.serving.settings import read_settings
    from runtree.serving.traffic import parse_canary

    read = read_settings(App().catalogue, settings)
    shares = [parse_canary(text) for text in canaries]
    if sum(share for _, share in shares) >= 1:
        raise RequestError("--canary: the shares leave nothing for the model itself", f"of {run}")
    check_exposure(host, KeyStore(registry_root()), read.access)
    request = ServeRequest(run, ModelLoader(outputs, read.policy, trust), read, shares, shadows, host=host)
    listener, place = listen(Place(host, port, workers, float(read.drain), tls_options(certificate, key)))
    with listener:
        # here, so that a fault of a model is reported before anything is answered
        service = request.load()
        app = request.open(service)  # a fault of its log is reported, too
        if workers > 1:  # each process opens its own
            for close in service.closers:
                close()
        _announce(service, place.url, workers)
        request.announce(service, "service_started", place)
        try:
            return run_service(request.in_workers().make if workers > 1 else lambda: app, place, listener)
        finally:
            request.announce(service, "service_stopped", place)


def _announce(service: "Service", url: str, workers: int) -> None:
    model = service.model
    served = f"{model.name} version {model.version}" if model.version != "run" else f"run {model.name}"
    click.echo(labelled("serving", f"{served}, {model.facts['algorithm']}", LABEL_WIDTH))
    for target in service.traffic.targets[1:]:
        share = f" for {target.share:.3g} of the requests" if target.share else ""
        click.echo(labelled(target.kind, f"{target.reference}, version {target.model.version}{share}", LABEL_WIDTH))
    processes = f", {workers} processes" if workers > 1 else ""
    click.echo(labelled("at", f"{url}{processes}; to stop it: Ctrl-C", LABEL_WIDTH))
    click.echo(next_steps([f"curl {url}/openapi.json", command("describe", "serve=default")]))


def _require_extra() -> None:
    from importlib.util import find_spec

    from runtree.contract.errors import MissingError

    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"serve: the package '{missing[0]}' is not installed", "install it: pip install 'runtree[serve]'"
        )


serve_command.add_command(keys_command)
