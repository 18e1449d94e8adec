"""Which runs there are, and the one that a selector names. One unreadable run is one warning."""

from collections.abc import Iterator
from pathlib import Path

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.folder import RunFolder
from runtree.records.listing import Runs, ask
from runtree.records.record import read_record


def records(outputs: Path) -> Iterator[RunRecord]:
    """Yield the record of every run that can be read, and warn of those that cannot."""
    yield from ask(outputs, lambda runs: runs.take(range(len(runs))))


def find(outputs: Path, selector: str, completed: bool = False) -> RunRecord:
    """Return the run that `selector` names: `latest`, a path, or a unique beginning of its id or fingerprint.

    With `completed` the latest is the latest that completed, if any did: what has a model.

    Raises
    ------
    NotFoundError
        Where no run, or more than one, answers to the selector.
    """
    as_path = RunFolder(Path(selector))
    if as_path.record.is_file():
        return read_record(as_path)
    found = ask(outputs, lambda runs: runs.take(_rows(runs, selector, outputs, completed)))
    if not found:
        raise NotFoundError(f"{selector}: its record cannot be read any more", "see: runtree runs")
    return found[0]


def ids(outputs: Path) -> list[str]:
    """Return the id of every run."""
    return ask(outputs, lambda runs: runs.column("id"))


def _rows(runs: Runs, selector: str, outputs: Path, completed: bool) -> list[int]:
    """Return the row that a selector names."""
    names = runs.column("id")
    states, started = runs.column("state"), runs.column("started")

    def place(row: int) -> tuple[bool, str, str]:
        return completed and states[row] == "completed", started[row], names[row]

    latest = max(range(len(runs)), key=place, default=None)
    if latest is None:
        raise NotFoundError(f"no runs in {outputs}", "train one: runtree train")
    if selector == "latest":
        return [latest]
    matching = [row for row, name in enumerate(names) if name == selector] or _answering(runs, selector)
    if len(matching) == 1:
        return matching
    if matching:
        told = ", ".join(names[row] for row in matching[:4])
        raise NotFoundError(f"'{selector}' names {len(matching)} runs: {told}", "type more of the id")
    raise NotFoundError(f"no run '{selector}' in {outputs}", f"the latest is {names[latest]}", "see: runtree runs")


def _answering(runs: Runs, selector: str) -> list[int]:
    prints = runs.column("fingerprint:config")
    return [
        row
        for row, (name, fingerprint) in enumerate(zip(runs.column("id"), prints, strict=True))
        if any(text.startswith(selector) for text in (name, name.rpartition("/")[2], str(fingerprint or "")))
    ]
