"""A package written from docs/plugins.md alone passes the suites, and what is planted in it harms nobody else's run."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from runtree import AlgorithmOption, Metric, Stage, Tracker, hookimpl
from runtree.app import App, train
from runtree.config.hydra_engine import parse_flags
from runtree.plugins import make_plugins
from runtree.testing import (
    AlgorithmSuite,
    DataSuite,
    EvaluatorSuite,
    MetricSuite,
    PreprocessSuite,
    StageSuite,
    TunerSuite,
)
from runtree.testing.fixtures import UNEXAMINED

sys.path.insert(0, str(Path(__file__).parent / "stranger"))  # it is installed for this process alone
STRANGER = (("stranger", importlib.import_module("runtree_stranger.plugin")),)


class TestNearestCentre(AlgorithmSuite):
    option, plugins = "nearest_centre", STRANGER


class TestMeanOfRows(AlgorithmSuite):
    option, plugins = "mean_of_rows", STRANGER


class TestWaves(DataSuite):
    option, plugins = "waves", STRANGER


class TestRanks(PreprocessSuite):
    option, plugins = "ranks", STRANGER


class TestYouden(MetricSuite):
    metric, plugins = "youden", STRANGER


class TestTally(StageSuite):
    stage, plugins, writes, overrides = "tally", STRANGER, ("tally.txt",), UNEXAMINED


class TestHalves(EvaluatorSuite):
    option, plugins = "halves", STRANGER
    test_folds_in_processes_score_the_same = None  # ten seconds, for what built-in evaluators show


class TestShuffled(TunerSuite):
    def make(self):
        from runtree_stranger.parts import Shuffled

        return Shuffled()


def run(plugins, *words):
    app = App(make_plugins(found=[], extra=plugins))
    return train(app, parse_flags([*words, *UNEXAMINED, "++evaluator.intervals.resamples=0"]))


def test_all_parts_work_together(folder):
    words = ["data=waves", "preprocess=ranks", "trackers=[diary]", "evaluator=halves", "objective.metric=youden"]
    swept = ["-m", "algorithm=nearest_centre", "tuner=shuffled", "tuner.stop.max_runs=3", "compute.engine=in_process"]
    done = run(STRANGER, *swept, *words)
    record = json.loads(next(done.folder.glob("runs/*/metrics.json")).read_text())
    assert -1 <= record["validation"]["youden"] <= 1
    assert Path("diary.txt").read_text().count(" completed\n") == 3


def failing(*arguments, **named):
    raise RuntimeError("planted")


def leaving(*arguments, **named):
    raise SystemExit(0)


def spoiling(y_true, y_pred):
    y_true[:] = 0
    y_pred[:] = 0
    return 1.0


def spoil(run):
    run.data.features.iloc[:] = 0.0
    run.data.target.iloc[:] = run.data.target.iloc[0]
    run.split.train[:] = 0


def meddle(run, record):
    run.metrics["test"]["accuracy"] = 1.0
    record.metrics["test"].clear()


OPTION = AlgorithmOption("mine", "mine.Model")
# One fault each: the hook, what it is instead, and what the warning says beside the plugin's name. None: it does nothing
PLANTED = {
    "a metric fails": ("register_metrics", lambda: [Metric("youden", failing, "maximize")], "metric 'youden'"),
    "a metric exits": ("register_metrics", lambda: [Metric("youden", leaving, "maximize")], "sys.exit(0)"),
    "a metric writes": ("register_metrics", lambda: [Metric("youden", spoiling, "maximize")], "read-only"),
    "a metric of no direction": ("register_metrics", lambda: [Metric("youden", max, "max")], "direction is 'max'"),
    "a stage fails": ("register_stages", lambda: [Stage("tally", failing, after="load")], "stage 'tally'"),
    "a stage exits": ("register_stages", lambda: [Stage("tally", leaving, after="fit")], "sys.exit(0)"),
    "a stage writes": ("register_stages", lambda: [Stage("tally", spoil, after="split")], "read-only"),
    "no stages": ("register_stages", lambda: 5, "register_stages: TypeError"),
    "a folder that is not there": ("config_paths", lambda: ["pkg://runtree_stranger.nowhere"], "does not exist"),
    "a text for a list": ("config_paths", lambda: "pkg://runtree_stranger.conf", "got the text"),
    "an option of no name": ("register_algorithms", lambda: [AlgorithmOption("../x", "x.Y")], "a name has"),
    "a space of no key": (
        "register_algorithms",
        lambda: [AlgorithmOption("x", "x.Y", {}, {"a": "1, 2"})],
        "the key 'a'",
    ),
    "a tracker that is asked": (
        "register_trackers",
        lambda: [Tracker("diary", failing, lambda: True)],
        "cannot be made",
    ),
    "a tracker that asks": ("register_trackers", lambda: [Tracker("diary", failing, leaving)], "sys.exit(0)"),
    "facts fail": ("environment_facts", failing, "environment_facts: RuntimeError: planted"),
    "a moment fails": ("stage_finished", failing, "failed in stage_finished"),
    "a moment exits": ("run_finished", leaving, "sys.exit(0)"),
    "a moment meddles": ("run_finished", meddle, None),
    "a model is not saved": ("save_model", lambda model, folder: "mine", "wrote no file"),
    "a model is half saved": ("save_model", lambda folder: (folder / "half").write_text("x"), "instead of the name"),
    "no model is loaded": ("load_model", lambda: 5, "which has no method `predict`"),
}


def science(done):
    run = done.runs[0]
    record = json.loads((run.folder / "run.json").read_text())
    scores = json.loads((run.folder / "metrics.json").read_text())
    for part in ("train", "validation", "test"):
        scores[part].pop("youden", None)
    scores.pop("undefined", None)
    return record["state"], scores, (run.folder / "predictions.parquet").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return science(run((), "algorithm=decision_tree", "data=iris", f"outputs={folder}"))


@pytest.mark.parametrize("fault", PLANTED)
def test_what_is_planted_in_it_harms_nobody_elses_run(folder, undisturbed, caplog, fault):
    hook, function, says = PLANTED[fault]
    own = {name: item for name, item in vars(STRANGER[0][1]).items() if hasattr(item, "runtree_impl")}
    planted = type(
        "Planted", (), {name: staticmethod(item) for name, item in {**own, hook: hookimpl(function)}.items()}
    )
    assert science(run((("stranger", planted),), "algorithm=decision_tree", "data=iris")) == undisturbed
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    if says is None:
        assert warned == []
    else:
        [warning] = warned
        assert says in warning
        assert "stranger" in warning or "diary" in warning
