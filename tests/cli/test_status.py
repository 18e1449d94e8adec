import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from runtree.cli.resume import _format_progress
from runtree.cli.sweep.ledger_reader import LedgerReader
from runtree.contract.errors import NotFoundError
from runtree.records import locks
from runtree.records.layout import SweepFolder
from runtree.records.ledger import line


def test_an_ended_sweep_says_why_and_how_to_go_on(runtree, copied, real_sweep):
    said = runtree("status")
    assert said.code == 0, said.err
    for text in (
        f"sweep    {real_sweep.name}   ended: stopped: 4 runs were started (max_runs=4), best",
        "command  runtree train -m algorithm=knn data=iris tuner=tpe tuner.stop.max_runs=4 compute.engine=in_process",
        "runs     4/4 runs, ",
        ": 4 completed",
        "stop     max_runs: 4 of 4 started",
        f"next     runtree resume {real_sweep.name} tuner.stop.max_runs=8",
    ):
        assert text in said.out.replace("\n         ", " ")
    assert "left at most" not in said.out


def test_what_is_read_from_the_ledger_is_what_the_driver_knew(copied):
    seen, stop = LedgerReader(copied).read(), json.loads(copied.stop.read_text())
    tally = seen.progress.monitor.counters
    assert tally.counts == stop["counters"]
    assert tally.not_improving == stop["not_improving"]
    assert {"value": tally.best, "run": tally.best_run} == stop["best"]
    assert seen.progress.best[1][0] == stop["best"]["value"]


def test_a_running_sweep_names_its_process_its_runs_and_what_is_left(runtree, write_sweep, told):
    folder = write_sweep(
        told.opened(), told.asked(0), told.asked(1, family="b"), told.ended(0, 0.5, at=3.0), told.asked(2, at=3.0),
        stop={"max_runs": 10, "patience": {"runs": 4}},
    )  # fmt: skip
    with folder.held():
        said = runtree("status")
    assert f"running: process {os.getpid()} on " in said.out
    assert "running  run 1 b " in said.out
    assert "stop     patience: 0 of 4 runs without improvement" in said.out
    assert "left at most: 1 completed" in said.out.replace("\n         ", " ")
    assert "best     0.5000 accuracy, run 0: a x=0" in said.out
    assert "runtree stop 20260102-030405-sweep" in said.out


def test_a_sweep_whose_process_is_gone_can_go_on(runtree, write_sweep, told):
    write_sweep(told.opened(), told.asked(0), told.ended(0, 0.5), told.asked(1))
    said = runtree("status", "20260102").out
    assert "interrupted: its process ended without recording a reason" in said
    assert "1 run unfinished" in said
    assert "next     runtree resume 20260102-030405-sweep\n" in said


@pytest.mark.parametrize(
    ("criterion", "state", "further"),
    [
        ("patience", "ended", " tuner.stop.patience.runs=6"),
        ("max_seconds", "ended", " tuner.stop.max_seconds=40"),
        ("asked", "stopped", ""),
        ("interrupted", "interrupted", ""),
        ("on_failure", "stopped", " tuner.on_failure=continue"),
        ("space_exhausted", "ended", None),
    ],
)
def test_how_to_go_on_depends_on_what_ended_it(runtree, write_sweep, told, criterion, state, further):
    stop = {"max_seconds": 20, "patience": {"runs": 3}}
    write_sweep(told.opened(), told.ended(0, 0.5), told.stopped(criterion), stop=stop)
    said = runtree("status").out
    assert f"20260102-030405-sweep   {state}: stopped after run 3: enough" in said
    assert (f"runtree resume 20260102-030405-sweep{further}\n" in said) == (further is not None)


@pytest.mark.parametrize(
    ("criterion", "commands"),
    [
        ("space_exhausted", ["--retry failed"]),
        ("failures", ["tuner.stop.failures=null", "--retry failed"]),
        ("max_seconds", ["tuner.stop.max_seconds=40 --retry stopped", "tuner.stop.max_seconds=40 --retry failed"]),
    ],
)
def test_what_failed_or_was_cut_off_can_be_run_again(runtree, write_sweep, told, criterion, commands):
    cut = told.ended(1, None, state="stopped", reason="max_seconds")
    write_sweep(told.opened(), told.failed(0, "no"), cut, told.stopped(criterion), stop={"max_seconds": 20})
    said = runtree("status").out
    assert re.findall(r"runtree resume 20260102-030405-sweep (.*)", said) == commands


def test_what_it_started_with_is_told(runtree, write_sweep, told):
    warm = {"event": "warmed", "observations": [], "queue": [], "says": ["warm start from X: 0 runs are passed"]}
    write_sweep(warm, told.opened(), told.ended(0, 0.5))
    assert "start    warm start from X: 0 runs are passed\n" in runtree("status").out


def test_a_run_that_is_tried_again_has_no_end_until_it_ends_again(runtree, write_sweep, told):
    again = [told.opened(at=2.0), {"event": "retried", "run": 1, "attempt": 2, "at": 2.0}]
    events = [told.opened(), told.ended(0, 0.5), told.failed(1, "no"), told.stopped("max_runs"), *again]
    reader = LedgerReader(write_sweep(*events)).read()
    assert (reader.progress.states["failed"], reader.progress.ended, reader.progress.failures) == (0, 1, {})
    assert [run.number for run in reader.sweep_state.waiting()] == [1]
    whole = LedgerReader(write_sweep(*events, told.ended(1, 0.9) | {"attempt": 2}, name="20260103-030405-sweep")).read()
    assert (whole.progress.states["completed"], whole.progress.best[1]) == (2, (0.9,))


def test_the_last_session_is_the_one_that_counts(runtree, write_sweep, told):
    again = told.opened(at=2.0) | {"stop": {"max_runs": 30}}
    write_sweep(told.opened(), told.ended(0, 0.5), told.stopped("max_runs"), again, told.ended(1, 0.7, at=3.0))
    found = json.loads(runtree("status", "--json").out)["sweep"]
    assert (found["state"], found["most"]) == ("interrupted", 30)
    assert found["counts"]["completed"] == 2
    expected = {"runs": [1], "family": "a", "objectives": [0.7], "values": {"algorithm.x": 0.1}}
    assert found["best"] == {**expected, "sd": None, "overrides": None, "command": None}, "no run has a record"


def test_repeats_count_once_with_their_mean(write_sweep, told):
    events = [told.ended(number, value, of=2, repeat=number % 2) for number, value in enumerate((0.9, 0.1, 0.6, 0.6))]
    events = [event | {"trial": number // 2} for number, event in enumerate(events)]
    standing = (
        LedgerReader(write_sweep(told.opened(), *events, stop={"patience": {"runs": 9}}, node={"repeats": 2}))
        .read()
        .progress
    )
    assert standing.best[1] == (0.6,)
    assert dict(standing.criteria(1.0)) == {"patience": "0 of 9 runs without improvement"}


def test_all_sweeps_are_listed_and_one_that_cannot_be_read_is_a_warning(runtree, write_sweep, told):
    write_sweep(told.opened(), told.ended(0, 0.5), told.stopped("max_runs"))
    write_sweep(told.opened(), name="20260103-030405-sweep")
    write_sweep(told.opened(), name="20260104-030405-sweep").description.write_text("- no\n: sweep")
    said = runtree("status", "--all")
    assert said.code == 0
    assert [line.split()[:4] for line in said.out.splitlines()[1:3]] == [
        ["20260103-030405-sweep", "interrupted", "tpe", "0/10"],
        ["20260102-030405-sweep", "ended", "tpe", "1/10"],
    ]
    assert "20260104-030405-sweep" in said.err
    assert len(json.loads(runtree("status", "--all", "--json").out)["sweeps"]) == 2


def test_no_sweep_is_exit_code_5(runtree, copied):
    assert runtree("status", "nix").code == 5
    assert runtree("status", "--outputs", "nowhere").code == 5
    assert runtree("status", "--all", "--outputs", "nowhere").code == 0


def test_a_line_that_is_half_written_waits_for_its_other_half(write_sweep, told):
    from runtree.records.ledger import line

    folder = write_sweep(told.opened(), told.ended(0, 0.5))
    seen = LedgerReader(folder).read()
    whole = line(told.ended(1, 0.7))
    for part, count in ((whole[:40], 1), (whole[40:], 2), (b"\0\0damaged\n", 2), (line(told.ended(2, 0.1)), 3)):
        with folder.ledger.open("ab") as file:
            file.write(part)
        assert seen.read().progress.ended == count


def test_a_ledger_that_was_cut_is_read_anew(write_sweep, told):
    folder = write_sweep(told.opened(), told.ended(0, 0.5), told.ended(1, 0.7))
    seen = LedgerReader(folder).read()
    lines = folder.ledger.read_bytes().splitlines(keepends=True)
    folder.ledger.write_bytes(b"".join(lines[:-1]))
    assert seen.read().progress.ended == 1


def test_watching_ends_with_the_sweep_and_tells_each_change(runtree, write_sweep, told, monkeypatch):
    from runtree.records.ledger import Ledger

    folder = write_sweep(told.opened(), told.asked(0))

    def work():
        with folder.held():
            ledger = Ledger(folder.ledger)
            yield
            for event in (told.ended(0, 0.5), told.ended(1, 0.75)):
                ledger.append(event)
                yield
            ledger.append(told.stopped("asked", "stopped by request after 2 runs"))
            ledger.close()
        yield

    working = work()
    next(working)
    # what happens between two looks
    monkeypatch.setattr("runtree.cli.status.time", SimpleNamespace(sleep=lambda _: next(working)))
    said = runtree("status", "--watch")
    assert [line.partition("best: ")[2] for line in said.err.splitlines()] == [
        "none yet", "0.5000 accuracy, run 0: a x=0", "0.7500 accuracy, run 1: a x=0.1",
    ]  # fmt: skip
    assert "stopped: stopped by request after 2 runs" in said.out


def test_ctrl_c_ends_the_watching_and_not_the_sweep(runtree, write_sweep, told, monkeypatch):
    folder = write_sweep(told.opened(), told.asked(0))

    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("runtree.cli.status.time.sleep", interrupted)
    with folder.held():
        said = runtree("status", "--watch")
        assert not folder.request.exists()
    assert said.code == 0
    assert "stopped watching; the sweep continues" in said.err


def test_neither_status_nor_stop_nor_completion_loads_anything_heavy(copied):
    code = (
        "import sys; from runtree.cli.main import main; main(['status']); main(['stop', 'latest']);"
        "from runtree.cli.completion import complete_sweep; from types import SimpleNamespace as N;"
        "print([item.value for item in complete_sweep(N(params={}), None, '20')]);"
        "print([name for name in ('sklearn', 'pandas', 'numpy', 'hydra', 'omegaconf', 'optuna', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [f"['{copied.path.name}']", "[]"]


def test_attempts_that_died_are_told_with_their_causes(runtree, write_sweep, told):
    died = [
        {"event": "died", "run": run, "attempt": attempt, "cause": f"it held {run}{attempt} MiB", "at": 1.0}
        for run, attempt in ((0, 1), (0, 2), (1, 1), (1, 1))  # the last line was written twice
    ]
    other = {"event": "died", "run": 1, "attempt": 2, "cause": "OSError", "at": 1.0}
    folder = write_sweep(told.opened(), told.asked(0), told.asked(1), *died, other, told.ended(0, 0.5, attempt=3))
    text = "4 attempts at 2 runs died and were tried again: it held 01 MiB (3), OSError (1)"
    assert text in runtree("status").out.replace("\n         ", " ")
    expected = {"attempts": 4, "runs": 2, "causes": {"it held 01 MiB": 3, "OSError": 1}}
    assert json.loads(runtree("status", "--json").out)["sweep"]["deaths"] == expected
    assert text in _format_progress(LedgerReader(folder).read(), 0)  # what `resume` says


def test_the_end_of_the_sweeps_own_process_is_told(runtree, write_sweep, told):
    stopped = {"event": "stopped", "criterion": "interrupted", "at": 2.0}
    # killed; then stopped, which is no death; then at work again
    write_sweep(told.opened(), told.asked(0), told.opened(), told.ended(0, 0.5), stopped, told.opened(), told.asked(1))
    expected = {"attempts": 0, "runs": 0, "causes": {}, "driver": 1}
    assert json.loads(runtree("status", "--json").out)["sweep"]["deaths"] == expected
    assert "the sweep's own process died 1 time, and its runs were begun again" in " ".join(
        runtree("status").out.split()
    )


def test_without_locks_no_sweep_is_said_to_be_running_and_nothing_works_on_it(runtree, write_sweep, told, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    folder = write_sweep(told.opened(), told.asked(0), told.ended(0, 0.5))
    folder.lock.write_text('{"pid": 7, "host": "here"}')
    (folder.path / "attempts" / "0000-1").mkdir(parents=True)
    monkeypatch.setattr(fcntl, "flock", refuse)
    locks._warn_once.cache_clear()
    said = runtree("status")
    assert "interrupted: its process ended without recording a reason" in said.out
    assert runtree("stop").out == "no sweep is running\n"
    assert "is not running" in runtree("stop", "latest").out
    cleaned = runtree("clean", "--yes", "--older", "0s")
    assert "on a file system without locks" in cleaned.out + cleaned.err
    assert (folder.path / "attempts" / "0000-1").exists()
    for words in (("resume", "latest", "compute.slots=1"), ("train", "data=iris", "algorithm=dummy")):
        said = runtree(*words)
        assert said.code == 2, said
        assert "without locks (No locks available)" in said.err, said.err
        assert "Traceback" not in said.err
    assert [path.name for path in (folder.path.parent).iterdir()] == [folder.path.name]


def test_an_event_that_no_version_writes_is_told_with_the_ledger(tmp_path):
    (tmp_path / "sweep.yaml").write_text("overrides: []\n")
    (tmp_path / "ledger.jsonl").write_bytes(line({"event": "asked", "run": None, "trial": None}))
    with pytest.raises(NotFoundError, match=r"ledger\.jsonl: an event has a form that is not known"):
        LedgerReader(SweepFolder(tmp_path)).read()
