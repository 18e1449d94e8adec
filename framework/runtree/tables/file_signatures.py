"""What a file is by its first bytes: a parser that is given another format says something about separators instead."""

import codecs
import re
from pathlib import Path

from runtree.contract.errors import DataError

BEGIN_BYTES = 4096
# longest first: the mark of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
PACKINGS = {
    ".gz": b"\x1f\x8b",
    ".bz2": b"BZh91AY",
    ".xz": b"\xfd7zXZ\x00",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".zip": b"PK\x03\x04",
}
AS_TABLE = "write its rows as CSV or Parquet"
# (how a file begins, what it is, the data source that reads it, what to do if none does); more than the letters of a
# signature where they might be the name of a column
SIGNATURES = (
    (rb"PAR1(?:\Z|[\x00-\x08\x0e-\x1f\x80-\xff])", "a Parquet file", "parquet", ""),
    (rb"ARROW1\0", "an Arrow file", "arrow", ""),
    (rb"(?s)PK\x03\x04.*(?:xl/|\[Content_Types\]|mimetype)", "an Excel file", "excel", ""),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file", "excel", ""),
    (rb'\s*\[?\s*\{\s*"[^"]*"\s*:', "a JSON file", "json", ""),
    (rb"(?i)\s*<(?:!doctype html|html|head)", "a web page", "", "download the file itself, not the page that shows it"),
    (rb"version https://git-lfs", "a pointer of Git LFS, without the rows", "", "type: git lfs pull"),
    (rb"\0{16}", "damaged, it begins with NUL bytes", "", "copy or download it again"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "an image", "", "a folder of images is read by: data=image_folder"),
    (rb"\x80[\x02-\x05][\x95c}\](]", "a pickle, which may run code", "", AS_TABLE),
    (rb"\s*<\?xml", "an XML file", "", AS_TABLE),
    (rb"%PDF-", "a PDF document", "", AS_TABLE),
    (rb"SQLite format 3\0", "an SQLite database", "", AS_TABLE),
    (rb"\x93NUMPY", "a NumPy array", "", AS_TABLE),
    (rb"\x89HDF\r\n", "an HDF5 file", "", AS_TABLE),
)
KNOWN = tuple((re.compile(begin), what, kind, hint) for begin, what, kind, hint in SIGNATURES)
TITLES = {"csv": "CSV", "parquet": "Parquet", "arrow": "Arrow", "json": "JSON lines", "excel": "Excel"}
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "arrow": ".arrow", "json": ".jsonl", "excel": ".xlsx"}
TEXT = ("csv", "json")


def encoding_of_begin(begin: bytes) -> str | None:
    """Return the encoding that the first bytes of a text show, by a byte order mark or by a NUL in every other byte."""
    marked = next((encoding for mark, encoding in MARKS if begin.startswith(mark)), None)
    if marked is not None:
        return marked
    even, odd = begin[0::2], begin[1::2]
    # Latin letters, digits and separators have a zero byte in UTF-16
    if odd and odd.count(0) > 0.8 * len(odd) and even.count(0) < 0.2 * len(even):
        return "utf-16-le"
    if even and even.count(0) > 0.8 * len(even) and odd.count(0) < 0.2 * len(odd):
        return "utf-16-be"
    return None


def article(title: str) -> str:
    """Return "a" or "an"."""
    return "an" if title[0] in "AE" else "a"


def refuse_other_kind(file: Path, label: str, kind: str, encoding: str, chosen_by: str = "data") -> None:
    """Refuse a file that begins as one of another format than `kind` does.

    Parameters
    ----------
    label
        How the message names the file, with the config path before it.
    encoding
        Of text; "auto" if it is found by the beginning.
    chosen_by
        The config group that chooses a format; "" where the name of the file does, as for prediction.

    Raises
    ------
    DataError
        What the file is, and what to type.
    """
    with file.open("rb") as content:
        begin = content.read(BEGIN_BYTES)
    if file.suffix.lower() in PACKINGS and kind in TEXT:
        if begin and not begin.startswith(PACKINGS[file.suffix.lower()]):
            name = file.name.removesuffix(file.suffix)
            raise DataError(f"{label} is not compressed, as its name says", f"rename it: {name}")
        return
    _refuse_known(begin, label, kind, chosen_by)
    packing = next((ending for ending, mark in PACKINGS.items() if begin.startswith(mark)), None)
    if packing is not None and kind != "excel":
        raise DataError(f"{label} is compressed", f"rename it: {file.name}{packing}" if kind in TEXT else "unpack it")
    if kind in TEXT:
        _refuse_other_encoding(begin, label, encoding, chosen_by)
    elif begin and _is_text(begin):
        title = TITLES[kind]
        raise DataError(f"{label} is not {article(title)} {title} file: it is text", _remedy("csv", chosen_by))


def _refuse_known(begin: bytes, label: str, kind: str, chosen_by: str) -> None:
    for looks, what, other, hint in KNOWN:
        if looks.match(begin):
            if other != kind:
                title = TITLES[kind]
                message = f"{label} is {what}" + (f", not {article(title)} {title} file" if other else "")
                raise DataError(message, hint or _remedy(other, chosen_by))
            return


def _remedy(kind: str, chosen_by: str) -> str:
    return f"type: {chosen_by}={kind}" if chosen_by else f"give it a name that says so, such as rows{ENDINGS[kind]}"


def _is_text(begin: bytes) -> bool:
    try:
        # the last character may be cut
        text = begin.decode("utf-8", "ignore" if len(begin) == BEGIN_BYTES else "strict")
    except UnicodeDecodeError:
        return False
    return "\0" not in text


def _refuse_other_encoding(begin: bytes, label: str, encoding: str, chosen_by: str) -> None:
    shown = encoding_of_begin(begin)
    given = encoding.lower().replace("_", "-")
    if shown is not None and shown != "utf-8-sig" and given != "auto" and not given.startswith(shown[:6]):
        typed = f"{chosen_by}.encoding={shown}" if chosen_by else f"--encoding {shown}"
        raise DataError(f"{label} is encoded in {shown}, not in {encoding}", f"type: {typed}")
