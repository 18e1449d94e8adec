"""The words after `runtree train`: Hydra's own flags, and overrides."""

import argparse
from collections.abc import Iterable, Sequence

from runtree.contract.errors import RequestError


def hydra_parser() -> argparse.ArgumentParser:
    """Return the parser of Hydra's own flags."""
    from hydra._internal.utils import get_args_parser

    parser: argparse.ArgumentParser = get_args_parser()
    return parser


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Sort a command line into Hydra's flags and the overrides; a flag that nobody knows is refused."""
    parser = hydra_parser()
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


def open_parameters(overrides: Iterable[str]) -> list[str]:
    """Let `algorithm.params.<anything>=…` be set without Hydra's `+`: that mapping is open by design."""
    return [f"++{text}" if text.startswith("algorithm.params.") else text for text in overrides]
