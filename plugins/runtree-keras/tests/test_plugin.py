"""What the options say of themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from runtree_keras.plugin import ITERATIONS, register_algorithms

from runtree.config.allowlist import import_object
from runtree.config.describe import parameter_docs
from runtree.testing import train, write_table
from runtree.testing.fixtures import UNEXAMINED


@pytest.mark.parametrize("option", register_algorithms(), ids=lambda option: option.name)
def test_each_parameter_is_a_key_and_has_a_meaning(option: Any) -> None:
    for task, target in option.target.items():
        estimator = import_object(target, "target")
        names = set(estimator._get_param_names())
        keys = {key for key in option.defaults if key != "class_weight" or task == "classification"}
        assert names == keys - {"iterations"}
        assert names == {name for name, told in parameter_docs(estimator).items() if told.meaning}
        assert names - {"network"} <= set(estimator._parameter_constraints)


def test_the_fit_block_is_honoured() -> None:
    assert ITERATIONS["honours"]["max_iterations"] == "max_epochs"
    assert set(ITERATIONS["honours"]) == {
        "max_iterations",
        "max_seconds",
        "tolerance",
        "patience",
        "divergence",
        "checkpoint",
    }


def test_versions_are_kept(tmp_path: Path) -> None:
    asked = ("algorithm=keras_mlp", "algorithm.max_epochs=1", "compute.threads=1", *UNEXAMINED)
    run = train(*write_table(tmp_path), *asked, folder=tmp_path)
    facts = json.loads((run.folder / "environment.json").read_text())["plugins"]["keras"]
    assert facts["keras"].startswith("3.")
    assert facts["backend"].startswith("torch 2.")
