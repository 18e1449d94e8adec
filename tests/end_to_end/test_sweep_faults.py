"""Faults F5 to F7 and F9 to F14, each caused for real on a real sweep."""

import contextlib
import csv
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from real_sweeps import (
    IN_PROCESS,
    Session,
    asked_order,
    assert_every_run_is_there_once,
    assert_it_is_said_in_a_few_lines,
    assert_the_best_is_kept,
    drive,
    ended,
    events,
    fits,
    history,
    lay_out,
    mounted,
    record_of,
    session,
    sweep_of,
    wait_for,
    words,
)

from runtree.cli.main import main

RESUME = ("resume", "latest", "--trust", "told.Told")  # what a record names is not trusted by itself
MB = 1_000_000


# --- F5, F6: the disk, the file system, the process's own limits


@pytest.fixture
def small_disk(folder) -> Iterator[Path]:
    with mounted(folder / "outputs", "8m") as place:
        yield place


def whole(folder: Path) -> dict[Path, bytes]:
    """Return what lies below a folder, but for the locks."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def leave_free(disk: Path, bytes_free: int) -> None:
    """Fill a disk up to so many bytes."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    now = os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(b"x" * (now.f_bavail * now.f_frsize - bytes_free))


def test_a_full_disk_ends_a_sweep_and_loses_no_run_and_once_there_is_room_it_goes_on(small_disk, folder):
    lay_out(folder)
    known: list[tuple[int, object]] = []
    for free in (700_000, 90_000, 0):
        leave_free(small_disk, free)
        one = drive(folder, *(RESUME if known else words("random", 60, "compute.slots=2")))
        assert one.process.returncode in (1, 2), one.said
        assert "disk is full" in one.said or "No space left" in one.said, one.said
        assert "Traceback" not in one.said, one.said
        now = [(event["run"], event["objectives"]) for event in ended(folder)]
        assert now[: len(known)] == known
        known = now
    assert 5 < len(known) < 60
    (small_disk / "ballast").unlink()
    one = drive(folder, *RESUME)
    assert one.process.returncode == 0, one.said
    assert [(event["run"], event["objectives"]) for event in ended(folder)][: len(known)] == known
    assert_every_run_is_there_once(folder, 60)
    assert_the_best_is_kept(folder)


def test_a_disk_that_is_full_when_the_best_is_kept_ends_the_sweep_later(small_disk, folder):
    lay_out(folder, params={"do": "fill_when_saved"})
    (folder / "fill").write_text(str(small_disk / "ballast"))
    one = drive(folder, *words("random", 4))
    assert (one.process.returncode, "disk is full" in one.said) == (1, True), one.said
    assert (len(ended(folder)), events(folder, "kept")) == (4, [])
    (small_disk / "ballast").unlink()
    one = drive(folder, *RESUME)
    assert one.process.returncode == 0, one.said
    assert_every_run_is_there_once(folder, 4)
    assert_the_best_is_kept(folder)


def test_a_place_that_takes_no_files_is_told_before_the_first_run_and_when_going_on(small_disk, folder, runtree):
    lay_out(folder)
    assert runtree(*words("random", 2, IN_PROCESS)).code == 0
    before = whole(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for typed in (words("random", 2, IN_PROCESS), [*RESUME, "tuner.stop.max_runs=3"]):
        said = runtree(*typed)
        assert said.code == 2, said.err
        assert "outputs" in said.err and "ead-only" in said.err
        assert_it_is_said_in_a_few_lines(said.err)
    assert whole(small_disk) == before


@pytest.mark.parametrize("place", ["x" * 256, "/".join(["y" * 250] * 17)])
def test_a_path_that_is_too_long_is_told_before_the_first_run(folder, runtree, place):
    lay_out(folder)
    said = runtree(*words("random", 2, IN_PROCESS, f"outputs={place}"))
    assert (said.code, "outputs: cannot write" in said.err, "too long" in said.err) == (2, True, True), said.err
    assert_it_is_said_in_a_few_lines(said.err.replace(place, "…"))
    assert fits(folder).total() == 0


def test_with_64_file_descriptors_a_sweep_works_and_with_too_few_for_its_slots_that_is_told(folder):
    lay_out(folder)

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    one = drive(folder, *words("random", 4, "compute.slots=2"), preexec_fn=few)
    assert one.process.returncode == 0, one.said
    assert_every_run_is_there_once(folder, 4)
    many = drive(folder, *words("random", 4, "compute.slots=60"), preexec_fn=few)
    assert many.process.returncode not in (0, -signal.SIGKILL), many.said
    assert "open files" in many.said, many.said
    assert_it_is_said_in_a_few_lines(many.said)


# --- F7: what a disk does to files


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": flipped,
    "emptied": lambda content: b"",
    "halved": lambda content: content[: len(content) // 2],
    "zero_tail": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
}


ALWAYS = ("flipped", "halved")
HOW = [pytest.param(how, marks=() if how in ALWAYS else pytest.mark.exhaustive) for how in DAMAGES]


def damage(file: Path, how: str) -> None:
    file.write_bytes(DAMAGES[how](file.read_bytes()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request) -> Path:
    """Return a folder with a sweep of six runs, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(words("random", 6, IN_PROCESS)) == 0
    return folder


@pytest.fixture
def half(finished, folder, monkeypatch) -> Path:
    """Return a copy of that sweep, to be damaged and gone on with."""
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    return folder


GO_ON = (*RESUME, "tuner.stop.max_runs=8", IN_PROCESS)


def spoil_line(folder: Path, kind: str, number: int, how: str) -> None:
    """Damage one line of the ledger."""
    ledger = sweep_of(folder).ledger
    lines = ledger.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if f'"event":"{kind}","run":{number},'.encode() in line)
    lines[at] = DAMAGES[how](lines[at][:-1]) + b"\n"
    ledger.write_bytes(b"".join(lines))


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_line_of_the_ledger_costs_its_run_alone_which_is_done_again(half, runtree, caplog, how):
    before = {event["run"]: event["objectives"] for event in ended(half)}
    fits_before = fits(half)
    spoil_line(half, "ended", 2, how)
    spoil_line(half, "asked", 4, how)  # its end tells all that its beginning did
    said = runtree(*GO_ON)
    assert said.code == 0, said.err
    assert (how == "emptied") == (caplog.text.count("is damaged") == 0), caplog.text
    assert_every_run_is_there_once(half, 8)
    after = {event["run"]: event["objectives"] for event in ended(half)}
    assert {number: after[number] for number in before} == before
    done_again = {key.split()[0] for key, count in (fits(half) - fits_before).items() if key in fits_before}
    assert done_again <= {repr(record_of(half, 2)["config"]["algorithm.params.x"])}


@pytest.mark.parametrize("how", ["halved", "zero_tail"])
def test_a_torn_end_of_the_ledger_is_passed_over(half, runtree, caplog, how):
    ledger = sweep_of(half).ledger
    whole = ledger.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    ledger.write_bytes(whole[: -len(last)] + DAMAGES[how](last[:-1]))
    said = runtree(*GO_ON)
    assert said.code == 0, said.err
    assert "torn" in caplog.text
    assert_every_run_is_there_once(half, 8)


@pytest.mark.parametrize("how", HOW)
def test_damaged_files_of_runs_are_restored_and_the_other_runs_are_left_alone(half, runtree, caplog, how):
    """A flipped byte of a record is one of its score; those of a run's config nobody would notice."""
    sweep = sweep_of(half)
    before = {number: sweep.run(number).record.read_bytes() for number in (0, 4, 5)}
    if how == "flipped":
        record = sweep.run(1).record.read_bytes()
        at = record.index(b'"metrics"') + record[record.index(b'"metrics"') :].index(b": 1.") + 4
        sweep.run(1).record.write_bytes(record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :])
    else:
        damage(sweep.run(1).record, how)
        damage(sweep.run(3).config, how)
    damage(sweep.run(2).metrics, how)
    said = runtree(*GO_ON)
    assert said.code == 0, said.err
    assert_every_run_is_there_once(half, 8)
    best = events(half, "kept")[0]["run"]
    assert {number: sweep.run(number).record.read_bytes() for number in before if number != best} == {
        number: content for number, content in before.items() if number != best
    }
    assert caplog.text.count("was written again") == (2 if how == "flipped" else 3), caplog.text
    assert [yaml.safe_load(sweep.run(n).config.read_text())["algorithm"]["name"] for n in range(8)] == ["told"] * 8
    listed = json.loads(runtree("runs", "--json").out)["runs"]
    assert [run["state"] for run in listed] == ["completed"] * 8


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_description_of_the_sweep_is_told_and_nothing_is_touched(half, runtree, how):
    sweep = sweep_of(half)
    damage(sweep.description, how)
    before = whole(sweep.path)
    said = runtree(*GO_ON)
    assert said.code != 0, said.out
    assert "sweep.yaml" in said.err or "not the sweep that was begun" in said.err, said.err
    assert_it_is_said_in_a_few_lines(said.err)
    assert whole(sweep.path) == before


# --- F9: two at once


def test_a_second_driver_is_refused_naming_the_first_and_a_killed_one_holds_nothing(folder):
    lay_out(folder, {"params.x": [0.1, 0.2, 0.3, 0.4]}, {"do": "slow_while_told"})
    (folder / "slow").write_text("1")
    with session(folder, *words("grid", None, "tuner.keep=best")) as first:
        wait_for(first, lambda: ended(folder), "a run")
        second = drive(folder, *RESUME)  # it does not wait for the first, which would be for ever
        assert second.process.returncode == 2, second.said
        assert f"process {first.process.pid} " in second.said
        assert_it_is_said_in_a_few_lines(second.said)
        assert not first.is_over
        first.kill()
    assert sweep_of(folder).holder() is None
    (folder / "slow").unlink()
    third = drive(folder, *RESUME)
    assert third.process.returncode == 0, third.said
    assert_every_run_is_there_once(folder, 4)


SAME_SECOND = (
    "import runtree.records.folder_claims as f; f.folder_time = lambda: '20260101-000000'\n"
    "from runtree.cli.main import main; main()"
)


def test_two_sweeps_of_one_second_have_a_folder_each(folder):
    lay_out(folder)
    typed, program = words("random", 3), [sys.executable, "-c", SAME_SECOND]
    with session(folder, *typed, program=program) as one, session(folder, *typed, program=program) as other:
        assert (one.end(), other.end()) == (0, 0), one.said + other.said
    found = sorted((folder / "outputs" / "default").iterdir())
    assert [path.name for path in found] == ["20260101-000000-2-sweep", "20260101-000000-sweep"]
    assert [len(list(path.glob("runs/*/run.json"))) for path in found] == [3, 3]


# --- F10: clocks

JUMPING = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump(void) {
    static const long by[] = {0, 86400, -86400, 43200, -1000000};
    static unsigned looks;
    return by[__sync_fetch_and_add(&looks, 1) % 5];
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += jump();
    return failed;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def jumping_clock(tmp_path) -> dict[str, str]:
    """Return the environment of a process whose wall clock jumps by days at each look; the monotonic one does not."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("there is no C compiler to make a clock with")
    (tmp_path / "clock.c").write_text(JUMPING)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "clock.so", "clock.c"], cwd=tmp_path, check=True)
    return {"LD_PRELOAD": str(tmp_path / "clock.so")}


def test_a_clock_that_jumps_by_days_changes_neither_plan_nor_order_nor_limits(folder, runtree, jumping_clock):
    lay_out(folder, params={"seconds": 0.05})
    typed = words("tpe", 14, "tuner.deterministic=true", "tuner.stop.max_seconds=1000", "tuner.stop.patience.runs=14")
    with session(folder, *typed, "compute.max_seconds=100", env=jumping_clock) as one:
        wait_for(one, lambda: len(ended(folder)) >= 5, "five runs")
        one.kill()
    again = drive(folder, *RESUME, env=jumping_clock)
    assert again.process.returncode == 0, again.said
    assert_every_run_is_there_once(folder, 14)
    times = [event["time"] for event in events(folder, "opened")] + [record_of(folder, n)["started"] for n in range(14)]
    assert times != sorted(times), "no clock has jumped"
    assert 0 < json.loads(sweep_of(folder).stop.read_text())["seconds"] < 600
    found, asked = history(folder), asked_order(folder)
    shutil.rmtree(folder / "outputs")
    assert runtree(*typed, IN_PROCESS).code == 0
    assert (history(folder), asked_order(folder)) == (found, asked)


# --- F11: signals


def test_ctrl_c_lets_what_runs_finish_and_the_sweep_goes_on_later(folder):
    lay_out(folder, params={"do": "slow_while_told"})
    (folder / "slow").write_text("2")
    with session(folder, *words("random", 10, "compute.slots=2")) as one:
        wait_for(one, lambda: len(ended(folder)) >= 2 and fits(folder).total() >= 4, "two slow runs")
        one.signal(signal.SIGINT)
        wait_for(one, lambda: "press Ctrl-C again" in one.said, "the word that it was heard")
        (folder / "slow").unlink()
        assert one.end() == 130, one.said
    assert "Traceback" not in one.said
    begun = fits(folder).total()
    assert {event["state"] for event in ended(folder)} == {"completed"}
    assert len(ended(folder)) == begun == len(events(folder, "asked")) == 4
    assert json.loads(sweep_of(folder).stop.read_text())["criterion"] == "interrupted"
    assert drive(folder, *RESUME).process.returncode == 0
    assert_every_run_is_there_once(folder, 10)
    assert fits(folder).total() <= 11  # the best, once more
    assert_the_best_is_kept(folder)


def twice(one: Session) -> None:
    one.signal(signal.SIGINT)
    wait_for(one, lambda: "press Ctrl-C again" in one.said, "the word that the first was heard")
    one.signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_twice_term_and_a_terminal_that_closes_end_it_at_once_and_it_goes_on(folder):
    """All runs but the first two would take for ever: whatever ends a session does not wait for them."""
    lay_out(folder, {"params.x": [n / 10 for n in range(8)]}, {"do": "slow_while_told"})
    (folder / "slow").write_text("2")
    typed: tuple[str, ...] = tuple(words("grid", None, "tuner.keep=best", "compute.slots=2", "tuner.grace=2"))
    quick: list[int] = []
    for name, end in {
        "twice": twice,
        "SIGTERM": lambda one: one.signal(signal.SIGTERM),
        "SIGHUP": lambda one: one.signal(signal.SIGHUP),
    }.items():
        before = fits(folder).total()
        with session(folder, *typed) as one:
            wait_for(one, lambda: len(ended(folder)) >= 2 and fits(folder).total() >= before + 2, "two slow runs")  # noqa: B023
            end(one)
            assert one.end() == 130, (name, one.said)
        assert "Traceback" not in one.said, (name, one.said)
        quick = quick or [event["run"] for event in ended(folder)]
        assert len(quick) == 2 and [event["run"] for event in ended(folder)] == quick, name
        assert json.loads(sweep_of(folder).stop.read_text())["criterion"] == "interrupted"
        typed = RESUME

    master, terminal = pty.openpty()
    os.set_blocking(master, False)
    before = fits(folder).total()
    own = {"stdin": terminal, "stdout": terminal, "stderr": terminal, "start_new_session": True}
    with session(folder, *RESUME, before=[sys.executable, "-c", ON_TERMINAL], **own) as one:
        os.close(terminal)
        wait_for(one, lambda: (shown_on(master), fits(folder).total() >= before + 2)[1], "two slow runs")
        os.close(master)
        one.end()  # with whatever code: nobody is there to hear it
    assert [event["run"] for event in ended(folder)] == quick
    assert events(folder)[-1]["event"] == "stopped"
    assert json.loads(sweep_of(folder).stop.read_text())["criterion"] == "interrupted"

    (folder / "slow").unlink()
    assert drive(folder, *RESUME).process.returncode == 0
    assert_every_run_is_there_once(folder, 8)
    assert_the_best_is_kept(folder)


def shown_on(terminal: int) -> bytes:
    """Read what a terminal shows, as somebody would who sits there: one that nobody reads makes its writers wait."""
    with contextlib.suppress(BlockingIOError):
        return os.read(terminal, 1 << 20)
    return b""


ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


# --- F12 to F14: runs that misbehave


def states(folder: Path) -> dict[str, tuple[str, str | None, str]]:
    """Return state, reason and kind of error of each run by what it was told to do, tree and ledger being of one mind."""
    found = {}
    for event in ended(folder):
        record = record_of(folder, event["run"])
        assert (record["state"], record["reason"]) == (event["state"], event["reason"]), record
        assert record["error"] == event["error"] or record["error"]["type"] == event["error"]["type"]
        told = record["config"]["algorithm.params.do"]
        found[told] = (event["state"], event["reason"], (event["error"] or {}).get("type", ""))
    return found


def leaderboard(folder: Path) -> list[dict[str, str]]:
    with sweep_of(folder).leaderboard.open() as file:
        return list(csv.DictReader(file))


HANGING = ["well", "stop_me", "loop_in_c", "deaf", "litter"]


def test_runs_that_hang_are_stopped_with_all_below_them_and_the_sweep_goes_on(folder):
    """The limit leaves room for the first run of a worker, which imports more, on a loaded machine."""
    lay_out(folder, {"params.do": HANGING}, {"x": 0.5})
    with session(folder, *words("grid", None, "compute.max_seconds=10", "tuner.grace=0.5", "compute.slots=2")) as one:
        assert one.end() == 1, one.said
    late = ("stopped", "max_seconds", "TimeLimit")
    assert states(folder) == {
        "well": ("completed", None, ""),
        "stop_me": late,
        "loop_in_c": late,
        "deaf": late,
        "litter": ("completed", None, ""),
    }
    assert set(fits(folder).values()) <= {
        1,
        2,
    }  # none was tried again; of the two equal best one may be fitted once more
    stop = json.loads(sweep_of(folder).stop.read_text())
    assert (stop["criterion"], stop["best"]["value"]) == ("space_exhausted", 1.5)
    rows = leaderboard(folder)
    assert [row["state"] for row in rows] == ["completed", "completed", "stopped", "stopped", "stopped"]
    assert [row["validation.median_ae"] for row in rows] == ["1.5", "1.5", "", "", ""]


FAILING = {
    "well": ("completed", None, ""),
    "flood": ("completed", None, ""),
    "long_name": ("completed", None, ""),
    "nan": ("failed", "diverged", "DivergedError"),
    "infinity": ("failed", "diverged", "DivergedError"),
    "infinite": ("completed", None, ""),
    "complain": ("failed", "error", "ValueError"),
    "leave": ("failed", "error", "Crashed"),
    "exit": ("failed", "error", "SystemExit"),
    "grow": ("failed", "error", "MemoryLimit"),  # or the kernel was quicker: MemoryError
    "hoard": ("failed", "error", "MemoryError"),
}


def test_runs_that_fail_in_any_way_have_a_defined_state_and_are_never_counted_as_completed(folder):
    lay_out(folder, {"params.do": list(FAILING)}, {"x": 0.5})
    typed = words("grid", None, "compute.memory=1GiB", "tuner.retries=1", "compute.slots=2", path="told:Reporting")
    one = drive(folder, *typed)
    assert one.process.returncode == 1, one.said
    assert "Traceback" not in one.said, one.said
    found = states(folder)
    assert found.pop("grow")[::2] in (("failed", "MemoryLimit"), ("failed", "MemoryError"))
    assert found == {told: how for told, how in FAILING.items() if told != "grow"}
    errors = {
        record_of(folder, event["run"])["config"]["algorithm.params.do"]: event["error"] for event in ended(folder)
    }
    assert errors["grow"]["type"] == "MemoryError" or "compute.memory" in errors["grow"]["message"]
    assert "exited with code 0" in errors["leave"]["message"]
    again = {key.split()[1] for key, count in fits(folder).items() if count > 1}
    assert again <= {"leave", "well", "flood", "long_name"}  # the dead one is tried again; the best may be fitted again
    assert fits(folder)["0.5 leave"] == 2

    rows = leaderboard(folder)
    completed = [row for row in rows if row["state"] == "completed"]
    assert len(completed) == 4 and rows[:4] == completed
    assert [row["validation.median_ae"] for row in completed[:3]] == ["1.5"] * 3
    assert {row["validation.median_ae"] for row in rows[4:]} == {""}
    stop = json.loads(sweep_of(folder).stop.read_text())
    assert (stop["counters"]["completed"], stop["counters"]["failed"]) == (4, 7)
    assert stop["best"]["value"] == 1.5

    flood = next(n for n in range(len(FAILING)) if record_of(folder, n)["config"]["algorithm.params.do"] == "flood")
    log = sweep_of(folder).run(flood).log
    content = log.read_bytes()
    assert len(content) <= 10 * MB
    assert b"the first line" in content and b"the last line" in content and b"cut here" in content


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_an_objective_that_is_no_finite_number_makes_a_run_a_failed_one(folder, runtree):
    """The squared error of 1e200 overflows."""
    lay_out(folder, {"params.do": ["infinite", "well"]})
    typed = [text for text in words("grid", None, IN_PROCESS) if not text.startswith("objective.")]
    said = runtree(*typed, "objective.metric=rmse", "evaluator.metrics=[rmse]")
    assert said.code == 1, said.err
    assert states(folder) == {"infinite": ("failed", "diverged", "DivergedError"), "well": ("completed", None, "")}
    stop = json.loads(sweep_of(folder).stop.read_text())
    assert (stop["best"]["run"], stop["counters"]["completed"], stop["counters"]["failed"]) == (1, 1, 1)
    assert [row["state"] for row in leaderboard(folder)] == ["completed", "failed"]


@pytest.mark.parametrize(
    ("do", "how", "why"),
    [
        ("nan", ("failed", "diverged", "DivergedError"), "the predictions of 12 of 12 rows are not finite"),
        ("infinity", ("failed", "diverged", "DivergedError"), "the predictions of 12 of 12 rows are not finite"),
        ("exit", ("failed", "error", "SystemExit"), "called sys.exit(3)"),
    ],
)
def test_one_rule_holds_for_a_run_alone_and_in_a_sweep(folder, runtree, do, how, why):
    lay_out(folder, {}, {"do": do})
    typed = [text for text in words("grid") if text != "-m" and not text.startswith("tuner")]
    said = runtree(*typed)
    assert (said.code, why in said.err) == (1, True), said.err
    [record] = [json.loads(file.read_bytes()) for file in folder.glob("outputs/*/*/run.json")]
    assert (record["state"], record["reason"], record["error"]["type"]) == FAILING[do] == how
