"""Send a run from its folder, so often as one likes: what MLflow has already is not sent again."""

import fcntl
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from runtree_mlflow import limits
from runtree_mlflow.facts import Facts, read
from runtree_mlflow.store import Store

MARK = "runtree.mark"  # stands when all of a run was sent
LINES = "runtree.history"  # how many lines of the history were
Became = Literal["sent", "completed", "known", "busy"]


class Sender(Protocol):
    """Sends what is new, each time it is asked."""

    def send(self) -> dict[str, Became]:
        """Return what became of each run that there was something to say of, by its id."""
        ...


class OneRun:
    """Sends a run; `parent` is MLflow's id of the sweep that it is of."""

    def __init__(self, folder: Path, store: Store, parent: str | None = None) -> None:
        self.folder, self.store, self.parent = folder, store, parent

    def send(self) -> dict[str, Became]:
        """Send what is new of it."""
        with alone(self.folder) as free:
            facts = read(self.folder)
            experiment = self.store.experiment(facts.record.experiment)
            return {facts.record.id: push_run(self.store, facts, experiment, self.parent) if free else "busy"}


def open_sender(folder: Path, store: Store) -> Sender:
    """Return who sends a run or a sweep."""
    from runtree_mlflow.sweep import OneSweep

    return OneSweep(folder, store) if (folder / "ledger.jsonl").is_file() else OneRun(folder, store)


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Tell whether no other process sends this folder, and let none begin."""
    try:
        handle = os.open(folder / ".mlflow.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # a tree that may only be read is nobody else's to send
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def push_run(store: Store, facts: Facts, experiment: str, parent: str | None = None) -> Became:
    """Send what MLflow lacks of a run: parameters, history, metrics, files, model, how it ended."""
    found = store.find(experiment, facts.key)
    if found is not None and found.data.tags.get(MARK) == facts.mark:
        return "known"
    tags = facts.tags | ({"mlflow.parentRunId": parent} if parent else {})
    run = found or store.make(experiment, facts.key, facts.folder.path.name, facts.started, tags)
    has = run.data
    told = {key: value for key, value in facts.params.items() if key not in has.params}
    lines = facts.history(int(has.tags.get(LINES, 0)))
    metrics = history(facts, lines)
    if facts.ended:
        metrics += final(facts.metrics, has.metrics, facts.finished)
    changed = {key: value for key, value in tags.items() if has.tags.get(key) != value}
    if lines:
        changed[LINES] = str(int(has.tags.get(LINES, 0)) + len(lines))
    store.log(run.info.run_id, told, metrics, changed)
    remember(run, told, changed)
    if facts.ended:
        send_files(store, facts, run.info.run_id)
        store.client.set_terminated(run.info.run_id, facts.status, facts.finished)
        store.log(run.info.run_id, {}, [], {MARK: facts.mark})
        remember(run, {}, {MARK: facts.mark})
    return "completed" if found is not None else "sent"


def history(facts: Facts, lines: list[dict[str, Any]]) -> list[Any]:
    """Return the metrics of some iterations, at the times when they were told."""
    from mlflow.entities import Metric

    found = []
    for line in lines:
        moment = facts.started + round(1000 * float(line.get("seconds") or 0.0))
        numbers = ((name, value) for name, value in line.items() if isinstance(value, (int, float)) and name != "step")
        found += [Metric(limits.name(name), value, moment, int(line["step"])) for name, value in numbers]
    return found


def final(found: Mapping[str, float], has: Mapping[str, float], moment: int) -> list[Any]:
    """Return the metrics that MLflow does not have with these values."""
    from mlflow.entities import Metric

    return [Metric(key, value, moment, 0) for key, value in found.items() if not same(value, has.get(key))]


def same(one: float, other: float | None) -> bool:
    """Compare two numbers of which both may be no number."""
    return other is not None and (one == other or (math.isnan(one) and math.isnan(other)))


def remember(run: Any, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Note what was sent on what MLflow has told of a run, instead of asking it anew."""
    run.data.params.update(params)
    run.data.tags.update(tags)


def send_files(store: Store, facts: Facts, run_id: str) -> None:
    """Send the files of a run that was kept."""
    from runtree_mlflow.model import send_model

    if not facts.kept:
        return
    for file in facts.files:
        store.client.log_artifact(run_id, str(file))
    if facts.folder.plots.is_dir():
        store.client.log_artifacts(run_id, str(facts.folder.plots), "plots")
    if store.settings.model and facts.folder.model.is_dir():
        send_model(store, facts.folder, run_id)
