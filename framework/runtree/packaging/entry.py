"""What an image starts: a verb of runtree on the model that the image holds. It is copied into the image.

Without words it serves the model; with ``--check`` it asks the service in its container whether it is ready. The root
file system may be read-only: everything that is written lies below the working directory, a volume.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

HOME = Path(__file__).parent  # with the folder `registry`, which is not changed
KEYS = "RUNTREE_KEYS_FILE"  # a mounted file of API keys, as `runtree serve keys add` writes it
OPEN = "RUNTREE_OPEN"  # "true": anyone who reaches the service may ask


def main(words: list[str]) -> None:
    """Start a verb in this process."""
    model, port = os.environ["RUNTREE_MODEL"], os.environ.get("PORT", "8000")
    if words == ["--check"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as answer:
            sys.exit(answer.status != 200)
    registry = Path("registry")
    registry.mkdir(exist_ok=True)
    for folder in (HOME / "registry").iterdir():
        # a copy, as a registry follows no links; it is made aside, since several containers may share the volume
        copy = registry / folder.name
        versions = [path.name for path in (folder / "versions").iterdir()]
        # a volume outlives its container, and may have the copy of an earlier image
        if not all((copy / "versions" / name).is_dir() for name in versions):
            aside = Path(tempfile.mkdtemp(dir=registry, prefix="."))
            if copy.exists():
                copy.rename(aside / "earlier")
            shutil.copytree(folder, aside / folder.name)
            with contextlib.suppress(OSError):  # another one was first
                (aside / folder.name).rename(copy)
            shutil.rmtree(aside)
    keys = Path(os.environ.get(KEYS, ""))
    if keys.is_file():
        (registry / "keys.json").write_bytes(keys.read_bytes())
    if not words or words[0].startswith(("-", "serve.")):
        is_open = ["serve.access.open=true"] if os.environ.get(OPEN) == "true" else []
        words = ["serve", model, "--host", "0.0.0.0", "--port", port, *is_open, *words]
    os.execvp("runtree", ["runtree", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
