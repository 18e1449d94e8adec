"""What `runtree tune` adds to a command line, so that it is a bounded sweep with a tuner."""

import argparse
from collections.abc import Sequence
from typing import Any

from runtree.app.application import App, typed_words

DEFAULT_BOUND = "tuner.stop.max_runs=50"


def missing_overrides(app: App, flags: argparse.Namespace) -> list[str]:
    """Return the overrides that make the command line a bounded sweep with a tuner."""
    named = flags.config_name or flags.config_dir or flags.config_path
    if not (named or _chooses(flags.overrides, "experiment", "data", "algorithm")):
        return ["experiment=quickstart"]  # which names its own tuner and bound
    config = _compose(app, flags)
    if config is None:
        return []
    # from the composed config, since an experiment file may choose a tuner as well
    chosen = str(config.hydra.runtime.choices.get("tuner"))
    # grid is the default tuner of the config; one that is typed is meant, and ends by itself
    tuner = ["tuner=tpe"] if chosen == "grid" and not _chooses(flags.overrides, "tuner") else []
    if chosen == "grid" and not tuner:
        return []
    stop = config.tuner.get("stop") or {}
    bounded = any(stop.get(key) is not None for key in ("max_runs", "max_seconds"))
    return [*tuner, *([] if bounded else [DEFAULT_BOUND])]


def _chooses(overrides: Sequence[str], *groups: str) -> bool:
    """Return whether an override chooses an option of one of the groups."""
    return any(text.partition("=")[0].lstrip("+~").partition("@")[0] in groups for text in overrides)


def _compose(app: App, flags: argparse.Namespace) -> Any:
    """Return the config without additions, or None where it cannot be composed."""
    from runtree.config.hydra_engine import force_open_parameters, repeat_below_swept_groups

    overrides = repeat_below_swept_groups(force_open_parameters(flags.overrides), app.catalogue.groups)
    engine = app.engine(flags, app.allow_list(typed_words(flags)))
    try:
        return engine.compose(overrides, multirun=True)
    except Exception:  # the sweep will fail in the same way, with a hint
        return None
