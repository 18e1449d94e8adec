"""`history.jsonl`: one line for each check of a fit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtree.contract.files import read_regular
from runtree.records.writer import write_text


def read_history(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history; an incomplete last line, left by a killed process, is dropped."""
    if not file.is_file():
        return
    for line in read_regular(file).decode(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            return


def trim_history(file: Path, step: int) -> None:
    """Drop the lines after `step`: a fit that resumes from there reports those iterations again."""
    if file.is_file():
        write_text(file, "".join(json.dumps(line) + "\n" for line in read_history(file) if line["step"] <= step))


MONITORED_SPLITS = ("train", "validation")


def split_name(name: str) -> tuple[str, str]:
    """Return the split and the metric of a name such as ``validation_roc_auc``; the split is "" if there is none."""
    split, _, metric = name.partition("_")
    return (split, metric) if split in MONITORED_SPLITS else ("", name)
