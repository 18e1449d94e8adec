"""Send a sweep: an MLflow run for the sweep, with its runs as children."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.config.catalogue import flatten
from runtree.contract.errors import NotFoundError
from runtree.records.layout import SweepFolder, read_description
from runtree.records.ledger import parse
from runtree_mlflow import limits
from runtree_mlflow.facts import hashed, milliseconds, read, source
from runtree_mlflow.push import MARK, PushResult, final, push_run, remember, sending_lock
from runtree_mlflow.store import Store

RUNNING_MARK = "-"
STATUS = {"interrupted": "KILLED", "disk_full": "KILLED", "on_failure": "FAILED"}  # by stop criterion


class SweepSender:
    """Sends a sweep; of its ledger, only new lines are read."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.name = SweepFolder(folder), store, folder.name
        self.description = read_description(self.folder)
        self.experiment = store.experiment(folder.resolve().parent.name)
        self.key = hashed(f"{self.name} {self.description['begun']}")
        self.ledger = LedgerState()
        self._parent: Any = None

    def send(self) -> dict[str, PushResult]:
        """Send the runs that have ended since the last call, and the state of the sweep."""
        with sending_lock(self.folder.path) as free:
            if not free:
                return {self.name: "busy"}
            parent, results = self._open(), dict[str, PushResult]()
            self.ledger.read(self.folder)
            for number in list(self.ledger.waiting):
                with suppress(NotFoundError):  # an unreadable run is left out
                    facts = read(self.folder.run(number).path)
                    results[facts.record.id] = push_run(self.store, facts, self.experiment, parent.info.run_id)
                del self.ledger.waiting[number]
            return {self.name: self._send_state(parent), **results}

    def _open(self) -> Any:
        """Return the MLflow run of the sweep, and look up its children once."""
        if self._parent is None:
            found = self.store.find(self.experiment, self.key)
            if found is None:
                begun = milliseconds(str(self.description["begun"]))
                found = self.store.make(self.experiment, self.key, self.name, begun, self._tags)
                self.store.log(found.info.run_id, self._params, [], {})
            else:
                self.store.known |= self.store.find_children(self.experiment, found.info.run_id)
            self._parent = found
        return self._parent

    @property
    def _tags(self) -> dict[str, str]:
        own = {"id": self.name, "kind": "sweep", "overrides": " ".join(self.description["overrides"])}
        own |= {"tuner": self.description.get("tuner"), "objectives": self.description.get("objectives")}
        return limits.tags({**{f"runtree.{k}": v for k, v in own.items()}, **source(self.folder.environment)})

    @property
    def _params(self) -> dict[str, str]:
        return limits.params(flatten({"tuner": self.description.get("tuner_node") or {}}))

    def _send_state(self, parent: Any) -> PushResult:
        """Send the final state of the sweep, or that it is running."""
        run_id, before = parent.info.run_id, parent.data.tags.get(MARK)
        if not self.ledger.stopped and self.folder.holder() is not None:
            if before != RUNNING_MARK:
                self.store.client.update_run(run_id, "RUNNING")
                self._mark(parent, RUNNING_MARK, "running")
            return "completed"
        stop = self._stop()
        criterion = str(stop.get("criterion", "interrupted"))
        mark = hashed(json.dumps(stop), str(self.ledger.offset))
        if before == mark:
            return "known"
        self.store.log(run_id, {}, final(limits.metrics(found(stop)), {}, self.ledger.moment), {})
        self._send_files(run_id)
        self.store.client.set_terminated(run_id, STATUS.get(criterion, "FINISHED"), self.ledger.moment)
        self._mark(parent, mark, criterion)
        return "completed" if before else "sent"

    def _mark(self, parent: Any, mark: str, reason: str) -> None:
        tags = {MARK: mark, "runtree.reason": reason}
        self.store.log(parent.info.run_id, {}, [], tags)
        remember(parent, {}, tags)

    def _stop(self) -> dict[str, Any]:
        if not self.ledger.stopped:
            return {}
        try:
            stop: dict[str, Any] = json.loads(self.folder.stop.read_bytes())
        except (OSError, ValueError):
            return {}
        return stop

    def _send_files(self, run_id: str) -> None:
        own = self.folder
        report = own.path / "report.html"
        for file in (own.description, own.environment, own.stop, own.leaderboard, report):
            if file.is_file():
                self.store.client.log_artifact(run_id, str(file))
        if own.plots.is_dir():
            self.store.client.log_artifacts(run_id, str(own.plots), "plots")


@dataclass
class LedgerState:
    """The state of the ledger: runs to send, whether the sweep has stopped, time of the last event."""

    offset: int = 0
    waiting: dict[int, None] = field(default_factory=dict)
    stopped: bool = False
    _opened: tuple[int, float] = (0, 0.0)
    moment: int = 0  # milliseconds since 1970 of the last event: times within a session come from a monotonic clock

    def read(self, folder: SweepFolder) -> None:
        """Read new lines."""
        with folder.ledger.open("rb") as ledger:
            ledger.seek(self.offset)
            whole, end, _ = ledger.read().rpartition(b"\n")
        self.offset += len(whole) + len(end)
        for line in whole.split(b"\n"):
            event = parse(line) if line else None
            if event is not None:
                self._apply(event)

    def _apply(self, event: Mapping[str, Any]) -> None:
        kind, at = event["event"], float(event.get("at", 0.0))
        if kind == "opened":
            self._opened = (milliseconds(str(event["time"])), at)
        self.stopped = kind == "stopped"
        self.moment = self._opened[0] + round(1000 * (at - self._opened[1]))
        if self.stopped and event.get("time"):  # later than the end of the search: the best was finalized
            self.moment = milliseconds(str(event["time"]))
        if kind in ("ended", "kept"):
            self.waiting[int(event["run"])] = None


def found(stop: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a sweep: best value, number of runs by state, seconds."""
    numbers = {f"runs/{state}": count for state, count in (stop.get("counters") or {}).items()}
    return {"best": (stop.get("best") or {}).get("value"), "seconds/total": stop.get("seconds"), **numbers}
