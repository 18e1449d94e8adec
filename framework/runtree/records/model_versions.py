"""Registered models: their state, as the log of each tells it, and what ``models:/NAME@ALIAS`` means."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, NotFoundError, RequestError, first_line, unknown
from runtree.contract.files import load_yaml, read_regular
from runtree.contract.model_version import MODEL_NAME, SCHEME, ModelVersion
from runtree.records.model_log import Entry, ModelFolder, read_log

log = logging.getLogger(__name__)

REGISTRY_VARIABLE = "RUNTREE_REGISTRY"
ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*(\w+)\s*(?:,([^}]*))?\}")
DEFAULT_REGISTRY = "registry"
PROTECTED = ("champion",)  # aliases that move only to an approved version that passes the gate
STATES = {"approve": "approved", "reject": "rejected"}
POSSIBLE = "possible: models:/NAME@ALIAS, models:/NAME/NUMBER, models:/NAME for the latest version"


@dataclass(frozen=True)
class Policy:
    """What a version must meet before a protected alias moves to it.

    Attributes
    ----------
    protected
        The aliases that need an approved version and the gate.
    require
        Bounds in the expression language, such as ``test.f1 >= 0.9`` or ``change.low > 0``.
    approvers
        The people who may approve; anyone if empty.
    """

    protected: tuple[str, ...] = PROTECTED
    require: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: what its log says, up to its last line or to a date.

    Attributes
    ----------
    versions
        By number.
    aliases
        The number that each alias means now.
    moves
        Every move of an alias, the oldest first.
    faults
        What is wrong with the log; such a model is read, and nothing is added to it.
    """

    folder: ModelFolder
    versions: Mapping[int, ModelVersion]
    aliases: Mapping[str, int]
    policy: Policy = field(default_factory=Policy)
    entries: Sequence[Entry] = ()
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.folder.name

    @property
    def latest(self) -> int:
        """The highest number, 0 if there is no version."""
        return max(self.versions, default=0)

    def last_meant(self, alias: str) -> int | None:
        """Return the number that an alias means, or meant before it was removed; None for one that was rejected since.

        Else a version could take its place without being compared, once the alias was removed.
        """
        moves = [entry for entry in self.entries if entry["act"] == "alias" and entry["alias"] == alias]
        number = (moves[-1]["to"] or moves[-1]["from"]) if moves else None
        return number if number is not None and self.versions[int(number)].state != "rejected" else None

    def version(self, word: str | int | None) -> ModelVersion:
        """Return a version by number or alias; without a word the latest.

        Raises
        ------
        NotFoundError
            There is none.
        """
        if word is None or word == "latest":
            number = self.latest
        elif isinstance(word, int) or str(word).isdigit():
            number = int(word)
        elif word in self.aliases:
            number = self.aliases[word]
        else:
            raise unknown(f"alias of {self.name}", word, self.aliases, see_model(self.name), error=NotFoundError)
        if number not in self.versions:
            last = f"the latest is {self.latest}" if self.versions else "it has none"
            raise NotFoundError(f"{self.name} has no version {number}", last, see_model(self.name))
        return self.versions[number]


def see_model(name: str) -> str:
    """Return the hint that leads to all versions and aliases of a model."""
    return f"see: {command('models', 'show', name)}"


def verify_hint(name: str) -> str:
    """Return the hint that leads to all that is wrong with a model."""
    return f"see: {command('models', 'verify', name)}"


def registry_root() -> Path:
    """Return the folder of registered models: RUNTREE_REGISTRY, else that of the user's own ``conf/config.yaml``.

    Raises
    ------
    ConfigError
        The key of the config names no folder.
    """
    return Path(os.environ.get(REGISTRY_VARIABLE) or _configured_root() or DEFAULT_REGISTRY).expanduser()


def _configured_root() -> str:
    file = Path("conf", "config.yaml")
    if not file.is_file():  # the usual case must not import YAML
        return ""
    import yaml

    try:
        config = load_yaml(read_regular(file, follow=True))
    except (OSError, ValueError, yaml.YAMLError) as error:  # a command on models needs no config
        log.warning("%s: %s; the registry is taken to be %s", file, first_line(error), DEFAULT_REGISTRY)
        return ""
    named = config.get("registry") if isinstance(config, dict) else None
    if named is None:
        return ""
    text = ENVIRONMENT.sub(lambda found: os.environ.get(found[1], found[2] or ""), str(named))
    # another interpolation could only be resolved by Hydra, and the models must not be sought elsewhere for that
    if not isinstance(named, str) or not text.strip() or "${" in text:
        raise ConfigError(
            f"{file}: registry: '{named}' names no folder",
            "possible: a path, absolute or from here, also with ~ and ${oc.env:NAME}",
        )
    return text


def model_folders(root: Path) -> Iterator[ModelFolder]:
    """Yield the folder of each registered model, by name."""
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if MODEL_NAME.fullmatch(path.name) and (path / "log.jsonl").is_file() and not path.is_symlink():
            yield ModelFolder(path)


def registered_in(folder: Path) -> ModelFolder | None:
    """Return the registered model that a folder is a version of, None if it is none."""
    model = ModelFolder(folder.parent.parent)
    return model if folder.parent == model.versions and model.log.is_file() else None


def read_model(folder: ModelFolder, until: str | None = None) -> RegisteredModel:
    """Read a model from its log; with `until`, an ISO 8601 moment in UTC, as it was then."""
    entries, faults = read_log(folder)
    known = [entry for entry in entries if until is None or str(entry["time"]) <= until]
    versions: dict[int, ModelVersion] = {}
    aliases: dict[str, int] = {}
    policy = Policy()
    for entry in known:
        try:
            policy = _apply(folder, entry, versions, aliases, policy)
        except (KeyError, TypeError, ValueError):  # sealed, and yet of another make: an older or newer runtree
            faults = [*faults, f"line {entry['number']} is not understood"]
    names: dict[int, list[str]] = {}
    for alias, number in aliases.items():
        names.setdefault(number, []).append(alias)
    named = {
        number: replace(version, aliases=tuple(sorted(names.get(number, ())))) for number, version in versions.items()
    }
    return RegisteredModel(folder, named, dict(sorted(aliases.items())), policy, known, tuple(faults))


def _apply(
    folder: ModelFolder, entry: Entry, versions: dict[int, ModelVersion], aliases: dict[str, int], policy: Policy
) -> Policy:
    """Change the state by what a line of the log says; return the policy from then on."""
    act = entry["act"]
    if act == "register":
        number = int(entry["version"])
        versions[number] = ModelVersion(
            folder.name,
            number,
            folder.version(number).path,
            content=str(entry["content"]),
            run=str(entry["run"]),
            registered=str(entry["time"]),
            by=str(entry["by"]),
            tags=dict(entry["tags"]),
        )
    elif act in STATES:
        number = int(entry["version"])
        versions[number] = replace(versions[number], state=STATES[act])  # type: ignore[arg-type]
    elif act == "tag":
        number = int(entry["version"])
        tags = {**versions[number].tags, **entry["tags"]}
        versions[number] = replace(versions[number], tags={key: value for key, value in tags.items() if value})
    elif act == "alias":
        if entry["to"] is None:
            aliases.pop(entry["alias"], None)
        else:
            aliases[entry["alias"]] = versions[int(entry["to"])].number
    elif act == "policy":
        return Policy(**{key: tuple(entry["policy"][key]) for key in ("protected", "require", "approvers")})
    elif act != "gate":  # the result of a gate changes nothing by itself
        raise ValueError(act)
    return policy


def find_model(root: Path, name: str, until: str | None = None) -> RegisteredModel:
    """Return a registered model.

    Raises
    ------
    NotFoundError
        There is none of that name; the error names those that exist.
    """
    names = [folder.name for folder in model_folders(root)]
    if name in names:
        return read_model(ModelFolder(root / name), until)
    if not names:
        raise NotFoundError(
            f"no registered models in {root}", f"register one: {command('models', 'register', 'latest', 'NAME')}"
        )
    raise unknown("registered model", name, names, f"the registry is {root}", error=NotFoundError)


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return name and alias or number of ``models:/churn@champion``, ``churn/3``, ``churn@3`` or ``churn``.

    Raises
    ------
    RequestError
        The text is not of that form.
    """
    plain = text.removeprefix(SCHEME)
    name, mark, word = plain.partition("@") if "@" in plain else plain.partition("/")
    if not MODEL_NAME.fullmatch(name) or (mark and not MODEL_NAME.fullmatch(word)):
        raise RequestError(f"'{text}' names no registered model", POSSIBLE)
    return name, word or None


def find_version(root: Path, reference: str) -> ModelVersion:
    """Return the version that ``models:/churn@champion``, ``models:/churn/3`` or ``models:/churn`` means.

    Raises
    ------
    NotFoundError, RequestError
        There is no such version, or its log is not as it was written.
    """
    name, word = parse_reference(reference)
    model = find_model(root, name)
    if model.faults:
        # an alias that was moved by hand must not decide which model answers
        raise RequestError(f"{model.folder.log}: {model.faults[0]}", verify_hint(name))
    return model.version(word)


def at_end_of(date: str) -> str:
    """Return the last moment, in UTC, of a date; a moment stays as it is.

    Raises
    ------
    RequestError
        The text is no date.
    """
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise RequestError(f"'{date}' is not a date", "type: 2026-11-28, or 2026-11-28T14:30") from None
    if len(date) <= len("2026-11-28"):
        moment += timedelta(days=1, milliseconds=-1)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def describe_entry(entry: Entry) -> str:
    """Return a line of the log as a sentence."""
    act, reason = entry["act"], entry.get("reason")
    why = f": {reason}" if reason else ""
    if act == "register":
        return f"version {entry['version']} registered from run {entry['run']}{why}"
    if act in STATES:
        return f"version {entry['version']} {STATES[act]}{why}"
    if act == "tag":
        return f"version {entry['version']} tagged " + ", ".join(f"{k}={v}" for k, v in entry["tags"].items())
    if act == "alias":
        before = f" from version {entry['from']}" if entry.get("from") else ""
        if entry["to"] is None:
            return f"{entry['alias']} removed{before}{why}"
        moved = "rolled back" if entry.get("rollback") else "moved"
        return f"{entry['alias']} {moved}{before} to version {entry['to']}{why}"
    if act == "policy":
        policy: Mapping[str, Any] = entry["policy"]
        return "policy: " + "; ".join(f"{key} [{', '.join(policy[key])}]" for key in policy) + why
    gate = entry["gate"]
    return f"gate for version {entry['version']} as {entry['alias']}: {gate['explanation']}"
