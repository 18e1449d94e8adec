"""Requests to train a registered model again: what was seen, and how far each has come."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, RequestError, unknown
from runtree.records.layout import FileName, MonitorFolder, RunFolder, not_writable_error, timestamp
from runtree.records.reader import read_json
from runtree.records.writer import write_json

SCHEMA = 1
FOLDER = "requests"  # in the folder of what was watched of a model
# how a request ends; without an outcome it is open
PROMOTED, PENDING, REFUSED, FAILED = "promoted", "pending", "refused", "failed"


@dataclass(frozen=True)
class RequestFolder:
    """The folder of a request. What is done for it is in the log of the model; its state says what that log cannot."""

    path: Path

    request = FileName("request.json")  # the version it is about, what was seen, and what is asked for; never changed
    rows = FileName("rows.parquet")  # rows with labels that were watched, where the model is trained on them
    log = FileName("log.txt")  # of the processes that a watcher has started for it
    state = FileName("state.json")  # the run or the sweep that was begun, and the outcome


@dataclass(frozen=True)
class RetrainRequest:
    """A request to train the version of a model again.

    Attributes
    ----------
    content
        `version`, `run`, `alias`; `triggers` and `evidence` (sentences), none of a request that was typed; `window`,
        and `source`, where its rows are found again; `policy`, `mode`, `created`, `by`.
    state
        `data` (words), `run` or `sweep` (folders), and once it is closed `outcome`, `closed`, `reasons`, `challenger`.
    """

    folder: RequestFolder
    content: Mapping[str, Any]
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.path.name

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it is open."""
        return self.state.get("outcome")

    @property
    def cause(self) -> str:
        """What was seen, as a sentence."""
        return "; ".join(map(str, self.content["evidence"])) or f"asked for by {self.content.get('by')}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it by a kernel lock, and read its state as it is then; refuse if another process works on it."""
        lock = RunFolder(self.folder.path)
        if lock.is_held():  # else the message would be about a folder
            raise RequestError(f"request {self.id}: another process works on it", f"its log: {self.folder.path}")
        with lock.held():
            self.state.clear()
            self.state.update(read_json(self.folder.state)[0])
            yield

    def note(self, **facts: Any) -> None:
        """Keep facts in its state, durably."""
        self.state.update(facts)
        write_json(self.folder.state, self.state)


def read_requests(watched: MonitorFolder) -> list[RetrainRequest]:
    """Return the requests about a model, the oldest first; one that cannot be read is left out."""
    place = watched.path / FOLDER
    folders = [RequestFolder(path) for path in sorted(place.iterdir())] if place.is_dir() else []
    found = [RetrainRequest(one, read_json(one.request)[0], dict(read_json(one.state)[0])) for one in folders]
    whole = [one for one in found if isinstance(one.content.get("evidence"), list)]
    return sorted(whole, key=lambda one: str(one.content.get("created")))


def find_request(watched: MonitorFolder, word: str) -> RetrainRequest:
    """Return the request whose id begins with a word.

    Raises
    ------
    NotFoundError
        There is none, or there are several.
    """
    known = read_requests(watched)
    found = [one for one in known if one.id.startswith(word)]
    if not found:
        raise unknown(f"request of {watched.path.name}", word, [one.id for one in known], error=NotFoundError)
    if len(found) > 1:
        raise NotFoundError(
            f"'{word}' names {len(found)} requests: {found[0].id}, {found[1].id}", "type more of the id"
        )
    return found[0]


def write_request(watched: MonitorFolder, words: Sequence[str], content: Mapping[str, Any]) -> RetrainRequest:
    """Write a request, named by a hash of `words`; one of that name stays as it is and is returned."""
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    folder = RequestFolder(watched.path / FOLDER / name)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with RunFolder(folder.path).held():
            if not folder.request.is_file():
                write_json(folder.request, {"schema": SCHEMA, "created": timestamp(), **content})
    except OSError as error:
        raise not_writable_error(folder.path, error) from None
    return next(one for one in read_requests(watched) if one.id == name)


def refuse_closed(request: RetrainRequest, again: str) -> None:
    """Refuse a request that has ended already."""
    if request.outcome:
        reasons = "; ".join(map(str, request.state.get("reasons") or ()))
        raise RequestError(f"request {request.id} is closed: {request.outcome}", reasons, f"a new one: {again}")
