"""The differences between two runs, section by section; and the config keys in which many runs differ."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runtree.contract.fingerprint import affects_fingerprint
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.plugin_identity import entry_text
from runtree.records.reader import RunReader, flatten, read_json
from runtree.records.user_code import module_hashes
from runtree.tables.fingerprint import describe_changes

ABSENT = object()
EVALUATION = "evaluator."  # with another evaluator, a metric of the same name is another metric
# keys that take their value from another key by default, and then say nothing new
FOLLOWERS = {"random_state": "seed", "n_jobs": "compute.threads", "device": "compute.device"}
PLACES = ("outputs", "experiment.", "objective.")  # shown in columns of their own


@dataclass(frozen=True)
class Difference:
    """A name under which two runs have different values; ABSENT if a run has none."""

    name: str
    first: Any
    second: Any

    @property
    def change(self) -> float | None:
        """Return second - first, None if one of them is not a number."""
        numbers = [value for value in (self.first, self.second) if _is_number(value)]
        return numbers[1] - numbers[0] if len(numbers) == 2 else None


@dataclass(frozen=True)
class DiffSection:
    """The differences in one respect. `compared` counts the names, `notes` say what could not be compared.

    With notes, only names that both runs have are compared.
    """

    name: str
    differences: tuple[Difference, ...]
    compared: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """The differences between two runs.

    Attributes
    ----------
    same_config
        Whether both have the same config fingerprint; None if one of them has none.
    obstacles
        Why their metrics are not comparable; empty if they are.
    """

    first: RunRecord
    second: RunRecord
    same_config: bool | None
    obstacles: tuple[str, ...]
    sections: tuple[DiffSection, ...]

    def section(self, name: str) -> DiffSection:
        """Return a section by its name."""
        return next(section for section in self.sections if section.name == name)


Part = tuple[dict[str, Any], str | None]  # content, and why it is not complete


def diff(first: RunRecord, second: RunRecord) -> Diff:
    """Compare two runs. A file that is missing or damaged is a note, never an error."""
    records = (first, second)
    data, data_notes = _read_both(_read_data, records)
    table = _compare("data", data, data_notes)
    environments, notes = _read_both(lambda record: RunReader(record.folder).read_environment(), records)
    # the revision has a section of its own, because it needs notes of its own
    code = [
        {
            "git": environment.pop("git", None),
            "modules": module_hashes(RunFolder(record.folder).code),
            "plugins": {name: entry_text(entry) for name, entry in record.plugins.items() if isinstance(entry, dict)},
        }
        for environment, record in zip(environments, records, strict=True)
    ]
    sections = (
        _compare("config", [record.config for record in records], nested=False),
        replace(table, notes=(*table.notes, *_table_changes(records))),
        _compare("environment", environments, notes),
        _compare("code", code, _code_notes(code)),
        _compare("metrics", [record.metrics for record in records]),
        _compare("seconds", [{"whole run": record.seconds, **record.stages} for record in records]),
        _compare("ending", [_ending(record) for record in records]),
    )
    fingerprints = [record.fingerprints.get("config") for record in records]
    same = fingerprints[0] == fingerprints[1] if all(fingerprints) else None
    return Diff(first, second, same, tuple(_find_obstacles(sections[0], *data)), sections)


def _read_data(record: RunRecord) -> Part:
    """Return ``data.json`` with its columns by name; without it, the fields of the record on the data."""
    content, fault = read_json(RunReader(record.folder).files.data)
    if fault:
        fingerprints = record.fingerprints
        known = {"fingerprint": fingerprints.get("data"), "split": {"id": fingerprints.get("split")}}
        return known | {"task": record.task}, fault
    columns = content.get("columns")
    named = [column for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    # hashes say nothing to a reader; what they tell is in the notes
    shown = {key: value for key, value in content.items() if key != "sketch"}
    return {**shown, "columns": {str(column.get("name")): {**column, "name": None} for column in named}}, None


def _table_changes(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return what changed between the tables of two runs, by the hashes that they keep of them."""
    before, now = (RunReader(record.folder).data for record in records)
    if not before or not now or before.get("fingerprint") == now.get("fingerprint"):
        return ()
    try:
        return tuple(describe_changes(before, now))
    except (AttributeError, KeyError, TypeError, ValueError):  # a file that someone changed
        return ()


def _read_both(
    read: Callable[[RunRecord], Part], records: Sequence[RunRecord]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    parts = [read(record) for record in records]
    notes = [f"{letter}: {note}" for letter, (_, note) in zip("AB", parts, strict=True) if note]
    return [content for content, _ in parts], tuple(notes)


def _compare(
    name: str, pair: Sequence[Mapping[str, Any]], notes: tuple[str, ...] = (), nested: bool = True
) -> DiffSection:
    first, second = (dict(flatten(side)) if nested else dict(side) for side in pair)
    # with a damaged file every key would count as a difference: only common keys are compared then
    keys = [key for key in dict.fromkeys([*first, *second]) if not notes or (key in first and key in second)]
    pairs = [Difference(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys]
    return DiffSection(name, tuple(item for item in pairs if not _equal(item.first, item.second)), len(pairs), notes)


def _equal(first: Any, second: Any) -> bool:
    """Return whether two values are the same; true is not 1, and NaN is NaN."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if _is_number(first) and _is_number(second) and math.isnan(first) and math.isnan(second):
        return True
    return bool(first == second)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ending(record: RunRecord) -> dict[str, Any]:
    error = {"error": f"{record.error.get('type')}: {record.error.get('message')}"} if record.error else {}
    return {"state": record.state, "reason": record.reason, **error, "fit": record.fit}


def _code_notes(pair: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return why a revision does not identify the code."""
    revisions = [side["git"] if isinstance(side["git"], dict) else {} for side in pair]
    notes = [f"{letter}: no revision was recorded" for letter, git in zip("AB", revisions, strict=True) if not git]
    if all(git.get("changed") for git in revisions):
        notes.append("both were run with uncommitted changes: their code may differ although the revision does not")
    return tuple(notes)


def _find_obstacles(config: DiffSection, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """Yield why metrics are not comparable. A value that one of the runs lacks is no reason."""

    def differ(*path: str) -> bool:
        sides = [_value_at(side, path) for side in (first, second)]
        # older records lack some fields, and a missing value proves nothing
        return None not in sides and sides[0] != sides[1]

    if differ("task"):
        yield "another task"
    if differ("fingerprint"):
        yield "other data"
    if differ("target", "positive"):
        yield "another positive class"
    elif differ("target", "classes"):
        yield "other classes"
    if differ("split", "id"):
        yield "another split of the rows"
    if any(item.name.startswith(EVALUATION) and affects_fingerprint(item.name) for item in config.differences):
        yield "another evaluator"


def _value_at(node: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def varying_keys(records: Sequence[RunRecord]) -> list[str]:
    """Return the config keys in which records differ, in the order of the config.

    Runs of different options differ in their whole group: there the name of the option says enough, and another key is
    returned if it differs among runs of one option, or if it was typed on a command line. Targets, spaces and places
    are left out.
    """
    keys = dict.fromkeys(key for record in records for key in record.config)
    typed = {text.lstrip("+~").partition("=")[0] for record in records for text in record.overrides}
    unequal = _unequal_keys(records)
    options = {key: option_key(key, keys) for key in keys if key in unequal and not key.startswith(PLACES)}
    varying = [
        key
        for key, option in options.items()
        if (key == option or not _is_noise(key))
        and (_differs_by_option(key, option, records) or (key in typed and _differs_where_present(key, records)))
    ]
    return [key for key in varying if not _follows(key, records)]


def _unequal_keys(records: Sequence[RunRecord]) -> set[str]:
    """Return the keys in which some record differs from the first: one quick pass that spares most keys the others."""
    first = records[0].config if records else {}
    unequal: set[str] = set()
    for record in records:
        unequal.update(key for key, value in record.config.items() if first.get(key, ABSENT) != value)
        unequal.update(first.keys() - record.config.keys())
    return unequal


def option_key(key: str, keys: Collection[str]) -> str:
    """Return the key that identifies the option of a key's group: its name, or its target if it has no name."""
    group, dot, _ = key.partition(".")
    return "" if not dot else f"{group}.name" if f"{group}.name" in keys else f"{group}._target_"


def _differs_by_option(key: str, option: str, records: Sequence[RunRecord]) -> bool:
    if key == option:
        return _differs_where_present(key, records)
    seen: dict[str, object] = {}
    for record in records:
        value = record.config.get(key, ABSENT)
        value = ABSENT if value == {} else value  # an empty mapping is left where no key was set
        # by option: keys of ridge and of a forest differ between them by nature; only a difference among ridges is one
        if seen.setdefault(str(record.config.get(option)), value) != value:
            return True
    return False


def _differs_where_present(key: str, records: Sequence[RunRecord]) -> bool:
    values = [record.config[key] for record in records if key in record.config]
    return any(value != values[0] for value in values)


def _is_noise(key: str) -> bool:
    return "_target_" in key or any(f".{part}." in f"{key}." for part in ("space", "iterations"))


def _follows(key: str, records: Sequence[RunRecord]) -> bool:
    leader = FOLLOWERS.get(key.rpartition(".")[2]) if "." in key else None
    if leader is None or key == leader:
        return False
    return all(record.config.get(key, ABSENT) in (ABSENT, record.config.get(leader)) for record in records)
