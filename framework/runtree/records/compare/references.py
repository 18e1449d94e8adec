"""The runs that words on a command line mean: `latest`, paths, names of experiments and sweeps, beginnings of ids."""

from collections.abc import Callable, Sequence
from pathlib import Path

from runtree.contract.errors import NotFoundError, nearest
from runtree.records.listing import Runs

SWEEP = "-sweep"


def rows_of(runs: Runs, words: Sequence[str]) -> list[int]:
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


def _rows(runs: Runs, word: str) -> list[int]:
    for look in (_latest, _by_path, _by_experiment, _by_id):
        found = look(runs, word)
        if found:
            return found
    known = {*runs.column("experiment"), *(name.partition("/")[0] for name in runs.column("id"))}
    close = nearest(word, known)
    hint = f"did you mean: {', '.join(close)}?" if close else "see: runtree runs"
    raise NotFoundError(f"no run, sweep or experiment '{word}' in {runs.outputs}", hint)


def _latest(runs: Runs, word: str) -> list[int]:
    started, names = runs.column("started"), runs.column("id")
    return [max(range(len(runs)), key=lambda row: (started[row], names[row]))] if word == "latest" else []


def _by_path(runs: Runs, word: str) -> list[int]:
    """Return the runs in a folder that a path names; one that lies elsewhere is told of."""
    path = Path(word)
    if not path.is_dir() or not ("/" in word or (path / "run.json").exists() or (path / "ledger.jsonl").exists()):
        return []
    try:
        place = path.resolve().relative_to(runs.outputs.resolve()).as_posix()
    except ValueError:
        raise NotFoundError(f"{word}: lies outside {runs.outputs}", "name its output folder: --outputs DIR") from None
    return _where(runs, runs.folders(), lambda folder: place in (".", folder) or folder.startswith(f"{place}/"))


def _by_experiment(runs: Runs, word: str) -> list[int]:
    return _where(runs, runs.column("experiment"), lambda name: name == word)


def _by_id(runs: Runs, word: str) -> list[int]:
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


def _where(runs: Runs, values: Sequence[str], holds: Callable[[str], bool]) -> list[int]:
    return [row for row, value in zip(range(len(runs)), values, strict=True) if holds(value)]
