"""The nursery: imports everything once, then forks a worker whenever the driver asks for one.

Three generations stand below the driver. The **guard** imports nothing and waits for one of two things: that the driver
is gone, or that the nursery is. Then it kills whatever is below it, and ends. The **nursery** prepares the work, forks
the **workers**, and reaps them together with whatever they leave behind.
"""

import gc
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from runtree.contract.errors import RuntreeError
from runtree.workers.executor import JobFunction, make_job_function, startup_error
from runtree.workers.process_tree import children, kill_descendants, kill_tree
from runtree.workers.resource_limits import become_subreaper, die_with_parent
from runtree.workers.worker import serve

ORDER = struct.Struct("=cq")  # what to do ("fork", "term" or "kill": the first letter) and the number of the worker
_MAXRSS = 1 if sys.platform == "darwin" else 1024


def main(control: int) -> NoReturn:
    """Become the guard, and in a fork of it the nursery."""
    setup, argument, sync = pickle.load(sys.stdin.buffer)
    link = socket.socket(fileno=control)
    link.set_inheritable(False)
    _quiet()
    become_subreaper()
    driver, guard = os.getppid(), os.getpid()
    nursery = os.fork()
    if nursery:
        _guard(nursery, link, driver)
    die_with_parent(guard)
    become_subreaper()
    _Nursery(link, sync).run(setup, argument)


def _quiet() -> None:
    """Read nothing, print to standard error alone: standard output is for results."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _bell() -> socket.socket:
    """Return a socket that can be read from as soon as a child has ended."""
    heard, rung = socket.socketpair()
    heard.setblocking(False)
    rung.setblocking(False)
    signal.set_wakeup_fd(rung.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return heard


def _guard(nursery: int, control: socket.socket, driver: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        bell, watched = _bell(), select.poll()
        watched.register(bell, select.POLLIN)
        watched.register(control, 0)  # nothing but that the other end is closed
        # a fork of the driver may hold that end open: hence a look at the parent, too
        while not (ended := os.waitpid(nursery, os.WNOHANG))[0] and os.getppid() == driver:
            if any(file == control.fileno() for file, _ in watched.poll(1000)):
                break
            with suppress(BlockingIOError):
                bell.recv(4096)
        code = os.waitstatus_to_exitcode(ended[1]) if ended[0] else 0
    finally:
        kill_descendants()
        os._exit(code if code >= 0 else 128 - code)


class _Nursery:
    def __init__(self, control: socket.socket, sync: bool) -> None:
        self._control, self._link = control, Connection(os.dup(control.fileno()))
        self._sync, self._workers = sync, dict[int, int]()

    def run(self, setup: str, argument: bytes) -> NoReturn:
        """Prepare, then do as the driver orders until the guard ends it all."""
        try:
            work = self._prepared(setup, argument)
            self._bell = _bell()
            self._spared = set(children(os.getpid()))  # what the set-up started is to stay
            self._link.send(("ready",))
            self._follow(work)
        except (EOFError, BrokenPipeError):
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def _prepared(self, setup: str, argument: bytes) -> JobFunction:
        try:
            work = make_job_function(setup, pickle.loads(argument))
        except BaseException as error:
            self._link.send(("failed", *_portable_error(error)))
            os._exit(1)
        # Native threads that rest (OpenBLAS stops and restarts its own around a fork) do no harm
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        gc.collect()
        gc.freeze()  # a worker that collects garbage would copy every page that is shared
        return work

    def _follow(self, work: JobFunction) -> NoReturn:
        watched = select.poll()
        watched.register(self._control, select.POLLIN)
        watched.register(self._bell, select.POLLIN)
        while True:
            self._reap()
            for file, _ in watched.poll():
                if file == self._bell.fileno():
                    self._bell.recv(4096)
                else:
                    self._obey(work)

    def _obey(self, work: JobFunction) -> None:
        order, files, *_ = socket.recv_fds(self._control, ORDER.size, 1)
        if not order:
            raise EOFError
        what, number = ORDER.unpack(order)
        if what == b"f":
            self._fork(number, files[0], work)
        for pid in [pid for pid, worker in self._workers.items() if worker == number]:
            if what == b"t":
                os.kill(pid, signal.SIGTERM)
            elif what == b"k":
                kill_tree(pid)

    def _fork(self, number: int, file: int, work: JobFunction) -> None:
        os.set_inheritable(file, False)
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory or too many processes just now: the driver will ask again, not for ever
            os.write(2, f"runtree: cannot start a worker: {error}\n".encode())
            os.close(file)
            time.sleep(0.2)
            self._link.send(("exited", number, os.EX_OSERR, 0))
            return
        if pid == 0:
            self._become_worker(file, work, nursery)
        os.close(file)
        self._workers[pid] = number

    def _become_worker(self, file: int, work: JobFunction, nursery: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._link, self._bell):
                end.close()
            serve(Connection(file), work, nursery, self._sync)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _reap(self) -> None:
        """Tell the driver which workers are gone, once nothing that they started is left."""
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = ended
                if pid in self._workers:
                    number = self._workers.pop(pid)
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                    kill_descendants({*self._workers, *self._spared})
                    code = os.waitstatus_to_exitcode(status)
                    self._link.send(("exited", number, code, usage.ru_maxrss * _MAXRSS))


def _portable_error(error: BaseException) -> tuple[RuntreeError, str]:
    """Return an error as the driver is to raise it, and its traceback."""
    told = error if isinstance(error, RuntreeError) else startup_error(f"{type(error).__name__}: {error}")
    return told, "".join(traceback.format_exception(error))


# --- The driver's end of a nursery: starts it, gives it orders, ends it.

_CODE = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from runtree.workers.fork_server import main; main(int(sys.argv[1]))"
)
_STALLED = struct.pack("@ll", 10, 0)  # a timeval: seconds, microseconds
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class ForkServerClient:
    """A guard and a nursery that are starting or have started; they end with this object or the program.

    It is a program of its own, not a fork of this one nor one of multiprocessing's: `__main__` is not imported
    again, and scripts from standard input, notebooks and threads of the driver do not matter.
    """

    def __init__(self, setup: str, argument: bytes, sync: bool, threads: int | None) -> None:
        self.ready = False
        self._orders, theirs = socket.socketpair()
        self.link = Connection(os.dup(self._orders.fileno()))
        # a file, for a pipe would have to be read before this returns if it held much
        with theirs, tempfile.TemporaryFile() as task:
            pickle.dump(sys.path, task)
            pickle.dump((setup, argument, sync), task)
            task.seek(0)
            self.process = subprocess.Popen(
                [*_interpreter(), "-c", _CODE, str(theirs.fileno())],
                stdin=task,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=_environment(threads),
            )
        self.end = weakref.finalize(self, _end_fork_server, os.getpid(), self.process, self._orders, self.link)

    def fork(self, worker: int) -> tuple[Connection, socket.socket]:
        """Order a worker; return the connection to it, and its own end, to be kept open until it has spoken."""
        ours, theirs = socket.socketpair()
        # a message that stops half-way, as its writer was stopped, must not stop the driver
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, _STALLED)
        self._order(b"f", worker, theirs)
        return Connection(ours.detach()), theirs

    def interrupt(self, worker: int) -> None:
        """Order SIGTERM for a worker."""
        self._order(b"t", worker)

    def kill(self, worker: int) -> None:
        """Order the end of a worker and of all below it, at once."""
        self._order(b"k", worker)

    def _order(self, what: bytes, worker: int, *files: socket.socket) -> None:
        with suppress(OSError):  # it is gone, which the driver reads from `link`
            socket.send_fds(self._orders, [ORDER.pack(what, worker)], [file.fileno() for file in files])


def _interpreter() -> list[str]:
    """Return how to start this Python as it was started; -P: no file of the current folder hides a module."""
    flags: list[Any] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    return [sys.executable, *flags, *([] if "-P" in flags else ["-P"])]


def _environment(threads: int | None) -> dict[str, str]:
    """Return the environment of the workers: native libraries read theirs when they are imported."""
    counts = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **counts}


def _end_fork_server(owner: int, process: "subprocess.Popen[bytes]", orders: socket.socket, link: Connection) -> None:
    """Close the link, upon which the guard kills all and ends; wait for that."""
    orders.close()
    link.close()
    if os.getpid() != owner:  # a fork of the driver
        return
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
