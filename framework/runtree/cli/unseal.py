"""`runtree unseal`: a sealed file in plain."""

import os
from pathlib import Path

import click


@click.command("unseal")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: plain-FILE beside it]")
@click.option("--key", metavar="NAME|FILE", help="The key; by default what FILE says, or RUNTREE_ENCRYPTION_KEY.")
def unseal_command(file: Path, output: Path | None, key: str | None) -> None:
    """Decrypt FILE, which `predict --encrypt` or `models register --encrypt` wrote, to a new file.

    A file that was changed, cut off, or put in the place of another one is refused.
    """
    from runtree.contract.errors import NotFoundError, RequestError, unknown
    from runtree.records.sealed import is_sealed, named_key, registered_place, unseal_file

    if not file.is_file():
        around = [found for found in (file if file.is_dir() else file.parent).glob("*") if os.access(found, os.R_OK)]
        sealed = [str(found) for found in around if found.is_file() and not found.is_symlink() and is_sealed(found)]
        raise unknown("encrypted file", str(file), sealed, error=NotFoundError)
    if not is_sealed(file):
        raise RequestError(f"{file}: is not encrypted")
    target = output or file.with_name(f"plain-{file.name}")
    if target.exists():
        raise RequestError(f"-o {target}: exists already", "choose another name")
    try:
        unseal_file(file, target, registered_place(file), named_key(key, "--key") if key else None)
    except RequestError:
        target.unlink(missing_ok=True)  # the parts before the one that was changed
        raise
    click.echo(f"wrote {target}")
