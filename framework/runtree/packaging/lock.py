"""What an image installs: the packages that a service of one model needs, pinned, and wheels of those on no index.

The versions are those of this environment, where the model is known to load, or the ones that its run recorded.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtree.config.search_path import shipped_conf
from runtree.contract.errors import MissingError

OWN = "runtree"
CUDA = re.compile(r"nvidia-|cuda-|triton$")  # what torch's wheels for GPUs bring along


@dataclass(frozen=True)
class Lock:
    """The packages of an image.

    Attributes
    ----------
    pins
        Version by name.
    local
        Distributions that no index has: they were installed from files.
    bytes
        The size of all of them, as they are installed here.
    notes
        What differs from the environment of the run.
    """

    pins: Mapping[str, str]
    local: Sequence[Distribution]
    bytes: int
    notes: Sequence[str]

    def requirements(self) -> str:
        """Return the content of ``requirements.txt``: what comes from an index."""
        local = {canonicalize_name(found.name) for found in self.local}
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.pins.items()) if name not in local)


def make_lock(extras: Sequence[str], plugins: Sequence[str], recorded: Mapping[str, str], *, gpu: bool = False) -> Lock:
    """Return what a service needs: runtree with some extras, and the plugins that made the model.

    Parameters
    ----------
    recorded
        The versions of libraries by name, of the environment that trained the model.
    gpu
        Whether torch is to find a GPU. Otherwise the libraries of CUDA, some GB, are left out.

    Raises
    ------
    MissingError
        A package is not installed here.
    """
    # the code of a checkout may be newer than what was installed of it: an image without its server would be the result
    if absent := set(extras) - set(distribution(OWN).metadata.get_all("Provides-Extra") or ()):
        raise MissingError(
            f"package: no extra {min(absent)} is in the metadata of the installed runtree",
            "install it again: pip install -e .",
        )
    found: dict[str, Distribution] = {}
    for name, chosen in ((OWN, tuple(extras)), *((name, ()) for name in plugins)):
        _collect(name, chosen, found)
    found = {name: one for name, one in found.items() if gpu or not CUDA.match(name)}
    pins, notes = {}, []
    before = {canonicalize_name(name): version for name, version in recorded.items()}
    for name, one in found.items():
        version = before.get(canonicalize_name(name), one.version) if name != OWN else one.version
        # 2.13.0+cpu: where a wheel was built is chosen by the index, not by the version
        pins[name] = version.partition("+")[0]
        if pins[name] != one.version.partition("+")[0]:
            notes.append(f"{name} {pins[name]} as in training, although {one.version} is installed here")
    local = [one for one in found.values() if canonicalize_name(one.name) == OWN or _is_local(one)]
    return Lock(pins, local, sum(map(_size, found.values())), notes)


def _collect(name: str, extras: Sequence[str], found: dict[str, Distribution]) -> None:
    key = canonicalize_name(name)
    try:
        one = found.setdefault(key, distribution(name))
    except PackageNotFoundError:
        hint = f"pip install '{OWN}[{','.join(extras)}]'" if name == OWN else f"pip install {name}"
        raise MissingError(f"package: {name} is not installed here, so its version is unknown", hint) from None
    for text in one.requires or ():
        needed = Requirement(text)
        wanted = [extra for extra in ("", *extras) if not needed.marker or needed.marker.evaluate({"extra": extra})]
        if wanted and canonicalize_name(needed.name) not in found:
            try:
                _collect(needed.name, sorted(needed.extras), found)
            except MissingError as error:
                asked = [extra for extra in wanted if extra]
                raise MissingError(
                    error.message, f"pip install '{name}[{asked[0]}]'" if asked else error.hints[0]
                ) from None


def _is_local(one: Distribution) -> bool:
    """Return whether a distribution was installed from a file or a folder."""
    origin = one.read_text("direct_url.json")
    return bool(origin) and str(json.loads(str(origin)).get("url", "")).startswith("file:")


def _size(one: Distribution) -> int:
    return sum(file.size or 0 for file in one.files or ())


# --- Wheels of what is installed.


def write_wheel(one: Distribution, folder: Path) -> Path:
    """Write the wheel of an installed distribution and return its file.

    Raises
    ------
    MissingError
        Its files are not known: it is installed as a link to a checkout.
    """
    name = re.sub(r"[-_.]+", "_", one.name)
    info = f"{name}-{one.version}.dist-info"
    content: dict[str, bytes] = dict(_own_files() if canonicalize_name(one.name) == OWN else _listed_files(one))
    if not content:
        raise MissingError(
            f"package: {one.name} is installed as a link to a checkout, of which no wheel can be made here",
            "install it as others have it: pip install FOLDER",
        )
    for name_of_text in ("METADATA", "entry_points.txt", "WHEEL"):
        if (text := one.read_text(name_of_text)) is not None:
            content[f"{info}/{name_of_text}"] = text.encode()
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for path, data in sorted(content.items()):
            archive.writestr(path, data)
    file = folder / f"{name}-{one.version}-py3-none-any.whl"
    file.write_bytes(packed.getvalue())
    return file


def _own_files() -> Iterator[tuple[str, bytes]]:
    package = Path(__file__).parents[1]
    folders = {OWN: package, "hydra_plugins/runtree_hydra": package.parent / "hydra_plugins" / "runtree_hydra"}
    for name, folder in {**folders, f"{OWN}/conf": shipped_conf()}.items():
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{name}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _listed_files(one: Distribution) -> Iterator[tuple[str, bytes]]:
    files = [file for file in one.files or () if file.suffix not in (".pyc", ".pth") and ".." not in file.parts]
    packed = [file for file in files if not file.parts[0].endswith(".dist-info")]
    for file in packed:
        yield file.as_posix(), Path(str(file.locate())).read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def recorded_versions(environment: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of libraries that a run recorded: of its environment, and of its model's classes."""
    packages, libraries = environment.get("packages"), description.get("libraries")
    found: dict[str, str] = {}
    for part in (packages, libraries):
        if isinstance(part, Mapping):
            found |= {str(name): str(version) for name, version in part.items()}
    return found
