"""Search spaces with every kind of dimension, results for proposals in them, and checks of values."""

import json
from collections.abc import Iterable
from typing import Any

from runtree.contract.protocols import Tuner
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal, TrialState, Values

# values that are equal in Python or as dict keys, and values that cannot be hashed: YAML distinguishes all of them
ANYTHING = Choice((1, 1.0, True, "1", None, [50, 50], {"gamma": 0.1}))
FINITE = (
    Dimension("model", Choice(("line", "tree")), text="choice(line, tree)"),
    Dimension("model.depth", Interval(1, 3, integer=True), lambda chosen: chosen["model"] == "tree", "range(1, 4)"),
    Dimension("share", Interval(0.1, 0.3, step=0.1), text="range(0.1, 0.4, 0.1)"),
    Dimension("anything", ANYTHING),
)
INFINITE = (
    Dimension("slope", Interval(-1.0, 1.0), text="interval(-1, 1)"),
    Dimension("rate", Interval(1e-5, 1e-1, scale="log"), text="tag(log, interval(1e-5, 1e-1))"),
    Dimension("decay", Interval(0.9, 0.9999, scale="reverse_log"), text="tag(reverse_log, interval(0.9, 0.9999))"),
    Dimension("width", Interval(1, 64, integer=True, scale="log"), text="tag(log, int(interval(1, 64)))"),
    Dimension("rounds", Interval(50, 500, integer=True, step=50), text="range(50, 501, 50)"),
)
# the same path twice: a tuner has to distinguish the two dimensions by their conditions
BRANCHES = (
    Dimension("model", Choice(("line", "tree"))),
    Dimension("alpha", Interval(0.0, 1.0), lambda chosen: chosen["model"] == "line"),
    Dimension("alpha", Interval(2, 9, integer=True), lambda chosen: chosen["model"] == "tree"),
)
STEPS = 30


def drive(tuner: Tuner, count: int) -> list[Proposal]:
    """Ask for proposals one after another and tell a result of each: most complete, some fail, some are pruned."""
    proposals = []
    for number in range(count):
        proposals.append(ask(tuner, number))
        tell(tuner, proposals[-1])
    return proposals


def ask(tuner: Tuner, number: int) -> Proposal:
    """Return the next proposal; fail if there is none."""
    proposal = tuner.ask(number)
    assert proposal is not None, f"no proposal {number}, although the space is larger"
    return proposal


def tell(tuner: Tuner, proposal: Proposal) -> None:
    """Tell the tuner the result of a proposal."""
    tuner.tell(observe(proposal))


def tell_both(former: Tuner, later: Tuner, observation: Observation) -> None:
    """Tell two tuners an observation, the second one after a round trip through JSON, as when a sweep is resumed."""
    former.tell(observation)
    values, memo = json.loads(json.dumps([observation.values, observation.memo]))
    kept = (observation.objectives, observation.constraints, observation.reports)
    later.tell(Observation(observation.number, observation.state, values, *kept, memo))


def observe(proposal: Proposal, state: TrialState | None = None) -> Observation:
    """Return the result of a proposal; it depends on the proposal alone."""
    # by number and not at random: two tuners with the same proposals must get the same results
    number, value = proposal.number, score(proposal.values)
    state = state or ("failed" if number % 7 == 3 else "pruned" if number % 6 == 4 else "completed")
    reports = ((0, value + 1), (1, value)) if state == "pruned" else ()
    objectives = None if state in ("failed", "running") else (value,)
    return Observation(number, state, proposal.values, objectives, reports=reports, memo=proposal.memo)


def report(tuner: Tuner, number: int, level: float) -> list[bool]:
    """Report the same value at each step until the run is pruned, and return what `report` returned."""
    pruned: list[bool] = []
    while len(pruned) < STEPS and not any(pruned):
        pruned.append(tuner.report(number, len(pruned), level))
    return pruned


def score(values: Values) -> float:
    """Return an objective that depends on every value."""
    # booleans count as numbers, and everything else adds its length: no value may be without influence
    numbers = [float(value) for value in values.values() if isinstance(value, int | float)]
    return sum((number - 0.3) ** 2 for number in numbers) + len(str(values.get("anything"))) / 10


def to_json(proposals: Iterable[Proposal]) -> list[str]:
    """Return the values of proposals as JSON, in which 1, 1.0 and true differ."""
    return [json.dumps(proposal.values) for proposal in proposals]


def expected_paths(values: Values, space: Iterable[Dimension]) -> dict[str, Dimension]:
    """Return the active dimensions by path."""
    active: dict[str, Dimension] = {}
    for dimension in space:
        if dimension.holds({path: values[path] for path in active}):
            assert dimension.path in values, f"{dimension.path} is active, but has no value"
            active[dimension.path] = dimension
    return active


def assert_belongs(values: Values, space: Iterable[Dimension]) -> None:
    """Check that there is a value of each active dimension, within its domain."""
    active = expected_paths(values, space)
    assert set(values) == set(active), "values for inactive dimensions"
    for path, dimension in active.items():
        assert belongs(values[path], dimension.domain), f"{path}={values[path]!r} does not lie in {dimension.domain}"


def belongs(value: Any, domain: Choice | Interval) -> bool:
    """Return whether a value is in a domain, and has its type."""
    if domain.size is not None:
        return json.dumps(value) in {json.dumps(known) for known in domain.values}
    assert isinstance(domain, Interval)
    # `type` and not isinstance: True is an instance of int, and a config must get the exact type
    return type(value) is (int if domain.integer else float) and domain.low <= value <= domain.high
