"""Hydra's errors in runtree's form: the config path, what is wrong, what is possible, what to type."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runtree.config.catalogue import Catalogue
from runtree.config.config_files import syntax_error
from runtree.config.migration import find_answer, migration_error
from runtree.config.root_keys import EXTRAS
from runtree.config.space.grammar import quote
from runtree.contract.commands import command, override_key, typed
from runtree.contract.errors import ConfigError, RuntreeError, first_line, nearest, possible

NOT_SUGGESTED = ("._target_", ".space", ".iterations")  # keys for authors of options, not for the command line
MAX_OPTIONS = 6


def unknown_key_error(key: str, overrides: Sequence[str], catalogue: Catalogue, known: Iterable[str]) -> ConfigError:
    """Return the error for an unknown config path in an override, with the nearest keys here and in other options.

    Parameters
    ----------
    overrides
        The command line.
    known
        The paths that can be set with it.
    """
    group, _, name = key.rpartition(".")
    top = group.partition(".")[0]
    known = sorted(path for path in known if not any(part in path for part in NOT_SUGGESTED))
    # `lr=0.1` most likely means a key of an option: show where it is
    # only for a key without a dot: with one, the user has already chosen a group
    homes = [path for path in known if not group and "." in path and _matches(_last(path), name)]
    answer = find_answer(key)
    # of keys with these initials the one that is meant everywhere: lr is a learning rate
    homes = [path for path in homes if answer and path in answer.keys] or homes
    if homes:
        value = next((text.partition("=")[2] for text in overrides if text.partition("=")[0] == key), "…")
        own = f"{homes[0]}={value}" if value == "…" else typed(f"{homes[0]}={value}")
        return ConfigError(f"unknown config key '{key}'", f"it lives at {', '.join(homes)}: type {own}")
    value = next((text.partition("=")[2] for text in overrides if override_key(text) == key), "")
    if migrated := migration_error(key, value, catalogue.groups, known):
        return migrated
    options = _keys_of_options(catalogue, top)
    elsewhere, here = _elsewhere(name, options, by_initials=not group), _here(key, catalogue, known)
    hints = [elsewhere, here]
    if not any(hints) and (root := _nearest_root(top, catalogue, known)) and group:
        hints = [f"did you mean: {root}{key.removeprefix(top)}?"]
    # similar names elsewhere come last, because they are the weakest guess
    if not any(hints) and group:
        hints = [_similar_elsewhere(group, name, options)]
    see = "" if elsewhere else _see(top, overrides, catalogue)
    if not any(hints):
        inside = [path for path in known if group and path.startswith(f"{top}.")]
        hints = [possible(inside or sorted({*catalogue.groups, *(path for path in known if "." not in path)}))]
    return ConfigError(f"unknown config key '{key}'", *hints, see)


def _nearest_root(top: str, catalogue: Catalogue, known: Iterable[str]) -> str:
    """Return the root key that a misspelt one is nearest to; empty if it is right, or like none."""
    roots = {*catalogue.groups, *(path.partition(".")[0] for path in known), EXTRAS}
    return "" if top in roots else next(iter(nearest(top, roots)), "")


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _matches(name: str, typed: str) -> bool:
    """Return whether `typed` is a name or its initials: lr for learning_rate."""
    return typed in (name, "".join(word[:1] for word in name.split("_")) if "_" in name else name)


def _keys_of_options(catalogue: Catalogue, top: str) -> dict[str, Sequence[str]]:
    """Return the keys of each option of a group, or of all groups if there is no such group."""
    groups = [top] if top in catalogue.groups else catalogue.groups
    return {f"{group}={option.name}": list(keys) for group in groups for option, keys in catalogue.readable(group)}


def _elsewhere(name: str, options: Mapping[str, Sequence[str]], by_initials: bool = False) -> str:
    matches = _matches if by_initials else str.__eq__
    having = [option for option, keys in options.items() if any(matches(key, name) for key in keys)]
    more = f" and {len(having) - MAX_OPTIONS} more" if len(having) > MAX_OPTIONS else ""
    return f"'{name}' is a key of {', '.join(having[:MAX_OPTIONS])}{more}" if having else ""


def _here(key: str, catalogue: Catalogue, known: Sequence[str]) -> str:
    """Suggest similar keys of the same group, siblings first; only last parts differ within a group."""
    group, _, name = key.rpartition(".")
    inside = [path for path in known if path.startswith(f"{key.partition('.')[0]}.")] if group else known
    beside = {_last(path): path for path in inside if path.rpartition(".")[0] == group}
    below = {_last(path): path for path in inside}
    initials = [path for other, path in beside.items() if _matches(other, name)]
    groups = [] if group else nearest(name, catalogue.groups)
    suggestions = [
        *initials,
        *groups,
        *(beside[close] for close in nearest(name, beside)),
        *(below[close] for close in nearest(name, below)),
    ]
    return f"did you mean: {', '.join(list(dict.fromkeys(suggestions))[:3])}?" if suggestions else ""


def _similar_elsewhere(group: str, name: str, options: Mapping[str, Sequence[str]]) -> str:
    for close in nearest(name, {key for keys in options.values() for key in keys}, 1):
        return f"did you mean: {group}.{close}? {_elsewhere(close, options)}"
    return ""


def _see(group: str, overrides: Sequence[str], catalogue: Catalogue) -> str:
    """Return the command that describes the chosen option; with … for the option if several are chosen."""
    if group not in catalogue.groups:  # such as `problem`, which has no options
        return ""
    named = [text.partition("=")[2] for text in overrides if text.partition("=")[0] == group]
    several = any(name not in catalogue.groups.get(group, ()) for name in named)
    if several:
        return f"see: runtree describe {group}=…"
    option = catalogue.choices(overrides).get(group)
    return f"see: {command('describe', f'{group}={option}')}" if option else ""


Problem = RuntreeError | None


def translate_error(
    error: BaseException,
    overrides: Sequence[str],
    catalogue: Catalogue,
    multirun: bool = False,
    flags: Sequence[str] = (),
) -> RuntreeError:
    """Turn an error of Hydra or OmegaConf into a RuntreeError.

    Hydra's text is not parsed: the command line is checked against the catalogue, in the order of likely mistakes.
    `flags` are Hydra's flags on the command line, which a suggested command repeats.
    """
    # an error of runtree or of YAML in the chain is the cause; Hydra's own only says that the composition failed
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, RuntreeError):
            return link
        if type(link).__module__.startswith("yaml"):
            return syntax_error(link)
    # first the syntax, because a text that does not parse has neither choices nor keys
    problem = _syntax(overrides) or _choices(overrides, catalogue, multirun, flags) or _keys(overrides, catalogue)
    return problem or _migrated(overrides, catalogue) or _other(chain)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    # Hydra wraps an error of the job or of OmegaConf several times
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
            if not _can_parse(f"{key}=1"):
                group, _, name = key.rpartition(".")
                nested = f"{group}={{{name}: {value}}}"
                return ConfigError(
                    f"the key '{key}' cannot be read",
                    "keys are letters, digits and '_', with dots between them",
                    f"for another one: {typed(nested)}" if group and _can_parse(nested) else "",
                )
            return ConfigError(
                f"{key}: the value {value!r} cannot be read",
                f"quote it twice if it holds spaces, brackets, commas or quotes: {typed(f'{key}={_quote(value)}')}",
            )
    return None


def _can_parse(override: str) -> bool:
    from hydra.errors import HydraException

    try:
        _parse(override)
    except HydraException:
        return False
    return True


def _quote(value: str) -> str:
    """Return a value with quotes for Hydra, around each item if it is a list."""
    plain = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    if not (plain.startswith("[") and plain.endswith("]")):
        return _quote_text(plain)
    texts = (text.strip(" \"'") for text in plain[1:-1].split(","))
    return "[" + ", ".join(map(_quote_text, texts)) + "]"


def _quote_text(text: str) -> str:
    """Return a text in double quotes, or, if it holds some, in single ones with the backslashes that Hydra needs."""
    return f'"{text}"' if '"' not in text and not text.endswith("\\") else quote(text)


def refuse_sweeps(overrides: Sequence[str]) -> None:
    """Refuse overrides with several values if one config is to be shown."""
    from hydra.errors import HydraException

    for override in overrides:
        with suppress(HydraException):
            if _parse(override).is_sweep_override():
                raise ConfigError(
                    f"{override} has several values, but only one config can be shown",
                    "choose one of them; to see what a sweep would try: runtree plan …",
                )


def _choices(overrides: Sequence[str], catalogue: Catalogue, multirun: bool, flags: Sequence[str]) -> Problem:
    """Find an unknown option, or several values without -m."""
    for override in overrides:
        parsed = _parse(override)
        key, text = parsed.key_or_group, override.partition("=")[2]
        if parsed.is_sweep_override() and not multirun:
            return ConfigError(
                f"{key}={text} has several values, but this is a single run",
                f"to run each of them: {command('train', '-m', *flags, *overrides)}",
                "" if key in catalogue.groups else f"for a list: {typed(f'{key}=[{text}]')}",
            )
        if key in catalogue.groups and not parsed.is_delete():
            names = _values(parsed)
            if names == ["None"] and key != "experiment":
                return ConfigError(f"{key}: one option is needed, got null", f"see: {command('list', key)}")
            for name in names:
                if name not in catalogue.groups[key] and name != "null":
                    return catalogue.unknown_option(key, name)
    return None


def _values(parsed: Any) -> list[str]:
    if parsed.is_sweep_override():
        try:
            return [str(value) for value in parsed.sweep_string_iterator()]
        # a sweep that cannot be listed, such as an interval, names no options
        except Exception:
            return []
    value = parsed.value()
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _keys(overrides: Sequence[str], catalogue: Catalogue) -> Problem:
    known = catalogue.keys(overrides)
    sections = {path.rsplit(".", cut)[0] for path in known for cut in range(1, path.count(".") + 1)}
    for override in overrides:
        # an added or removed key, and Hydra's own, are not checked against the catalogue
        if override.startswith(("+", "~", "hydra")):
            continue
        key = override.partition("=")[0].partition("@")[0]
        # a section such as `algorithm.space` may be set as a whole
        inside = _set_within(key, override) if key in sections else []
        for path in (key, *inside):
            if (
                path not in known
                and path not in sections
                and path not in catalogue.groups
                and not _is_open(path, known)
            ):
                return unknown_key_error(path, overrides, catalogue, known)
    return None


def _set_within(key: str, override: str) -> list[str]:
    """Return the paths that a mapping sets: ``data.card={source: x}``."""
    value = _parse(override).value() if _can_parse(override) else None
    return [f"{key}.{name}" for name in value] if isinstance(value, dict) else []


def _migrated(overrides: Sequence[str], catalogue: Catalogue) -> Problem:
    """Find a key of another program among Hydra's own: hydra/sweeper=optuna."""
    words = ((override_key(text), text) for text in overrides)
    hydra = [(path, text.partition("=")[2]) for path, text in words if path.partition(".")[0] == "hydra"]
    answers = (migration_error(path, value) for path, value in hydra if value not in ("runtree", "basic"))
    return next(filter(None, answers), None)


def _is_open(key: str, known: dict[str, Any]) -> bool:
    # an empty mapping, or null, may get keys: `algorithm.params.C=1`
    return any(key.startswith(f"{path}.") and value in ({}, None) for path, value in known.items() if "." in key)


def _other(chain: Sequence[BaseException]) -> RuntreeError:
    """Return Hydra's own message, without its advice about stack traces."""
    # the search path is ours, and names nothing that a user could change
    text = str(chain[0]).partition("Config search path")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
    if lines and lines[0].startswith("Error merging override ") and len(chain) > 1:
        # Hydra repeats what was typed; the reason is in OmegaConf's error
        override = lines[0].removeprefix("Error merging override ")
        value = _parse(override).value()
        kind = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else ""
        reason = f"{kind} is not possible here" if kind else ""
        key = override.lstrip("+").partition("=")[0]
        expected = f"it is a mapping: {key}={{NAME: VALUE}}" if kind == "a list" else ""
        return ConfigError(f"{key}: {reason or first_line(chain[-1])}", f"typed: {typed(override)}", expected)
    place = getattr(chain[-1], "full_key", None)
    message = lines[0] if lines else type(chain[0]).__name__
    return ConfigError(f"{place}: {message}" if place else message, *lines[1:4])
