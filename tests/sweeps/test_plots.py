import json
import logging
import subprocess
import sys
import warnings
from xml.etree import ElementTree

import pytest

from runtree.contract.search import Choice, Dimension, Interval
from runtree.sweeps.plots.draw import draw_sweep_plots
from runtree.sweeps.plots.plot_data import PlotPoint, distinct, reach, sampled, text_of
from runtree.sweeps.results import Objectives, ParetoFront, read_constraints
from runtree.sweeps.state import SweepState

ALPHA = Dimension("algorithm.alpha", Interval(1e-3, 10, scale="log"))
LAYERS = Dimension("algorithm.layers", Choice(((8,), (8, 8), None, "auto")))
DEPTH = Dimension("algorithm.depth", Interval(1, 9, integer=True), when=lambda seen: seen["algorithm.layers"] != "auto")
SPACE = (ALPHA, LAYERS, DEPTH)
JUDGE = Objectives((("roc_auc", "maximize"),))
SEVERAL = Objectives((("roc_auc", "maximize"), ("fit_seconds", "minimize")))


def value(run, space):
    """Choose values that differ by run."""
    found = {}
    for number, one in enumerate(space):
        if one.holds(found):
            values = one.domain.values if isinstance(one.domain, Choice) else (1, 2, 3, 4, 5, 7)
            found[one.path] = values[(run * (number + 1)) % len(values)]
    return found


def sweep(runs, families, judge=JUDGE, steps=0):
    """Return a book of runs, the seventh of which fails, and the ninth of which is pruned if runs report."""
    book, counts = SweepState(), dict.fromkeys(families, 0)
    for run in range(runs):
        family = list(families)[run % len(families)]
        state = "failed" if run % 8 == 7 else "pruned" if steps and run % 10 == 9 else "completed"
        scores = [0.5 + (run * 37 % 101) / 1000 + place for place, _ in enumerate(judge.metrics)]
        book.apply(
            {
                "event": "ended",
                "at": 0.0,
                "run": run,
                "family": family,
                "trial": counts[family],
                "repeat": 0,
                "of": 1,
                "same": str(run),
                "values": value(run, families[family]),
                "state": state,
                "objectives": scores if state == "completed" else None,
                "metrics": {"validation": {"log_loss": run % 3}},
                "reports": [[step, step / 10 + run / 100] for step in range(steps)],
            }
        )
        counts[family] += 1
    return book


def best_of(book, judge=JUDGE):
    front = ParetoFront(judge)
    for trial in book.trials.values():
        front.add(book, trial)
    return [trial for trial, _ in front.best]


def drawn(folder, book, families, judge=JUDGE):
    return draw_sweep_plots(book, judge, families, folder, best_of(book, judge))


def told(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def words(folder, name):
    return [part for each in ElementTree.parse(folder / f"{name}.svg").iter() if (part := each.text)]


def names(files):
    assert all(f"{one.rpartition('.')[0]}.{end}" in files for one in files for end in ("svg", "json"))
    return {one.removesuffix(".svg") for one in files if one.endswith(".svg")}


def test_one_family_has_a_picture_of_each_kind_and_what_runs_reported(tmp_path):
    files = drawn(tmp_path / "plots", sweep(24, {"mlp": SPACE}, steps=3), {"mlp": SPACE})
    assert names(files) == {"history", "intermediate", "importance", "slice", "parallel"}
    assert sorted(files) == sorted(path.name for path in (tmp_path / "plots").iterdir())


def test_several_families_have_pictures_of_their_own(tmp_path):
    families = {"mlp": SPACE, "ridge": (ALPHA,), "never": SPACE}
    book = sweep(40, {name: families[name] for name in ("mlp", "ridge")})
    expected = {"history", "importance-mlp", "slice-mlp", "parallel-mlp", "slice-ridge"}  # one parameter: no more
    assert names(drawn(tmp_path, book, families)) == expected
    assert {"mlp", "ridge"} <= set(words(tmp_path, "history"))
    (best,) = best_of(book)
    for name in ("mlp", "ridge"):
        whose = "best" if best.key[0] == name else "best of these"
        assert any(text.startswith(f"★ {whose}: run ") for text in words(tmp_path, f"slice-{name}"))


def test_several_objectives_have_a_front_in_place_of_parameters(tmp_path):
    book = sweep(16, {"mlp": SPACE}, SEVERAL)
    assert names(drawn(tmp_path, book, {"mlp": SPACE}, SEVERAL)) == {"history-roc_auc", "history-fit_seconds", "pareto"}
    assert told(tmp_path, "pareto")["best"] == sorted(trial.runs[0] for trial in best_of(book, SEVERAL))
    assert told(tmp_path, "pareto")["metrics"] == ["validation roc_auc (maximize)", "seconds of the fit (minimize)"]


def test_the_data_beside_a_picture_is_what_the_book_holds(tmp_path):
    book = sweep(24, {"mlp": SPACE}, steps=2)
    drawn(tmp_path, book, {"mlp": SPACE})
    history, slices = told(tmp_path, "history"), told(tmp_path, "slice")
    assert {one["run"]: one["state"] for one in history["runs"]} == {n: e.state for n, e in book.runs.items()}
    assert {one["run"]: one["objectives"] for one in history["runs"]} == {
        number: list(entry.objectives) if entry.objectives else None for number, entry in book.runs.items()
    }
    assert [one["values"] for one in slices["runs"]] == [
        json.loads(json.dumps(book.trials["mlp", run.number].values)) for run in book.completed()
    ]
    assert slices["parameters"] == ["algorithm.alpha", "algorithm.depth", "algorithm.layers"]
    assert history["shown"] == history["of"] == 24
    reports = told(tmp_path, "intermediate")["reports"]
    assert reports == {
        str(number): [list(pair) for pair in entry.reports]
        for number, entry in book.runs.items()
        if entry.state != "failed"
    }


def test_the_best_is_named_in_each_picture(tmp_path):
    book = sweep(24, {"mlp": SPACE}, steps=3)
    (best,) = best_of(book)
    label = f"run {best.runs[0]}: {JUDGE.mean(book.runs_of(best))[0]:.4g}"
    for name in names(drawn(tmp_path, book, {"mlp": SPACE})):
        assert told(tmp_path, name)["best"] == best.runs
        assert any(label in text for text in words(tmp_path, name)), name


def test_a_run_that_breaks_a_bound_is_shown_and_never_the_best(tmp_path):
    judge = Objectives(JUDGE.metrics, read_constraints(["log_loss <= 0.5"]))
    drawn(tmp_path, sweep(24, {"mlp": SPACE}), {"mlp": SPACE}, judge)
    assert "constraint violated" in words(tmp_path, "history")
    feasible = {one["run"] for one in told(tmp_path, "history")["runs"] if one["feasible"]}
    assert set(told(tmp_path, "slice")["best"]) <= feasible


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_few_runs_fail_nothing(tmp_path, runs, caplog):
    files = drawn(tmp_path, sweep(runs, {"mlp": SPACE}), {"mlp": SPACE})
    assert names(files) == [set(), {"history"}, {"history", "slice", "parallel"}][runs]
    assert not [record for record in caplog.records if record.levelname != "INFO"]


def test_a_sweep_without_a_completed_run_has_no_pictures(tmp_path, caplog):
    book = SweepState()
    for run, state in enumerate(("failed", "interrupted")):
        event = {"event": "ended", "run": run, "state": state, "family": "a", "trial": run, "repeat": 0, "of": 1}
        book.apply({**event, "values": {}, "same": str(run)})
    assert drawn(tmp_path / "plots", book, {"a": SPACE}) == []
    assert not [record for record in caplog.records if record.levelname != "INFO"]


def test_one_that_fails_is_a_warning_and_the_others_are_written(tmp_path, monkeypatch, caplog):
    import optuna.visualization.matplotlib as plots

    def fails(*args, **more):
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(plots, "plot_slice", fails)
    assert names(drawn(tmp_path, sweep(12, {"mlp": SPACE}), {"mlp": SPACE})) == {"history", "importance", "parallel"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "plots/slice is left out: ZeroDivisionError: no luck"


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path, caplog):
    (tmp_path / "plots").write_text("a file")
    assert drawn(tmp_path / "plots", sweep(3, {"mlp": SPACE}), {"mlp": SPACE}) == []
    assert "plots are left out: FileExistsError" in caplog.text


def test_importing_it_loads_neither_library():
    code = "import sys, runtree.sweeps.plots.draw; print([n for n in ('optuna', 'matplotlib', 'numpy') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def pyplot():
    import matplotlib
    from matplotlib import pyplot

    backend = matplotlib.get_backend()
    yield pyplot
    pyplot.close("all")
    pyplot.switch_backend(backend)


@pytest.mark.parametrize("open_figures", [0, 1])
def test_what_the_user_plots_is_left_alone(tmp_path, pyplot, open_figures):
    import matplotlib
    import optuna

    pyplot.switch_backend("template")  # neither Agg nor one that needs a screen
    own = [pyplot.figure() for _ in range(open_figures)]
    with matplotlib.rc_context({"font.size": 17, "axes.facecolor": "red", "text.parse_math": True}):
        before = (dict(matplotlib.rcParams), pyplot.isinteractive(), list(warnings.filters), pyplot.get_fignums())
        verbosity = optuna.logging.get_verbosity()
        assert names(drawn(tmp_path, sweep(5, {"mlp": SPACE}), {"mlp": SPACE})) == {"history", "slice", "parallel"}
        after = (dict(matplotlib.rcParams), pyplot.isinteractive(), list(warnings.filters), pyplot.get_fignums())
        assert after == before
    assert optuna.logging.get_verbosity() == verbosity
    assert matplotlib.get_backend() == "template"
    assert [pyplot.gcf()] == own or not open_figures


def test_names_are_drawn_as_they_are(tmp_path, caplog):
    odd = Choice(("</text><script>", "$\\frac{1}{2}$", "\x1b[31m", "x" * 300, 1, "1", "plain"))
    space = (Dimension("algorithm.$x$ & <b>", odd), Dimension("y" * 200, Interval(0, 9)))
    families = {"<script>alert(1)": space, "$a$/b": space, "$a$_b": space}
    judge = Objectives((("$m$", "maximize"),))
    files = drawn(tmp_path, sweep(48, families), families, judge)
    assert not [record for record in caplog.records if record.levelname != "INFO"]
    assert len(files) == len(set(files)) == 2 * (1 + 3 * 3)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.") for name in files)
    assert {"<script>alert(1)", "$a$/b", "validation $m$ (maximize)"} <= set(words(tmp_path, "history"))
    for name in names(files):
        assert "<script>" not in (tmp_path / f"{name}.svg").read_text()
    texts = words(tmp_path, "slice-_script_alert_1_")
    assert {"$x$ & <b>", "</text><script>", "$\\frac{1}{2}$", "1", "'1'", " [31m"} <= set(texts)
    assert max(map(len, texts)) < 80


def test_the_same_sweep_makes_the_same_bytes(tmp_path):
    book = sweep(12, {"mlp": SPACE}, steps=2)
    files = drawn(tmp_path / "one", book, {"mlp": SPACE})
    assert drawn(tmp_path / "two", book, {"mlp": SPACE}) == files
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_a_large_sweep_is_sampled_and_says_so(tmp_path):
    drawn(tmp_path, sweep(2100, {"mlp": (ALPHA,)}), {"mlp": (ALPHA,)})
    history, slices = told(tmp_path, "history"), told(tmp_path, "slice")
    assert (history["shown"], history["of"], len(history["runs"])) == (2000, 2100, 2000)
    assert len(slices["runs"]) == slices["shown"] <= 1000
    assert set(slices["best"]) <= {one["run"] for one in slices["runs"]}
    assert any("(2,000 of 2,100 shown)" in text for text in words(tmp_path, "history"))
    assert all(path.stat().st_size < 300_000 for path in tmp_path.glob("*.svg"))


def points(scores):
    return [PlotPoint(run, (run,), "a", "completed", {}, (score,), (), ()) for run, score in enumerate(scores)]


def test_a_sample_holds_the_best_and_those_that_were_it():
    scores = [0.1, *([0.05] * 300), 0.3, *([0.05] * 300), 0.9, *([0.2] * 400)]
    found = sampled(points(scores), JUDGE, {602}, 40)
    assert len(found) == 40
    assert {0, 301, 602} <= {point.run for point in found}
    assert [point.run for point in found] == sorted(point.run for point in found)
    rising = sampled(points(range(1000)), JUDGE, {999}, 40)
    assert len(rising) == 40 and rising[-1].run == 999


def test_a_few_very_bad_values_do_not_hide_the_others():
    assert reach([0.1, 0.2, 0.3, 0.2, 0.1, 1e9], "minimize") == pytest.approx((0.1, 0.7))
    assert reach([0.9, 0.8, 0.7, -1e9, 0.8], "maximize")[1] == 0.9
    assert reach([1.0, 2.0, 3.0], "maximize") == (1.0, 3.0)
    assert reach([1.0], "minimize") == (1.0, 1.0)


def test_choices_have_texts_of_their_own():
    values = [1, "1", 1.0, True, "true", None, [64, 64], "relu", 0.123456, 0.123457, ""]
    texts = distinct([text_of(value) for value in values])
    assert len(set(texts)) == len(values)
    assert texts[:8] == ["1", "'1'", "1 (2)", "true", "'true'", "null", "[64, 64]", "relu"]
    assert max(map(len, distinct(["y" * 500, "y" * 500]))) < 30
