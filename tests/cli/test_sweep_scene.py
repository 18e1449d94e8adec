import io
import time

import pytest
from rich.console import Console

from runtree.cli.sweep.live_panel import LivePanel
from runtree.cli.sweep.live_view import LogView, PanelView, make_view


@pytest.fixture
def began(write_sweep, told):
    """Return a function that lets a scene begin with a sweep that has some runs behind it."""

    def begin(scene, *events, **changes):
        folder = write_sweep(told.opened(), *events, **changes)
        driver = told.driver(folder, seconds=4.0)
        scene.began(told.plan(folder, "a", "b"), driver)
        return driver

    return begin


def end(scene, driver, event):
    """Let a run end as the driver does."""
    driver.state.apply(event)
    entry = driver.state.runs[event["run"]]
    driver.front.add(driver.state, driver.state.trials[entry.trial])
    scene.ended(driver, entry)


def picture(console: Console) -> str:
    return console.export_text(clear=True)


@pytest.fixture
def console():
    return Console(record=True, force_terminal=True, width=80, height=40, file=io.StringIO())


def test_lines_tell_the_beginning_each_improvement_and_each_kind_of_failure(began, told, capsys):
    scene = LogView()
    driver = began(scene, told.ended(0, 0.5))
    for event in (
        told.ended(1, 0.4), told.ended(2, 0.6, family="b"), told.failed(3, "no"), told.failed(4, "no"), told.ended(5, 0.6),
    ):  # fmt: skip
        end(scene, driver, event)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "tpe over a, b, 2 in parallel: 10 runs, in outputs/default/20260102-030405-sweep",
        "run 2: best so far 0.6000 accuracy, b x=0.2 (3/10 runs, 4.0 s, 9.3 s left at most)",
        "run 3 failed: ValueError: no",
    ]


def test_lines_go_on_after_some_seconds_without_news(began, told, capsys, monkeypatch):
    scene = LogView()
    driver = began(scene, told.ended(0, 0.5), told.asked(1))
    driver.running[1] = time.monotonic()
    scene.tick(driver)
    monkeypatch.setattr("runtree.cli.sweep.live_view.LINE_SECONDS", 0.0)
    scene.tick(driver)
    assert capsys.readouterr().err.splitlines()[1:] == ["1/10 runs, 4.0 s, 36 s left at most, running: 1"]


def test_an_improvement_is_told_when_its_run_is_counted(began, told, capsys):
    scene = LogView()
    driver = began(scene, told.ended(0, 0.5))
    driver.state.apply(told.ended(1, 0.9))
    driver.front.add(driver.state, driver.state.trials[driver.state.runs[1].trial])
    scene.tick(driver)  # the ledger's line is written and the disk is waited for: the run's end comes next
    scene.ended(driver, driver.state.runs[1])
    told_lines = capsys.readouterr().err.splitlines()[1:]
    assert told_lines == ["run 1: best so far 0.9000 accuracy, a x=0.1 (2/10 runs, 4.0 s, 16 s left at most)"]


@pytest.mark.parametrize("width", [40, 80])
def test_the_picture_leaves_no_word_out_on_a_narrow_terminal(began, told, width):
    console = Console(record=True, force_terminal=True, width=width, height=40, file=io.StringIO())
    scene = LogView()
    began(scene, told.ended(0, 0.5), stop={"max_runs": 10, "patience": {"runs": 5}})
    console.print(LivePanel.of("a title " * 20, scene.progress, 4.0, {1: 2.0}, "a note"))
    said = picture(console)
    for text in ("1/10 runs, 4.0 s, 36 s left at most\n", "stop     patience: 0 of 5 runs", "\n━━╸", "\na note\n"):
        assert text in said
    assert "…" in said.splitlines()[0]
    assert max(map(len, said.splitlines())) <= width - 3  # room for what the terminal echoes of Ctrl-C


@pytest.mark.parametrize("scene", [LogView, PanelView])
def test_the_first_ctrl_c_says_what_the_second_does(began, told, capsys, console, scene):
    watching = scene(console) if scene is PanelView else scene()
    driver = began(watching, told.asked(0))
    driver.running[0], driver.stop_cause = time.monotonic(), "interrupt"
    driver.signals = 1
    for _ in range(3):
        watching.tick(driver)
    driver.signals = 2
    watching.tick(driver)
    watching.close()
    said = picture(console) if scene is PanelView else capsys.readouterr().err
    assert said.count("finishing the running jobs; press Ctrl-C again to stop them") == 1
    assert said.count("stopping the running jobs") == 1


def test_the_picture_tells_how_it_stands(began, told, console):
    scene = PanelView(console)
    driver = began(
        scene, told.ended(0, 0.5), told.ended(1, 0.9, family="b"), told.ended(2, 0.4), told.failed(3, "no"), told.asked(4),
        stop={"max_runs": 10, "patience": {"runs": 5}},
    )  # fmt: skip
    driver.running[4] = time.monotonic() - 12
    picture(console)
    scene._next_draw = 0.0
    scene.tick(driver)
    scene.close()
    said = picture(console)
    for text in (
        "20260102-030405-sweep   tpe over a, b, 2 in parallel",
        "4/10 runs, 4.0 s, 6.0 s left at most",
        "best     0.9000 accuracy, run 1: b x=0.1",
        "stop     patience: 1 of 5 runs without improvement",
        "running  run 4 a 12 s",
        "b  1 run, best 0.9000",
        "a  3 runs, best 0.5000",
        "failed   1 run, the last: run 3: ValueError: no",
    ):
        assert text in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_picture_is_not_drawn_for_each_event(began, told, console, monkeypatch):
    drawn = []
    scene = PanelView(console)
    driver = began(scene)
    monkeypatch.setattr(scene, "_draw", drawn.append)
    for number in range(500):
        end(scene, driver, told.ended(number, 0.5))
    assert len(drawn) < 50


def test_the_terminal_is_left_as_it_was(began, told, console):
    scene = PanelView(console)
    scene.preparing()
    began(scene)
    scene.finishing("run 2: the test part is scored, the model saved")
    assert "\x1b[?25l" in console.file.getvalue()  # the cursor is hidden
    scene.close()
    assert "\x1b[?25l" not in console.file.getvalue().rpartition("\x1b[?25h")[2]  # … and shown again
    assert "\x1b[?25h" in console.file.getvalue()


def test_where_there_is_no_terminal_nothing_is_drawn():
    assert isinstance(make_view(), LogView)


def test_runs_that_make_no_ranking_have_no_best(began, told, capsys):
    scene = LogView()
    driver = began(scene, told.ended(0, 0.5))
    end(scene, driver, told.ended(1, 0.9, fingerprints={"data": "d", "split": "another"}))
    assert "best so far" not in capsys.readouterr().err
