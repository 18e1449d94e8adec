"""Folders to read from: of this machine, or behind a URL that fsspec knows (s3://, gs://, hf://, memory://)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runtree.contract.errors import DataError, MissingError, first_line


class Place(Protocol):
    """A folder that is read from; as a text it is what the user calls it."""

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        ...

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        ...

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        ...

    def below(self, name: str) -> "Place":
        """Return a subfolder."""
        ...


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        return (self.path / file).is_file()

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        try:
            return (self.path / file).read_bytes()
        except OSError as error:
            raise DataError(f"{self.path / file}: cannot be read ({error.strerror})") from None

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        return sorted(found.parent.name for found in self.path.glob(f"*/{file}") if found.parent.name[0] != ".")

    def below(self, name: str) -> Place:
        """Return a subfolder."""
        return LocalFolder(self.path / name)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder behind a URL.

    Attributes
    ----------
    system
        The `fsspec.AbstractFileSystem`.
    path
        As the file system calls the folder.
    url
        As the user does.
    """

    system: Any
    path: str
    url: str

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        return bool(self._ask("isfile", file))

    def read(self, file: str) -> bytes:
        """Return a file's content."""
        return bytes(self._ask("cat_file", file))

    def holding(self, file: str) -> list[str]:
        """Return the names of the subfolders that hold such a file, sorted."""
        return sorted(found.split("/")[-2] for found in self._ask("glob", f"*/{file}"))

    def below(self, name: str) -> Place:
        """Return a subfolder."""
        return RemoteFolder(self.system, f"{self.path}/{name}", f"{self.url}/{name}")

    def _ask(self, method: str, file: str) -> Any:
        try:
            return getattr(self.system, method)(f"{self.path}/{file}")
        except Exception as error:  # every file system raises what its library does
            why = first_line(error) or type(error).__name__
            raise DataError(f"{self.url}/{file}: cannot be read ({why})") from None


def place(name: str) -> Place:
    """Return a folder by its path or its URL."""
    if "://" not in name:
        return LocalFolder(Path(name).expanduser())
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        system, path = url_to_fs(name)
    except ImportError as error:
        raise MissingError(f"zoo: {name}: {first_line(error)}", "install that, or use a local folder") from None
    except ValueError as error:
        raise DataError(f"zoo: {name}: {first_line(error)}") from None
    return RemoteFolder(system, path.rstrip("/"), name.rstrip("/"))
