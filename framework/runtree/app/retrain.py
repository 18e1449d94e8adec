"""`runtree retrain`: the champion's recipe on new rows, compared with it, and promoted or refused with reasons.

Each step leaves what the next one begins with: the folder of the run in the state of the request, the version with the
tag `request`, the gate and the move in the log of the model. So a process that is killed is continued by the next one,
and no step is done twice.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.explain import read_run_config
from runtree.app.rerun import check_recorded_plugins, recorded_flags, refuse_changed_config
from runtree.app.resume import resume_sweep
from runtree.app.retrain_request import TAG, RetrainOrder, choose_request, source_request
from runtree.app.retrain_rows import data_words, find_new_rows
from runtree.app.retrain_score import Side, compare_sides, make_side
from runtree.app.sweep_plan import SweepRequest
from runtree.app.train import NO_CALLBACKS, OpenFolder, TrainCallbacks, train
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.config.provenance import TypedWords
from runtree.config.space.grammar import quote
from runtree.contract.commands import command, override_key
from runtree.contract.errors import GateError, RequestError, RunFailedError, RuntreeError, unknown
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.model_version import ModelVersion
from runtree.contract.redaction import HIDDEN
from runtree.contract.types import RunRecord
from runtree.monitoring.triggers import MODES, POLICIES
from runtree.records.commands import is_of_sweep, outputs_of, sweep_verb
from runtree.records.folder_claims import make_sweep_folder
from runtree.records.layout import RunFolder, SweepFolder, find_sweep, read_description, timestamp
from runtree.records.model_log import audit
from runtree.records.model_versions import RegisteredModel, find_model
from runtree.records.reader import read_json
from runtree.records.record import read_record
from runtree.records.retrain_requests import FAILED, PENDING, PROMOTED, REFUSED, RetrainRequest
from runtree.registry.store import Registry, user_name

BETTER = "change.low > 0"  # on the newest rows, beyond chance: the champion stays on a tie
POLICY = "policy"  # who approves where the policy of the request is to promote


@dataclass(frozen=True)
class RetrainResult:
    """What became of a request.

    Attributes
    ----------
    request
        None if there is none to work on; without an outcome it waits for somebody to name it.
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

    @property
    def _first(self) -> RunRecord:
        """The run of the champion."""
        return read_record(RunFolder(self.champion.folder))

    def work(self) -> RetrainResult:
        """Train, register, judge, and promote or leave it."""
        version = self.registered()
        if version is None:
            if self.model().aliases.get(self.alias) != self.champion.number:
                return self.close(REFUSED, [f"{self.alias} is not version {self.champion.number} any more"])
            record = self.trained()
            if self._mode == "refit" and record.fingerprints.get("data") == self._first.fingerprints.get("data"):
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

    # --- The run.

    def trained(self) -> RunRecord:
        """Return the completed run of the request, which is trained unless it is there.

        Raises
        ------
        RuntreeError
            The training failed; a request that was typed is closed then, one of a trigger waits for what mends it.
        """
        words = self._data_words()
        try:
            return self._search(self._first, words) if self._mode == "retune" else self._fit(self._first, words)
        except RuntreeError as error:
            if self.request.state and not self.request.content["triggers"]:
                self.request.note(outcome=FAILED, closed=timestamp(), reasons=[error.message])
            elif not self.request.content["triggers"]:  # nothing was begun: a word that is mistyped is no request
                shutil.rmtree(self.request.folder.path)
            elif self.request.state:  # the next attempt may have other rows: what failed is mended by them, perhaps
                self.request.note(data=None)
            raise

    def _data_words(self) -> list[str]:
        """Return the overrides of `data`: those typed now, else what the request was begun or made with."""
        if self.order.data:
            return list(self.order.data)
        content, begun = self.request.content, self.request.state.get("data")
        if begun is not None or content.get("data"):
            return [str(text) for text in begun or content.get("data") or ()]
        source = content.get("source")
        watched = source_request(self._first, source, self.order.trusted) if source else None
        champion = self._side(self.champion)
        return find_new_rows(self.app, champion, watched, self.request.folder.rows, self.order.trusted)

    def _side(self, version: ModelVersion) -> Side:
        trust = self.app.allow_list(TypedWords(self.order.data, self.order.trusted))
        return make_side(self.app, version, trust, self.order.trusted)

    def _fit(self, record: RunRecord, data: list[str]) -> RunRecord:
        begun = self.request.state.get("run")
        if begun is not None:
            found = RunFolder(Path(begun))
            is_whole = found.record.is_file() and read_record(found).state == "completed"
            if is_whole and self.request.state.get("data") == data:
                return read_record(found)
            if found.is_held():
                raise RequestError(f"{found.path}: another process works in this folder")
            if not is_whole:  # of a process that was killed, or of a run that failed
                shutil.rmtree(found.path, ignore_errors=True)
        check_recorded_plugins(self.app, record.plugins, record.config, "the champion was made")
        words = [text for text in record.overrides if not is_of_sweep(text) and override_key(text) != "outputs"]
        words = self._without(words, data, record.id)
        # what is typed now may name code, and what is read from the request may not
        typed = data if self.order.data else []
        flags = recorded_flags(record, [*words, *([] if typed else data)], [*typed, "hydra.mode=RUN"])
        flags.trusted = list(self.order.trusted)
        folder = Chosen(self, record, data).choose_folder
        run = train(self.app, flags, replace(self.callbacks, choose_folder=folder)).runs[0]
        return read_record(RunFolder(run.folder))

    def _search(self, record: RunRecord, data: list[str]) -> RunRecord:
        """Search again as the champion's sweep did, beginning with what it found."""
        outputs = outputs_of(record)
        name, of_sweep, _ = record.id.partition("/")
        if not of_sweep:
            raise RequestError(
                f"retune: version {self.champion.number} is of no sweep, so there is no search to repeat",
                f"type: {command('retrain', self.order.name, *_flags(data), '--mode', 'refit')}",
            )
        earlier = find_sweep(outputs, name)
        if self.request.state.get("sweep") is None or self.request.state.get("data") != data:
            self.request.note(sweep=str(make_sweep_folder(outputs / record.experiment)), data=data)
        folder = SweepFolder(Path(str(self.request.state["sweep"])))
        if read_json(folder.stop)[0].get("best") is None:
            if folder.ledger.is_file():
                result = resume_sweep(self.app, folder, trusted=self.order.trusted)
            else:
                result = train(self.app, self._search_flags(earlier, folder, data), order=SweepRequest(self.app))
            if result.swept and result.swept.driver and result.swept.driver.signals:
                raise KeyboardInterrupt
        best = (read_json(folder.stop)[0].get("best") or {}).get("run")
        if best is None:
            raise RunFailedError(f"{folder.path}: no run of the search completed", sweep_verb("status", folder))
        return read_record(folder.run(int(best)))

    def _search_flags(self, earlier: SweepFolder, folder: SweepFolder, data: list[str]) -> argparse.Namespace:
        known = read_description(earlier)
        words = self._without([str(text) for text in known["overrides"]], data, earlier.path.name)
        words = [text for text in words if not override_key(text).startswith(("hydra.sweep.", "hydra.run."))]
        typed = data if self.order.data else []
        warm = f"tuner.warm_start.from=[{quote(earlier.path.name)}]"
        flags = parse_flags(["-m", *typed, warm, f"hydra.sweep.dir={quote(str(folder.path))}"])
        flags.recorded, flags.trusted = (*words, *([] if typed else data)), list(self.order.trusted)
        flags.config_name = known.get("config_name")
        flags.config_dir, flags.config_path = known.get("config_dir"), known.get("config_path")
        return flags

    def _without(self, words: Sequence[str], data: list[str], name: str) -> list[str]:
        """Return the words that made the champion, without those about data that are replaced."""
        replaced = {override_key(text) for text in data}
        kept = [text for text in words if override_key(text) not in replaced]
        if "data" in replaced:  # another kind of table, which comes with all that is known of the columns
            kept = [text for text in kept if not override_key(text).startswith("data.")]
        if any(HIDDEN in text for text in kept):
            raise RequestError(f"{name} was given a secret on the command line", "name secrets as ${secret:NAME}")
        return kept

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
        challenger, champion = (self._side(one) for one in (version, self.champion))
        source = self.request.content.get("source")
        newest = source_request(champion.record, source, self.order.trusted) if source else None
        found = compare_sides(self.app, challenger, champion, newest)
        facts = {"request": self.request.id, "old": dict(found.old), "notes": list(found.notes)}
        # a champion that was removed meanwhile leaves nothing to be better than
        also = [BETTER] if self.alias in model.aliases else []
        gate = self.registry.judge(model, version, self.alias, found.scored, self.order.trusted, also, **facts)
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


def _flags(data: Sequence[str]) -> list[str]:
    return [part for text in data for part in ("--data", text)]


@dataclass(frozen=True)
class Chosen:
    """The folder of the run: noted in the request before anything is written into it."""

    work: Retraining
    record: RunRecord
    data: list[str]

    def choose_folder(self, frozen: FrozenConfig, open_new: OpenFolder) -> OpenFolder:
        """Return what opens a new folder, after a check that nothing but the rows is another than the champion's.

        Raises
        ------
        RequestError
            The config has changed.
        """
        refuse_changed_config(
            self.record,
            frozen,
            f"what made it was changed since; see: {command('rerun', str(self.record.folder))}",
            but=lambda key: key.partition(".")[0] in ("data", *IGNORED_GROUPS),
        )

        def open_noted() -> RunFolder:
            folder = open_new()
            self.work.request.note(run=str(folder.path), data=self.data)
            return folder

        return open_noted
