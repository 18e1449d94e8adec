"""Kills at random moments during a sweep: every run has to end once, whoever is killed.

A sweep of quick runs is driven to its end while its processes are killed (SIGKILL): the driver, the supervisor, the
fork server and workers, while they work and while they start. After a kill of the driver the sweep is resumed. In the
end the ledger, the folders and the records are compared.

    python benchmarks/kill_storm.py [--runs 1000] [--kills 100] [--seed 0] [--slots 2] [--folder DIR]

Exit code 1 if a run is lost, counted twice or not completed, if the death of a helper has ended a session, or if a
process outlives its driver.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "RUNTREE_KILL_STORM"
RUNTREE = [sys.executable, "-c", "from runtree.cli.main import main; main()"]
SWEEP = ["train", "-m", "data=wine", "algorithm=naive_bayes", "algorithm.var_smoothing=tag(log,interval(1e-12,1e-3))"]
SWEEP += ["tuner=random", "tuner.keep=none", "tuner.plots=false", "tuner.report=false", "tuner.backoff=0"]
SWEEP += ["tuner.retries=1000"]  # a run may be hit more often than a machine's faults would hit it
EARLY_SHARE, EARLY_SECONDS = 0.35, 3.0  # how many kills are followed by one during the restart, and within which time
ORPHAN_SECONDS = 60.0


@dataclass
class Storm:
    """What was done to a sweep, and what became of it.

    Attributes
    ----------
    kills
        By kind of the victim, "starting …" for one that was killed before any worker of its session was there.
    ended_by_helper
        Sessions that ended although their driver was not killed, before all runs had ended.
    """

    folder: Path
    runs: int
    kills: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    ended_by_helper: list[str] = field(default_factory=list)
    orphans: int = 0
    seconds: float = 0.0

    @property
    def sweep(self) -> Path | None:
        """Return the folder of the sweep, None if it was not made yet."""
        return next(self.folder.glob("outputs/*/*-sweep/ledger.jsonl"), Path("-/-")).parent if self.begun else None

    @property
    def begun(self) -> bool:
        return any(self.folder.glob("outputs/*/*-sweep/ledger.jsonl"))

    def events(self, kind: str) -> list[dict[str, object]]:
        """Return the events of a kind in the ledger."""
        from runtree.records.ledger import parse

        lines = (self.sweep / "ledger.jsonl").read_bytes().split(b"\n") if self.sweep else []
        mark = f'"event":"{kind}"'.encode()
        return [event for event in (parse(line) for line in lines if mark in line) if event is not None]

    def faults(self) -> list[str]:
        """Return what is wrong with the finished sweep, and with how it came there."""
        found = [f"a session ended by the death of a helper: {said}" for said in self.ended_by_helper]
        found += [f"{self.orphans} processes outlived their driver"] if self.orphans else []
        ended = Counter(event["run"] for event in self.events("ended"))
        found += [f"run {number} is lost" for number in range(self.runs) if not ended[number]]
        found += [f"run {number} is counted {times} times" for number, times in ended.items() if times > 1]
        values = Counter(json.dumps(event["values"]) for event in self.events("ended"))
        found += [f"{len(values)} configurations in {self.runs} runs"] if len(values) != self.runs else []
        for number in range(self.runs):
            file = (self.sweep or Path()) / "runs" / f"{number:04d}" / "run.json"
            record = json.loads(file.read_text()) if file.exists() else {}
            if (record.get("state"), record.get("number")) != ("completed", number):
                found.append(f"run {number} is {record.get('state', 'without a record')}")
        return found

    def __str__(self) -> str:
        """Return the figures."""
        died, again = self.events("died"), {event["run"] for event in self.events("died")}
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kills.items()))
        lines = [f"{self.kills.total()} kills: {kinds}", f"{self.sessions} sessions, {self.seconds:.0f} s"]
        lines += [f"{len(self.events('ended'))} of {self.runs} runs ended, {len(died)} attempts of {len(again)} died"]
        return "\n".join([*lines, *(self.faults() or ["lost 0, twice 0, ended by a helper 0, orphans 0"])])


def storm(folder: Path, runs: int, kills: int, seed: int, slots: int, *more: str) -> Storm:
    """Drive a sweep of `runs` runs in an empty folder through `kills` kills; `more` are overrides of the sweep."""
    random_, done, began = random.Random(seed), Storm(folder, runs), time.monotonic()
    moments = sorted(random_.uniform(0, runs) for _ in range(kills))  # numbers of runs that have ended by then
    early: list[float] = []  # times of kills during a restart
    while True:
        typed = ["resume", "latest"] if done.begun else [*SWEEP, f"tuner.stop.max_runs={runs}", *more]
        said = folder / f"session-{done.sessions:03d}.txt"
        mark = f"{os.getpid()}-{done.sessions}"
        with said.open("wb") as file:
            driver = subprocess.Popen(
                [*RUNTREE, *typed, f"compute.slots={slots}"],
                cwd=folder,
                env={**os.environ, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        done.sessions += 1
        killed = _shoot_until_it_ends(driver, done, random_, moments, early)
        done.orphans += _count_orphans(mark)
        if not killed:
            if len(done.events("ended")) >= runs:
                break
            done.ended_by_helper.append(said.read_text(errors="replace")[-500:])
            if len(done.ended_by_helper) > kills:
                break
    done.seconds = time.monotonic() - began
    return done


def _shoot_until_it_ends(
    driver: "subprocess.Popen[bytes]", done: Storm, random_: random.Random, moments: list[float], early: list[float]
) -> bool:
    """Kill processes of a session whenever it is time to; return whether the driver was killed."""
    served, size, ended = False, -1, 0
    while driver.poll() is None:
        time.sleep(0.01)
        sweep = done.sweep
        now = (sweep / "ledger.jsonl").stat().st_size if sweep else 0
        if now != size:
            size, ended = now, len(done.events("ended"))
        due = bool(early) and time.monotonic() >= early[0]
        if not (due or (moments and ended >= moments[0])):
            continue
        targets = list(_targets(driver.pid))
        served |= any(kind == "worker" for kind, _ in targets)
        kind = random_.choice(sorted({kind for kind, _ in targets}))
        victim = random_.choice([process for name, process in targets if name == kind])
        (early if due else moments).pop(0)
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
        done.kills[kind if served else f"starting {kind}"] += 1
        served &= kind == "worker"
        if kind != "worker" and moments and random_.random() < EARLY_SHARE:
            moments.pop(random_.randrange(len(moments)))  # the number of kills stays as asked for
            early.append(time.monotonic() + random_.uniform(0, EARLY_SECONDS))
        if kind == "driver":
            driver.wait()
            return True
    return False


def _targets(driver: int) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the processes of a session with their kinds."""
    root = psutil.Process(driver)
    yield "driver", root
    for supervisor in _children(root):
        if not _is_helper(supervisor):
            continue
        yield "supervisor", supervisor
        for fork_server in _children(supervisor):
            yield "fork server", fork_server
            for worker in _children(fork_server):
                yield "worker", worker


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def _is_helper(process: psutil.Process) -> bool:
    try:
        return "fork_server" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _count_orphans(mark: str) -> int:
    """Return how many processes of a session are left some seconds after its end, and end them."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := [one for one in psutil.process_iter() if _bears(one, mark)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for one in left:
        one.kill()
    return len(left)


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
    except psutil.Error:
        return False


def main() -> int:
    """Run a storm, print its figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("runs", 1000), ("kills", 100), ("seed", 0), ("slots", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path, help="an empty folder that stays; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        done = storm(folder, arguments.runs, arguments.kills, arguments.seed, arguments.slots)
        print(done)
        return 1 if done.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
