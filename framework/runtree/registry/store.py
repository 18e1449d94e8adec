"""What may be done with registered models. Each act is one line of the model's log, which is its commit point."""

import getpass
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from runtree.contract.commands import command
from runtree.contract.errors import GateError, NotFoundError, RequestError, unknown
from runtree.contract.model_version import MODEL_NAME, SCHEME, ModelVersion
from runtree.contract.protocols import Hooks
from runtree.contract.types import RunRecord
from runtree.lifecycle.predict import refuse_cleaned
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest, sha256
from runtree.records.model_log import AuditFolder, LogFolder, ModelFolder, append_entry, read_whole_log
from runtree.records.model_versions import Policy, RegisteredModel, find_model, read_model, see_model
from runtree.records.reader import RunReader
from runtree.records.sealed import SealKey, key_of, seal_file
from runtree.records.writer import sync_folder, write_json, write_text
from runtree.registry.card import CARD_NAME, model_card
from runtree.registry.gate import ScoredRows, check_gate, parse_requirement

RESERVED = ("latest",)  # what it means is decided by the numbers alone
# of a run's folder, what a version keeps; what is missing is left out
COPIED = ("config", "record", "metrics", "data", "evaluation", "predictions", "model", "code")
SEALED = ("model", "predictions.parquet")  # of the copy, with a key; the rest holds no rows


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
            _refuse_twice(model, record)
            number = model.latest + 1
            manifest = self._copy(source, folder, number, record, key)
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
                **({"key": key.id, "model": _model_digest(source)} if key else {}),
            )
        registered = read_model(folder).version(number)
        self.hooks.moment("model_registered", version=registered)
        return registered

    def _copy(self, source: RunFolder, folder: ModelFolder, number: int, record: RunRecord, key: SealKey | None) -> str:
        """Make the folder of a version, complete and durable; return the hash of its manifest."""
        draft, target = folder.versions / f".{number}.part", folder.version(number)
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        _copy_files(source, draft)
        write_text(draft / CARD_NAME, model_card(draft, folder.name, number, record, self.by))
        files = [file for file in sorted(draft.rglob("*")) if file.is_file()]
        for file in files if key else ():
            place = file.relative_to(draft)
            if place.parts[0] in SEALED and key:
                seal_file(file, file, key, f"{SCHEME}{folder.name}/{number}/{place.as_posix()}")
        write_json(RunFolder(draft).manifest, {file.relative_to(draft).as_posix(): sha256(file) for file in files})
        # the folder of a version without a line in the log was left by a process that was killed in between
        shutil.rmtree(target.path, ignore_errors=True)
        draft.rename(target.path)
        sync_folder(folder.versions)
        return sha256(target.manifest)

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
                    f"first: {command('models', 'rollback', name, held[0])}",
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
        scored: ScoredRows | None = None,
        trust: Iterable[str] = (),
    ) -> ModelVersion:
        """Let an alias mean a version.

        A protected alias moves only to an approved version that passes the gate, and no alias moves where a plugin
        objects. The result of the gate is in the log, passed or not.

        Parameters
        ----------
        scored
            Predictions on new rows of this version and of the one that the alias means now.
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
            self._pass_gate(model, version, alias, scored, trust)
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
        self, model: RegisteredModel, version: ModelVersion, alias: str, scored: ScoredRows | None, trust: Iterable[str]
    ) -> None:
        if version.state != "approved":
            raise RequestError(
                f"{version.reference} is {version.state}, and {alias} is protected",
                f"first: {command('models', 'approve', f'{model.name}/{version.number}', '--reason', '…')}",
            )
        # without the lock: to score two models may take minutes
        gate = check_gate(model, version, alias, self.hooks, scored, trust)
        with model.folder.held():
            self._append(model.folder, "gate", version=version.number, alias=alias, gate=gate)
        if not gate["passed"]:
            raise GateError(f"{alias} stays as it is: {gate['explanation']}", see_model(model.name))

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
                raise RequestError(f"{alias} of {name} meant no other version before {present}", see_model(name))
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
        """Append an act to the log of a model, and its seal to the audit log of the registry."""
        registry: LogFolder = AuditFolder(self.root)
        with registry.held():
            read_whole_log(registry)  # before the act counts
            entry = append_entry(folder, act, self.by, **facts)
            # so that a log of a model which is cut off, or removed with it, is noticed
            place = {"model": folder.name, "line": entry["number"], "seal": entry["sha256"]}
            append_entry(registry, act, self.by, moment=entry["time"], **place)

    def _append_move(
        self, folder: ModelFolder, alias: str, present: int | None, to: int | None, reason: str, **more: Any
    ) -> None:
        # `from` is a word of Python, and cannot be a named argument
        self._append(folder, "alias", alias=alias, **{"from": present}, to=to, reason=reason, **more)


def _writable(folder: ModelFolder) -> RegisteredModel:
    """Read a model that is going to be changed; the caller holds its lock, or looks again when it does."""
    model = read_model(folder)
    if model.faults:
        raise RequestError(f"{folder.log}: {model.faults[0]}", f"see: {command('models', 'verify', folder.name)}")
    return model


def _refuse_twice(model: RegisteredModel, record: RunRecord) -> None:
    """Refuse to register what is registered: two numbers for one model would be compared with each other."""
    digest = _model_digest(RunFolder(record.folder))
    sealed = {entry["version"]: entry.get("model") for entry in model.entries if entry["act"] == "register"}
    for version in model.versions.values():
        known = sealed.get(version.number) or _model_digest(RunFolder(version.folder))
        if version.run == record.id and known == digest:
            raise RequestError(
                f"{version.reference} is the model of run {record.id} already",
                f"to give it a name: {command('models', 'promote', f'{model.name}@{version.number}', 'ALIAS')}",
            )


def _model_digest(folder: RunFolder) -> str:
    files = (file for file in sorted(folder.model.rglob("*")) if file.is_file())
    lines = [f"{file.relative_to(folder.model).as_posix()} {sha256(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def run_key(record: RunRecord) -> SealKey | None:
    """Return the key that a run's config names for what becomes of its model, None if it names none."""
    return key_of({name: record.config.get(f"encrypt.{name}") for name in ("key", "file")})


def _copy_files(source: RunFolder, draft: Path) -> None:
    draft.mkdir(parents=True)
    for name in COPIED:
        found: Path = getattr(source, name)
        if found.is_symlink() or any(file.is_symlink() for file in found.rglob("*")):
            # a link in the folder of a run, which may be anyone's, would bring in any file of the user
            raise RequestError(f"{found}: is or holds a link, and links are not registered")
        if found.is_dir():
            shutil.copytree(found, draft / found.name)
        elif found.is_file():
            shutil.copyfile(found, draft / found.name)
    # a run of a sweep has the environment of its sweep
    environment, _ = RunReader(source.path).read_environment()
    if environment:
        write_json(draft / source.environment.name, environment)
    for file in draft.rglob("*"):
        # files before the rename, folders for their entries
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
