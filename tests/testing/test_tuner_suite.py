"""The suite for tuners finds what it is there to find, and lets a sound tuner pass."""

import subprocess
import sys

import pytest

TUNERS = """
import copy
import math
import random
from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Proposal
from runtree.testing.tuner import TunerSuite


class Sound:
    own_space = True
    prunes = False

    def begin(self, space, directions, seed):
        self.space, self.seed, self.told = space, seed, []
        self.asked = 0

    def chance(self, number):
        return random.Random(f"{self.seed} {number} {sorted(self.told)}")

    def ask(self, number):
        self.asked += 1
        chance, values = self.chance(number), {}
        for dimension in self.space:
            if self.holds(dimension, values):
                values[dimension.path] = self.draw(dimension.domain, chance)
        return Proposal(number, values, self.memo())

    def holds(self, dimension, values):
        return dimension.path not in values and dimension.holds(values)

    def draw(self, domain, chance):
        if domain.size is not None:
            return copy.deepcopy(chance.choice(domain.values))
        return chance.uniform(domain.low, domain.high)

    def memo(self):
        return {}

    def tell(self, observation):
        if observation.objectives:
            self.told.append((observation.number, observation.objectives))

    def report(self, number, step, value):
        return False


class Loose(Sound):
    def draw(self, domain, chance):
        value = super().draw(domain, chance)
        return float(value) if type(value) is int else value


class Blind(Sound):
    def holds(self, dimension, values):
        return True


class Restless(Sound):
    def chance(self, number):
        return random.Random()


class Deaf(Sound):
    def chance(self, number):
        return random.Random(number)


class Forgetful(Sound):
    def chance(self, number):
        return random.Random(f"{self.seed} {self.asked}")


class Clinging(Sound):
    lives = 0

    def begin(self, space, directions, seed):
        super().begin(space, directions, f"{seed} {self.lives}")
        self.lives += 1


class Sharing(Sound):
    def draw(self, domain, chance):
        return chance.choice(domain.values) if isinstance(domain, Choice) else super().draw(domain, chance)


class Keeping(Sound):
    def memo(self):
        return {"seen": (1, 2)}


class Silent(Sound):
    prunes = True


class Curt(Sound):
    def begin(self, space, directions, seed):
        if len(directions) > 1:
            raise ConfigError("no")
        super().begin(space, directions, seed)


class Fragile(Sound):
    def tell(self, observation):
        self.told.append((observation.number, observation.objectives[0]))


class Weary(Sound):
    def ask(self, number):
        return super().ask(number) if number < 3 else None


class Bare:
    def ask(self, number):
        return None


for kind in (Sound, Loose, Blind, Restless, Deaf, Forgetful, Clinging, Sharing, Keeping, Silent, Curt, Fragile, Weary, Bare):
    name = f"Test{kind.__name__}"
    globals()[name] = type(name, (TunerSuite,), {"make": lambda self, kind=kind: kind(), "__module__": __name__})
"""

FOUND = [
    "TestLoose::test_values_lie_in_their_domains_and_have_their_types",
    "TestBlind::test_a_dimension_takes_part_only_where_it_holds",
    "TestRestless::test_same_seed_same_proposals",
    "TestDeaf::test_another_seed_other_proposals",
    "TestForgetful::test_a_restored_one_goes_on_alike",
    "TestClinging::test_begin_forgets",
    "TestSharing::test_values_are_given_away_whole",
    "TestKeeping::test_a_memo_is_json",
    "TestSilent::test_prunes_if_it_says_so",
    "TestCurt::test_takes_several_objectives_or_refuses_them",
    "TestFragile::test_goes_on_where_all_runs_end_badly[failed]",
    "TestWeary::test_a_small_space_is_repeated_or_ends",
    "TestBare::test_has_what_a_tuner_has",
]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest says of tuners with a fault each."""
    folder = tmp_path_factory.mktemp("tuners")
    (folder / "test_faulty.py").write_text(TUNERS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=no", "--rootdir=."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("test", FOUND)
def test_a_fault_fails_the_test_that_is_about_it(outcome: str, test: str) -> None:
    assert f"FAILED test_faulty.py::{test}" in outcome, outcome[-4000:]


def test_a_sound_tuner_passes(outcome: str) -> None:
    assert "TestSound" not in outcome, outcome[-4000:]
    assert "ERROR" not in outcome
