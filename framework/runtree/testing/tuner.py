"""The suite for a tuner: an object with `begin`, `ask`, `tell` and `report`."""

import json
from collections.abc import Iterable, Sequence
from typing import ClassVar

import pytest

from runtree.contract.errors import ConfigError
from runtree.contract.protocols import SuggestingTuner, Tuner
from runtree.contract.search import Choice, Dimension, Interval, Observation, Suggest, TrialState, Values
from runtree.contract.types import Direction
from runtree.testing.proposals import (
    BRANCHES,
    FINITE,
    INFINITE,
    ask,
    assert_belongs,
    drive,
    expected_paths,
    observe,
    report,
    score,
    tell,
    tell_both,
    to_json,
)


class TunerSuite:
    """Checks that a tuner stays within the space, is deterministic, and is not changed by an interruption.

    ::

        class TestMine(TunerSuite):
            def make(self):
                return MyTuner()

    Attributes
    ----------
    finite
        Whether the tuner searches finite spaces only, and refuses others.
    asks
        The number of proposals in each test; it has to be larger than the tuner's number of initial random ones.
    forgets
        The reason why a restored tuner may propose something else; empty if it must not.
    """

    finite: ClassVar[bool] = False
    asks: ClassVar[int] = 24
    forgets: ClassVar[str] = ""

    def make(self) -> Tuner:
        """Return a new tuner."""
        raise NotImplementedError("return a new tuner from make()")

    def begun(
        self, space: Iterable[Dimension] = (), directions: Sequence[Direction] = ("minimize",), seed: int = 7
    ) -> Tuner:
        """Return a new tuner after `begin`."""
        tuner = self.make()
        tuner.begin(tuple(space) or self.space, directions, seed)
        return tuner

    @property
    def space(self) -> tuple[Dimension, ...]:
        """Return a space with every kind of dimension that the tuner searches."""
        return FINITE if self.finite else FINITE + INFINITE

    def test_has_what_a_tuner_has(self) -> None:
        tuner = self.make()
        assert isinstance(tuner, Tuner), "begin, ask, tell, report, own_space and prunes are needed"
        assert type(tuner.own_space) is bool
        assert type(tuner.prunes) is bool

    def test_proposals_carry_their_number(self) -> None:
        assert [proposal.number for proposal in drive(self.begun(), self.asks)] == list(range(self.asks))

    def test_a_space_that_is_a_function_is_searched_if_it_suggests(self) -> None:
        tuner = self.make()
        if not isinstance(tuner, SuggestingTuner):
            return  # it searches declared spaces only
        try:
            tuner.begin((), ("minimize",), 7)
        except ConfigError:
            return  # it has to know the whole space before
        share = Dimension("share", Interval(0.0, 1.0))
        for number in range(3):
            seen: list[float] = []

            def choose(suggest: Suggest, seen: list[float] = seen) -> Values:
                seen.append(suggest(share))
                return {"doubled": 2 * seen[-1]}

            proposal = tuner.suggest(number, choose)
            assert (proposal.number, proposal.values) == (number, {"doubled": 2 * seen[-1]})
            assert 0 <= seen[-1] <= 1
            values, memo = {"share": seen[-1]}, json.loads(json.dumps(proposal.memo))
            tuner.tell(Observation(number, "completed", values, (seen[-1],), memo=memo, dimensions=(share,)))

    def test_values_lie_in_their_domains_and_have_their_types(self) -> None:
        for proposal in drive(self.begun(), self.asks):
            assert_belongs(proposal.values, self.space)

    def test_a_dimension_takes_part_only_where_it_holds(self) -> None:
        proposals = drive(self.begun(), self.asks)
        assert {proposal.values["model"] for proposal in proposals} == {"line", "tree"}, "one branch is never proposed"
        for proposal in proposals:
            # the order counts: conditions are evaluated on the values before them
            assert list(proposal.values) == list(expected_paths(proposal.values, self.space))

    def test_branches_may_declare_the_same_path(self) -> None:
        if self.finite:
            return  # it searches finite spaces only
        for proposal in drive(self.begun(BRANCHES), self.asks):
            assert_belongs(proposal.values, BRANCHES)

    def test_values_are_given_away_whole(self) -> None:
        layers = [[50], [50, 50]]
        tuner = self.begun(
            [Dimension("layers", Choice(tuple(layers))), Dimension("depth", Interval(1, 2, integer=True))]
        )
        for number in range(4):
            # a sweep adds values such as a seed to a proposal; a list shared with the space would grow with each trial
            ask(tuner, number).values["layers"].append("changed")
        assert layers == [[50], [50, 50]], "a change of a proposal changes the space: copy the values"

    def test_same_seed_same_proposals(self) -> None:
        assert to_json(drive(self.begun(), self.asks)) == to_json(drive(self.begun(), self.asks))

    def test_another_seed_other_proposals(self) -> None:
        if self.finite:
            return  # its order may be fixed
        assert to_json(drive(self.begun(seed=7), self.asks)) != to_json(drive(self.begun(seed=8), self.asks))

    def test_begin_forgets(self) -> None:
        tuner = self.begun()
        first = drive(tuner, self.asks)
        # nested cross-validation uses one tuner for all of its searches
        tuner.begin(self.space, ("minimize",), 7)
        assert to_json(drive(tuner, self.asks)) == to_json(first)

    def test_a_restored_one_goes_on_alike(self) -> None:
        self.check_restored(running=())

    def test_a_restored_one_knows_what_is_running(self) -> None:
        self.check_restored(running=(self.asks - 3, self.asks - 1))

    def check_restored(self, running: Sequence[int]) -> None:
        """Compare a tuner with a second one that learns the same history from JSON, as when a sweep is resumed."""
        if self.forgets:
            pytest.skip(self.forgets)
        former, later, kept = self.begun(), self.begun(), {}
        for number in range(self.asks):
            kept[number] = ask(former, number)
            tell_both(former, later, observe(kept[number], "running" if number in running else None))
        # the first proposal after the restart, and then one more: a state that is restored only in part shows in the
        # second
        late = [ask(former, self.asks), ask(later, self.asks)]
        assert to_json(late[:1]) == to_json(late[1:])
        for tuner, proposal in zip((former, later), late, strict=True):
            tell(tuner, proposal)
            for number in running:
                tell(tuner, kept[number])
        assert to_json([ask(former, self.asks + 1)]) == to_json([ask(later, self.asks + 1)])

    def test_a_memo_is_json(self) -> None:
        for proposal in drive(self.begun(), self.asks):
            assert json.loads(json.dumps(proposal.memo)) == proposal.memo

    @pytest.mark.parametrize("state", ["failed", "pruned"])
    def test_goes_on_where_all_runs_end_badly(self, state: TrialState) -> None:
        tuner = self.begun()
        for number in range(self.asks):
            proposal = ask(tuner, number)
            reports = ((0, 1.0), (1, 0.5)) if state == "pruned" and number % 2 else ()
            tuner.tell(Observation(number, state, proposal.values, None, reports=reports, memo=proposal.memo))
        assert_belongs(ask(tuner, self.asks).values, self.space)

    def test_learns_from_constraints_and_both_directions(self) -> None:
        tuner = self.begun(directions=("maximize",))
        for number in range(self.asks):
            proposal = ask(tuner, number)
            tuner.tell(Observation(number, "completed", proposal.values, (float(number),), (number % 2 - 0.5, -1.0)))
        assert_belongs(ask(tuner, self.asks).values, self.space)

    def test_many_may_be_running(self) -> None:
        tuner = self.begun()
        proposals = [ask(tuner, number) for number in range(self.asks)]
        # reversed: runs end in any order, and a tuner must not rely on that of its proposals
        for proposal in reversed(proposals):
            tell(tuner, proposal)
        assert_belongs(ask(tuner, self.asks).values, self.space)

    def test_a_small_space_is_repeated_or_ends(self) -> None:
        space = [Dimension("a", Choice(("x", "y"))), Dimension("b", Interval(1, 3, integer=True))]
        tuner = self.begun(space)
        found: list[Values] = []
        for number in range(12):
            proposal = tuner.ask(number)
            if proposal is None:
                assert len({tuple(values.items()) for values in found}) == 6, "it ended before all values were proposed"
                assert tuner.ask(number + 1) is None
                return
            assert_belongs(proposal.values, space)
            found.append(proposal.values)
            tell(tuner, proposal)

    def test_one_value_is_a_space(self) -> None:
        space = [
            Dimension("a", Choice(([1],))),
            Dimension("b", Interval(3, 3, integer=True)),
            Dimension("c", Choice((0, 1))),
        ]
        for proposal in drive(self.begun(space if self.finite else [*space, INFINITE[0]]), 2):
            assert to_json([proposal])[0].startswith('{"a": [1], "b": 3, ')

    def test_takes_several_objectives_or_refuses_them(self) -> None:
        tuner = self.make()
        try:
            tuner.begin(self.space, ("minimize", "maximize"), 7)
        except ConfigError as error:
            assert_helps(error)
            return
        for number in range(self.asks):
            proposal = ask(tuner, number)
            assert_belongs(proposal.values, self.space)
            objectives = (score(proposal.values), float(number % 3))
            tuner.tell(Observation(number, "completed", proposal.values, objectives, memo=proposal.memo))

    def test_refuses_what_it_cannot_search(self) -> None:
        if not self.finite:
            return  # it searches any space
        with pytest.raises(ConfigError) as raised:
            self.make().begin(FINITE + INFINITE[:1], ("minimize",), 7)
        assert_helps(raised.value)
        assert "slope" in raised.value.message

    def test_prunes_if_it_says_so(self) -> None:
        tuner, pruned = self.begun(), 0
        for number in range(self.asks):
            proposal = ask(tuner, number)
            # each run is worse than all before it at every step, so any pruner has to prune some of them
            results = report(tuner, number, level=float(number))
            assert all(type(result) is bool for result in results)
            pruned += any(results)
            reports = tuple((step, float(number)) for step in range(len(results)))
            state: TrialState = "pruned" if any(results) else "completed"
            tuner.tell(Observation(number, state, proposal.values, (float(number),), reports=reports))
        assert bool(pruned) == tuner.prunes, "each run was worse than those before it"


def assert_helps(error: ConfigError) -> None:
    """Check that an error has a hint, and at most five lines."""
    assert error.hints, "the error has no hint"
    assert len(str(error).splitlines()) <= 5
