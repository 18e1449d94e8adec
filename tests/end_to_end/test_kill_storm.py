"""A small storm of kills: driver, supervisor, fork server and workers, also while they start."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_storm.py"


@pytest.mark.slow
def test_no_run_is_lost_or_counted_twice_in_a_storm_of_kills(tmp_path):
    storm = runpy.run_path(str(SCRIPT))["storm"]
    done = storm(tmp_path, 20, 6, 5, 2)
    assert done.kills, done  # those that were due when all runs had ended are left out
    assert done.faults() == [], done
