"""Hydra's own suites for launchers and sweepers, against runtree's two classes; docs/decisions tells what does not apply."""

import subprocess
import sys

import pytest
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

from runtree.config.hydra_engine import preserve_logging

SWEEPER = "hydra/sweeper=runtree"
# Hydra warns of its own version_base in its own suites, and leaves what they open to the garbage collector.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("ResourceWarning", "UserWarning")]


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own():
    """Hydra's suites start without the version_base that runtree asks for, and leave no log handler to later tests."""
    from hydra.version import _UNSPECIFIED_, VersionBase

    known = VersionBase.instance()
    before, known.version_base = known.version_base, _UNSPECIFIED_
    with preserve_logging():
        yield
    VersionBase.instance().version_base = before


@pytest.mark.parametrize(("launcher_name", "overrides"), [("runtree", [])])
class TestLauncher(LauncherTestSuite):
    """runtree's launcher under Hydra's sweeper."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("runtree", [SWEEPER])])
class TestLauncherAndSweeper(LauncherTestSuite):
    """Both of runtree's, for a task that is not runtree's."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", [SWEEPER])])
class TestSweeper(LauncherTestSuite):
    """runtree's sweeper over Hydra's launcher."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("runtree", [SWEEPER, "hydra.sweeper.max_batch_size=2"])])
class TestBatches(BatchedSweeperTestSuite):
    """Batches are what they are in Hydra."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/launcher": "runtree"}, {"override hydra/sweeper": "runtree"}]}, ["-m"])],
)
class TestWholePrograms(IntegrationTestSuite):
    """Other Hydra programs on the machine may use them, each in a process of its own."""


def test_other_hydra_programs_load_nothing_of_runtree():
    code = (
        "import sys\nfrom hydra.core.plugins import Plugins\nPlugins.instance()\n"
        "assert 'hydra_plugins.runtree_hydra' in sys.modules\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('runtree', 'optuna', 'sklearn', 'pandas')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
