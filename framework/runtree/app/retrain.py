"""`runtree retrain`: the champion's recipe on new rows, compared with it, and promoted or refused with reasons.

Each step leaves what the next one begins with: the folder of the run in the state of the request, the version with the
tag `request`, the gate and the move in the log of the model. So a process that is killed is continued by the next one,
and no step is done twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.explain import read_run_config
from runtree.app.retrain_request import TAG, RetrainOrder, choose_request, source_request
from runtree.app.retrain_rows import data_words
from runtree.app.retrain_run import ChallengerRun, open_side
from runtree.app.retrain_score import compare_sides
from runtree.app.train import NO_CALLBACKS, TrainCallbacks
from runtree.contract.errors import GateError, RequestError, unknown
from runtree.contract.model_version import ModelVersion
from runtree.contract.types import RunRecord
from runtree.monitoring.triggers import MODES, POLICIES
from runtree.records.layout import RunFolder, timestamp
from runtree.records.model_log import audit
from runtree.records.model_versions import RegisteredModel, find_model
from runtree.records.record import read_record
from runtree.records.retrain_requests import PENDING, PROMOTED, REFUSED, RetrainRequest
from runtree.registry.figures import Figures, GateRows
from runtree.registry.store import Registry, user_name

BETTER = "change.low > 0"  # on the newest rows, beyond chance: the champion stays on a tie
POLICY = "policy"  # who approves where the policy of the request is to promote


@dataclass(frozen=True)
class RetrainResult:
    """What became of a request.

    Attributes
    ----------
    request
        None if there is none to work on; without an outcome it waits for a person to name it.
    version
        The challenger.
    gate, old
        What the gate says of it, and its gain on the rows that the champion had held out.
    """

    request: RetrainRequest | None
    version: ModelVersion | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)
    old: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str | None:
        """How it ended: promoted, pending or refused; None if nothing was done."""
        return self.request.outcome if self.request else None

    @property
    def reasons(self) -> list[str]:
        """Why it ended so."""
        return [str(text) for text in (self.request.state.get("reasons") or ())] if self.request else []

    def to_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        request = self.request
        return {
            "request": request.id if request else None,
            "folder": str(request.folder.path) if request else None,
            "evidence": list(request.content["evidence"]) if request else [],
            "champion": request.content["version"] if request else None,
            "outcome": self.outcome,
            "reasons": self.reasons,
            "version": self.version.number if self.version else None,
            "run": self.version.run if self.version else None,
            "gate": dict(self.gate),
            "old": dict(self.old),
        }


def retrain(
    app: App, registry_root: Path, order: RetrainOrder, callbacks: TrainCallbacks = NO_CALLBACKS
) -> RetrainResult:
    """Work on a request until it is closed, from wherever it was left.

    Raises
    ------
    RuntreeError
        There is no such model or request, another process works on it, or the training failed.
    """
    for word, possible, what in ((order.mode, MODES, "mode"), (order.policy, POLICIES, "policy")):
        if word is not None and word not in possible:
            raise unknown(what, word, possible)
    registry = Registry(registry_root, app.plugins, order.by or user_name())
    model = find_model(registry_root, order.name)
    champion = model.version(order.alias)
    own = read_run_config(read_record(RunFolder(champion.folder)))
    node = own.get("monitor")
    order = replace(order, data=tuple(data_words(app, order.data, own["data"])))
    request = choose_request(order, champion, node if isinstance(node, Mapping) else {})
    if request is None:
        return RetrainResult(None)
    if order.declines:
        return decline(registry, order, request)
    asked = order.request or order.data or order.policy
    if (order.policy or request.content["policy"]) == "suggest" and not asked:
        return RetrainResult(request)
    with request.held():
        if request.outcome:  # by a process that has ended meanwhile
            return RetrainResult(request)
        about = int(request.content["version"])
        return Retraining(app, registry, order, request, model.version(about), callbacks).work()


def decline(registry: Registry, order: RetrainOrder, request: RetrainRequest) -> RetrainResult:
    """Close a request that a person decides against; who did and why is in the audit log of the registry.

    Raises
    ------
    RequestError
        There is no reason, or a process works on the request.
    """
    if not order.reason.strip():
        raise RequestError("--decline: a reason is needed", "type: --reason 'the rule is back as it was'")
    with request.held():
        if not request.outcome:
            audit(registry.root, "decline", registry.by, model=order.name, request=request.id, reason=order.reason)
            reasons = [f"declined by {registry.by}: {order.reason}"]
            request.note(outcome=REFUSED, closed=timestamp(), reasons=reasons)
    return RetrainResult(request)


@dataclass(frozen=True)
class Retraining:
    """The work on one request, which is held by a lock."""

    app: App
    registry: Registry
    order: RetrainOrder
    request: RetrainRequest
    champion: ModelVersion
    callbacks: TrainCallbacks

    @property
    def alias(self) -> str:
        """The name that moves if the challenger is better."""
        return str(self.request.content["alias"])

    @property
    def policy(self) -> str:
        """What is done with a challenger that is better."""
        return str(self.order.policy or self.request.content["policy"])

    @property
    def _mode(self) -> str:
        return str(self.order.mode or self.request.content["mode"])

    def work(self) -> RetrainResult:
        """Train, register, judge, and promote or leave it."""
        version = self.registered()
        if version is None:
            if self.model().aliases.get(self.alias) != self.champion.number:
                return self.close(REFUSED, [f"{self.alias} is not version {self.champion.number} any more"])
            record = self.trained()
            first = read_record(RunFolder(self.champion.folder))
            if self._mode == "refit" and record.fingerprints.get("data") == first.fingerprints.get("data"):
                return self.close(REFUSED, [f"the rows are those of version {self.champion.number}: nothing new"])
            version = self.register(record)
        entry = self.judged(version)
        gate, old = entry["gate"], entry.get("old") or {}
        present = self.model().aliases.get(self.alias)
        if present == version.number:
            return self.close(PROMOTED, [str(gate["explanation"])], version, gate, old)
        if present != self.champion.number:
            moved = f"{self.alias} was moved to version {present} meanwhile"
            return self.close(REFUSED, [moved], version, gate, old)
        if not gate["passed"]:
            reasons = [one["reason"] for one in gate["conditions"] if not one["passed"]]
            return self.close(REFUSED, [*reasons, *(entry.get("notes") or ())], version, gate, old)
        if self.policy != "train_and_promote":
            return self.close(PENDING, ["it passed the gate, and waits for approval"], version, gate, old)
        return self.promote(version, gate, old)

    def model(self) -> RegisteredModel:
        """Return the model as its log says now."""
        return find_model(self.registry.root, self.order.name)

    def registered(self) -> ModelVersion | None:
        """Return the version that was registered for the request."""
        versions = self.model().versions.values()
        return next((one for one in versions if one.tags.get(TAG) == self.request.id), None)

    def close(
        self,
        outcome: str,
        reasons: list[str],
        version: ModelVersion | None = None,
        gate: Mapping[str, Any] | None = None,
        old: Mapping[str, Any] | None = None,
    ) -> RetrainResult:
        """Note how the request ends."""
        number = version.number if version else None
        self.request.note(outcome=outcome, closed=timestamp(), reasons=reasons, challenger=number)
        return RetrainResult(self.request, version and self.model().version(version.number), gate or {}, old or {})

    def trained(self) -> RunRecord:
        """Return the completed run of the request, which is trained unless it is there."""
        return ChallengerRun(self.app, self.order, self.request, self.champion, self._mode, self.callbacks).complete()

    # --- The version.

    def register(self, record: RunRecord) -> ModelVersion:
        """Register the run as a version that knows where it comes from."""
        tags = {"parent": str(self.champion.number), TAG: self.request.id}
        why = self.order.reason or f"trained again: {self.request.cause}"
        return self.registry.register(self.order.name, record, tags, why)

    def judged(self, version: ModelVersion) -> Mapping[str, Any]:
        """Return the line of the log with what the gate says of the version; it is compared unless it was before."""
        model = self.model()
        for entry in model.entries:
            if entry["act"] == "gate" and entry.get("request") == self.request.id:
                return entry
        challenger, champion = (open_side(self.app, one, self.order) for one in (version, self.champion))
        source = self.request.content.get("source")
        newest = source_request(champion.record, source, self.order.trusted) if source else None
        found = compare_sides(self.app, challenger, champion, newest)
        figures = Figures(version, self.champion, self.app.plugins)
        old = {} if isinstance(found.old, str) else figures.change_on(found.old)
        facts = {"request": self.request.id, "old": old, "notes": list(found.notes)}
        rows = GateRows(lambda *_: found.scored or "no rows that are new to both", lambda *_: found.old)
        # a champion that was removed meanwhile leaves nothing to be better than
        also = [BETTER] if self.alias in model.aliases else []
        gate = self.registry.judge(model, version, self.alias, rows, self.order.trusted, also, **facts)
        return {"gate": gate, **facts}

    def promote(self, version: ModelVersion, gate: Mapping[str, Any], old: Mapping[str, Any]) -> RetrainResult:
        """Approve the version in the name of the policy, and move the alias."""
        registry = replace(self.registry, by=POLICY)
        number, why = str(version.number), f"{self.request.cause}; request {self.request.id}"
        try:
            if version.state != "approved":
                registry.decide(self.order.name, number, "approve", f"better on the newest rows: {why}")
        except RequestError as error:  # the policy of the model names people who approve
            return self.close(PENDING, [error.message], version, gate, old)
        try:
            registry.move_alias(self.order.name, number, self.alias, why, trust=self.order.trusted)
        except GateError as error:
            return self.close(REFUSED, [error.message], version, gate, old)
        return self.close(PROMOTED, [str(gate["explanation"])], version, gate, old)
