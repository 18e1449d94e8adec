"""Send a run from its folder. Idempotent: what MLflow existing is not sent again."""

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

MARK = "runtree.mark"  # set when all of a run was sent
LINES = "runtree.history"  # number of sent lines of the history
PushResult = Literal["sent", "completed", "known", "busy"]


class Sender(Protocol):
    """Sends what is new at each call."""

    def send(self) -> dict[str, PushResult]:
        """Send, and return the result of each run by its id."""
        ...


class RunSender:
    """Sends a run; `parent` is the MLflow id of its sweep."""

    def __init__(self, folder: Path, store: Store, parent: str | None = None) -> None:
        self.folder, self.store, self.parent = folder, store, parent

    def send(self) -> dict[str, PushResult]:
        """Send what is new."""
        with sending_lock(self.folder) as free:
            facts = read(self.folder)
            experiment = self.store.experiment(facts.record.experiment)
            return {facts.record.id: push_run(self.store, facts, experiment, self.parent) if free else "busy"}


def open_sender(folder: Path, store: Store) -> Sender:
    """Return the sender of a run or a sweep."""
    from runtree_mlflow.sweep import SweepSender

    return SweepSender(folder, store) if (folder / "ledger.jsonl").is_file() else RunSender(folder, store)


@contextmanager
def sending_lock(folder: Path) -> Iterator[bool]:
    """Lock a folder against second senders; yield whether that succeeded."""
    try:
        handle = os.open(folder / ".mlflow.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # a read-only tree cannot be locked
        yield True
        return
    try:
        yield _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: what is sent twice is found by its marks
        return True
    return True


def push_run(store: Store, facts: Facts, experiment: str, parent: str | None = None) -> PushResult:
    """Send what MLflow lacks of a run: parameters, history, metrics, files, model, final state."""
    found = store.find(experiment, facts.key)
    if found is not None and found.data.tags.get(MARK) == facts.mark:
        return "known"
    tags = facts.tags | ({"mlflow.parentRunId": parent} if parent else {})
    run = found or store.make(experiment, facts.key, facts.folder.path.name, facts.started, tags)
    existing = run.data
    new_params = {key: value for key, value in facts.params.items() if key not in existing.params}
    lines = facts.history(int(existing.tags.get(LINES, 0)))
    metrics = history(facts, lines)
    if facts.ended:
        metrics += final(facts.metrics, existing.metrics, facts.finished)
    changed = {key: value for key, value in tags.items() if existing.tags.get(key) != value}
    if lines:
        changed[LINES] = str(int(existing.tags.get(LINES, 0)) + len(lines))
    store.log(run.info.run_id, new_params, metrics, changed)
    remember(run, new_params, changed)
    if facts.ended:
        send_files(store, facts, run.info.run_id)
        store.client.set_terminated(run.info.run_id, facts.status, facts.finished)
        store.log(run.info.run_id, {}, [], {MARK: facts.mark})
        remember(run, {}, {MARK: facts.mark})
    return "completed" if found is not None else "sent"


def history(facts: Facts, lines: list[dict[str, Any]]) -> list[Any]:
    """Return the metrics of iterations, with their times."""
    from mlflow.entities import Metric

    found = []
    for line in lines:
        moment = facts.started + round(1000 * float(line.get("seconds") or 0.0))
        numbers = ((name, value) for name, value in line.items() if isinstance(value, (int, float)) and name != "step")
        found += [Metric(limits.name(name), value, moment, int(line["step"])) for name, value in numbers]
    return found


def final(found: Mapping[str, float], existing: Mapping[str, float], moment: int) -> list[Any]:
    """Return the metrics that differ from those in MLflow."""
    from mlflow.entities import Metric

    return [Metric(key, value, moment, 0) for key, value in found.items() if not same(value, existing.get(key))]


def same(first: float, second: float | None) -> bool:
    """Return whether two numbers are equal or both NaN."""
    return second is not None and (first == second or (math.isnan(first) and math.isnan(second)))


def remember(run: Any, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Update the cached MLflow run with what was sent, which saves a request."""
    run.data.params.update(params)
    run.data.tags.update(tags)


def send_files(store: Store, facts: Facts, run_id: str) -> None:
    """Send the files of a single or kept run."""
    from runtree_mlflow.model import send_model

    if not facts.kept:
        return
    for file in facts.files:
        store.client.log_artifact(run_id, str(file))
    if facts.folder.plots.is_dir():
        store.client.log_artifacts(run_id, str(facts.folder.plots), "plots")
    if store.settings.model and facts.folder.model.is_dir():
        send_model(store, facts.folder, run_id)
