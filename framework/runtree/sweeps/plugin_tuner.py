"""A plugin's tuner: its exceptions are reported with its name, its proposals are checked."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from runtree.contract.errors import RunFailedError, RuntreeError, describe_error, raise_if_ours
from runtree.contract.protocols import SuggestingTuner, Tuner
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal, Suggest, Values
from runtree.contract.types import Direction


def guarded(tuner: Tuner, name: str) -> Tuner:
    """Return a tuner as it is if it is runtree's own, else within a guard."""
    return tuner if type(tuner).__module__.startswith("runtree.") else PluginTuner(tuner, name)


class PluginTuner:
    """Calls a plugin's tuner.

    Raises
    ------
    RunFailedError
        It raised something, or proposed what is no proposal in its space; a RuntreeError passes as it is.
    """

    def __init__(self, tuner: Tuner, name: str) -> None:
        self.tuner, self.name = tuner, name
        self.own_space, self.prunes = bool(tuner.own_space), bool(tuner.prunes)
        self.exhaustive = bool(getattr(tuner, "exhaustive", False))
        self.space: tuple[Dimension, ...] = ()
        if isinstance(tuner, SuggestingTuner):
            self.suggest = partial(self._suggest, tuner)

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Start a search."""
        self.space = tuple(space)
        self._call("begin", lambda: self.tuner.begin(space, directions, seed))

    def ask(self, number: int) -> Proposal | None:
        """Return the next proposal."""
        proposal = self._call("ask", lambda: self.tuner.ask(number))
        if proposal is None:
            if number == 0:
                raise self._fault("proposed nothing at all: `ask(0)` returned None")
            return None
        if not isinstance(proposal, Proposal):
            raise self._fault(f"returned {proposal!r:.80} from `ask`, not a Proposal")
        if proposal.number != number:
            raise self._fault(f"was asked for proposal {number} and returned number {proposal.number!r}")
        if wrong := find_misfit(proposal.values, self.space):
            raise self._fault(f"proposed what is not in the space: {wrong}")
        return proposal

    def _suggest(self, tuner: SuggestingTuner, number: int, choose: Callable[[Suggest], Values]) -> Proposal:
        proposal = self._call("suggest", lambda: tuner.suggest(number, choose))
        if not isinstance(proposal, Proposal) or proposal.number != number:
            raise self._fault(f"returned {proposal!r:.80} from `suggest`, not proposal {number}")
        return proposal

    def tell(self, observation: Observation) -> None:
        """Add an observation."""
        self._call("tell", lambda: self.tuner.tell(observation))

    def report(self, number: int, step: int, value: float) -> bool:
        """Add an intermediate objective; return whether to prune."""
        return bool(self._call("report", lambda: self.tuner.report(number, step, value)))

    def _call(self, method: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except RuntreeError:
            raise
        except BaseException as error:
            raise_if_ours(error)
            raise self._fault(f"failed in `{method}`: {describe_error(error)}") from error

    def _fault(self, what: str) -> RunFailedError:
        return RunFailedError(f"tuner={self.name} {what}")


def find_misfit(values: Values, space: Sequence[Dimension]) -> str:
    """Return what is wrong with the values of a proposal, empty if nothing is."""
    active: dict[str, Any] = {}
    for dimension in space:
        if not dimension.holds(active):
            continue
        if dimension.path not in values:
            return f"there is no value for {dimension.path}"
        active[dimension.path] = value = values[dimension.path]
        if not _belongs(value, dimension.domain):
            return f"{dimension.path}={value!r} does not lie in {dimension.text or dimension.domain}"
    unknown = [path for path in values if path not in active]
    return f"{unknown[0]} takes no part in it" if unknown else ""


def _belongs(value: Any, domain: Choice | Interval) -> bool:
    if isinstance(domain, Choice):
        return json.dumps(value, default=repr) in {json.dumps(known, default=repr) for known in domain.values}
    kind = int if domain.integer else (int, float)
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    return value in domain.values if domain.size is not None else bool(domain.low <= value <= domain.high)
