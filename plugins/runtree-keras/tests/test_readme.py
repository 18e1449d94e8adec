"""The commands of the README do what it says."""

import json
import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

from runtree.testing import train
from runtree.testing.fixtures import UNEXAMINED

BESIDE = Path(__file__).parent.parent / "README.md"  # in a checkout; an installed package has it in its metadata
README = BESIDE.read_text(encoding="utf-8") if BESIDE.is_file() else str(metadata("runtree-keras").get_payload())
COMMANDS = re.findall(r"^runtree train (algorithm=.*)$", README, re.MULTILINE)


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.parametrize("command", COMMANDS)
def test_command_trains(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, content in re.findall(r"```python\n# file: (\S+)\n(.*?)```", README, re.DOTALL):
        (tmp_path / name).write_text(content)
    run = train(
        *command.split(), "algorithm.max_epochs=11", "compute=cpu", "compute.threads=1", *UNEXAMINED, folder=tmp_path
    )
    last = json.loads((run.folder / "history.jsonl").read_text().splitlines()[-1])
    assert last["step"] <= 11
    assert {"train_loss", "validation_loss", "learning_rate"} <= set(last)
    assert (run.folder / "checkpoints").is_dir() == ("checkpoint" in command)
    score = run.metrics["test"]["r2" if "diabetes" in command else "balanced_accuracy"]
    assert score > (0.2 if "diabetes" in command else 0.85)
