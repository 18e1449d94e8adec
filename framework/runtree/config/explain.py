"""Hydra's errors, told again in runtree's manner: the key, what is wrong, what is possible, what to type."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from runtree.config.catalogue import Catalogue, syntax_error
from runtree.config.unknown_key import unknown_key
from runtree.contract.errors import ConfigError, RuntreeError, unknown

Problem = RuntreeError | None


def explain(
    error: BaseException, overrides: Sequence[str], catalogue: Catalogue, multirun: bool = False
) -> RuntreeError:
    """Turn an error of Hydra's or OmegaConf's into one of ours."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, RuntreeError):
            return link
        if type(link).__module__.startswith("yaml"):
            return syntax_error(link)
    found = _syntax(overrides) or _choices(overrides, catalogue, multirun) or _keys(overrides, catalogue)
    return found or _other(chain)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _parse(override: str) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(override)


def _syntax(overrides: Sequence[str]) -> Problem:
    from hydra.errors import HydraException

    for override in overrides:
        try:
            _parse(override)
        except HydraException:
            if "=" not in override:
                return ConfigError(f"'{override}' is not an override", "overrides look like key=value, e.g. seed=7")
            key, _, value = override.partition("=")
            return ConfigError(
                f"{key}: the value {value!r} cannot be read",
                f"quote it twice if it holds spaces, brackets, commas or quotes: '{key}={_quoted(value)}'",
            )
    return None


def _quoted(value: str) -> str:
    """Return a value as Hydra reads it: text in quotes, of a list each text of it."""
    plain = value.strip("\"'")
    if not (plain.startswith("[") and plain.endswith("]")):
        return f'"{plain}"'
    texts = (text.strip(" \"'") for text in plain[1:-1].split(","))
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def refuse_several(overrides: Sequence[str]) -> None:
    """Refuse words with several values where one config is to be shown."""
    from hydra.errors import HydraException

    for override in overrides:
        with suppress(HydraException):
            if _parse(override).is_sweep_override():
                raise ConfigError(
                    f"{override} names several values, and one config is shown",
                    "name one of them; what a sweep would try: runtree plan …",
                )


def _choices(overrides: Sequence[str], catalogue: Catalogue, multirun: bool) -> Problem:
    """Find a group override whose option does not exist, and a sweep without -m."""
    for override in overrides:
        parsed = _parse(override)
        key, text = parsed.key_or_group, override.partition("=")[2]
        if parsed.is_sweep_override() and not multirun:
            return ConfigError(
                f"{key}={text} names several values, and this is one run",
                f"to run one after the other: runtree train -m {key}={text}",
                "" if key in catalogue.groups else f"for a list: '{key}=[{text}]'",
            )
        if key in catalogue.groups and not parsed.is_delete():
            for name in _values(parsed):
                if name not in catalogue.groups[key] and name != "null":
                    return unknown(
                        f"option of {key}", name, catalogue.groups[key], f"see: runtree list {key}", error=ConfigError
                    )
    return None


def _values(parsed: Any) -> list[str]:
    if parsed.is_sweep_override():
        try:
            return [str(value) for value in parsed.sweep_string_iterator()]
        except Exception:
            return []
    value = parsed.value()
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _keys(overrides: Sequence[str], catalogue: Catalogue) -> Problem:
    known = catalogue.keys(overrides)
    sections = {path.rsplit(".", cut)[0] for path in known for cut in range(1, path.count(".") + 1)}
    for override in overrides:
        if override.startswith(("+", "~", "hydra")):
            continue
        key = override.partition("=")[0].partition("@")[0]
        if key not in known and key not in sections and key not in catalogue.groups and not _is_open(key, known):
            return unknown_key(key, overrides, catalogue, known)
    return None


def _is_open(key: str, known: dict[str, Any]) -> bool:
    return any(key.startswith(f"{path}.") and value in ({}, None) for path, value in known.items() if "." in key)


def _other(chain: Sequence[BaseException]) -> RuntreeError:
    """Tell what Hydra itself said, without its advice about stack traces."""
    lines = [line.strip() for line in str(chain[0]).splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
    place = getattr(chain[-1], "full_key", None)
    message = lines[0] if lines else type(chain[0]).__name__
    return ConfigError(f"{place}: {message}" if place else message, *lines[1:4])
