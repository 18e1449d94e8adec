"""What a command reports while it trains, as the iterations of a fit, and the checkpoints that it leaves with them."""

import json
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtree.algorithms.command_run import Ended
from runtree.contract.errors import RunFailedError
from runtree.contract.iteration import Report

STATE, FILES = "reports.json", "files"  # of a checkpoint: what was reported so far, and the files of the command
LOOKS, LOOK_SECONDS = 100, 0.1  # at a folder that is being written to
QUIET_SECONDS = 0.05  # without a write, before a folder is copied: times of files are no finer than some milliseconds


class Reports:
    """Makes iterations of what a command reports: values in lines of its output, and lines of JSON.

    An iteration of patterns is complete once each has matched, or one of them matches again. It has the number that the
    command gives it (`step`, in the JSON or as a pattern), or else the next. With each iteration goes a copy of what
    the command has in its folder of checkpoints, from which a resumed run begins.
    """

    def __init__(self, patterns: Mapping[str, str], report: Report, checkpoints: Path | None = None) -> None:
        self.patterns = {metric_name(name): re.compile(pattern) for name, pattern in patterns.items()}
        self.report, self.checkpoints = report, checkpoints
        self.last: dict[str, float] = {}
        self.step = 0
        self._values: dict[str, float] = {}
        if report.start is not None and checkpoints is not None:
            state = json.loads((report.start / STATE).read_text())
            self.step, self.last = int(state["step"]), state["last"]
            shutil.copytree(report.start / FILES, checkpoints, dirs_exist_ok=True)
        self._resumed_at = self.step

    def read_line(self, line: str) -> None:
        """Take a line of the output."""
        for name, pattern in self.patterns.items():
            found = pattern.search(line)
            if found is None:
                continue
            try:
                value = float(found[1])
            except ValueError:
                text = f"'{found[1][:40]}' of the output is no number"
                raise RunFailedError(f"algorithm.metrics.{name}: {text}", "the first group of the pattern is") from None
            if name in self._values:
                self.end_iteration()
            self._values[name] = value
        if self.patterns and len(self._values) == len(self.patterns):
            self.end_iteration()

    def read_json(self, line: str) -> None:
        """Take a line of the file of metrics."""
        try:
            content = json.loads(line)
            step = int(content.pop("step", self.step + 1))
            values = {metric_name(name): float(value) for name, value in content.items()}
        except (ValueError, TypeError, AttributeError):
            message = f"algorithm.metrics_file: {line[:80]!r} is no line of JSON with numbers"
            raise RunFailedError(message, 'such as {"step": 1, "validation_rmse": 0.5}') from None
        self._take(step, values)

    def end_iteration(self) -> None:
        """Report what the patterns have found."""
        if self._values:
            values, self._values = self._values, {}
            self._take(int(values.pop("step", self.step + 1)), values)

    def _take(self, step: int, values: Mapping[str, float]) -> None:
        if self._resumed_at and step <= self._resumed_at:
            return  # the command has begun a little before the checkpoint, and the history has this iteration already
        self.step = step
        self.last.update(values)
        has_checkpoint = self.checkpoints is not None and any(self.checkpoints.iterdir())
        if self.report(step, save=self._save if has_checkpoint else None, **dict[str, Any](values)):
            raise Ended

    def _save(self, folder: Path) -> None:
        copy_settled(self.checkpoints or Path(), folder / FILES)
        (folder / STATE).write_text(json.dumps({"step": self.step, "last": self.last}))


def metric_name(name: str) -> str:
    """Return the name in the history: SageMaker's ``validation:rmse`` is ``validation_rmse``."""
    return str(name).replace(":", "_")


def copy_settled(source: Path, target: Path) -> None:
    """Copy a folder as it is between two writes: what changes meanwhile is copied again, for some seconds."""
    for _ in range(LOOKS):
        before = _sizes_and_times(source)
        is_quiet = time.time() - max((changed for _, changed in before.values()), default=0.0) > QUIET_SECONDS
        if before and is_quiet:
            shutil.rmtree(target, ignore_errors=True)
            with suppress(OSError):  # a temporary file was renamed
                shutil.copytree(source, target, symlinks=True)
                if before == _sizes_and_times(source):
                    return
        time.sleep(LOOK_SECONDS)
    raise RunFailedError(
        "fit.checkpoint: the command's folder of checkpoints changes all the time",
        "let it write a file aside, and rename it: os.replace(draft, file)",
    )


def _sizes_and_times(folder: Path) -> dict[str, tuple[int, float]]:
    try:
        found = {path.relative_to(folder).as_posix(): path.lstat() for path in folder.rglob("*")}
    except OSError:
        return {}
    return {name: (one.st_size, one.st_mtime) for name, one in found.items()}
