"""Compose once for each set of options, then set values on a copy.

Hydra spends some 70 ms on a composition; a value set on a plain copy costs a few hundredths of one. The result is the
same as Hydra's own, which a property test holds over the whole shipped conf: wherever that is not plain to see (a
mapping as a value, a value that other keys are computed from), the value is set as Hydra sets it, on OmegaConf's node.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runtree.config.catalogue import flatten
from runtree.config.freeze import NOT_OF_RUNS, FrozenConfig, check_root, compute_bound, fingerprint_of_leaves, freeze
from runtree.config.hydra_engine import OPEN_PREFIX
from runtree.contract.errors import ConfigError, first_line

WHOLE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")  # a value that is another key's, unchanged
ROOT = ("seed", "outputs", "experiment", "objective")

Load = Callable[[Sequence[str]], DictConfig]


class ComposedBase:
    """One composed config, and how values are set in it.

    Attributes
    ----------
    node
        The composed config without Hydra's own part.
    frozen
        The same, resolved, with no value set.
    """

    def __init__(self, node: DictConfig) -> None:
        self.node = node
        self.frozen = freeze(node)
        raw = OmegaConf.to_container(node, resolve=False)
        assert isinstance(raw, dict)
        self._borrowed = compute_bound(node)
        self._leaves = flatten(self.frozen.config)
        self._followers: dict[str, list[str]] = {}
        self._tangled: set[str] = set()
        self._trace(flatten({str(key): value for key, value in raw.items()}))

    def _trace(self, raw: Mapping[str, Any]) -> None:
        """Find which keys follow which: ``random_state: ${seed}``. Anything less plain is tangled."""
        for path, value in raw.items():
            for text in _texts(value):
                found = WHOLE.fullmatch(text)
                if found and text is value and not isinstance(_find(self.frozen.config, found[1]), Mapping):
                    self._followers.setdefault(found[1], []).append(path)
                elif _refers(text):
                    self._tangled.update((path, *re.findall(r"[A-Za-z_][\w.]*", text)))

    def has(self, path: str) -> bool:
        """Tell whether a key is there, or may be."""
        return (
            path.startswith(OPEN_PREFIX)
            or _find(self.frozen.config, path) is not None
            or path in self._leaves
            or "[" in path
        )

    @property
    def paths(self) -> list[str]:
        """Return every key that can be set."""
        return list(self._leaves)

    def value(self, path: str) -> Any:
        """Return the value of a key, or None."""
        return _find(self.frozen.config, path)

    def with_values(self, values: Mapping[str, Any]) -> FrozenConfig:
        """Return the config with some values set, as if Hydra had composed it with these overrides."""
        if not values:
            return self.frozen
        if not all(self._is_plain(path, value) for path, value in values.items()):
            return self._slow(values)
        reached = dict(self._reached(values))
        config: Mapping[str, Any] = self.frozen.config
        for path, value in reached.items():
            config = _changed(config, path.split("."), list(value) if isinstance(value, list) else value)
        if any(path.partition(".")[0] in ROOT for path in reached):
            check_root(config)
        return FrozenConfig(dict(config), fingerprint_of_leaves(self._leaves | reached, self._borrowed - set(values)))

    def _reached(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the values and those of keys that follow them; what is set itself follows nobody any more."""
        waiting = list(values.items())
        while waiting:
            path, value = waiting.pop()
            yield path, value
            waiting += [(other, value) for other in self._followers.get(path, ()) if other not in values]

    def _is_plain(self, path: str, value: Any) -> bool:
        if path not in self._leaves or isinstance(self._leaves[path], Mapping) or not _is_simple(value):
            return False
        return not any(_overlap(path, other) for other in self._tangled)

    def _slow(self, values: Mapping[str, Any]) -> FrozenConfig:
        from copy import deepcopy

        node = deepcopy(self.node)
        for path, value in values.items():
            try:
                OmegaConf.update(node, path, value, merge=True, force_add=path.startswith(OPEN_PREFIX))
            except (OmegaConfBaseException, TypeError) as error:  # Hydra's own composition refuses it too
                raise ConfigError(f"{path}: {value!r} cannot stand there ({first_line(error)})") from None
        return freeze(node)


class Composer:
    """Bases by chosen options, each composed when it is first asked for.

    Parameters
    ----------
    load
        Composes with Hydra: override strings in, the whole config out.
    fixed
        The overrides that hold for every run.
    """

    def __init__(self, load: Load, fixed: Sequence[str]) -> None:
        self.load = load
        self.fixed = tuple(fixed)
        self._bases: dict[tuple[tuple[str, str], ...], ComposedBase] = {}

    def base(self, choices: Mapping[str, str]) -> ComposedBase:
        """Return the config for some options of groups: ``{"algorithm": "ridge"}``."""
        key = tuple(sorted(choices.items()))
        if key not in self._bases:
            composed = self.load([*self.fixed, *(f"{group}={option}" for group, option in key)])
            with open_dict(composed):
                for name in NOT_OF_RUNS:
                    composed.pop(name, None)
            self._bases[key] = ComposedBase(composed)
        return self._bases[key]

    def freeze(self, values: Mapping[str, Any], groups: Collection[str]) -> FrozenConfig:
        """Return the config for options and values together; `groups` says which paths are groups."""
        choices = {path: str(value) for path, value in values.items() if path in groups}
        return self.base(choices).with_values({path: value for path, value in values.items() if path not in groups})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _refers(text: str) -> bool:
    """Tell whether a text takes its value from other keys; a resolver with plain arguments takes none."""
    return any(":" not in inner or "${" in inner for inner in text.split("${")[1:]) or text.count("${") > 1


def _is_simple(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_simple(item) and not isinstance(item, list) for item in value)
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and "${" not in value)


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")


def _find(config: Mapping[str, Any], path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _changed(node: Mapping[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a mapping with a value in the place of another; what is not on the way to it is shared, not copied."""
    name, *rest = names
    return {**node, name: _changed(node[name], rest, value) if rest else value}
