"""What may be done with registered models. Each act is one line of the model's log, which is its commit point."""

import getpass
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from runtree.contract.commands import command
from runtree.contract.errors import GateError, NotFoundError, RequestError, unknown
from runtree.contract.model_version import MODEL_NAME, ModelVersion
from runtree.contract.protocols import Hooks
from runtree.contract.types import RunRecord
from runtree.lifecycle.predict import refuse_cleaned
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest
from runtree.records.model_log import AuditFolder, Entry, ModelFolder, append_entry, read_whole_log
from runtree.records.model_versions import Policy, RegisteredModel, find_model, read_model, see_model, verify_hint
from runtree.records.sealed import SealKey
from runtree.registry.figures import GateRows
from runtree.registry.gate import check_gate, parse_requirement
from runtree.registry.verify import find_audit_faults, find_unaudited, is_audited, is_cut_short
from runtree.registry.version_files import make_version, model_digest, refuse_twice, run_key

RESERVED = ("latest",)  # what it means is decided by the numbers alone


def user_name() -> str:
    """Return the name of the user of this process, for the log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"


@dataclass(frozen=True)
class Registry:
    """A folder of registered models, and who changes them.

    Attributes
    ----------
    by
        The person whose name the log gets.
    """

    root: Path
    hooks: Hooks
    by: str

    def register(
        self, name: str, record: RunRecord, tags: Mapping[str, str], reason: str = "", key: SealKey | None = None
    ) -> ModelVersion:
        """Copy the model of a completed run into the registry as the next version, and return it.

        Processes that register at once get consecutive numbers. A process that is killed registers nothing: the
        version counts from its line in the log on.

        Parameters
        ----------
        key
            Seals the model and the predictions; None for that of the run's config, if it names one.

        Raises
        ------
        RequestError
            The name is not allowed, the model is registered already, or files of the run were changed.
        NotFoundError
            The run kept no model.
        """
        if not MODEL_NAME.fullmatch(name):
            raise RequestError(f"'{name}' cannot name a model", "possible: letters, digits and . _ -, no leading dot")
        source = RunFolder(record.folder)
        if not (source.model / "model.json").is_file():
            refuse_cleaned(source)
            raise NotFoundError(f"{source.path}: this run kept no model", "only completed runs do: runtree runs")
        check_manifest(source, source.model)
        folder = ModelFolder(self.root / name)
        key = key or run_key(record)
        with folder.held():
            model = _writable(folder)
            refuse_twice(model, record)
            number = model.latest + 1
            manifest = make_version(source, folder, number, record, self.by, key)
            self._append(
                folder,
                "register",
                version=number,
                run=record.id,
                content=manifest,
                fingerprints=dict(record.fingerprints),
                tags=dict(tags),
                reason=reason,
                # the files of a sealed copy do not tell whether the model is registered
                **({"key": key.id, "model": model_digest(source)} if key else {}),
            )
        registered = read_model(folder).version(number)
        self.hooks.moment("model_registered", version=registered)
        return registered

    def decide(self, name: str, word: str | None, act: str, reason: str) -> ModelVersion:
        """Approve or reject a version.

        Parameters
        ----------
        act
            "approve" or "reject".

        Raises
        ------
        RequestError
            There is no reason, the person may not decide, or the version is in production.
        """
        if not reason.strip():
            raise RequestError(f"{act}: a reason is needed", "type: --reason 'checked on the accounts of October'")
        folder = find_model(self.root, name).folder
        with folder.held():
            model = _writable(folder)
            version = model.version(word)
            if model.policy.approvers and self.by not in model.policy.approvers:
                who = ", ".join(model.policy.approvers)
                raise RequestError(
                    f"{self.by} may not {act} versions of {name}", f"possible: {who}; by the policy of {name}"
                )
            held = [alias for alias in version.aliases if alias in model.policy.protected]
            if act == "reject" and held:
                raise RequestError(
                    f"{version.reference} is {held[0]}, and a rejected version cannot be",
                    f"first: {command('models', (_earlier(model, held[0]) and 'rollback') or 'unset', name, held[0])}",
                )
            self._append(folder, act, version=version.number, reason=reason)
        return read_model(folder).version(version.number)

    def tag(self, name: str, word: str | None, tags: Mapping[str, str]) -> ModelVersion:
        """Set tags of a version; an empty value removes one."""
        folder = find_model(self.root, name).folder
        with folder.held():
            version = _writable(folder).version(word)
            self._append(folder, "tag", version=version.number, tags=dict(tags))
        return read_model(folder).version(version.number)

    def set_policy(self, name: str, changes: Mapping[str, Iterable[str]], reason: str = "") -> Policy:
        """Change what a version must meet before a protected alias moves to it, and return the whole policy.

        Raises
        ------
        RequestError
            A key or a condition is not known.
        """
        known = asdict(Policy())
        for key in changes:
            if key not in known:
                raise unknown("key of a policy", key, known, see_model(name))
        folder = find_model(self.root, name).folder
        with folder.held():
            model = _writable(folder)
            policy = replace(model.policy, **{key: tuple(values) for key, values in changes.items()})
            for text in policy.require:
                parse_requirement(text)
            lists = {key: list(value) for key, value in asdict(policy).items()}
            self._append(folder, "policy", policy=lists, reason=reason)
        return policy

    def move_alias(
        self,
        name: str,
        word: str | None,
        alias: str,
        reason: str = "",
        rows: GateRows | None = None,
        trust: Iterable[str] = (),
    ) -> ModelVersion:
        """Let an alias mean a version.

        A protected alias moves only to an approved version that passes the gate, and no alias moves where a plugin
        objects. The result of the gate is in the log, passed or not.

        Parameters
        ----------
        rows
            On which this version and the one that the alias means now are scored.
        trust
            Types that the model may hold besides those of runtree and of plugins.

        Raises
        ------
        RequestError
            The alias cannot be a name, or the version is not approved.
        GateError
            The gate is not passed, or a plugin objects.
        """
        if not MODEL_NAME.fullmatch(alias) or alias.isdigit() or alias in RESERVED:
            hint = "possible: letters, digits and . _ -; a number is a version"
            raise RequestError(f"'{alias}' cannot be an alias", hint)
        folder = find_model(self.root, name).folder
        model = _writable(folder)
        version = model.version(word)
        present = model.aliases.get(alias)
        if present == version.number:
            raise RequestError(f"{alias} is {version.reference} already")
        if alias in model.policy.protected:
            self._pass_gate(model, version, alias, rows, trust)
        if (objection := self.hooks.first("may_promote", version=version, alias=alias)) is not None:
            raise GateError(f"{alias} stays as it is: {objection}", "a plugin objects; see: runtree plugins")
        with folder.held():
            current = _writable(folder)
            # the gate took its time, and another process may have moved the alias or rejected the version
            if current.aliases.get(alias) != present or current.version(version.number).state != version.state:
                raise RequestError(f"{name} was changed meanwhile by another process", "repeat it", see_model(name))
            self._append_move(folder, alias, present, version.number, reason)
        moved = read_model(folder).version(version.number)
        self.hooks.moment("alias_moved", name=name, alias=alias, version=moved)
        return moved

    def _pass_gate(
        self, model: RegisteredModel, version: ModelVersion, alias: str, rows: GateRows | None, trust: Iterable[str]
    ) -> None:
        if version.state != "approved":
            raise RequestError(
                f"{version.reference} is {version.state}, and {alias} is protected",
                f"first: {command('models', 'approve', f'{model.name}/{version.number}', '--reason', '…')}",
            )
        gate = self.judge(model, version, alias, rows, trust)
        if not gate["passed"]:
            raise GateError(f"{alias} stays as it is: {gate['explanation']}", see_model(model.name))

    def judge(
        self,
        model: RegisteredModel,
        version: ModelVersion,
        alias: str,
        rows: GateRows | None = None,
        trust: Iterable[str] = (),
        also: Iterable[str] = (),
        **facts: Any,
    ) -> dict[str, Any]:
        """Return what the gate says of a version, and note it in the log with further facts; nothing moves."""
        # without the lock: to score two models may take minutes
        gate = check_gate(model, version, alias, self.hooks, rows, trust, also)
        with model.folder.held():
            self._append(model.folder, "gate", version=version.number, alias=alias, gate=gate, **facts)
        return gate

    def roll_back(self, name: str, alias: str, reason: str = "") -> ModelVersion:
        """Let an alias mean the version again that it meant before, without the gate, which that one has passed.

        A protected alias leaves out versions that were rejected since. Repeated, it goes back further.

        Raises
        ------
        RequestError
            The alias meant no other version before.
        """
        folder = find_model(self.root, name).folder
        with folder.held():
            model = _writable(folder)
            present = model.version(alias).number
            earlier = _earlier(model, alias)
            if earlier is None:
                raise RequestError(
                    f"{alias} of {name} meant no other version before {present}",
                    f"to remove it: {command('models', 'unset', name, alias)}",
                )
            self._append_move(folder, alias, present, earlier, reason, rollback=True)
        moved = read_model(folder).version(earlier)
        self.hooks.moment("alias_moved", name=name, alias=alias, version=moved)
        return moved

    def remove_alias(self, name: str, alias: str, reason: str = "") -> None:
        """Let an alias mean no version any more."""
        folder = find_model(self.root, name).folder
        with folder.held():
            present = _writable(folder).version(alias).number
            self._append_move(folder, alias, present, None, reason)

    def _append(self, folder: ModelFolder, act: str, **facts: Any) -> None:
        """Append an act to the log of a model, and its seal to the audit log of the registry.

        So a log of a model that is cut off, or removed with it, is noticed; and an audit log that is, by the others.
        """
        registry = AuditFolder(self.root)
        with registry.held():
            audited, model = read_whole_log(registry), _writable(folder)
            missing = find_unaudited(audited, model)
            if is_cut_short(missing, model):
                _note(registry, folder, missing[0])
            # an audit log that was begun anew knows nothing of the model yet
            elif any(is_audited(entry, model.name) for entry in audited):
                for fault in find_audit_faults(registry, audited, model):
                    raise RequestError(
                        fault, "the logs are evidence: restore them from a backup", verify_hint(model.name)
                    )
            _note(registry, folder, append_entry(folder, act, self.by, **facts))

    def _append_move(
        self, folder: ModelFolder, alias: str, present: int | None, to: int | None, reason: str, **more: Any
    ) -> None:
        # `from` is a word of Python, and cannot be a named argument
        self._append(folder, "alias", alias=alias, **{"from": present}, to=to, reason=reason, **more)


def _note(registry: AuditFolder, folder: ModelFolder, entry: Entry) -> None:
    """Append to the audit log what a line of a model's log says was done, with its seal."""
    place = {"model": folder.name, "line": entry["number"], "seal": entry["sha256"]}
    append_entry(registry, entry["act"], entry["by"], moment=entry["time"], **place)


def _writable(folder: ModelFolder) -> RegisteredModel:
    """Read a model that is going to be changed; the caller holds its lock, or looks again when it does."""
    model = read_model(folder)
    if model.faults:
        raise RequestError(f"{folder.log}: {model.faults[0]}", verify_hint(folder.name))
    return model


def _earlier(model: RegisteredModel, alias: str) -> int | None:
    """Return the version that an alias meant before the present one and was not rejected since."""
    # a stack: a roll back takes off the version that was left, so that two of them go back two moves
    stack: list[int] = []
    for entry in model.entries:
        if entry["act"] != "alias" or entry["alias"] != alias:
            continue
        if entry.get("rollback"):
            while stack and stack[-1] != entry["to"]:
                stack.pop()
        elif entry["to"] is not None:
            stack.append(int(entry["to"]))
    protected = alias in model.policy.protected
    present = model.aliases[alias]
    wanted = [n for n in stack[:-1] if n != present and (model.versions[n].state != "rejected" or not protected)]
    return wanted[-1] if wanted else None
