"""Where a word comes from: typed in this call, a config folder, an installed package, or the record of a run.

Only what is typed now may name code or set keys beyond the allow-list. An override that is read from a record was typed
once, by the author of the record, and counts as a line of a config file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runtree.config.calls import find_targets
from runtree.config.hydra_keys import check_hydra_keys
from runtree.contract.errors import RequestError, UntrustedError


@dataclass(frozen=True)
class TypedWords:
    """The overrides that the user typed in this call, and the names after ``--trust``.

    It is pickled for workers and launchers, whose jobs have overrides that come from config files and tuners, too.
    """

    overrides: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()

    @cached_property
    def targets(self) -> frozenset[str]:
        """Return the dotted names that may be imported."""
        return frozenset([*self.trusted, *command_line_targets(self.overrides)])

    @cached_property
    def paths(self) -> frozenset[str]:
        """Return the config paths whose value was typed, or is trusted."""
        return frozenset([*self.trusted, *(path for text in self.overrides for path in _typed_paths(text))])

    def sets(self, path: str) -> bool:
        """Return whether the value at a config path was typed, as a part of a list or a mapping too."""
        parts = path.split(".")
        return any(".".join(parts[:length]) in self.paths for length in range(1, len(parts) + 1))


def _typed_paths(override: str) -> Iterator[str]:
    key, _, value = override.lstrip("+").partition("=")
    # a reference takes its value from a file; a key without a dot chooses the option of a group, which is a file
    if "${" in value:
        return
    if "." in key:
        yield key
        # the arguments of an imported estimator are those of the constructor
        yield key.replace("algorithm.params.", "algorithm.", 1)
    elif value.startswith("{"):
        for _, parsed in _parse(override):
            yield from (f"{key}.{name}" for name in parsed)


def command_line_targets(overrides: Iterable[str]) -> Iterator[str]:
    """Yield the dotted names in overrides: values of `_target_` keys at any depth, and of `algorithm.path`."""
    for override in overrides:
        # Hydra's parser is slow, and few overrides name code
        if "_target_" not in override and not override.lstrip("+").startswith(("algorithm.path", "algorithm={")):
            continue
        for key, value in _parse(override):
            node = _nested(key, value)
            yield from find_targets(node)
            algorithm = node.get("algorithm")
            if isinstance(algorithm, Mapping) and isinstance(algorithm.get("path"), str):
                yield algorithm["path"].replace(":", ".")


def _parse(override: str) -> Iterator[tuple[str, Any]]:
    """Yield the key and each value of an override; nothing if Hydra cannot read it, which Hydra then explains."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, Override
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        return
    value = parsed.value()
    values: list[Any] = value.list if isinstance(value, ChoiceSweep) else [value]
    for item in values:
        yield parsed.key_or_group, Override._convert_value(item)


def _nested(key: str, value: Any) -> dict[str, Any]:
    node = value
    for name in reversed(key.split(".")):
        node = {name: node}
    return node  # type: ignore[no-any-return]


def check_recorded(overrides: Sequence[str], typed: TypedWords, record: str) -> None:
    """Refuse overrides of a record that a config file could not contain.

    Their `_target_` and arguments are checked with those of config files, when objects are built.

    Raises
    ------
    UntrustedError
        A key of `hydra` that a file may not set; the message names the option ``--trust`` that allows it.
    RequestError
        A flag.
    """
    for text in overrides:
        # as a flag it could change anything: --config-dir, or --trust itself
        if not isinstance(text, str) or text.startswith("-"):
            raise RequestError(f"{record} holds {str(text)[:60]!r}, which is no override")
        # an option of another group, placed where Hydra instantiates
        if re.search(r"@\W*hydra\b|:\s*hydra\b", text.partition("=")[0]):
            raise UntrustedError(f"{text.partition('=')[0]}: {record} places it below hydra", "type it if you need it")
        for key, value in _parse(text):
            if key.partition(".")[0] == "hydra":
                check_hydra_keys(_nested(key, value)["hydra"], record, typed.sets)
