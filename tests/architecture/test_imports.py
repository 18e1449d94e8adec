"""What is loaded when, and which way imports run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "hydra",
    "omegaconf",
    "sklearn",
    "pandas",
    "numpy",
    "torch",
    "matplotlib",
    "optuna",
    "skops",
    "pyarrow",
    "rich",
)


def loaded_by(code: str, cwd) -> set[str]:
    """Return which heavy packages a fresh process holds after some code."""
    tail = f"\nimport sys; print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_import_runtree_loads_nothing_heavy(folder):
    assert loaded_by("import runtree; runtree.AlgorithmOption; runtree.Run", folder) == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["runs"], ["completion", "bash"], ["init", "here"]]
)
def test_light_verbs_load_nothing_heavy(folder, words):
    heavy = loaded_by(f"from runtree.cli.main import main; main({words!r})", folder) - {"rich"}
    assert heavy == set()


def test_completion_of_overrides_does_not_load_hydra(folder):
    code = (
        "import os; os.environ.update(_RUNTREE_COMPLETE='bash_complete', COMP_WORDS='runtree train algorithm=random_f',"
        " COMP_CWORD='2')\nfrom runtree.cli.main import main\nmain(None) if False else None\n"
        "import sys; sys.argv = ['runtree']\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert loaded_by(code, folder) == set()


def test_a_scikit_learn_run_loads_no_torch(folder):
    assert "torch" not in loaded_by("from runtree.cli.main import main; main(['train', 'algorithm=dummy'])", folder)


def test_imports_run_one_way():
    """Ask in another process: the linter switches off every logger of the one it runs in."""
    pytest.importorskip("importlinter", reason="import-linter is not installed: pip install -e '.[dev]'")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
