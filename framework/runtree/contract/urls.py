"""Files at a URL: which protocols a config may name, and their file systems, which are fsspec's."""

from typing import Any

from runtree.contract.errors import DataError, MissingError, first_line

# object stores and the web; a config file may name any of them, so none that reaches into other systems
SCHEMES = ("file", "https", "http", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
EXTRAS = {"s3": "s3", "http": "http", "https": "http"}  # of runtree, by protocol


def scheme_of(name: str) -> str:
    """Return the protocol of a URL, or "" for a path."""
    return name.partition("://")[0].lower() if "://" in name else ""


def open_url(url: str, where: str, options: dict[str, Any] | None = None) -> tuple[Any, str]:
    """Return the `fsspec.AbstractFileSystem` of a URL, and the path in it.

    Parameters
    ----------
    where
        The config path, with which messages begin.
    options
        Arguments of the file system, such as ``{"anon": True}`` for a public bucket.

    Raises
    ------
    DataError
        The protocol is not one of `SCHEMES`.
    MissingError
        The package for it is not installed.
    """
    scheme = scheme_of(url)
    # fsspec has file systems that run commands on hosts, mount archives or chain others (`https://x/a.zip::ftp://y`)
    if scheme not in SCHEMES or "::" in url:
        raise DataError(
            f"{where}: {url}: nothing is read by the protocol '{scheme if scheme not in SCHEMES else '::'}'",
            f"possible: {', '.join(SCHEMES)}, or a path",
        )
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        system, path = url_to_fs(url, **(options or {}))
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        hint = f"install it: pip install 'runtree[{extra}]'" if extra else "install it, or copy the files to a folder"
        raise MissingError(f"{where}: {url}: {first_line(error)}", hint) from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: {url}: {first_line(error)}") from None
    return system, str(path)
