import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from runtree.contract.errors import RequestError
from runtree.records import locks
from runtree.records.layout import RunFolder, SweepFolder


def test_a_held_folder_is_refused_to_others_and_free_afterwards(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_held()
    with folder.held():
        assert folder.is_held()
        with pytest.raises(RequestError, match="another process works in this folder"), folder.held():
            pass
    assert not folder.is_held()


def test_the_lock_dies_with_its_holder(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from runtree.records.layout import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).held(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert RunFolder(tmp_path).is_held()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not RunFolder(tmp_path).is_held()


@pytest.mark.parametrize("kind", [RunFolder, SweepFolder])
def test_to_look_whether_somebody_holds_a_folder_does_not_keep_its_owner_out(tmp_path, monkeypatch, kind):
    """Whoever looks has the lock for an instant, here of 30 ms; who has it for longer holds it."""
    looker = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looker, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: (time.sleep(0.03), os.close(looker)))
        with monkeypatch.context() as patch, ExitStack() as stack:
            patch.setattr(locks, "PAUSES", (0.01,) * 6000 + locks.PAUSES)  # that thread may get no time for long
            stack.enter_context(kind(tmp_path).held())
            patch.undo()
            with pytest.raises(RequestError), kind(tmp_path).held():
                pass
