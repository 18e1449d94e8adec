"""After each end-to-end test every file below its folder is searched for a canary, and so are the folders of a module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# in two pieces, since the sdist that a test unpacks has this file, too
CANARY_NAME, CANARY = "RUNTREE_TEST_CANARY", "-".join(("kanari", "in-the-environment-5120"))


def files_with(folder: Path, content: bytes) -> list[str]:
    """Return the regular files below a folder that hold some bytes."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return [str(file.relative_to(folder)) for file in files if content in file.read_bytes()]


@pytest.fixture(scope="module", autouse=True)
def _no_canary_is_written_by_a_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search what the fixtures of a module have written; each file is read once."""
    base = tmp_path_factory.getbasetemp()
    before = set(base.iterdir())
    os.environ[CANARY_NAME] = CANARY
    yield
    os.environ.pop(CANARY_NAME, None)
    # those of single tests have been searched, or are removed by now
    made = [folder for folder in base.iterdir() if folder not in before and not folder.name.startswith("test_")]
    assert [found for folder in made if not folder.is_symlink() for found in files_with(folder, CANARY.encode())] == []


@pytest.fixture(autouse=True)
def _no_canary_is_written(tmp_path: Path) -> Iterator[None]:
    yield
    assert files_with(tmp_path, CANARY.encode()) == []
