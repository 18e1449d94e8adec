"""The run that a word on a command line means: `latest`, `best`, a path, or the beginning of an id or a fingerprint.

``latest`` is the run that began last, ``best`` the one that `runtree best` selects; ``SWEEP/best`` and
``EXPERIMENT/latest`` look there alone. A verb that needs a model or predictions takes the latest run that has them, and
says so if that is not the one that began last.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from runtree.contract.commands import command
from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.model_version import SCHEME
from runtree.contract.types import RunRecord
from runtree.records.compare.comparability import find_mismatches
from runtree.records.compare.configurations import choose_metric, completed_rows, group_configurations, scored_rows
from runtree.records.index import RunIndex, query_index
from runtree.records.layout import RunFolder
from runtree.records.model_versions import find_version, model_folders, registry_root
from runtree.records.record import read_record
from runtree.records.selectors import find_row, select_rows

log = logging.getLogger(__name__)

LATEST, BEST = "latest", "best"
Need = Literal["model", "table of predictions"]
NEEDED: dict[Need, Callable[[RunFolder], Path]] = {
    "model": lambda folder: folder.model / "model.json",
    "table of predictions": lambda folder: folder.predictions,
}


def find_run(
    outputs: Path, selector: str, needs: Need | None = None, among: Callable[[Path], bool] = lambda folder: True
) -> RunRecord:
    """Return the run that `selector` means; ``models:/NAME@ALIAS`` means the copy of a run in the registry.

    Parameters
    ----------
    needs
        What the run has to have, where `latest` or `best` leaves a choice.
    among
        Whether the run in a folder may be `latest` or `best`.

    Raises
    ------
    NotFoundError
        The selector means no run, or more than one.
    RequestError
        The runs among which `best` is looked for are not comparable.
    """
    if selector.startswith(SCHEME):
        return read_record(RunFolder(find_version(registry_root(), selector).folder))
    as_path = RunFolder(Path(selector))
    if as_path.record.is_file():
        return read_record(as_path)
    try:
        records = query_index(outputs, lambda runs: runs.read_records([_row_of(runs, selector, needs, among)]))
    except NotFoundError as error:
        raise _with_version(error, selector) from None
    if not records:
        see = f"see: {command('runs', outputs=outputs)}"
        raise NotFoundError(f"{selector}: its record cannot be read any more", see)
    return records[0]


def _with_version(error: NotFoundError, selector: str) -> NotFoundError:
    """Return an error that says so where a registered model has the name."""
    name = selector.partition("@")[0].partition("/")[0]
    if all(folder.name != name for folder in model_folders(registry_root())):
        return error
    return NotFoundError(error.message, f"did you mean the registered model: {SCHEME}{selector}", *error.hints[-1:])


def find_rows(runs: RunIndex, words: Sequence[str]) -> list[int]:
    """Return the rows that words mean together, as `select_rows` does.

    `latest` and `best` are one run each, and ``models:/NAME@ALIAS`` is that of the version.
    """
    words = [_run_of_version(runs, word) if word.startswith(SCHEME) else word for word in words]
    if not any(map(is_chosen, words)):
        return select_rows(runs, words)
    rows = (
        [_row_of(runs, word, None, lambda folder: True)] if is_chosen(word) else select_rows(runs, [word])
        for word in words
    )
    return list(dict.fromkeys(row for found in rows for row in found))


def is_chosen(selector: str) -> bool:
    """Return whether a word stands for a choice among runs instead of naming one."""
    return selector.rpartition("/")[2] in (LATEST, BEST) and not selector.startswith(SCHEME)


def _run_of_version(runs: RunIndex, word: str) -> str:
    run = find_version(registry_root(), word).run
    if run not in runs.column("id").values():
        raise NotFoundError(
            f"{word}: its run {run} is not in {runs.outputs}, and only runs there are compared",
            "name the folder of its runs: --outputs DIR",
        )
    return run


def _row_of(runs: RunIndex, selector: str, needs: Need | None, among: Callable[[Path], bool]) -> int:
    if not is_chosen(selector):
        return find_row(runs, selector)
    place, _, choice = selector.rpartition("/")
    folders = runs.folders()
    rows = [row for row in select_rows(runs, [place] if place else []) if among(runs.outputs / folders[row])]

    def has_needed(row: int) -> bool:
        return needs is None or NEEDED[needs](RunFolder(runs.outputs / folders[row])).is_file()

    if choice == BEST:
        return _best(runs, selector, rows, has_needed)
    return _latest(runs, selector, rows, needs, has_needed)


def _latest(
    runs: RunIndex, selector: str, rows: Sequence[int], needs: Need | None, has_needed: Callable[[int], bool]
) -> int:
    allowed, states = set(rows), runs.column("state")
    latest = [row for row in runs.rows(sort="started") if row in allowed]
    if needs is None and latest:
        return latest[0]
    completed = [row for row in latest if states[row] == "completed"]
    if not completed:
        raise NotFoundError(f"{selector}: no run in {runs.outputs} is completed", "train one: runtree train")
    # without any that has it the newest: the verb says why it has none, such as that it was cleaned
    found = next((row for row in completed if has_needed(row)), completed[0])
    if found != latest[0]:
        ids = runs.column("id")
        log.warning(
            "%s: %s is taken, the latest run with a %s; %s, which began later, is %s",
            *(selector, ids[found], needs, ids[latest[0]], states[latest[0]]),
        )
    return found


def _best(runs: RunIndex, selector: str, rows: Sequence[int], has_needed: Callable[[int], bool]) -> int:
    measure = choose_metric(runs, rows, None, runs.directions())
    completed = completed_rows(runs, rows)
    scored = scored_rows(runs, completed, measure)
    if not scored:
        raise NotFoundError(
            f"{selector}: none of these runs is completed and has {measure.name}",
            f"see: {command('runs', outputs=runs.outputs)}",
        )
    if mismatches := find_mismatches(runs, completed, measure, is_metric_named=False):
        raise RequestError(
            f"{selector}: these runs are not comparable: {mismatches[0].line}",
            "name a sweep or an experiment, such as SWEEP/best",
            f"or choose one: {command('best', outputs=runs.outputs)} --where …",
        )
    best = group_configurations(runs, scored, measure)[0]
    ranked = sorted(best.rows, key=lambda row: -measure.sign * best.scores[best.rows.index(row)])
    return next((row for row in ranked if has_needed(row)), ranked[0])
