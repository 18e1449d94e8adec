"""In what runs differ: the config keys worth a column."""

from collections.abc import Collection, Sequence

from runtree.contract.types import RunRecord

# What takes its value from another key unless told otherwise, and so says nothing new.
FOLLOWERS = {"random_state": "seed", "n_jobs": "compute.threads", "device": "compute.device"}
PLACES = ("outputs", "experiment.", "objective.")  # told in a way of their own
ABSENT = object()


def varying(records: Sequence[RunRecord]) -> list[str]:
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
