"""Warm start: the tuners get the results of earlier sweeps, or the best configurations of these are tried first.

If data, split, objectives and config are the same, a score of an earlier sweep is as good as one of this sweep, and the
tuners learn from it. Otherwise scores do not compare, and only the best configurations are tried again.
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
from runtree.sweeps.leaderboard import rank_trials
from runtree.sweeps.options import WarmStartOptions
from runtree.sweeps.results import Objectives
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import SweepState

EarlierResult = tuple[str, dict[str, Any], tuple[float, ...]]  # (space, values, objectives)


@dataclass
class WarmStart:
    """The results for the tuners, the configurations to try first, and a line of text for each earlier sweep."""

    results: list[EarlierResult] = field(default_factory=list)
    queue: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def event(self) -> dict[str, Any]:
        """Return the event for the ledger: a resumed sweep does not read the earlier sweeps again."""
        queue = [[space, values] for space, values in self.queue]
        return {"event": "warmed", "observations": self.results, "queue": queue, "says": self.lines}


def load_warm_start(
    options: WarmStartOptions,
    outputs: Path,
    spaces: Sequence[SearchSpace],
    identity: Mapping[str, Any],
    objectives: Objectives,
) -> WarmStart:
    """Read the earlier sweeps.

    Parameters
    ----------
    identity
        That of the sweep which begins.

    Raises
    ------
    ConfigError
        ``kind: identical``, and a sweep that is not.
    """
    warm = WarmStart()
    for selector in options.sweeps:
        folder = find_sweep(outputs, selector)
        earlier = read_description(folder)["identity"]
        reason = difference(earlier, identity)
        if options.kind == "identical" and reason:
            raise ConfigError(
                f"tuner.warm_start: {folder.path.name} is not identical: {reason}",
                "type: tuner.warm_start.kind=transfer",
            )
        if earlier.get("objectives") == identity.get("objectives"):
            ranking = objectives
        else:
            ranking = Objectives(tuple((str(name), str(way)) for name, way in earlier["objectives"]))
        results, outside = _results_in_space(folder, earlier, spaces, ranking)
        # scores are taken over only if everything that decides them is equal
        if not reason and options.kind != "transfer":
            warm.results += results[: options.max_runs]
            best = f"its best {options.max_runs} of " if len(results) > options.max_runs else ""
            what = f"{best}{len(results)} runs are passed to the tuner"
        else:
            tried = [(name, values) for name, values, _ in results[: options.requeue_best]]
            warm.queue += [pair for pair in tried if pair not in warm.queue]
            what = f"its best {len(tried)} configurations are tried again" + (f", as {reason}" if reason else "")
        left_out = f"; {outside} lie outside this space" if outside else ""
        warm.lines.append(f"warm start from {folder.path.name}: {what}{left_out}")
    return warm


def difference(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return why the scores of two sweeps do not compare, an empty text if they do."""
    for key, text in (
        ("data", "the data differ"),
        ("split", "the split differs"),
        ("seeds", "the seeds differ"),
        ("objectives", "objectives differ"),
        ("scoring", "another version or setting of a metric of a plugin"),
    ):
        if earlier.get(key) != now.get(key):
            return text
    for name, space in now["families"].items():
        other = earlier["families"].get(name)
        if other is None:
            continue
        # a key that one of them searches has no single value to compare; the values of each trial are checked instead
        searched = {*space["space"], *other["space"]}
        old, new = flatten(other["config"]), flatten(space["config"])
        for key in {**old, **new}:
            if old.get(key) != new.get(key) and key not in searched and ".space" not in key:
                return f"{key} differs"
    return ""


def _results_in_space(
    folder: SweepFolder, identity: Mapping[str, Any], spaces: Sequence[SearchSpace], objectives: Objectives
) -> tuple[list[EarlierResult], int]:
    """Return an earlier sweep's trials that lie in these spaces, the best first, and the number of those outside."""
    state = SweepState().apply_all(read_ledger(folder.ledger))
    own = identity.get("data"), identity.get("split")
    by_name, comparable = {space.name: space for space in spaces}, objectives.are_comparable(state)
    results: list[EarlierResult] = []
    outside = 0
    for trial, score in rank_trials(state, objectives):
        name = trial.key[0]
        if score is None or name not in by_name:
            continue
        # of a grid over data: the identity is that of its first table, and scores on another one do not compare
        if not comparable and (objectives.ranking_key(state, trial) or ())[:2] != own:
            continue
        # A key that only this sweep searches had one value in the earlier sweep: that of its config
        config = flatten(identity["families"][name or "all"]["config"])
        values = _values_in_space({**config, **trial.values}, by_name[name].space)
        if values is None:
            outside += 1
        else:
            results.append((name, values, score))
    return results, outside


def _values_in_space(values: Mapping[str, Any], space: Sequence[Dimension]) -> dict[str, Any] | None:
    """Return the values of the space's dimensions, None if one lies outside."""
    chosen: dict[str, Any] = {}
    for dimension in space:
        if dimension.path in chosen or not dimension.holds(chosen):
            continue
        if dimension.path not in values or not contains(dimension.domain, values[dimension.path]):
            return None
        chosen[dimension.path] = values[dimension.path]
    return chosen


def contains(domain: Choice | Interval, value: Any) -> bool:
    """Return whether a domain has a value; 1 is not True, and 1.0 is not an integer."""
    if isinstance(domain, Choice):
        return any(type(value) is type(known) and value == known for known in domain.values)
    if isinstance(value, bool) or not isinstance(value, int if domain.integer else (int, float)):
        return False
    return domain.low <= value <= domain.high and (domain.step is None or value in domain.values)
