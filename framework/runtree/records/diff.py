"""What differs between two runs, section by section, and whether their metrics compare."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.fingerprint import affects_fingerprint
from runtree.contract.types import RunRecord
from runtree.records import artifacts

ABSENT = object()
EVALUATION = "evaluator."  # the same name of a metric, measured in another way


@dataclass(frozen=True)
class Difference:
    """One thing that two runs have different values of; ABSENT where one has none."""

    name: str
    one: Any
    other: Any

    @property
    def change(self) -> float | None:
        """Return how much the second number is more than the first, None where they are no numbers."""
        numbers = [value for value in (self.one, self.other) if _is_number(value)]
        return numbers[1] - numbers[0] if len(numbers) == 2 else None


@dataclass(frozen=True)
class Section:
    """What differs in one respect: `compared` counts what was looked at, `notes` say what could not be.

    Where there are notes only what is known of both is compared.
    """

    name: str
    found: tuple[Difference, ...]
    compared: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """What differs between two runs.

    Attributes
    ----------
    same_science
        Whether both have the fingerprint of one config; None where one of them has none.
    obstacles
        Why their metrics do not compare; empty where they do.
    """

    one: RunRecord
    other: RunRecord
    same_science: bool | None
    obstacles: tuple[str, ...]
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """Return a section by its name."""
        return next(section for section in self.sections if section.name == name)


def diff(one: RunRecord, other: RunRecord) -> Diff:
    """Compare two runs. A file that is missing or damaged is a note, never an error."""
    data, data_notes = _pair(artifacts.data_or_fault, one, other)
    places, place_notes = _pair(artifacts.environment, one, other)
    code = [{"git": place.pop("git", None)} for place in places]
    records = (one, other)
    sections = (
        _section("config", [record.config for record in records], nested=False),
        _section("data", data, data_notes),
        _section("environment", places, place_notes),
        _section("code", code, _of_code(code)),
        _section("metrics", [record.metrics for record in records]),
        _section("seconds", [{"whole run": record.seconds, **record.stages} for record in records]),
        _section("ending", [_ending(record) for record in records]),
    )
    prints = [record.fingerprints.get("config") for record in records]
    same = prints[0] == prints[1] if all(prints) else None
    return Diff(one, other, same, tuple(_obstacles(sections[0], *data)), sections)


def _pair(read: Any, one: RunRecord, other: RunRecord) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    found = [read(record) for record in (one, other)]
    notes = [f"{letter}: {note}" for letter, (_, note) in zip("AB", found, strict=True) if note]
    return [content for content, _ in found], tuple(notes)


def _section(name: str, pair: Iterable[Mapping[str, Any]], notes: tuple[str, ...] = (), nested: bool = True) -> Section:
    one, other = (dict(artifacts.leaves(side)) if nested else dict(side) for side in pair)
    keys = [key for key in dict.fromkeys([*one, *other]) if not notes or (key in one and key in other)]
    both = [Difference(key, one.get(key, ABSENT), other.get(key, ABSENT)) for key in keys]
    return Section(name, tuple(item for item in both if not _equal(item.one, item.other)), len(both), notes)


def _equal(one: Any, other: Any) -> bool:
    """Tell whether two values are the same; true is not 1, and NaN is NaN."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if _is_number(one) and _is_number(other) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ending(record: RunRecord) -> dict[str, Any]:
    error = {"error": f"{record.error.get('type')}: {record.error.get('message')}"} if record.error else {}
    return {"state": record.state, "reason": record.reason, **error, "fit": record.fit}


def _of_code(pair: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say where a revision does not tell which code ran."""
    found = [side["git"] if isinstance(side["git"], dict) else {} for side in pair]
    notes = [f"{letter}: no revision was recorded" for letter, git in zip("AB", found, strict=True) if not git]
    if all(git.get("changed") for git in found):
        notes.append("both were run with uncommitted changes: their code may differ although the revision does not")
    return tuple(notes)


def _obstacles(config: Section, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterable[str]:
    """Yield why metrics do not compare. What is not known of one of them is no reason."""

    def differ(*path: str) -> bool:
        sides = [_at(side, path) for side in (one, other)]
        return None not in sides and sides[0] != sides[1]

    if differ("task"):
        yield "another task"
    if differ("fingerprint"):
        yield "other data"
    if differ("target", "classes"):
        yield "other classes"
    if differ("split", "id"):
        yield "another split of the rows"
    if any(item.name.startswith(EVALUATION) and affects_fingerprint(item.name) for item in config.found):
        yield "another evaluator"


def _at(node: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


# --- In what runs differ: the config keys worth a column.

# What takes its value from another key unless told otherwise, and so says nothing new.
FOLLOWERS = {"random_state": "seed", "n_jobs": "compute.threads", "device": "compute.device"}
PLACES = ("outputs", "experiment.", "objective.")  # told in a way of their own


def varying_keys(records: Sequence[RunRecord]) -> list[str]:
    """Return the config keys in which records differ, in the order of the config.

    Runs of different options differ in their whole group: there the option's name tells enough, and a key counts where
    it differs among runs of one option, or where somebody typed it. Targets, spaces and places are left out.
    """
    keys = dict.fromkeys(key for record in records for key in record.config)
    typed = {text.lstrip("+~").partition("=")[0] for record in records for text in record.overrides}
    unequal = _unequal(records)
    options = {key: option_key(key, keys) for key in keys if key in unequal and not key.startswith(PLACES)}
    found = [
        key
        for key, option in options.items()
        if (key == option or not _is_noise(key))
        and (_differs_by_option(key, option, records) or (key in typed and _differs_where_there(key, records)))
    ]
    return [key for key in found if not _follows(key, records)]


def _unequal(records: Sequence[RunRecord]) -> set[str]:
    """Return, in one quick pass, the keys in which some record is not like the first."""
    first = records[0].config if records else {}
    found: set[str] = set()
    for record in records:
        found.update(key for key, value in record.config.items() if first.get(key, ABSENT) != value)
        found.update(first.keys() - record.config.keys())
    return found


def option_key(key: str, keys: Collection[str]) -> str:
    """Return the key that tells the option of a key's group: its name, or its target where it has no name."""
    group, dot, _ = key.partition(".")
    return "" if not dot else f"{group}.name" if f"{group}.name" in keys else f"{group}._target_"


def _differs_by_option(key: str, option: str, records: Sequence[RunRecord]) -> bool:
    if key == option:
        return _differs_where_there(key, records)
    seen: dict[str, object] = {}
    for record in records:
        found = record.config.get(key, ABSENT)
        found = ABSENT if found == {} else found  # an empty mapping is what is left where no key was set
        if seen.setdefault(str(record.config.get(option)), found) != found:
            return True
    return False


def _differs_where_there(key: str, records: Sequence[RunRecord]) -> bool:
    found = [record.config[key] for record in records if key in record.config]
    return any(one != found[0] for one in found)


def _is_noise(key: str) -> bool:
    return "_target_" in key or any(f".{own}." in f"{key}." for own in ("space", "iterations"))


def _follows(key: str, records: Sequence[RunRecord]) -> bool:
    leader = FOLLOWERS.get(key.rpartition(".")[2]) if "." in key else None
    if leader is None or key == leader:
        return False
    return all(record.config.get(key, ABSENT) in (ABSENT, record.config.get(leader)) for record in records)
