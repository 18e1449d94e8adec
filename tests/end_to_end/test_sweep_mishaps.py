"""What comes at a bad moment: a signal that is not the driver's, a death while the best is kept, words that cannot be
written, a disk with a limit, a killed look at the data. Each is caused for real."""

import json
import resource
import signal
import time

import pytest
from real_sweeps import (
    IN_PROCESS,
    assert_every_run_is_there_once,
    assert_it_is_said_in_a_few_lines,
    assert_the_best_is_kept,
    drive,
    ended,
    events,
    fits,
    lay_out,
    record_of,
    session,
    sweep_of,
    until,
    wait_for,
    words,
)

# Under a limit of the size of files Python would leave cut bytecode in the package, for every later process to fail on.
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
RESUME = ("resume", "latest", "--trust", "told.Told")  # what a record names is not trusted by itself


def stop_of(folder):
    return json.loads(sweep_of(folder).stop.read_text())


def test_a_run_whose_process_somebody_else_told_to_end_is_tried_again(folder):
    """As a supervisor does that means well, or one that ends all processes of a job: TERM for a worker."""
    lay_out(folder, params={"do": "slow_while_told"})
    (folder / "slow").write_text("1")
    with session(folder, *words("random", 3)) as one:
        wait_for(one, lambda: fits(folder).total() == 2, "the second run")
        one.workers()[0].terminate()
        wait_for(one, lambda: events(folder, "died"), "the end of its process")
        (folder / "slow").unlink()
        assert one.end() == 0, one.said
    [died] = events(folder, "died")
    assert died["run"] == 1 and "a signal from outside" in died["cause"]
    assert_every_run_is_there_once(folder, 3)


def test_a_run_that_interrupts_itself_each_time_has_failed(folder, runtree):
    lay_out(folder, {"params.do": ["give_up", "well"]}, {"x": 0.5})
    assert runtree(*words("grid", None, IN_PROCESS, "tuner.retries=1")).code == 1
    assert [(event["state"], event["reason"]) for event in ended(folder)] == [("failed", "error"), ("completed", None)]
    assert fits(folder)["0.5 give_up"] == 2
    assert record_of(folder, 0)["state"] == "failed"


def both(one):
    one.signal(signal.SIGINT)
    time.sleep(0.5)
    one.signal(signal.SIGINT)
    if not until(lambda: one.is_over, 20):  # a process that had no turn yet takes two signals for one
        one.signal(signal.SIGINT)


@pytest.mark.parametrize("end", [both, lambda one: one.signal(signal.SIGTERM)], ids=["ctrl_c_twice", "term"])
def test_in_this_process_too_a_signal_ends_the_run_that_works(folder, end):
    lay_out(folder, {"params.x": [0.1, 0.2, 0.3]}, {"do": "slow_while_told"})
    (folder / "slow").write_text("1")
    with session(folder, *words("grid", None, IN_PROCESS)) as one:
        wait_for(one, lambda: fits(folder).total() == 2, "the slow run")
        end(one)
        assert one.end() == 130, one.said
    assert "Traceback" not in one.said
    assert [event["run"] for event in ended(folder)] == [0]
    assert stop_of(folder)["criterion"] == "interrupted"
    (folder / "slow").unlink()
    assert drive(folder, *RESUME, IN_PROCESS).process.returncode == 0
    assert_every_run_is_there_once(folder, 3)


def test_the_best_is_kept_though_two_workers_die_of_it(folder):
    lay_out(folder)
    (folder / "die_when_saved").write_text("3")
    one = drive(folder, *words("random", 3, "tuner.retries=2"))
    assert one.process.returncode == 0, one.said
    assert_every_run_is_there_once(folder, 3)
    assert_the_best_is_kept(folder)


@pytest.mark.slow
def test_a_best_that_could_not_be_kept_is_told_and_kept_by_the_next_session(folder):
    lay_out(folder)
    (folder / "die_when_saved").write_text("9")
    one = drive(folder, *words("random", 3, "tuner.retries=1"))
    assert (one.process.returncode, "could not be kept" in one.said, events(folder, "kept")) == (1, True, []), one.said
    (folder / "die_when_saved").unlink()
    assert drive(folder, *RESUME).process.returncode == 0
    assert_every_run_is_there_once(folder, 3)
    assert_the_best_is_kept(folder)


def test_a_sweep_that_is_told_to_end_while_the_best_is_kept_keeps_it_later(folder):
    lay_out(folder)
    (folder / "slow_when_saved").touch()
    with session(folder, *words("random", 3)) as one:
        wait_for(one, (folder / "saving").exists, "the saving")
        one.signal(signal.SIGTERM)
        assert one.end() == 130, one.said
    assert (stop_of(folder)["criterion"], events(folder, "kept")) == ("interrupted", [])
    (folder / "slow_when_saved").unlink()
    one = drive(folder, *RESUME)
    assert (one.process.returncode, stop_of(folder)["criterion"]) == (0, "max_runs"), one.said
    assert_every_run_is_there_once(folder, 3)
    assert_the_best_is_kept(folder)


@pytest.mark.slow
def test_a_limit_of_the_size_of_files_ends_a_sweep_in_order(folder):
    """The ledger is the largest file; what the kernel refuses to write is not taken for done."""
    lay_out(folder)

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    one = drive(folder, *words("random", 40), preexec_fn=little, env=NO_BYTECODE)
    assert one.process.returncode == 1, one.said
    assert "the disk takes no more (File too large)" in one.said and "Traceback" not in one.said, one.said
    known = ended(folder)
    assert 5 < len(known) < 40
    assert stop_of(folder)["criterion"] == "disk_full"
    one = drive(folder, *RESUME)
    assert one.process.returncode == 0, one.said
    assert ended(folder)[: len(known)] == known
    assert_every_run_is_there_once(folder, 40)


WORDS = {"well": None, "mumble": "ValueError", "read_out": "ValueError", "choke": "Choking"}


@pytest.mark.parametrize("engine", [(), (IN_PROCESS,)], ids=["processes", "in_process"])
def test_whatever_an_error_says_is_written_down_short_and_whole(folder, engine):
    lay_out(folder, {"params.do": list(WORDS)}, {"x": 0.5})
    one = drive(folder, *words("grid", None, *engine))
    assert one.process.returncode == 1, one.said
    assert "Traceback" not in one.said and len(one.said) < 20_000
    told = {event["values"]["algorithm.params.do"]: event for event in ended(folder)}
    assert {do: (event["error"] or {}).get("type") for do, event in told.items()} == WORDS
    for event in ended(folder):
        record = record_of(folder, event["run"])
        assert (record["state"], record["error"]) == (event["state"], event["error"])
    assert "\\udcff" in told["mumble"]["error"]["message"]
    assert "(5,000,000 characters)" in told["read_out"]["error"]["message"]
    assert "has no printable message: RuntimeError" in told["choke"]["error"]["message"]
    assert sweep_of(folder).ledger.stat().st_size < 50_000
    assert sum(fits(folder).values()) <= 5  # none was tried again; the best may be fitted once more


def test_a_look_at_the_data_that_is_killed_is_taken_again_but_not_for_ever(folder):
    lay_out(folder)
    (folder / "die_when_built").write_text("2")
    one = drive(folder, *words("random", 2))
    assert one.process.returncode == 0, one.said
    assert_every_run_is_there_once(folder, 2)
    (folder / "die_when_built").write_text("99")
    one = drive(folder, *words("random", 2, "outputs=others"))
    assert one.process.returncode == 2, one.said
    assert "data: " in one.said and "SIGKILL" in one.said
    assert_it_is_said_in_a_few_lines(one.said)
    assert not (folder / "others").exists()
