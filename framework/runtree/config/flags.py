"""The words after `runtree train`: Hydra's own flags, and overrides."""

import argparse
from collections.abc import Iterable, Sequence

from runtree.contract.errors import RequestError

OPEN = "algorithm.params."  # what an imported estimator takes: any key may be set below it


def hydra_parser() -> argparse.ArgumentParser:
    """Return the parser of Hydra's own flags."""
    from hydra._internal.utils import get_args_parser

    parser: argparse.ArgumentParser = get_args_parser()
    return parser


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Sort a command line into Hydra's flags and the overrides; a flag that nobody knows is refused."""
    parser = hydra_parser()
    parser.add_argument("--continue", dest="going_on", metavar="RUN")
    parser.exit_on_error = False
    try:
        flags, rest = parser.parse_known_intermixed_args(list(arguments))
    except argparse.ArgumentError as error:
        raise RequestError(str(error), "see: runtree train --help") from None
    except SystemExit:
        raise RequestError("the flags do not fit together", "see: runtree train --help") from None
    unknown_flags = [argument for argument in rest if argument.startswith("-")]
    if unknown_flags:
        raise RequestError(f"unknown flag {unknown_flags[0]}", "see: runtree train --help")
    if flags.resolve and not flags.cfg:
        raise RequestError("--resolve shows a config, so it needs --cfg", "type: --cfg job --resolve")
    if flags.cfg and flags.info:
        raise RequestError("--cfg and --info cannot be asked together")
    return flags


def spread(overrides: Sequence[str], groups: Iterable[str]) -> list[str]:
    """Let a value below a swept group hold for those options that have it: ``algorithm=ridge,knn algorithm.alpha=2``.

    Hydra composes the first configuration with the group's default, which may not have the key; a choice of one value
    is left to the sweep.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:  # it is told elsewhere, with a hint
        return list(overrides)
    swept = {one.key_or_group for one in parsed if one.is_sweep_override()} & set(groups)
    texts = []
    for text, one in zip(overrides, parsed, strict=True):
        below = one.key_or_group.partition(".")[0] in swept and "." in one.key_or_group
        plain = not (one.is_sweep_override() or one.is_add() or one.is_force_add() or one.is_delete())
        key, _, value = text.partition("=")
        texts.append(f"{key}={value},{value}" if below and plain and value else text)
    return texts


def open_parameters(overrides: Iterable[str]) -> list[str]:
    """Let `algorithm.params.<anything>=…` be set without Hydra's `+`: that mapping is open by design."""
    return [f"++{text}" if text.startswith(OPEN) else text for text in overrides]
