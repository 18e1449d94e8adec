"""`runtree package`: the folder of which an image of a registered model is built, and what runs it on Kubernetes."""

from pathlib import Path

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, format_bytes, labelled, list_names, next_steps, whole_number

HELP = """Write the folder of which an image that serves a registered model is built, and manifests for Kubernetes.

MODEL is models:/NAME@ALIAS or models:/NAME/NUMBER. The image holds that version, and serves no other.

\b
  runtree package models:/churn@champion -o image
  runtree package models:/churn/3 -o image --image registry.example/churn:3 --namespace shop --replicas 3
  docker build -t churn:3 image && docker run -p 127.0.0.1:8000:8000 -e RUNTREE_OPEN=true --read-only churn:3
"""


@click.command("package", help=HELP)
@click.argument("model", shell_complete=complete_run)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--image", help="Its name.  [default: NAME:NUMBER]")
@click.option("--namespace", default="default", show_default=True, help="Of the manifests.")
@click.option("--replicas", default=2, show_default=True, type=whole_number(1), help="Copies of the service, at least.")
@click.option(
    "--storage", default=10, show_default=True, type=whole_number(1), help="GiB of the volume of predictions."
)
@click.option("--gpu", is_flag=True, help="A network runs on a GPU: wheels with CUDA, some GB.  [default: CPU wheels]")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
def package_command(
    model: str,
    output: Path,
    image: str | None,
    namespace: str,
    replicas: int,
    storage: int,
    gpu: bool,
    trust: tuple[str, ...],
) -> None:
    from runtree.contract.errors import RequestError
    from runtree.contract.model_version import SCHEME
    from runtree.packaging.image import pack
    from runtree.packaging.manifests import Cluster, object_name, write_manifests
    from runtree.records.model_versions import find_version, registry_root

    if not model.startswith(SCHEME):
        hint = f"type: {command('models', 'register', model, 'NAME')}"
        raise RequestError(f"{model}: only a registered model is packaged", hint)
    if namespace != object_name(namespace):
        raise RequestError(f"--namespace {namespace}: is no name of a namespace", "lower-case letters, digits, hyphens")
    version = find_version(registry_root(), model)
    name = image or f"{object_name(version.name)}:{version.number}"
    packed = pack(version, output, name, trust, gpu=gpu)
    files = write_manifests(packed, Cluster(namespace, replicas, storage), output / "manifests")
    click.echo(labelled("model", f"{version.reference}, {version.state}, {format_bytes(packed.model_bytes)}"))
    if version.state != "approved":
        approve = command("models", "approve", f"{version.name}/{version.number}", "--reason", "…")
        click.echo(labelled("note", f"nobody has approved it: {approve}"))
    count = len(packed.lock.pins)
    click.echo(labelled("packages", f"{count}, {format_bytes(packed.lock.bytes)} as installed here"))
    if packed.from_cpu_index:
        click.echo(labelled("torch", "CPU wheels, 0.2 GB to fetch; for a GPU, about 3 GB: --gpu"))
    elif gpu:
        click.echo(labelled("torch", "wheels with CUDA, about 3 GB to fetch, 7 GB in the image"))
    for note in packed.lock.notes:
        click.echo(labelled("note", note))
    click.echo(labelled("written", f"{output}: Dockerfile, requirements.txt, {list_names([f.name for f in files])}"))
    click.echo(next_steps([f"docker build -t {name} {output}", f"kubectl apply -f {output}/manifests"]))
