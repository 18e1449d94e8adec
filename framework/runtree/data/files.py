"""Tables in CSV and Parquet files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtree.contract.errors import DataError, first_line
from runtree.tables.csv_files import CsvFormat, Reading, missing_words, read_csv

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Csv:
    """Rows of a text file with a header line.

    Parameters
    ----------
    path
        The file, relative to the folder where runtree was started; compressed ones (.gz, .zip, .zst) are read too.
    separator, decimal, encoding
        The format of the file.
    """

    path: str
    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"

    def load(self, reading: Reading = Reading()) -> "pd.DataFrame":  # noqa: B008  frozen
        """Return all rows."""
        import pandas as pd

        file = require_file(self.path)
        try:
            return read_csv(file, CsvFormat(self.separator, self.decimal, self.encoding), reading)
        except pd.errors.EmptyDataError:
            raise DataError(f"data.path: {self.path} is empty") from None
        except pd.errors.ParserError as error:
            raise DataError(
                f"data.path: {self.path} is not a table: {first_line(error)}",
                f"if '{self.separator}' does not separate its columns, type: data.separator=';'",
            ) from None
        except UnicodeDecodeError as error:
            raise DataError(
                f"data.path: {self.path} is not encoded in {self.encoding} (byte {error.start})",
                "try: data.encoding=latin-1",
            ) from None

    def notes(self, frame: "pd.DataFrame", reading: Reading) -> list[str]:
        """Return a note if words such as NA were taken as missing values in columns of text."""
        from runtree.tables.declared import type_override

        csv = CsvFormat(self.separator, self.decimal, self.encoding)
        found = missing_words(require_file(self.path), csv, frame, reading)
        if not found:
            return []
        words = sorted({word for each in found.values() for word in each})
        first, *others = found
        more = f" and {len(others)} other column{'' if len(others) == 1 else 's'} of text" if others else ""
        return [
            f"column '{first}'{more}: {', '.join(words)} {'is' if len(words) == 1 else 'are'} taken as missing; "
            f"if they are values, type: {type_override(first, 'category')}"
        ]


@dataclass(frozen=True)
class Parquet:
    """Rows of a Parquet file."""

    path: str

    def load(self) -> "pd.DataFrame":
        """Return all rows."""
        import pandas as pd
        from pyarrow import ArrowInvalid

        try:
            return pd.read_parquet(require_file(self.path))
        # pyarrow raises OSError for some kinds of damage
        except (ArrowInvalid, OSError) as error:
            raise DataError(f"data.path: {self.path} is not a Parquet file: {str(error).partition('. ')[0]}") from None


def require_file(path: str) -> Path:
    """Return the file at a path; if there is none, raise `DataError` with the names of similar files in its folder."""
    file = Path(path).expanduser()
    if file.is_file():
        return file
    if file.is_dir():
        raise DataError(f"data.path: {path} is a folder, not a file")
    folder = file.parent
    # files of the same type only: a typing error in the name is the usual cause
    siblings = sorted(entry.name for entry in folder.glob(f"*{file.suffix}")) if folder.is_dir() else []
    hint = f"in {folder}: {', '.join(siblings[:5])}" if siblings else f"current folder: {Path.cwd()}"
    raise DataError(f"data.path: no file {path}", hint)
