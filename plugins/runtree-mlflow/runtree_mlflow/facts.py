"""The content of an MLflow run, read from the folder of the run."""

import getpass
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runtree import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.record import FINAL_STATES, read_record
from runtree_mlflow import limits

# As in MLflow's storage for Optuna: a pruned trial is KILLED.
STATUS = {"completed": "FINISHED", "failed": "FAILED", "running": "RUNNING", "queued": "SCHEDULED"}
LEFT_OUT = ("trackers", "tracking")


@dataclass(frozen=True)
class Facts:
    """A run as read from its folder; `stamp` is a hash of its files, read before the record."""

    folder: RunFolder
    record: RunRecord
    stamp: str

    @property
    def key(self) -> str:
        """Identifies the run in MLflow: a hash of its id and start time."""
        return hashed(f"{self.record.id} {self.record.started}")

    @property
    def ended(self) -> bool:
        """Whether the run has a final state."""
        return self.record.state in FINAL_STATES

    @property
    def status(self) -> str:
        """The state in MLflow's terms."""
        return STATUS.get(self.record.state, "KILLED")

    @property
    def started(self) -> int:
        """Milliseconds since 1970."""
        return milliseconds(self.record.started)

    @property
    def finished(self) -> int:
        """Milliseconds since 1970; the start of a run that died."""
        return milliseconds(self.record.finished or self.record.started)

    @property
    def mark(self) -> str:
        """A hash of all that can change after the end of a run; if it differs, there is more to send."""
        return hashed(self.record.state, self.stamp)

    @property
    def params(self) -> dict[str, str]:
        """The flattened config."""
        config = self.record.config.items()
        return limits.params({path: value for path, value in config if path.partition(".")[0] not in LEFT_OUT})

    @property
    def tags(self) -> dict[str, str]:
        """Id, state, overrides, fingerprints, objective, error, git revision."""
        record = self.record
        error = record.error or {}
        prints = {f"runtree.fingerprint.{name}": value for name, value in record.fingerprints.items()}
        own = {"id": record.id, "experiment": record.experiment, "state": record.state, "reason": record.reason}
        own |= {"task": record.task, "overrides": " ".join(record.overrides), "folder": str(self.folder.path)}
        own |= {f"objective.{name}": value for name, value in record.objective.items()}
        own |= {"error": f"{error.get('type')}: {error.get('message')}" if error else None}
        return limits.tags({**{f"runtree.{name}": value for name, value in own.items()}, **prints, **self._source})

    @property
    def _source(self) -> dict[str, Any]:
        places = (self.folder.path, self.folder.path.parent.parent)  # runs of a sweep share its environment
        return source(next((found for place in places if (found := place / "environment.json").is_file()), None))

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by split (``test/accuracy``) and seconds by stage (``seconds/fit``)."""
        parts = {**self.record.metrics, "seconds": {**self.record.stages, "total": self.record.seconds}}
        groups = ((part, found) for part, found in parts.items() if isinstance(found, Mapping))
        return limits.metrics({f"{part}/{name}": value for part, found in groups for name, value in found.items()})

    def history(self, begin: int) -> list[dict[str, Any]]:
        """Return the lines of the history from `begin`; an incomplete last line is left for the next call."""
        try:
            whole = self.folder.history.read_bytes().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole.split(b"\n")[begin:] if line]

    @property
    def kept(self) -> bool:
        """Whether the files are sent: those of a single run, or of a run that its sweep kept."""
        return self.record.id == self.folder.path.name or self.folder.manifest.is_file()

    @property
    def files(self) -> list[Path]:
        """The files to send, without plots."""
        own = self.folder
        files = (own.config, own.metrics, own.evaluation, own.report, own.data, own.environment, own.log)
        return [file for file in files if file.is_file()]


def read(folder: Path) -> Facts:
    """Read a run.

    Raises
    ------
    NotFoundError
        There is no readable run.
    """
    found = RunFolder(folder)
    files = (found.record, found.metrics, found.evaluation, found.report)
    stamp = hashed(*(file.read_bytes() if file.is_file() else b"" for file in files))
    return Facts(found, read_record(found), stamp)  # read last: a change in between is sent again


def source(environment: Path | None) -> dict[str, Any]:
    """Return MLflow's tags for user and git revision."""
    try:
        known = json.loads(environment.read_bytes()) if environment else {}
    except (OSError, ValueError):
        known = {}
    git = known.get("git") or {}
    facts = {"mlflow.user": user(), "mlflow.source.name": "runtree", "mlflow.source.type": "LOCAL"}
    return facts | {"mlflow.source.git.commit": git.get("revision"), "mlflow.source.git.dirty": git.get("changed")}


def user() -> str:
    """Return the name of the user, or an empty text."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for the user
        return ""


def milliseconds(moment: str) -> int:
    """Return the time of a record in milliseconds since 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def hashed(*parts: str | bytes) -> str:
    """Return a hash of texts and bytes."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(b"%d:" % len(content) + content)
    return found.hexdigest()[:32]
