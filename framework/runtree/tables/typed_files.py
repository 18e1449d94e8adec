"""Tables in files that store types: Parquet, Arrow, JSON and Excel. What is text there stays text."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, MissingError, first_line, unknown
from runtree.tables.csv_files import AUTO, check_header, open_bytes
from runtree.tables.csv_tables import PACKING_ERRORS
from runtree.tables.file_signatures import article
from runtree.tables.places import DataFiles

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN_SHEETS = 5
EXCEL_HINT = "install it: pip install 'runtree[excel]'"


def read_parquet(files: DataFiles, where: str) -> "pd.DataFrame":
    from pyarrow import dataset, parquet

    from runtree.tables.stacking import check_same_columns

    schemas = {}
    for file in files.files:
        with arrow_errors(f"{where}: {files.label(file)}", "Parquet"):
            schemas[files.label(file)] = parquet.read_schema(file)
    check_same_columns({label: schema.names for label, schema in schemas.items()}, where)
    with arrow_errors(f"{where}: {files.name}", "Parquet"):
        open_all = partial(
            dataset.dataset,
            [str(file) for file in files.files],
            format="parquet",
            # `year=2024/part.parquet`: the folders hold a column
            partitioning="hive" if files.root else None,
            partition_base_dir=str(files.root) if files.root else None,
        )
        whole = open_all()
        if len(files.files) > 1:
            whole = open_all(schema=_common_schema(schemas, whole.schema, where))
        return arrow_frame(whole.to_table())


def _common_schema(schemas: dict[str, Any], found: Any, where: str) -> Any:
    """Return the schema of a data set in which each column has a type that holds the values of all files."""
    import pyarrow as pa

    (first, reference), *others = schemas.items()
    common = reference
    for label, schema in others:
        for column in reference.names:
            one, other = common.field(column), schema.field(column)
            try:
                wider = pa.unify_schemas([pa.schema([one]), pa.schema([other])], promote_options="permissive")
            except pa.ArrowTypeError:
                raise DataError(
                    f"{where}: column '{column}' is {one.type} in {first}, and {other.type} in {label}",
                    "write the files with the same types",
                ) from None
            common = common.set(common.get_field_index(column), wider.field(0))
    for place, column in enumerate(found.names):
        if column in common.names:
            found = found.set(place, common.field(column))
    return found


def arrow_frame(table: Any) -> "pd.DataFrame":
    """Return a table of Arrow in the types of pandas: decimals as float64, days as dates."""
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        # as objects of Python they would be words to a model
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, column.name, table.column(place).cast(pa.float64()))
    frame: pd.DataFrame = table.to_pandas(date_as_object=False, maps_as_pydicts="lossy")
    return frame


@contextmanager
def arrow_errors(label: str, kind: str) -> Iterator[None]:
    """Raise a `DataError` for what pyarrow raises about a file; it raises OSError for some kinds of damage."""
    from pyarrow import ArrowException

    try:
        yield
    except DataError:  # a ValueError, too
        raise
    except (ArrowException, OSError, ValueError) as error:
        raise damaged_file(label, kind, error) from None


def damaged_file(label: str, kind: str, error: Exception) -> DataError:
    """Return the error of a file that is damaged, or of another kind."""
    return DataError(
        f"{label} is not {article(kind)} {kind} file: {str(error).partition('. ')[0]}",
        "it may be damaged or cut off: copy or write it again",
    )


def read_arrow(file: Path, label: str) -> "pd.DataFrame":
    from pyarrow import ArrowInvalid, feather, ipc, memory_map

    with arrow_errors(label, "Arrow"):
        try:
            return arrow_frame(feather.read_table(file))
        except ArrowInvalid:
            # the format of streams, which has no footer
            with memory_map(str(file)) as source:
                return arrow_frame(ipc.open_stream(source).read_all())


def read_json(file: Path, encoding: str, label: str) -> "pd.DataFrame":
    import msgspec
    import pandas as pd

    encoding = "utf-8-sig" if encoding == AUTO else encoding
    try:
        with open_bytes(file) as content:
            text = content.read().decode(encoding).encode()
        decoder = msgspec.json.Decoder()
        rows = decoder.decode(text) if text.lstrip()[:1] == b"[" else decoder.decode_lines(text)
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("not every item is an object")
    except PACKING_ERRORS as error:
        raise DataError(f"{label} cannot be unpacked ({first_line(error)})") from None
    except ValueError as error:
        raise DataError(
            f"{label}: {_bad_line(file, encoding) or first_line(error)}",
            'expected: an object in each line, such as {"age": 41, "churned": "no"}',
        ) from None
    # not by pandas' read_json, which makes numbers of texts such as 007, and dates of columns that are named like one
    return plain_types(pd.DataFrame(rows))


def _bad_line(file: Path, encoding: str) -> str:
    """Return which line is no JSON object; the parser of pandas does not say."""
    with open_bytes(file) as content:
        for number, line in enumerate(content, 1):
            try:
                if line.strip() and not isinstance(json.loads(line.decode(encoding)), dict):
                    return f"line {number:,} is not a JSON object"
            except ValueError as error:
                return f"line {number:,} is not JSON ({first_line(error)})"
    return ""


def read_excel(file: Path, sheet: str | int | None, label: str) -> "tuple[pd.DataFrame, list[str]]":
    """Return the rows of a sheet, and a note where the first one was taken of several."""
    import pandas as pd

    try:
        import python_calamine
    except ModuleNotFoundError:
        raise MissingError(f"{label}: Excel files need the package 'python-calamine'", EXCEL_HINT) from None
    try:
        with pd.ExcelFile(file, engine="calamine") as book:
            names = list(map(str, book.sheet_names))
            if isinstance(sheet, str) and sheet not in names:
                raise unknown(f"sheet of {label}:", sheet, names, error=DataError)
            if isinstance(sheet, int) and not 0 <= sheet < len(names):
                raise DataError(f"{label} has {len(names)} sheets", "type: data.sheet=0 for the first")
            notes = []
            if sheet is None and len(names) > 1:
                others = ", ".join(names[1 : 1 + MAX_SHOWN_SHEETS]) + (
                    ", …" if len(names) > 1 + MAX_SHOWN_SHEETS else ""
                )
                notes = [
                    f"of the {len(names)} sheets '{names[0]}' is read; for another ({others}), type: data.sheet=NAME"
                ]
            sheet = sheet or 0
            # without types: pandas would make numbers of texts such as 007
            parse: Any = pd.read_excel
            read = partial(parse, book, sheet_name=sheet, dtype=object, keep_default_na=False, na_values=[""])
            header = [str(name) for name in read(header=None, nrows=1).iloc[:1].to_numpy().ravel()]
            check_header(header, label)
            frame: pd.DataFrame = read()
    except DataError:  # a ValueError, too
        raise
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise DataError(f"{label} is not an Excel file: {first_line(error)}") from None
    return plain_types(frame), notes


def plain_types(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table of Python objects in types of pandas; a column of texts and other values is text."""
    import pandas as pd
    from pandas.api import types

    from runtree.tables.table import to_texts

    frame = frame.infer_objects()
    changed: dict[Any, Any] = {}
    for name, column in frame.items():
        kind = types.infer_dtype(column, skipna=True) if types.is_object_dtype(column.dtype) else ""
        if kind in ("mixed", "mixed-integer") and any(isinstance(value, str) for value in column):
            if not any(isinstance(value, (list, dict)) for value in column):
                changed[name] = column.where(column.isna(), to_texts(column)).astype("str")
        elif kind in ("date", "datetime"):
            # times with several offsets, as one clock
            aware = any(getattr(value, "tzinfo", None) for value in column)
            changed[name] = pd.to_datetime(column, utc=aware)
        elif kind == "decimal":
            changed[name] = column.astype("float64")
    return frame.assign(**changed) if changed else frame


def parquet_batches(file: Path, name: str, size: int) -> "Iterator[pd.DataFrame]":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # pre-buffered, all row groups would be read ahead: the whole file in memory
        with parquet.ParquetFile(file, pre_buffer=False) as content:
            for batch in content.iter_batches(batch_size=size):
                yield arrow_frame(pa.Table.from_batches([batch]))
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged_file(name, "Parquet", error) from None


def parquet_types(file: Path, name: str) -> "tuple[pd.DataFrame, dict[str, str], int] | None":
    """Return no rows, the dtypes that the columns have in memory, and the number of rows; from the footer alone.

    None where it does not say them: a column without any value, truth values with holes, categories, nested values.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with arrow_errors(name, "Parquet"), parquet.ParquetFile(file) as content:
        schema, footer = content.schema_arrow, content.metadata
        if footer.num_columns != len(schema):
            return None
        empty = arrow_frame(schema.empty_table())
        types = {str(column): str(dtype) for column, dtype in empty.dtypes.items()}
        groups = [footer.row_group(place) for place in range(footer.num_row_groups)]
        for place, column in enumerate(schema):
            statistics = [group.column(place).statistics for group in groups]
            if pa.types.is_dictionary(column.type) or any(
                each is None or not each.has_null_count for each in statistics
            ):
                return None
            holes = sum(each.null_count for each in statistics)
            if holes == footer.num_rows or (holes and pa.types.is_boolean(column.type)):
                return None
            if holes and pa.types.is_integer(column.type):
                types[column.name] = "float64"
        return empty, types, int(footer.num_rows)
