"""`log.txt`: what cannot be written ends nothing."""

import subprocess
import sys

import pytest

# In a process of its own: pytest's own log, sent from worker to worker, takes no half of a surrogate.
CODE = r"""
import logging, sys
from pathlib import Path
from runtree.records.run_log import log_to_file

with log_to_file(Path(sys.argv[1])):
    logging.getLogger("runtree.tested").error("half a surrogate: \udcff")
    logging.getLogger("runtree.tested").error("and more")
"""


@pytest.mark.parametrize("place", ["log.txt", "gone/log.txt", "/dev/full"])
def test_a_log_that_cannot_be_written_ends_nothing_and_says_nothing(tmp_path, place):
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path / place], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if place == "log.txt":
        written = (tmp_path / place).read_text()
        assert "half a surrogate: \\udcff" in written and "and more" in written
