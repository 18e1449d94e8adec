"""After each end-to-end test every file below its folder is searched for a canary."""

from collections.abc import Iterator
from pathlib import Path

import pytest

CANARY_NAME, CANARY = "RUNTREE_TEST_CANARY", "kanari-in-the-environment-5120"


def files_with(folder: Path, content: bytes) -> list[str]:
    """Return the regular files below a folder that hold some bytes."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return [str(file.relative_to(folder)) for file in files if content in file.read_bytes()]


@pytest.fixture(autouse=True)
def _no_canary_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(CANARY_NAME, CANARY)
    yield
    assert files_with(tmp_path, CANARY.encode()) == []
