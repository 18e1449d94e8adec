"""The runs that words on a command line mean: paths, names of experiments and sweeps, beginnings of ids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from runtree.contract.commands import command
from runtree.contract.errors import NotFoundError, nearest
from runtree.contract.types import RunRecord
from runtree.records.index import RunIndex, query_index


def read_records(outputs: Path) -> Iterator[RunRecord]:
    """Yield the record of every run that can be read. One that cannot be is a warning."""
    yield from query_index(outputs, lambda runs: runs.read_records(runs.rows()))


def run_ids(outputs: Path) -> list[str]:
    """Return the id of every run."""
    return query_index(outputs, lambda runs: list(runs.column("id").values()))


def select_rows(runs: RunIndex, words: Sequence[str]) -> list[int]:
    """Return the rows that words mean together, each once; all rows if there are no words.

    Raises
    ------
    NotFoundError
        A word that means nothing, or one of several things.
    """
    if not len(runs):
        raise NotFoundError(f"no runs in {runs.outputs}", "train one: runtree train")
    if not words:
        return runs.rows()
    # words may overlap, and the order of the words is that of the rows
    return list(dict.fromkeys(row for word in words for row in _rows_of_word(runs, word)))


def _see_runs(outputs: Path) -> str:
    return f"see: {command('runs', outputs=outputs)}"


def find_row(runs: RunIndex, selector: str) -> int:
    """Return the row whose id is `selector`, or the only one whose id or fingerprint begins with it.

    Raises
    ------
    NotFoundError
        There is none, or more than one.
    """
    latest = runs.rows(sort="started", limit=1)
    if not latest:
        raise NotFoundError(f"no runs in {runs.outputs}", "train one: runtree train")
    ids, fingerprints = runs.column("id"), runs.column("fingerprint:config")
    # a whole id wins over the beginning of another: -2 is appended to an id whose second was taken
    matching = _filter(ids, lambda name: name == selector) or [
        row for row in ids if _starts(ids[row], selector) or str(fingerprints[row] or "").startswith(selector)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        examples = ", ".join(ids[row] for row in matching[:4])
        raise NotFoundError(f"'{selector}' names {len(matching)} runs: {examples}", "type more of the id")
    hints = f"the latest is {ids[latest[0]]}", _see_runs(runs.outputs)
    raise NotFoundError(f"no run '{selector}' in {runs.outputs}", *hints)


def _rows_of_word(runs: RunIndex, word: str) -> list[int]:
    rows = (
        _rows_below(runs, word)
        or _filter(runs.column("experiment"), lambda name: name == word)
        or _rows_of_id(runs, word)
    )
    if rows:
        return rows
    known = {*runs.column("experiment").values(), *(name.partition("/")[0] for name in runs.column("id").values())}
    close = nearest(word, known)
    hint = f"did you mean: {', '.join(close)}?" if close else _see_runs(runs.outputs)
    raise NotFoundError(f"no run, sweep or experiment '{word}' in {runs.outputs}", hint)


def _rows_below(runs: RunIndex, word: str) -> list[int]:
    """Return the runs below the folder that a path names. A folder outside the outputs is an error."""
    path = Path(word)
    # a bare word that happens to be a folder here, such as an
    # experiment run inside the outputs, is looked up by name first
    if not path.is_dir() or not ("/" in word or (path / "run.json").exists() or (path / "ledger.jsonl").exists()):
        return []
    try:
        # resolved: the path may lead through a symbolic link or ..
        place = path.resolve().relative_to(runs.outputs.resolve()).as_posix()
    except ValueError:
        raise NotFoundError(f"{word}: lies outside {runs.outputs}", "name its output folder: --outputs DIR") from None
    return _filter(runs.folders(), lambda folder: place in (".", folder) or folder.startswith(f"{place}/"))


def _rows_of_id(runs: RunIndex, word: str) -> list[int]:
    """Return the run, or all runs of the one sweep, whose id or fingerprint begins with a word."""
    ids = runs.column("id")
    rows = (
        _filter(ids, lambda name: name == word)
        or _filter(ids, lambda name: _starts(name, word))
        or _filter(runs.column("fingerprint:config"), lambda text: str(text or "").startswith(word))
    )
    sweeps = {ids[row].partition("/")[0] for row in rows}
    of_one_sweep = len(sweeps) == 1 and all("-sweep/" in ids[row] for row in rows)
    if len(rows) > 1 and not of_one_sweep:
        examples = ", ".join(ids[row] for row in rows[:4])
        raise NotFoundError(f"'{word}' names {len(rows)} runs: {examples}", "type more of the id, or a whole name")
    return rows


def _starts(name: str, word: str) -> bool:
    """Return whether an id begins with a word, or, in a sweep, its last part does."""
    return name.startswith(word) or name.rpartition("/")[2].startswith(word)


def _filter(column: Mapping[int, str], holds: Callable[[str], bool]) -> list[int]:
    return [row for row, value in column.items() if holds(value)]
