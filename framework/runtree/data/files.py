"""Tables in files: CSV, Parquet, Arrow, JSON lines, Excel; one file, a folder, a glob, or a URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, unknown
from runtree.tables.csv_files import AUTO, CsvFormat, Reading
from runtree.tables.file_formats import SUFFIXES, FileOptions, Origin, read_files
from runtree.tables.places import LIMIT, local_files

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class TableFile:
    """Rows of files, each with a header or with names of its own.

    Parameters
    ----------
    path
        A file, a folder, a glob such as `orders/*.csv`, or a URL; relative ones begin at the working directory.
        Text files may be compressed: .gz, .bz2, .xz, .zip, .zst.
    format
        csv, parquet, arrow, json or excel; auto: by the suffix.
    separator, encoding
        Of text files; auto: as the beginning of the file looks.
    decimal
        The decimal mark of text files.
    thousands
        The mark that groups digits in text files: 1,257. Without it, a column is read by what it shows.
    sheet
        Of Excel files: the name of the sheet, or its number, from 0; None: the first.
    max_download_mb
        What a URL may send, in megabytes.
    storage
        Arguments of the file system of a URL, such as `{anon: true}`.
    """

    path: str
    format: str = AUTO
    separator: str = AUTO
    decimal: str = "."
    encoding: str = AUTO
    thousands: str | None = None
    sheet: str | int | None = None
    max_download_mb: float | int = LIMIT
    storage: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = field(default=None, init=False, repr=False, compare=False)

    def load(self, reading: Reading = Reading()) -> "pd.DataFrame":  # noqa: B008  frozen
        """Return all rows."""
        from runtree.tables.declared import apply_missing

        if self.format not in (AUTO, *SUFFIXES):
            raise unknown("format at data.format:", self.format, [AUTO, *SUFFIXES], error=ConfigError)
        csv = CsvFormat(self.separator, self.decimal, self.encoding, self.thousands)
        options = FileOptions(self.format, csv, self.sheet)
        with local_files(self.path, options.suffixes, "data.path", self.max_download_mb, self.storage) as files:
            frame, self.origin = read_files(files, options, reading, "data.path")
        # a text file was read by these words
        return frame if self.origin.csv else apply_missing(frame, reading)

    def notes(self, frame: "pd.DataFrame", reading: Reading) -> list[str]:
        """Return what the last `load` found out: how text was read, and the words taken as missing in these columns."""
        if self.origin is None:
            return []
        return [*self.origin.notes, *_missing_notes(self.origin, frame), *_index_notes(frame)]


def _index_notes(frame: "pd.DataFrame") -> list[str]:
    """Return a note if the first column is the index of a table that pandas wrote."""
    name = str(frame.columns[0]) if len(frame.columns) else ""
    if (
        not name.startswith("Unnamed: ")
        or frame[name].dtype.kind not in "iu"
        or not frame[name].is_monotonic_increasing
    ):
        return []
    return [f"column '{name}' has no name and numbers the rows; to leave it out, type: 'data.drop=[\"{name}\"]'"]


def _missing_notes(origin: Origin, frame: "pd.DataFrame") -> list[str]:
    from runtree.tables.declared import type_override

    found = {name: words for name, words in origin.missing.items() if name in frame.columns}
    if not found:
        return []
    words = sorted({word for each in found.values() for word in each})
    first, *others = found
    more = f" and {len(others)} other column{'' if len(others) == 1 else 's'} of text" if others else ""
    return [
        f"column '{first}'{more}: {', '.join(words)} {'is' if len(words) == 1 else 'are'} taken as missing; "
        f"if they are values, type: {type_override(first, 'category')}"
    ]
