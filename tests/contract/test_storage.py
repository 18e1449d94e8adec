import errno
import os
from pathlib import Path

import pytest

from runtree.contract.errors import DataError, RunFailedError
from runtree.contract.storage import DISK_ERRORS, REMEDIES, naming, system_error, system_fault


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")
QUOTING = [
    FULL,
    OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device"),  # pyarrow
    RuntimeError("I/O error: No space left on device (os error 28)"),  # safetensors
    caused(RunFailedError("save_model: OSError"), FULL),
    caused(ValueError("cannot save"), caused(KeyError("x"), FULL)),
]


@pytest.mark.parametrize("error", QUOTING, ids=repr)
def test_a_full_disk_is_found_behind_the_errors_of_libraries(error):
    fault = system_fault(error)
    assert fault is not None
    told = system_error(fault, "outputs/run", "what became of it")
    assert told.message == "outputs/run: No space left on device"
    assert told.hints == (REMEDIES[errno.ENOSPC], "what became of it")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no space"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        DataError("data.path: cannot be read (Input/output error)"),  # it is told already, with its config path
    ],
    ids=repr,
)
def test_other_errors_are_not_taken_for_faults_of_the_disk(error):
    assert system_fault(error) is None


def test_each_fault_of_the_disk_has_a_remedy_of_one_line():
    assert set(DISK_ERRORS) < set(REMEDIES)
    assert all(text and "\n" not in text for text in REMEDIES.values())


def test_the_file_is_named_unless_the_error_names_one():
    with pytest.raises(OSError, match=r"a\.bin"), naming(Path("a.bin")):
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")
    with pytest.raises(OSError, match=r"b\.bin"), naming(Path("a.bin")):
        raise OSError(errno.EIO, "Input/output error", "b.bin")
