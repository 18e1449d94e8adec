"""Files of a tree that may be anyone's: what is opened is a regular file of limited size, and no link is followed.

A FIFO blocks until a process writes to it, a device has no end, a link may lead to a file of the user that is
then overwritten or shown, and a few bytes of compressed or self-referring content may become gigabytes.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MAX_BYTES = 256_000_000  # of one file that is read as a whole; `run.json` of a large sweep has some 20,000
MAX_YAML_BYTES = 20_000_000
MAX_YAML_NODES = 200_000  # once each alias is replaced by what it stands for
MAX_YAML_DEPTH = 100  # the C loader overflows its stack on some thousands, which ends the process
SMALL_YAML_BYTES = 20_000  # too little for a depth that matters without brackets, since each level is indented
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Name = str | os.PathLike[str]


class UnsafeFileError(OSError):
    """A file that is not read or written: no regular file, or too large."""

    def __init__(self, file: Name, reason: str) -> None:
        super().__init__(f"{os.path.basename(file)} {reason}")  # noqa: PTH119  a Path costs more than the read
        # errors of the system have it, and messages show it
        self.strerror = reason


def open_regular(file: Name, flags: int = os.O_RDONLY | os.O_NOFOLLOW) -> int:
    """Open a regular file and return its descriptor; by default a link is refused.

    Raises
    ------
    UnsafeFileError
        It is a link, a FIFO, a device or a folder.
    """
    try:
        # O_NONBLOCK: else the open itself would wait for a writer of the FIFO. For a regular file it changes nothing
        handle = os.open(file, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    except OSError:
        if flags & os.O_NOFOLLOW and os.path.islink(file):  # noqa: PTH114
            raise UnsafeFileError(file, "is a link, and links are not followed here") from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnsafeFileError(file, "is not a regular file")
    return handle


def create_file(file: Name) -> int:
    """Create a file and return its descriptor. What is in its place is removed, and never written to.

    The names of temporary files can be guessed: another user may have put a link there, and a process that was killed
    may have left a file.
    """
    try:
        return os.open(file, _CREATE, 0o644)
    except FileExistsError:
        os.unlink(file)  # noqa: PTH108
        return os.open(file, _CREATE, 0o644)


def read_regular(file: Name, max_bytes: int = MAX_BYTES, follow: bool = False) -> bytes:
    """Read a regular file as a whole.

    Parameters
    ----------
    follow
        Whether it may be a link: files that the user names may, those of the output tree may not.

    Raises
    ------
    UnsafeFileError
        It is not a regular file, or larger than `max_bytes`.
    """
    handle = open_regular(file, os.O_RDONLY if follow else os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as content:
        size = os.fstat(handle).st_size
        if size > max_bytes:
            raise UnsafeFileError(file, f"has {size:,} bytes, more than {max_bytes:,}")
        return content.read()


def is_within(path: Path, root: Path) -> bool:
    """Return whether a path stays in a folder when all links in both are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def load_yaml(content: bytes) -> Any:
    """Return the content of a YAML file by the safe C loader.

    Raises
    ------
    ValueError
        It would become too large, or is nested too deeply, or is not UTF-8.
    yaml.YAMLError
        It is not YAML.
    """
    import yaml

    check_yaml(content)
    return yaml.load(content.decode(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def check_yaml(content: bytes) -> None:
    """Refuse YAML that would become too large or too deep once it is loaded; raise ValueError.

    Ten lines of aliases that each name the one before nine times become 9 ** 10 values.
    """
    if len(content) > MAX_YAML_BYTES:
        raise ValueError(f"it has {len(content):,} bytes, more than {MAX_YAML_BYTES:,}")
    aliased = b"*" in content and b"&" in content
    # nearly no file has aliases or many brackets, and counting takes as long as loading
    if not aliased and len(content) <= SMALL_YAML_BYTES and content.count(b"[") + content.count(b"{") < MAX_YAML_DEPTH:
        return
    import yaml

    _count_nodes(yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _count_nodes(events: Iterable[Any]) -> None:
    """Count the values that YAML's events describe, those behind aliases at each alias."""
    import yaml

    sizes: dict[str, int] = {}  # by anchor
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_nodes.append((event.anchor, 0))
            if len(open_nodes) > MAX_YAML_DEPTH:
                raise ValueError(f"it is nested more than {MAX_YAML_DEPTH} levels deep")
            continue
        if isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, size = open_nodes.pop()
            size += 1
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if not isinstance(event, yaml.AliasEvent) and anchor is not None:
            sizes[anchor] = size
        parent, total = open_nodes[-1]
        open_nodes[-1] = (parent, total + size)
        if total + size > MAX_YAML_NODES:
            raise ValueError(f"its aliases stand for more than {MAX_YAML_NODES:,} values")
