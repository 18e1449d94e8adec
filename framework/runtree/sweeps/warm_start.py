"""Warm start: what earlier sweeps found is told to the tuners, or tried again first.

Where data, split, objectives and config are the same, an earlier run's score is as good as one of this sweep's: the
tuners learn from it as if they had asked. Else scores do not compare, and only the best configurations are tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.config.catalogue import flatten
from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Interval
from runtree.records.layout import SweepFolder, find_sweep, read_description
from runtree.records.ledger import read_ledger
from runtree.sweeps.options import WarmStartOptions
from runtree.sweeps.results import Objectives, rank_trials
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import SweepState

EarlierResult = tuple[str, dict[str, Any], tuple[float, ...]]  # family, values, objectives


@dataclass
class WarmStart:
    """What is taken over: observations to be told, configurations to be tried first, and a line on each sweep."""

    observations: list[EarlierResult] = field(default_factory=list)
    queue: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    says: list[str] = field(default_factory=list)

    @property
    def event(self) -> dict[str, Any]:
        """Return the line of the ledger: a sweep that goes on does not look at the earlier ones again."""
        queue = [[name, values] for name, values in self.queue]
        return {"event": "warmed", "observations": self.observations, "queue": queue, "says": self.says}


def load_warm_start(
    asked: WarmStartOptions, outputs: Path, families: Sequence[SearchSpace], known: Mapping[str, Any], judge: Objectives
) -> WarmStart:
    """Gather what earlier sweeps offer.

    Parameters
    ----------
    known
        The identity of the sweep that begins.

    Raises
    ------
    ConfigError
        ``kind: identical``, and a sweep that is not.
    """
    found = WarmStart()
    for selector in asked.sweeps:
        folder = find_sweep(outputs, selector)
        before = read_description(folder)["identity"]
        why = difference(before, known)
        if asked.kind == "identical" and why:
            raise ConfigError(
                f"tuner.warm_start: {folder.path.name} is not identical: {why}", "type: tuner.warm_start.kind=transfer"
            )
        identical = not why and asked.kind != "transfer"
        offered, dropped = offers(folder, before, families, judge, same_metric(before, known))
        if identical:
            found.observations += offered[: asked.max_runs]
            what = f"{len(offered[: asked.max_runs])} runs are learnt from"
        else:
            best = [(name, values) for name, values, _ in offered[: asked.requeue_best]]
            found.queue += [pair for pair in best if pair not in found.queue]
            what = f"its best {len(best)} configurations are tried again" + (f", as {why}" if why else "")
        lost = f"; {dropped} lie outside this space" if dropped else ""
        found.says.append(f"warm start from {folder.path.name}: {what}{lost}")
    return found


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say why scores of two sweeps do not compare, or nothing where they do."""
    for key, text in (("data", "the data differ"), ("split", "the split differs"), ("objectives", "objectives differ")):
        if before.get(key) != now.get(key):
            return text
    for name, family in now["families"].items():
        other = before["families"].get(name)
        if other is None:
            continue
        searched = {*family["space"], *other["space"]}
        old, new = flatten(other["config"]), flatten(family["config"])
        differing = [
            key
            for key in {**old, **new}
            if old.get(key) != new.get(key) and key not in searched and ".space" not in key
        ]
        if differing:
            return f"{differing[0]} differs"
    return ""


def same_metric(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether two sweeps judge by the same objectives."""
    return before.get("objectives") == now.get("objectives")


def offers(
    folder: SweepFolder, before: Mapping[str, Any], families: Sequence[SearchSpace], judge: Objectives, comparable: bool
) -> tuple[list[EarlierResult], int]:
    """Return an earlier sweep's completed configurations that lie in this space, its best first; count the others."""
    book = SweepState().apply_all(read_ledger(folder.ledger))
    own = judge if comparable else Objectives(tuple((str(name), str(way)) for name, way in before["objectives"]))
    names = {family.name: family for family in families}
    taken: list[EarlierResult] = []
    dropped = 0
    for trial, score in rank_trials(book, own):
        if score is None or trial.key[0] not in names:
            continue
        base = flatten(before["families"][trial.key[0] or "all"]["config"])
        values = fitted({**base, **trial.values}, names[trial.key[0]].space)
        if values is None:
            dropped += 1
        else:
            taken.append((trial.key[0], values, score))
    return taken, dropped


def fitted(values: Mapping[str, Any], space: Sequence[Dimension]) -> dict[str, Any] | None:
    """Return the values of a configuration that this space asks for, None where one lies outside of it."""
    chosen: dict[str, Any] = {}
    for one in space:
        if one.path in chosen or not one.holds(chosen):
            continue
        if one.path not in values or not contains(one.domain, values[one.path]):
            return None
        chosen[one.path] = values[one.path]
    return chosen


def contains(domain: Choice | Interval, value: Any) -> bool:
    """Tell whether a value belongs to a domain; 1 is not True, and 1.0 no whole number."""
    if isinstance(domain, Choice):
        return any(type(value) is type(known) and value == known for known in domain.values)
    if isinstance(value, bool) or not isinstance(value, int if domain.integer else (int, float)):
        return False
    return domain.low <= value <= domain.high and (domain.step is None or value in domain.values)
