"""What TensorBoard itself reads back of runs and sweeps."""

import json

import pytest

from runtree.app import App, train
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import MissingError, RunFailedError
from runtree.contract.run import Stage
from runtree.testing import tiny_table
from runtree.testing.fixtures import UNEXAMINED

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="pip install 'runtree[tensorboard]'"
)
SMALL = ["data=csv", "data.path=t.csv", "data.target=outcome", "compute=cpu", "compute.threads=1", *UNEXAMINED]


def read(folder):
    """Return what TensorBoard makes of a run's events."""
    found = accumulator.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def scalars(events):
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def hparams(events):
    """Return what a run was given and how it ended, as the plugin of hyperparameters stores it."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    end = events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    return values, HParamsPluginData.FromString(end).session_end_info.status


def run(folder, *overrides, app=None):
    tiny_table().to_csv(folder / "t.csv", index=False)
    return train(app or App(), parse_flags([*SMALL, *overrides]))


def test_history_and_metrics_are_read_back(folder):
    [found] = run(folder, "algorithm=sgd", "fit.max_iterations=4", "trackers=tensorboard").runs
    lines = [json.loads(line) for line in (found.folder / "history.jsonl").read_text().splitlines()]
    drawn = scalars(read(found.folder))
    for name in set(lines[0]) - {"step"}:
        assert drawn[name] == [(line["step"], pytest.approx(line[name])) for line in lines]
    for part, metrics in found.metrics.items():
        for name, value in metrics.items():
            assert drawn[f"{part}/{name}"] == [(0, pytest.approx(value))]


def test_parameters_are_read_back(folder):
    [found] = run(folder, "algorithm=sgd", "algorithm.alpha=0.25", "data.test_size=0.3", "trackers=[tensorboard]").runs
    values, status = hparams(read(found.folder))
    assert values["algorithm.alpha"] == 0.25
    assert (values["algorithm.name"], values["data.test_size"], values["seed"]) == ("sgd", 0.3, 0)
    assert not [name for name in values if "_target_" in name or "space" in name or "trackers" in name]
    assert status == 1  # success


def test_a_failed_run_says_so(folder):
    def fail(run):
        raise RunFailedError("no")

    from runtree import hookimpl
    from runtree.plugins import make_plugins

    stages = type("Probe", (), {"register_stages": staticmethod(hookimpl(lambda: [Stage("fail", fail, after="fit")]))})
    with pytest.raises(RunFailedError):
        run(folder, "algorithm=sgd", "trackers=tensorboard", app=App(make_plugins(found=[], extra=[("probe", stages)])))
    [events] = folder.glob("outputs/default/*/tensorboard")
    assert hparams(read(events.parent))[1] == 2  # failure


def test_a_run_that_goes_on_replaces_the_steps_that_it_tells_anew(tmp_path):
    from runtree.contract.run import Run
    from runtree.trackers.tensorboard import TensorBoard

    one = Run({}, tmp_path)
    for steps in (range(1, 5), range(3, 6)):
        tracker = TensorBoard()
        tracker.run_started(one)
        for step in steps:
            tracker.run_iterated(one, step, {"loss": float(10 * step + steps.start)})
        tracker._events.close()  # as the death of a process does
    assert scalars(read(tmp_path))["loss"] == [(1, 11.0), (2, 21.0), (3, 33.0), (4, 43.0), (5, 53.0)]


@pytest.mark.parametrize("keep", ["best", "all"])
def test_a_sweeps_runs_can_be_compared_and_the_best_has_its_test_scores_once(folder, keep):
    swept = ["-m", "algorithm=sgd", "algorithm.alpha=0.001,1000", f"tuner.keep={keep}", "compute.engine=in_process"]
    found = run(folder, *swept, "trackers=tensorboard").folder
    folders = [found / "runs" / "0000", found / "runs" / "0001"]
    assert [hparams(read(one))[0]["algorithm.alpha"] for one in folders] == [0.001, 1000]
    drawn = [scalars(read(one)) for one in folders]
    assert all("validation/accuracy" in one for one in drawn)
    assert ["test/accuracy" in one for one in drawn] == [True, keep == "all"]
    told = json.loads((folders[0] / "metrics.json").read_text())["test"]["accuracy"]
    assert drawn[0]["test/accuracy"] == [(0, pytest.approx(told))]


def test_its_files_are_not_in_the_manifest(folder):
    [found] = run(folder, "algorithm=sgd", "fit.max_iterations=2", "trackers=tensorboard").runs
    assert not [name for name in json.loads((found.folder / "manifest.json").read_text()) if "tfevents" in name]


def test_the_extra_is_named_where_it_is_missing(folder, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith(("runtree.trackers.", "tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingError, match=r"pip install 'runtree\[tensorboard\]'"):
        run(folder, "algorithm=dummy", "trackers=tensorboard")
    assert not (folder / "outputs").exists()
