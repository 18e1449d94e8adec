"""The fork server: a process that imports everything once, then forks a worker whenever the driver orders one.

Three generations of processes stand below the driver::

    driver ── supervisor ── fork server ─┬─ worker ── what a job starts
                                         └─ worker ── …

The **supervisor** imports nothing and waits for the end of the driver or of the fork server. Then it kills every
process below it and exits. It is needed because `PR_SET_PDEATHSIG` reaches children but not grandchildren, and because
a process that is killed cannot clean up. The **fork server** calls the factory of the job function, forks the
**workers**, and reaps them together with the processes that their jobs left behind.

The factory may import what it likes, yet must not begin a parallel region of OpenMP: a fork has only the thread that
forked, and libgomp would wait in the worker for the others for ever.
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
import time
import traceback
import warnings
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import IO, Any, NoReturn

from runtree.contract.errors import RuntreeError
from runtree.workers.executor import JobFunction, make_job_function, startup_error
from runtree.workers.messages import FORK, KILL, ORDER, TERM
from runtree.workers.process_tree import children, kill_descendants, kill_tree
from runtree.workers.resource_limits import become_subreaper, die_with_parent
from runtree.workers.worker import serve_jobs

# sys.path first: this module itself may lie where only the driver's sys.path finds it
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from runtree.workers.fork_server import main; main(int(sys.argv[1]))"
)
_MESSAGE_TIMEOUT = struct.pack("@ll", 10, 0)  # a timeval: seconds, microseconds
_SHUTDOWN_SECONDS = 10
_SUPERVISOR_POLL_MS = 1000
_FORK_RETRY_SECONDS = 0.2
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",  # what joblib, thus scikit-learn, takes n_jobs=-1 for
)


class ForkServerClient:
    """The driver's end of a supervisor and its fork server, which end with this object or the driver.

    They are a new program, neither a fork of the driver nor one of multiprocessing's servers: `__main__` is not
    imported again, so scripts from standard input, notebooks and threads of the driver do no harm.

    Parameters
    ----------
    startup
        A file with three pickles: `sys.path`; (factory, sync_reports); the factory's argument. See `write_startup`.
    threads
        How many native threads each worker uses (OpenMP, BLAS); None: as the environment sets it.
    """

    def __init__(self, startup: IO[bytes], threads: int | None) -> None:
        self._orders, server_end = socket.socketpair()
        self.connection = Connection(os.dup(self._orders.fileno()))
        # A predecessor has moved the offset, which copies of a descriptor share; `seek` may trust a cached one
        os.lseek(startup.fileno(), 0, os.SEEK_SET)
        try:
            with server_end:
                self.process = subprocess.Popen(
                    [*_interpreter(), "-c", _PROGRAM, str(server_end.fileno())],
                    stdin=startup,
                    pass_fds=[server_end.fileno()],
                    start_new_session=True,  # no Ctrl-C
                    env=_environment(threads),
                )
        except OSError:
            self._orders.close()
            self.connection.close()
            raise
        # A finalizer runs at the exit of the interpreter, too: nothing is left where the driver forgets to close
        self.end = weakref.finalize(self, _end_process, os.getpid(), self.process, self._orders, self.connection)

    def fork(self, worker: int) -> tuple[Connection, socket.socket]:
        """Order a worker; return the connection to it, and its own end.

        The caller keeps the latter open until the worker's first message. A fork server that dies or cannot fork closes
        its copy and reports its own end; without ours, the connection would report that end a second time.
        """
        ours, worker_end = socket.socketpair()
        # A worker that is stopped (SIGSTOP) half-way through a message must not block the driver
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, _MESSAGE_TIMEOUT)
        self._order(FORK, worker, worker_end)
        return Connection(ours.detach()), worker_end

    def terminate(self, worker: int) -> None:
        """Order SIGTERM for a worker."""
        self._order(TERM, worker)

    def kill(self, worker: int) -> None:
        """Order the end of a worker and all processes below it, at once."""
        self._order(KILL, worker)

    def _order(self, order: bytes, worker: int, *files: socket.socket) -> None:
        with suppress(OSError):  # the fork server is gone: the pool sees that on `connection`
            socket.send_fds(self._orders, [ORDER.pack(order, worker)], [file.fileno() for file in files])


def write_startup(file: IO[bytes], factory: str, argument: Any, sync_reports: bool) -> None:
    """Write what a fork server reads from its standard input.

    A file, not a pipe, which would block the driver after 64 KiB until the other end reads. Separate pickles, since the
    argument may fail to load: the fork server reads it, where an error is reported to the pool.
    """
    for part in (sys.path, (factory, sync_reports), argument):
        pickle.dump(part, file)
    file.flush()


def _interpreter() -> list[str]:
    """Return the command that starts this Python with its flags; -P: no file of the current folder hides a module."""
    flags: list[Any] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    return [sys.executable, *flags, *([] if "-P" in flags else ["-P"])]


def _environment(threads: int | None) -> dict[str, str]:
    """Return the environment of the fork server: native libraries read theirs when they are loaded, not later."""
    counts = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    # PASSIVE: threads that wait for a parallel region sleep, instead of taking the core from another worker
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **counts}


def _end_process(owner: int, process: "subprocess.Popen[bytes]", orders: socket.socket, connection: Connection) -> None:
    """Close the connection, upon which the supervisor kills everything and exits; wait for that."""
    orders.close()
    connection.close()
    if os.getpid() != owner:  # a fork of the driver: the fork server is not its child
        return
    try:
        process.wait(_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- in the new program


def main(orders_fd: int) -> NoReturn:
    """Become the supervisor, and in a fork of it the fork server."""
    factory, sync_reports = pickle.load(sys.stdin.buffer)
    orders = socket.socket(fileno=orders_fd)
    orders.set_inheritable(False)
    os.dup2(2, 1)  # standard output is for the driver's results
    # Anew: the stream of the old descriptor may remember that it can seek, as /dev/null can and a pipe cannot
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    become_subreaper()  # before the fork: an orphan of a worker comes here even if the fork server is killed
    driver, supervisor = os.getppid(), os.getpid()
    fork_server = os.fork()
    if fork_server:
        _supervise(fork_server, orders, driver)
    die_with_parent(supervisor)
    become_subreaper()  # the flag is not inherited
    _ForkServer(orders, sync_reports).run(factory)


def _close_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _child_signal_socket() -> socket.socket:
    """Return a socket that becomes readable when a child has ended: one `poll` waits for that and for orders."""
    readable, written = socket.socketpair()
    readable.setblocking(False)
    written.setblocking(False)
    signal.set_wakeup_fd(written.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler Python writes nothing to the wakeup fd
    return readable


def _supervise(fork_server: int, orders: socket.socket, driver: int) -> NoReturn:
    code = 1
    try:
        _close_stdin()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        child_ended, watched = _child_signal_socket(), select.poll()
        watched.register(child_ended, select.POLLIN)
        watched.register(orders, 0)  # no events: only POLLHUP, when the driver's end is closed
        # A fork of the driver may hold that end open after the driver's death: hence the look at the parent's pid, too
        while not (ended := os.waitpid(fork_server, os.WNOHANG))[0] and os.getppid() == driver:
            if any(file == orders.fileno() for file, _ in watched.poll(_SUPERVISOR_POLL_MS)):
                break
            with suppress(BlockingIOError):
                child_ended.recv(4096)
        code = os.waitstatus_to_exitcode(ended[1]) if ended[0] else 0
    finally:
        kill_descendants()
        os._exit(code if code >= 0 else 128 - code)


class _ForkServer:
    def __init__(self, orders: socket.socket, sync_reports: bool) -> None:
        self._orders, self._connection = orders, Connection(os.dup(orders.fileno()))
        self._sync_reports, self._workers = sync_reports, dict[int, int]()  # pid → number

    def run(self, factory: str) -> NoReturn:
        """Make the job function, then follow the driver's orders until the supervisor ends this process."""
        try:
            function = self._make_function(factory)
            self._child_ended = _child_signal_socket()
            self._spared = set(children(os.getpid()))  # what the factory started is to stay
            self._follow_orders(function)
        except (EOFError, BrokenPipeError):  # the driver is gone
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def _make_function(self, factory: str) -> JobFunction:
        try:
            # Still the buffer that has read ahead of the supervisor's pickle before the fork
            argument = pickle.load(sys.stdin.buffer)
            _close_stdin()
            function = make_job_function(factory, argument)
        except BaseException as error:  # SystemExit of a plugin's module, too
            known = isinstance(error, RuntreeError)
            reason = error if known else startup_error(f"{type(error).__name__}: {error}")
            self._connection.send(("failed", reason, "".join(traceback.format_exception(error))))
            os._exit(1)
        # Python 3.12 warns of forks beside threads. OpenBLAS stops its threads before a fork and restarts them after.
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        gc.collect()
        gc.freeze()  # the collector writes into each object that it visits: a worker would copy every shared page
        return function

    def _follow_orders(self, function: JobFunction) -> NoReturn:
        watched = select.poll()
        watched.register(self._orders, select.POLLIN)
        watched.register(self._child_ended, select.POLLIN)
        while True:
            self._reap()
            for file, _ in watched.poll():
                if file == self._child_ended.fileno():
                    self._child_ended.recv(4096)  # before the reaping: a child that ends later rings again
                else:
                    self._follow_order(function)

    def _follow_order(self, function: JobFunction) -> None:
        message, files, *_ = socket.recv_fds(self._orders, ORDER.size, 1)
        if not message:
            raise EOFError
        order, number = ORDER.unpack(message)
        if order == FORK:
            self._fork(number, files[0], function)
            return
        for pid in [pid for pid, worker in self._workers.items() if worker == number]:  # none where it was reaped
            if order == TERM:
                os.kill(pid, signal.SIGTERM)
            elif order == KILL:
                kill_tree(pid)

    def _fork(self, number: int, file: int, function: JobFunction) -> None:
        os.set_inheritable(file, False)
        fork_server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory or too many processes: the pool orders again, but not for ever
            os.write(2, f"runtree: cannot start a worker: {error}\n".encode())
            os.close(file)
            time.sleep(_FORK_RETRY_SECONDS)
            self._connection.send(("exited", number, os.EX_OSERR, 0))
            return
        if pid == 0:
            self._become_worker(file, function, fork_server)
        os.close(file)
        self._workers[pid] = number

    def _become_worker(self, file: int, function: JobFunction, fork_server: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # The pool learns of the fork server's death when the last copy of this end is closed
            for end in (self._orders, self._connection, self._child_ended):
                end.close()
            serve_jobs(Connection(file), function, fork_server, self._sync_reports)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # never back into the fork server's loop, in a copy of it

    def _reap(self) -> None:
        """Report each worker that has ended to the pool, after killing all processes that it left behind."""
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = ended
                if pid in self._workers:  # else an orphan that was reparented to this process, the subreaper
                    number = self._workers.pop(pid)
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                    kill_descendants({*self._workers, *self._spared})
                    code = os.waitstatus_to_exitcode(status)
                    self._connection.send(("exited", number, code, usage.ru_maxrss * _MAXRSS_BYTES))
