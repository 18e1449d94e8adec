"""What an examination found of a run, in a line or two each: better than what, and which gates it passed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.cli.cells import printable
from runtree.records.layout import RunFolder


def evaluation(folder: Path) -> dict[str, Any]:
    """Return `evaluation.json`; empty where the run was not examined."""
    try:
        found = json.loads(RunFolder(folder).evaluation.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def examined_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for the baselines, and one for each gate that was asked for."""
    if found.get("baselines"):
        yield better_than(found["baselines"])
    if found.get("benchmark"):
        own = found["benchmark"]
        yield gate_line("benchmark", own["passed"], f"{counted(own['conditions'])} kept")
    for one in found.get("fairness") or ():
        if one["passed"] is not None:
            yield gate_line(f"fairness of {one['column']}", one["passed"], "no gap is wider than allowed")


def better_than(baselines: Sequence[Mapping[str, Any]]) -> str:
    """Return ``better than dummy +0.41, linear +0.01 (tied) (test f1)``."""
    gains = [(one["name"], one["gain"]) for one in baselines]
    told = ", ".join(f"{name} {amount(gain)}" for name, gain in gains)
    return f"gain  better than {told} (test {gains[0][1]['metric']})"


def amount(gain: Mapping[str, Any]) -> str:
    """Return ``+0.012``; ``-0.003 (tied)`` where the interval holds 0, ``(worse)`` where it lies below."""
    if gain["value"] is None:
        return "not known"
    low, high = gain["low"], gain["high"]
    if low is not None and high is not None and low <= 0 <= high:
        return f"{gain['value']:+.3g} (tied)"
    return f"{gain['value']:+.3g}" + (" (worse)" if gain["value"] < 0 else "")


def counted(conditions: Sequence[Mapping[str, Any]]) -> str:
    """Return ``2 of 3 conditions``."""
    kept = sum(bool(one["passed"]) for one in conditions)
    return f"{kept} of {len(conditions)} condition{'' if len(conditions) == 1 else 's'}"


def gate_line(name: str, passed: bool, says: str) -> str:
    """Return a line of a gate; why one was missed is told by the error."""
    return printable(f"gate  {name}: passed, {says}" if passed else f"gate  {name}: missed")
