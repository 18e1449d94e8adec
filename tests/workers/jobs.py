"""The job functions of these tests: a payload is the name of a function here, and its arguments."""

# ruff: noqa: T201
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import runtree.workers.worker
from runtree.contract.errors import MissingError


def make_function(argument):
    origin = os.getpid()

    def run(payload, channel):
        name, *rest = payload
        if name == "origin":
            return origin, argument
        return globals()[name](channel, *rest)

    return run


def refusing(argument):
    raise MissingError(f"plugin '{argument}' is not installed", "type pip install it")


def failing(argument):
    raise KeyError(argument)


def crashing(argument):
    os._exit(3)


def hardly_forking(times):
    """Let the next forks of the fork server fail, as if there were too many processes."""
    fork, failures = os.fork, iter(range(times))

    def sometimes():
        if next(failures, None) is not None:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    os.fork = sometimes
    return make_function(None)


def dying(argument):
    """Kill the fork server, or its supervisor, while it starts: as often as a file says."""
    whose, left = argument
    if int(left.read_text()):
        left.write_text(str(int(left.read_text()) - 1))
        os.kill(os.getppid() if whose == "supervisor" else os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return make_function(None)


def unable_to_serve(argument):
    """Let each worker meet an error of the system at its start."""

    def no_log():
        raise OSError(24, "Too many open files")

    runtree.workers.worker.LogCapture = no_log
    return make_function(None)


def slow(argument):
    time.sleep(60)


def boosting(argument):
    from sklearn.datasets import make_classification
    from sklearn.ensemble import HistGradientBoostingClassifier

    features, target = make_classification(2000, random_state=0)

    def run(payload, channel):
        import numpy as np
        from threadpoolctl import threadpool_info

        # a product large enough for BLAS to use its threads, and a fit that uses OpenMP's
        product = float((np.ones((600, 600)) @ np.ones((600, 600)))[0, 0])
        model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(features, target)
        assert product == 600
        return product, model.score(features, target), {pool["num_threads"] for pool in threadpool_info()}

    return run


def echo(channel, value):
    return value


def pid(channel):
    return os.getpid()


def sleep(channel, seconds):
    print("here")
    time.sleep(seconds)
    return "slept"


def saving(channel, seconds):
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return "saved"
    return "slept"


def until_there(channel, file):
    """Work until a file is there, or an interrupt comes."""
    try:
        while not Path(file).exists():
            time.sleep(0.01)
    except KeyboardInterrupt:
        return "saved"
    return "it is there"


def deaf(channel):
    while True:
        try:
            print("here")
            time.sleep(60)
        except KeyboardInterrupt:
            print("ignored")


def escape(channel):
    print("so far so good")
    raise ZeroDivisionError("an escape")


def leave(channel, code):
    os._exit(code)


def ask_to_leave(channel):
    sys.exit(0)


def segfault(channel):
    ctypes.string_at(0)


def kill_me(channel):
    os.kill(os.getpid(), signal.SIGKILL)


def stop_me(channel):
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_while_talking(channel, size):
    """Stop this process while its result is on the way, provided that nobody reads it."""
    main = threading.get_ident()

    def stop():
        while sys._current_frames()[main].f_code.co_name != "_send":
            time.sleep(0.01)
        time.sleep(0.1)  # some of it is sent
        os.kill(os.getpid(), signal.SIGSTOP)

    threading.Thread(target=stop, daemon=True).start()
    print("here")
    return b"x" * size


def loop_in_c(channel):
    sum(range(10**12))


def backtrack(channel):
    re.match(r"(a+)+$", "a" * 60 + "b")


def grow(channel, size):
    held = []
    while sum(map(len, held)) < size:
        held.append(b"x" * 10_000_000)
        time.sleep(0.01)
    return "held"


def grow_and_stay(channel, size):
    grow(channel, size)
    time.sleep(60)  # until somebody has looked how much it holds


def grow_in_child(channel, size):
    code = "import sys, time; held = b'x' * int(sys.argv[1]); time.sleep(60)"
    subprocess.run([sys.executable, "-c", code, str(size)], check=True)


def share_with_forks(channel, size, forks):
    held = b"x" * size
    pids = []
    for _ in range(forks):
        if not (pid := os.fork()):
            sum(held[::4096])
            time.sleep(1)
            os._exit(0)
        pids.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in pids]


def hoard(channel, size):
    try:
        return len(bytearray(size))
    except MemoryError:
        return "MemoryError"


def flood(channel, size):
    line = b"x" * 99 + b"\n"
    os.write(1, b"the first line\n")
    for _ in range(size // (len(line) * 1000)):
        os.write(1, line * 1000)
    # what is written while the log is cut may be lost, or stand before the cut: first to one half, then its end is appended
    while not 5_000_000 < os.fstat(1).st_size <= 10_000_000:
        time.sleep(0.01)
    os.write(1, b"the last line\n")


def talk(channel):
    print("from Python")
    print("to standard error", file=sys.stderr)
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run(["echo", "from a child"], check=True)


def litter(channel):
    """Leave children that ignore SIGTERM, one of them orphaned in a session of its own."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)"
    for session in (False, True):
        subprocess.Popen([sys.executable, "-c", code], start_new_session=session)
    if not os.fork():
        os.setsid()
        subprocess.Popen([sys.executable, "-c", code])
        os._exit(0)
    return os.getpid()


def litter_and_stay(channel):
    litter(channel)
    print("here")
    time.sleep(100)


def breed(channel):
    """Fork and fork again, as fast as it goes, but for a bound that keeps this machine alive."""
    litter(channel)
    for _ in range(7):
        os.fork()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(100)


def fork_and_fall_out(channel):
    if not (pid := os.fork()):
        return "the child"
    os.waitpid(pid, 0)
    return "the parent"


def pool(channel):
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as workers:
        return workers.map(abs, [-1, -2, -3])


def wander(channel, folder):
    os.chdir(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def where(channel):
    return Path.cwd()


def train(channel, steps):
    for step in range(steps):
        if channel.report(step, {"loss": 1 / (step + 1)}):
            return "pruned", step
        time.sleep(0.01)
    return "completed", steps


def train_in_thread(channel, steps):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(channel, steps)))
    thread.start()
    thread.join()
    return results[0]


class Unreadable(Exception):
    """Can be pickled but not unpickled: the constructor takes two arguments, `args` has one."""

    def __init__(self, message, detail):
        super().__init__(message)


def unreadable(channel):
    return Unreadable(1, 2)


def unwritable(channel):
    return lambda: None
