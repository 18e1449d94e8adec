"""A config path that nothing has: what may have been meant, from what is here and from what other options have."""

from collections.abc import Iterable, Mapping, Sequence

from runtree.config.catalogue import Catalogue
from runtree.contract.errors import ConfigError, nearest, possible

HIDDEN = ("._target_", ".space", ".iterations")  # keys of authors, which nobody types
SHOWN = 6  # options that have a key


def unknown_key(key: str, overrides: Sequence[str], catalogue: Catalogue, known: Iterable[str]) -> ConfigError:
    """Return the error for a path of an override.

    Parameters
    ----------
    overrides
        What was typed.
    known
        The paths that can be set under it.
    """
    group, _, name = key.rpartition(".")
    top = group.partition(".")[0]
    known = sorted(path for path in known if not any(own in path for own in HIDDEN))
    homes = [path for path in known if not group and "." in path and _means(_name(path), name)]
    if homes:
        typed = next((text.partition("=")[2] for text in overrides if text.partition("=")[0] == key), "…")
        return ConfigError(f"unknown config key '{key}'", f"it lives at {', '.join(homes)}: type {homes[0]}={typed}")
    options = _keys_of_options(catalogue, top)
    elsewhere, here = _elsewhere(name, options, by_initials=not group), _here(key, catalogue, known)
    hints = [elsewhere, here]
    if not any(hints) and group:
        hints = [_alike_elsewhere(group, name, options)]
    see = "" if elsewhere else _see(top, overrides, catalogue)
    if not any(hints):
        inside = [path for path in known if group and path.startswith(f"{top}.")]
        hints = [possible(inside or sorted({*catalogue.groups, *(path for path in known if "." not in path)}))]
    return ConfigError(f"unknown config key '{key}'", *hints, see)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _means(name: str, typed: str) -> bool:
    """Tell whether `typed` is a name or its initials: lr for learning_rate."""
    return typed in (name, "".join(word[:1] for word in name.split("_")) if "_" in name else name)


def _keys_of_options(catalogue: Catalogue, top: str) -> dict[str, Sequence[str]]:
    """Return the keys of each option of a group, or of all groups where there is no such group."""
    groups = [top] if top in catalogue.groups else catalogue.groups
    return {f"{group}={name}": list(one.read()) for group in groups for name, one in catalogue.groups[group].items()}


def _elsewhere(name: str, options: Mapping[str, Sequence[str]], by_initials: bool = False) -> str:
    means = _means if by_initials else str.__eq__
    having = [option for option, keys in options.items() if any(means(key, name) for key in keys)]
    more = f" and {len(having) - SHOWN} more" if len(having) > SHOWN else ""
    return f"'{name}' is a key of {', '.join(having[:SHOWN])}{more}" if having else ""


def _here(key: str, catalogue: Catalogue, known: Sequence[str]) -> str:
    """Compare last names, those beside the key first: what all paths of a group begin with says nothing."""
    group, _, name = key.rpartition(".")
    inside = [path for path in known if path.startswith(f"{key.partition('.')[0]}.")] if group else known
    beside = {_name(path): path for path in inside if path.rpartition(".")[0] == group}
    below = {_name(path): path for path in inside}
    initials = [path for other, path in beside.items() if _means(other, name)]
    groups = [] if group else nearest(name, catalogue.groups)
    close = [
        *initials,
        *groups,
        *(beside[one] for one in nearest(name, beside)),
        *(below[one] for one in nearest(name, below)),
    ]
    return f"did you mean: {', '.join(list(dict.fromkeys(close))[:3])}?" if close else ""


def _alike_elsewhere(group: str, name: str, options: Mapping[str, Sequence[str]]) -> str:
    for close in nearest(name, {key for keys in options.values() for key in keys}, 1):
        return f"did you mean: {group}.{close}? {_elsewhere(close, options)}"
    return ""


def _see(group: str, overrides: Sequence[str], catalogue: Catalogue) -> str:
    """Name where the keys of the chosen option are described, of any where there are to be several."""
    typed = [text.partition("=")[2] for text in overrides if text.partition("=")[0] == group]
    several = any(name not in catalogue.groups.get(group, ()) for name in typed)
    option = "…" if several else catalogue.choices(overrides).get(group)
    return f"see: runtree describe {group}={option}" if option else ""
