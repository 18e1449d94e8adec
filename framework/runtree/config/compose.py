"""Compose once for each choice of options, then set values on a copy.

A composition by Hydra costs some 70 ms, a value set on a plain copy a few hundredths of one. The result equals Hydra's
own, which a property test checks over the whole shipped conf. Where that is not obvious (a mapping as a value, a value
that other keys are computed from) the value is set on a deep copy of OmegaConf's node, as Hydra does.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runtree.config.catalogue import flatten
from runtree.config.freeze import NOT_OF_RUNS, FrozenConfig, check_root, fingerprint_of_leaves, freeze, uncounted_paths
from runtree.config.hydra_engine import OPEN_PREFIXES
from runtree.contract.errors import ConfigError, first_line

REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")  # a value that is another key's, unchanged
KEY = re.compile(r"[A-Za-z_]\w*")
CHECKED_BY_ROOT = ("seed", "outputs", "experiment", "objective")

Load = Callable[[Sequence[str]], DictConfig]


class ComposedBase:
    """A composed config, on which values are set.

    Attributes
    ----------
    node
        The composed config without Hydra's own part.
    frozen
        The same, resolved, with no value set.
    """

    def __init__(self, node: DictConfig) -> None:
        # kept unresolved, for values that a plain copy cannot express; see `_set_on_node`
        self.node = node
        self.frozen = freeze(node)
        raw = OmegaConf.to_container(node, resolve=False)
        assert isinstance(raw, dict)
        self._uncounted = uncounted_paths(node)
        self._leaves = flatten(self.frozen.config)
        # `random_state: ${seed}` follows the seed: key → the keys that copy its value
        self._followers: dict[str, list[str]] = {}
        # keys in any other interpolation, such as `${a}-${b}`: only OmegaConf knows what becomes of them
        self._tangled: set[str] = set()
        for path, value in flatten({str(key): value for key, value in raw.items()}).items():
            for text in _texts(value):
                reference = REFERENCE.fullmatch(text)
                # a whole value that is one reference takes the other key's value as it is;
                # a reference to a mapping brings keys of its own, and is left to OmegaConf
                if reference and text is value and not isinstance(_get(self.frozen.config, reference[1]), Mapping):
                    self._followers.setdefault(reference[1], []).append(path)
                elif _refers_to_keys(text):
                    self._tangled.update((path, *re.findall(r"[A-Za-z_][\w.]*", text)))

    def has(self, path: str) -> bool:
        """Return whether a key exists or can be set."""
        is_open = path.startswith(OPEN_PREFIXES) or "[" in path
        return is_open or _get(self.frozen.config, path) is not None or path in self._leaves

    @property
    def paths(self) -> list[str]:
        """Return every key that can be set."""
        return list(self._leaves)

    def value(self, path: str) -> Any:
        """Return the value of a key, or None."""
        return _get(self.frozen.config, path)

    def with_values(self, values: Mapping[str, Any]) -> FrozenConfig:
        """Return the config with some values set, as if Hydra had composed it with these overrides."""
        # the frozen config is shared, not copied: no caller changes it
        if not values:
            return self.frozen
        added = [path for path in values if path not in self._leaves]
        if not self._can_be_copied(values, added):
            return self._set_on_node(values)
        config: Mapping[str, Any] = self.frozen.config
        reached = dict(self._follow(values))
        for path, value in reached.items():
            # a list is copied, because the tuner's choice would otherwise be shared by all runs that got it
            config = _replace(config, path.split("."), list(value) if isinstance(value, list) else value)
        # the base was checked when it was frozen, so only changed keys are
        if any(path.partition(".")[0] in CHECKED_BY_ROOT for path in reached):
            check_root(config)
        # the fingerprint comes from the flat form, which is cheaper to update than to build from the nested one
        leaves = self._leaves | reached
        for path in added:
            # an empty mapping is a leaf until a key is added to it
            for parent in (path[:end] for end, character in enumerate(path) if character == "."):
                leaves.pop(parent, None)
        return FrozenConfig(dict(config), fingerprint_of_leaves(leaves, self._uncounted - set(values)))

    def _follow(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the values and those of the keys that follow them; a key that is set itself no longer follows."""
        for path, value in values.items():
            yield path, value
            followers = [other for other in self._followers.get(path, ()) if other not in values]
            yield from self._follow(dict.fromkeys(followers, value))

    def _can_be_copied(self, values: Mapping[str, Any], added: Sequence[str]) -> bool:
        """Return whether a copy of the plain config equals what Hydra would compose."""
        for path, value in values.items():
            # a text with ${…} is an interpolation, and a key that others
            # are computed from changes them: only OmegaConf resolves these
            if not _is_simple(value) or any(_overlap(path, other) for other in self._tangled):
                return False
            if path in self._leaves and isinstance(self._leaves[path], Mapping):
                return False
        return all(self._can_be_added(path, values) for path in added)

    def _can_be_added(self, path: str, values: Mapping[str, Any]) -> bool:
        """Return whether a key may be added without OmegaConf: into a mapping, and beside all other values."""
        if not path.startswith(OPEN_PREFIXES) or any(_overlap(path, other) for other in values if other != path):
            return False
        node: Any = self.frozen.config
        for key in path.split("."):
            # OmegaConf reads `a.1` and `a[0]` as items of a list, if there is one
            if not isinstance(node, Mapping) or not KEY.fullmatch(key):
                return False
            node = node.get(key, {})
        return _get(self.frozen.config, path) is None

    def _set_on_node(self, values: Mapping[str, Any]) -> FrozenConfig:
        node = deepcopy(self.node)
        for path, value in values.items():
            try:
                OmegaConf.update(node, path, value, merge=True, force_add=path.startswith(OPEN_PREFIXES))
            except (OmegaConfBaseException, TypeError) as error:  # Hydra's own composition refuses it too
                raise ConfigError(f"{path}: {value!r} is not possible here ({first_line(error)})") from None
        return freeze(node)


class Composer:
    """Composed configs by chosen options, each composed when it is first needed.

    Parameters
    ----------
    load
        Composes with Hydra: override strings in, the whole config out.
    arrange
        Returns the overrides of a config, from those of the chosen options by key.
    swept
        The paths whose values are set later. A mandatory one (`???`) gets `first_value` of it: a base has to be whole.
    """

    def __init__(
        self,
        load: Load,
        arrange: Callable[[Mapping[str, str]], Sequence[str]] = lambda choices: list(choices.values()),
        swept: Collection[str] = (),
        first_value: Callable[[str], Any] = lambda path: None,
    ) -> None:
        self.load, self.arrange = load, arrange
        self.swept, self.first_value = tuple(swept), first_value
        self._bases: dict[tuple[tuple[str, str], ...], ComposedBase] = {}

    def base(self, choices: Mapping[str, str]) -> ComposedBase:
        """Return the config for some options of groups: ``{"algorithm": "ridge"}``."""
        # sorted: the order in which a tuner chooses must not lead to a second composition
        key = tuple(sorted(choices.items()))
        if key not in self._bases:
            composed = self.load(self.arrange({group: f"{group}={option}" for group, option in key}))
            # Hydra composes in struct mode, in which keys cannot be removed
            with open_dict(composed):
                for name in NOT_OF_RUNS:
                    composed.pop(name, None)
            for path in self.swept:
                if _is_missing(composed, path):
                    OmegaConf.update(composed, path, self.first_value(path))
            self._bases[key] = ComposedBase(composed)
        return self._bases[key]

    def freeze(self, values: Mapping[str, Any], groups: Collection[str]) -> FrozenConfig:
        """Return the config for options and values together; `groups` are the paths that are groups."""
        choices = {path: str(value) for path, value in values.items() if path in groups}
        return self.base(choices).with_values({path: value for path, value in values.items() if path not in groups})


def _is_missing(composed: DictConfig, path: str) -> bool:
    parent, _, key = path.rpartition(".")
    node = OmegaConf.select(composed, parent) if parent else composed
    return isinstance(node, DictConfig) and OmegaConf.is_missing(node, key)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _refers_to_keys(text: str) -> bool:
    """Return whether a text takes its value from other keys; a resolver with plain arguments takes none."""
    return any(":" not in inner or "${" in inner for inner in text.split("${")[1:]) or text.count("${") > 1


def _is_simple(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_simple(item) and not isinstance(item, list) for item in value)
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and "${" not in value)


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")


def _get(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _replace(node: Mapping[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a mapping with one value replaced or added; branches without a change are shared, not copied."""
    name, *rest = names
    return {**node, name: _replace(node.get(name, {}), rest, value) if rest else value}
