"""`history.jsonl`, read and cut: a line a check."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtree.records.writer import write_text


def read_history(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history; a torn last one is dropped."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def trim(file: Path, step: int) -> None:
    """Drop what came after `step`: a run that goes on from there tells it again."""
    if file.is_file():
        write_text(file, "".join(json.dumps(line) + "\n" for line in read_history(file) if line["step"] <= step))
