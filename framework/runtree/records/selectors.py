"""Which runs there are, and the one that a selector names. One unreadable run is one warning."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runtree.contract.errors import NotFoundError, nearest
from runtree.contract.types import RunRecord
from runtree.records.index import RunIndex, query_index
from runtree.records.layout import RunFolder
from runtree.records.record import read_record


def read_records(outputs: Path) -> Iterator[RunRecord]:
    """Yield the record of every run that can be read, and warn of those that cannot."""
    yield from query_index(outputs, lambda runs: runs.take(range(len(runs))))


def find_run(outputs: Path, selector: str, completed: bool = False) -> RunRecord:
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
    found = query_index(outputs, lambda runs: runs.take(_find_row(runs, selector, outputs, completed)))
    if not found:
        raise NotFoundError(f"{selector}: its record cannot be read any more", "see: runtree runs")
    return found[0]


def run_ids(outputs: Path) -> list[str]:
    """Return the id of every run."""
    return query_index(outputs, lambda runs: runs.column("id"))


def _find_row(runs: RunIndex, selector: str, outputs: Path, completed: bool) -> list[int]:
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


def _answering(runs: RunIndex, selector: str) -> list[int]:
    prints = runs.column("fingerprint:config")
    return [
        row
        for row, (name, fingerprint) in enumerate(zip(runs.column("id"), prints, strict=True))
        if any(text.startswith(selector) for text in (name, name.rpartition("/")[2], str(fingerprint or "")))
    ]


# --- The runs that words on a command line mean: `latest`, paths, names of experiments and sweeps, beginnings of ids.

SWEEP = "-sweep"


def select_rows(runs: RunIndex, words: Sequence[str]) -> list[int]:
    """Return the rows that words mean together, each once; all rows where there are no words.

    Raises
    ------
    NotFoundError
        A word that means nothing, or one of several things.
    """
    if not len(runs):
        raise NotFoundError(f"no runs in {runs.outputs}", "train one: runtree train")
    if not words:
        return list(range(len(runs)))
    return list(dict.fromkeys(row for word in words for row in _rows(runs, word)))


def _rows(runs: RunIndex, word: str) -> list[int]:
    for look in (_latest, _by_path, _by_experiment, _by_id):
        found = look(runs, word)
        if found:
            return found
    known = {*runs.column("experiment"), *(name.partition("/")[0] for name in runs.column("id"))}
    close = nearest(word, known)
    hint = f"did you mean: {', '.join(close)}?" if close else "see: runtree runs"
    raise NotFoundError(f"no run, sweep or experiment '{word}' in {runs.outputs}", hint)


def _latest(runs: RunIndex, word: str) -> list[int]:
    started, names = runs.column("started"), runs.column("id")
    return [max(range(len(runs)), key=lambda row: (started[row], names[row]))] if word == "latest" else []


def _by_path(runs: RunIndex, word: str) -> list[int]:
    """Return the runs in a folder that a path names; one that lies elsewhere is told of."""
    path = Path(word)
    if not path.is_dir() or not ("/" in word or (path / "run.json").exists() or (path / "ledger.jsonl").exists()):
        return []
    try:
        place = path.resolve().relative_to(runs.outputs.resolve()).as_posix()
    except ValueError:
        raise NotFoundError(f"{word}: lies outside {runs.outputs}", "name its output folder: --outputs DIR") from None
    return _where(runs, runs.folders(), lambda folder: place in (".", folder) or folder.startswith(f"{place}/"))


def _by_experiment(runs: RunIndex, word: str) -> list[int]:
    return _where(runs, runs.column("experiment"), lambda name: name == word)


def _by_id(runs: RunIndex, word: str) -> list[int]:
    """Return the run, or all runs of the one sweep, whose name or fingerprint begins so."""
    names = runs.column("id")
    same = _where(runs, names, lambda name: name == word)
    found = same or _where(runs, names, lambda name: name.startswith(word) or name.rpartition("/")[2].startswith(word))
    found = found or _where(runs, runs.column("fingerprint:config"), lambda text: str(text or "").startswith(word))
    sweeps = {names[row].partition("/")[0] for row in found if SWEEP in names[row].partition("/")[0]}
    of_one_sweep = len(sweeps) == 1 and all(names[row].startswith(f"{next(iter(sweeps))}/") for row in found)
    if len(found) > 1 and not of_one_sweep:
        told = ", ".join(names[row] for row in found[:4])
        raise NotFoundError(f"'{word}' names {len(found)} runs: {told}", "type more of the id, or a whole name")
    return found


def _where(runs: RunIndex, values: Sequence[str], holds: Callable[[str], bool]) -> list[int]:
    return [row for row, value in zip(range(len(runs)), values, strict=True) if holds(value)]
