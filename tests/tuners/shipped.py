"""The shipped tuners, built from their YAML as a sweep builds them."""

from typing import Any

import pytest

from runtree.app import App
from runtree.config.build import build
from runtree.config.config_files import read_yaml
from runtree.contract.protocols import Tuner

APP = App()
NEEDS = {"cmaes": "cmaes", "gp": "torch"}


def shipped_tuner(option: str, **settings: Any) -> Tuner:
    """Return a tuner; the keys of the sweep's loop are not its own. A test without its package is skipped."""
    if option in NEEDS:
        pytest.importorskip(NEEDS[option], reason=f"tuner={option} needs the package {NEEDS[option]}")
    file = APP.catalogue.option("tuner", option).file
    assert file is not None
    loop = {"defaults", *read_yaml(file.parent / "_loop_.yaml")}
    node = {key: value for key, value in read_yaml(file).items() if key not in loop}
    return build(node | settings, "tuner", APP.allow_list())
