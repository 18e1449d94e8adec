"""Send a sweep: a run of MLflow's for itself, and its runs below it."""

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
from runtree_mlflow.push import MARK, Became, alone, final, push_run, remember
from runtree_mlflow.store import Store

GOES_ON = "-"
STATUS = {"interrupted": "KILLED", "disk_full": "KILLED", "on_failure": "FAILED"}  # by what ended it


class OneSweep:
    """Sends a sweep; of its ledger only what is new is read."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.name = SweepFolder(folder), store, folder.name
        self.asked = read_description(self.folder)
        self.experiment = store.experiment(folder.resolve().parent.name)
        self.key = hashed(f"{self.name} {self.asked['begun']}")
        self.told = Told()
        self._parent: Any = None

    def send(self) -> dict[str, Became]:
        """Send the runs that have ended since the last time, and how the sweep stands."""
        with alone(self.folder.path) as free:
            if not free:
                return {self.name: "busy"}
            parent, became = self._open(), dict[str, Became]()
            self.told.read(self.folder)
            for number in list(self.told.waiting):
                with suppress(NotFoundError):  # a run that cannot be read is nobody's
                    facts = read(self.folder.run(number).path)
                    became[facts.record.id] = push_run(self.store, facts, self.experiment, parent.info.run_id)
                del self.told.waiting[number]
            return {self.name: self._stand(parent), **became}

    def _open(self) -> Any:
        """Return MLflow's run of the sweep, and learn which of its runs are there already."""
        if self._parent is None:
            found = self.store.find(self.experiment, self.key)
            if found is None:
                begun = milliseconds(str(self.asked["begun"]))
                found = self.store.make(self.experiment, self.key, self.name, begun, self._tags)
                self.store.log(found.info.run_id, self._params, [], {})
            else:
                self.store.known |= self.store.find_children(self.experiment, found.info.run_id)
            self._parent = found
        return self._parent

    @property
    def _tags(self) -> dict[str, str]:
        own = {"id": self.name, "kind": "sweep", "overrides": " ".join(self.asked["overrides"])}
        own |= {"tuner": self.asked.get("tuner"), "objectives": self.asked.get("objectives")}
        return limits.tags({**{f"runtree.{k}": v for k, v in own.items()}, **source(self.folder.environment)})

    @property
    def _params(self) -> dict[str, str]:
        return limits.params(flatten({"tuner": self.asked.get("tuner_node") or {}}))

    def _stand(self, parent: Any) -> Became:
        """Say how it ended, or that it goes on."""
        run_id, before = parent.info.run_id, parent.data.tags.get(MARK)
        if not self.told.stopped and self.folder.holder() is not None:
            if before != GOES_ON:
                self.store.client.update_run(run_id, "RUNNING")
                self._mark(parent, GOES_ON, "running")
            return "completed"
        stop = self._stop()
        criterion = str(stop.get("criterion", "interrupted"))
        mark = hashed(json.dumps(stop), str(self.told.offset))
        if before == mark:
            return "known"
        self.store.log(run_id, {}, final(limits.metrics(found(stop)), {}, self.told.moment), {})
        self._send_files(run_id)
        self.store.client.set_terminated(run_id, STATUS.get(criterion, "FINISHED"), self.told.moment)
        self._mark(parent, mark, criterion)
        return "completed" if before else "sent"

    def _mark(self, parent: Any, mark: str, reason: str) -> None:
        tags = {MARK: mark, "runtree.reason": reason}
        self.store.log(parent.info.run_id, {}, [], tags)
        remember(parent, {}, tags)

    def _stop(self) -> dict[str, Any]:
        if not self.told.stopped:
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
class Told:
    """What the ledger told so far: which runs are to be sent, whether it is over, and when that was."""

    offset: int = 0
    waiting: dict[int, None] = field(default_factory=dict)
    stopped: bool = False
    _opened: tuple[int, float] = (0, 0.0)
    moment: int = 0  # milliseconds since 1970 of the last event: times within a session come from a monotonic clock

    def read(self, folder: SweepFolder) -> None:
        """Take what is new."""
        with folder.ledger.open("rb") as ledger:
            ledger.seek(self.offset)
            whole, end, _ = ledger.read().rpartition(b"\n")
        self.offset += len(whole) + len(end)
        for line in whole.split(b"\n"):
            event = parse(line) if line else None
            if event is not None:
                self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, at = event["event"], float(event.get("at", 0.0))
        if kind == "opened":
            self._opened = (milliseconds(str(event["time"])), at)
        self.stopped = kind == "stopped"
        self.moment = self._opened[0] + round(1000 * (at - self._opened[1]))
        if self.stopped and event.get("time"):  # the best was kept since the search ended
            self.moment = milliseconds(str(event["time"]))
        if kind in ("ended", "kept"):
            self.waiting[int(event["run"])] = None


def found(stop: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a sweep: its best value, and how many runs ended how."""
    numbers = {f"runs/{state}": count for state, count in (stop.get("counters") or {}).items()}
    return {"best": (stop.get("best") or {}).get("value"), "seconds/total": stop.get("seconds"), **numbers}
