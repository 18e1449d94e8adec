"""The files that a path means: one, a folder, a glob, or a URL, whose files are copied to this machine for reading."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from runtree.contract.errors import DataError, RuntreeError, first_line
from runtree.contract.urls import open_url, scheme_of

GLOB = "*?["
# options that read any table: their name says nothing about it
GENERIC = ("csv", "parquet", "arrow", "json", "excel", "file", "sql", "image_folder", "image_arrays")
BLOCK = 1 << 20  # bytes of a download at a time
LIMIT = 2000  # megabytes of all downloads of one table
VERSIONS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "created")  # as the file systems call it


@dataclass(frozen=True)
class DataFiles:
    """The files of a table, sorted by name.

    Attributes
    ----------
    name
        The path or URL as the user typed it.
    files
        On this machine.
    root
        The folder whose subfolders may be Hive partitions (`year=2024`); None for a single file.
    """

    name: str
    files: tuple[Path, ...]
    root: Path | None = None

    def label(self, file: Path) -> str:
        """Return how messages name a file: a single one as it was typed, others by their path in the folder."""
        return self.name if len(self.files) == 1 else file.relative_to(self.root or file.parent).as_posix()

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.stat().st_size for file in self.files)


@contextmanager
def local_files(
    path: str,
    suffixes: Sequence[str],
    where: str = "data.path",
    limit: float = LIMIT,
    storage: Mapping[str, Any] | None = None,
) -> Iterator[DataFiles]:
    """Yield the files that a path means; copies of remote ones are removed afterwards.

    Parameters
    ----------
    suffixes
        Of the files in a folder that are part of the table; others are passed over.
    where
        The config path, with which messages begin.
    limit
        The megabytes that may be downloaded.
    storage
        Arguments of the file system of a URL.
    """
    if scheme_of(path) in ("", "file"):
        yield _find_local(local_path(path), path, suffixes, where)
        return
    system, remote = open_url(path, where, dict(storage or {}))
    with tempfile.TemporaryDirectory(prefix="runtree-data-") as folder:
        try:
            yield _download(system, remote, path, suffixes, Path(folder), where, limit)
        finally:
            # fsspec keeps file systems for the whole process, and with them the credentials and listings of this one
            system.clear_instance_cache()


def local_path(path: str) -> str:
    """Return the path that a `file:` URL means; others stay as they are."""
    return unquote(urlsplit(path).path) if scheme_of(path) == "file" else path


def _find_local(path: str, name: str, suffixes: Sequence[str], where: str) -> DataFiles:
    place = Path(path).expanduser()
    if place.is_file():
        return DataFiles(name, (place,))
    if place.is_dir():
        files = sorted(
            file for file in place.rglob("*") if file.is_file() and _is_data(file.relative_to(place), suffixes)
        )
        if not files:
            raise DataError(f"{where}: {name} is a folder without a table in it", _expected(suffixes))
        return DataFiles(name, tuple(files), place)
    if any(sign in path for sign in GLOB):
        root = Path(*_fixed(place.parts))
        pattern = place.relative_to(root).as_posix()
        files = sorted(file for file in root.glob(pattern) if file.is_file() and not file.name.startswith((".", "_")))
        if files:
            return DataFiles(name, tuple(files), root)
        raise DataError(f"{where}: no file matches {name}", f"looked in {root.resolve()}")
    folder = place.parent
    # files of the same type only: a typing error in the name is the usual cause
    endings = (place.suffix.lower(),) if place.suffix else tuple(suffixes)
    entries = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    siblings = [entry for entry in entries if entry.lower().endswith(endings)]
    hint = f"in {folder}: {', '.join(siblings[:5])}" if siblings else f"current folder: {Path.cwd()}"
    raise DataError(f"{where}: no file {name}", hint)


def _fixed(parts: Sequence[str]) -> list[str]:
    """Return the folders before the first one with a sign of a glob."""
    place = next(place for place, part in enumerate(parts) if any(sign in part for sign in GLOB))
    return list(parts[:place]) or ["."]


def _is_data(file: Path | PurePosixPath, suffixes: Sequence[str]) -> bool:
    # Spark and Hive write `_SUCCESS` and hidden checksums beside the data
    hidden = any(part.startswith((".", "_")) for part in file.parts)
    return not hidden and any(file.name.lower().endswith(suffix) for suffix in suffixes)


def _download(
    system: Any, remote: str, name: str, suffixes: Sequence[str], folder: Path, where: str, limit: float
) -> DataFiles:
    try:
        sources, root = _find_remote(system, remote, name, suffixes, where)
        left = int(limit * 1e6)
        files = []
        for source in sources:
            file = folder / (PurePosixPath(source).relative_to(root) if root else file_name(source))
            file.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(system, source, file, left, f"{where}: {name}", limit)
            files.append(file)
    except RuntreeError:
        raise
    except Exception as error:  # each file system raises the exceptions of its own library
        raise DataError(f"{where}: {name} cannot be read ({_reason(error)})") from None
    return DataFiles(name, tuple(files), folder if root else None)


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(error, FileNotFoundError):
        # fsspec says so of servers that do not answer, too
        unreachable = cause is not None and getattr(cause, "status", 404) != 404
        return first_line(cause) if unreachable or isinstance(cause, OSError) else "no such file"
    return first_line(error) or type(error).__name__


def _find_remote(
    system: Any, remote: str, name: str, suffixes: Sequence[str], where: str
) -> tuple[list[str], str | None]:
    """Return the files of a URL, and the folder that they lie in if it means several."""
    # in a web address a question mark begins the query, and servers have no folders that can be listed
    if scheme_of(name) in ("http", "https"):
        return [remote], None
    if any(sign in remote for sign in GLOB) and not system.isfile(remote):  # a name may hold such a sign
        root = "/".join(_fixed(remote.split("/")))
        files = sorted(file for file in system.glob(remote) if not file.rpartition("/")[2].startswith((".", "_")))
    elif system.isfile(remote):
        return [remote], None
    else:
        root = remote.rstrip("/")
        found = sorted(system.find(remote))
        files = [file for file in found if _is_data(PurePosixPath(file).relative_to(root), suffixes)]
    if not files:
        raise DataError(f"{where}: no file at {name}", _expected(suffixes))
    return files, root


def _expected(suffixes: Sequence[str]) -> str:
    plain = [suffix for suffix in suffixes if suffix.count(".") == 1]
    packed = " (or compressed: .csv.gz, .csv.zip, …)" if ".csv.gz" in suffixes else ""
    return f"expected: files ending in {', '.join(plain)}{packed}"


def list_url(url: str, suffixes: Sequence[str], where: str) -> dict[str, tuple[int, str]]:
    """Return the files below a URL by their path in it, each with its bytes and what changes when it changes.

    Raises
    ------
    DataError
        It cannot be listed.
    """
    if scheme_of(url) in ("http", "https"):
        raise DataError(f"{where}: {url}: a web server has no folders that can be listed", "name its files")
    system, remote = open_url(url, where)
    root = remote.rstrip("/")
    try:
        system.invalidate_cache()  # what another process has put there meanwhile counts
        found = system.find(root, detail=True)
    except Exception as error:  # each file system raises the exceptions of its own library
        raise DataError(f"{where}: {url} cannot be listed ({_reason(error)})") from None
    names = {PurePosixPath(path).relative_to(root): info for path, info in sorted(found.items())}
    return {
        name.as_posix(): (int(info.get("size") or 0), next((str(info[key]) for key in VERSIONS if info.get(key)), ""))
        for name, info in names.items()
        if _is_data(name, suffixes)
    }


def file_name(path: str) -> str:
    """Return the last part of a path or a URL, without the query."""
    return PurePosixPath(urlsplit(path).path if scheme_of(path) else path).name or "data"


def table_stem(path: str) -> str:
    """Return the name of the table that a path means: orders for `orders.csv.gz` and `orders/*.csv`."""
    url = urlsplit(path)
    plain = f"{url.hostname or ''}{url.path}" if scheme_of(path) else path
    parts = [part for part in PurePosixPath(plain).parts if not any(sign in part for sign in GLOB) and part != "/"]
    last = parts[-1] if parts else path
    return last.partition(".")[0] or last


def table_name(option: Any, path: Any, table: Any) -> str:
    """Return the name of a table: that of its option, or of the file for options that read any file."""
    place = path or table
    return table_stem(str(place)) if option in GENERIC and place else str(option or "")


def _copy(system: Any, source: str, target: Path, left: int, where: str, limit: float) -> int:
    copied = 0
    with system.open(source, "rb", block_size=BLOCK) as remote, target.open("wb") as file:
        while block := remote.read(BLOCK):
            copied += len(block)
            # counted, since a server need not say how much it is going to send
            if copied > left:
                raise DataError(
                    f"{where}: more than {limit:,g} MB", "to download more, type: data.max_download_mb=10000"
                )
            file.write(block)
    return copied
