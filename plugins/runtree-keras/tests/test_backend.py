"""Keras comes up on torch, whoever wants what, and nobody waits for it who does not need it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def python(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("module", ["plugin", "mlp", "tasks", "estimator"])
def test_is_imported_late(module: str) -> None:
    code = f"import sys, runtree_keras.{module}; sys.exit(bool({{'keras', 'torch'}} & {{*sys.modules}}))"
    assert python(code).returncode == 0


def test_runs_on_torch_whatever_the_environment_says() -> None:
    code = "import os; from runtree_keras.backend import keras; print(keras.backend.backend(), os.environ['KERAS_BACKEND'])"
    assert python(code, KERAS_BACKEND="jax").stdout.split() == ["torch", "jax"]


def test_keras_on_another_backend_is_told(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text("class backend:\n    backend = staticmethod(lambda: 'jax')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import keras; import runtree_keras.backend"
    said = python(code).stderr
    assert (
        "MissingError: runtree-keras: keras is already imported with the backend 'jax', but torch is required" in said
    )
    assert "export KERAS_BACKEND=torch" in said


def test_keras_model_loads_keras_before_the_user_s_module_does() -> None:
    code = "import runtree_keras.model, keras; print(keras.backend.backend())"
    assert python(code, KERAS_BACKEND="").stdout.split() == ["torch"]
