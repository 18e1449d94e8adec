import json

import pytest

from runtree.contract.errors import NotFoundError
from runtree.records.layout import SweepFolder
from runtree.reports.render import write_sweep_report

FINDING = {
    "name": "edge",
    "level": "warning",
    "says": "the best depth is the largest",
    "advice": "widen it",
    "values": {},
}


def text(made, **more) -> str:
    return write_sweep_report(made, **more).read_text()


def test_a_whole_sweep(write_sweep):
    told = text(write_sweep())
    for part in (
        "Search for the best model of people", "3 configurations of forest, tree, proposed by tpe and ranked by validation roc auc (maximize)",
        "Ship", "run 0001, the best of 3", "95% interval: 0.8500 to 0.9400", "test set used once",
        "Run 0001 is the best: forest with depth = 3", "The best 3 of 3 configurations", "The best configuration of each algorithm",
        "Stopped after run 2.", "range(1, 9)", "runtree resume 20260102-030405-sweep tuner.stop.max_runs=6",
        "runtree train -m tuner=tpe algorithm=forest,tree", "runtree predict 20260102-030405-sweep/0001",
    ):  # fmt: skip
        assert part in told
    assert "https:" not in told
    assert "<script" not in told


def test_what_no_file_tells_is_absent(write_sweep):
    told = text(write_sweep())
    assert ">Advice<" not in told
    assert ">Plots<" not in told
    assert "Report of the best run" not in told


def test_advice_and_optimism_of_the_winner(write_sweep):
    made = write_sweep(
        findings=[FINDING], optimism={"method": "bbc", "value": 0.01, "corrected": {"value": 0.9, "low": 0.8}}
    )
    told = text(made)
    for part in (
        "the best depth is the largest",
        "widen it",
        "Selection bias of the best score",
        "corrected: low",
        "0.8000",
    ):
        assert part in told


def test_the_best_run_has_a_page_of_its_own(write_sweep):
    made = write_sweep()
    (made.run(1).path / "report.html").write_text("")
    assert 'href="runs/0001/report.html"' in text(made)


def test_pictures_stand_in_the_order_in_which_they_are_read(write_sweep):
    made = write_sweep()
    made.plots.mkdir()
    for name in ("slice-tree", "history", "importance-forest", "pace", "foreign"):
        (made.plots / f"{name}.svg").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect/></svg>'
        )
    told = text(made)
    places = [
        told.index(title)
        for title in (
            "Objective by run",
            "Objective over time",
            "Parameter importance: forest",
            "Objective by parameter: tree",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["stop", "leaderboard", "environment", "advice"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe{", b"[1]", b"a,b\n1,2,3\n"])
def test_a_damaged_file_is_no_obstacle(write_sweep, name, content):
    made = write_sweep()
    getattr(made, name).write_bytes(content)
    assert "20260102-030405-sweep" in text(made)


def test_a_sweep_of_which_nothing_completed(write_sweep):
    made = write_sweep()
    made.leaderboard.write_text("rank,runs,family,state,validation.roc_auc,seconds\n1,0002,forest,failed,,0.1\n")
    told = text(made)
    assert "No model" in told
    assert "No run completed" in told


def test_a_setting_that_is_code_is_only_a_setting(write_sweep):
    made = write_sweep()
    made.leaderboard.write_text(made.leaderboard.read_text().replace("forest", "<script>alert(1)</script>"))
    assert "<script" not in text(made)


def test_without_a_description_there_is_no_sweep(folder):
    with pytest.raises(NotFoundError):
        write_sweep_report(SweepFolder(folder))


def test_the_best_so_far_is_told_second_by_second(tmp_path):
    from runtree.sweeps.plots.draw import draw_sweep_plots
    from runtree.sweeps.results import Objectives
    from runtree.sweeps.state import SweepState

    book = SweepState()
    for run, (at, value) in enumerate([(1.0, 0.5), (4.0, 0.8), (2.0, 0.7), (6.0, 0.6)]):
        told = {
            "event": "ended",
            "at": at,
            "run": run,
            "family": "a",
            "trial": run,
            "repeat": 0,
            "of": 1,
            "same": str(run),
        }
        book.apply({**told, "values": {}, "state": "completed", "objectives": [value], "metrics": {}})
    draw_sweep_plots(book, Objectives((("accuracy", "maximize"),)), {"a": ()}, tmp_path, [])
    told = json.loads((tmp_path / "pace.json").read_text())
    assert [(one["seconds"], one["value"]) for one in told["best_so_far"]] == [(1.0, 0.5), (2.0, 0.7), (4.0, 0.8)]
