"""A plugin's distribution and version are in what it contributes to; another version is told, a missing one refused."""

import json
import sys
from importlib.metadata import PathDistribution

import pytest

from runtree.app import App
from runtree.app.train import train
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.types import PluginIdentity, RunRecord
from runtree.lifecycle.predict import read_predictor
from runtree.lifecycle.table_options import table_options
from runtree.plugins import make_plugins
from runtree.records.diff import diff
from runtree.records.layout import RunFolder
from runtree.records.plugin_identity import compare_plugins, is_needed_by
from runtree.records.record import read_record
from runtree.sweeps.messages import AttemptResult
from runtree.training.contributors import Contributors
from runtree.training.model_files import compare_libraries

CODE = '''
from sklearn.neighbors import NearestCentroid
from runtree import AlgorithmOption, Metric, Stage, Tracker, hookimpl

class Centre(NearestCentroid):
    """Predict the class of the nearest centre."""

class Board:
    def run_started(self, run): pass

@hookimpl
def register_algorithms():
    return [AlgorithmOption("centre", "{name}_identity.Centre", tasks=("classification",))]
@hookimpl
def register_metrics():
    return [Metric("gain", lambda y_true, y_pred, labels: 0.5, "maximize", tasks=("classification",))]
@hookimpl
def register_stages():
    return [Stage("balance", lambda run: None, after="load")]
@hookimpl
def register_trackers():
    return [Tracker("board", Board)]
@hookimpl
def run_finished(run, record): pass
'''


def lay_out(folder, name, version, origin=None):
    """Write a distribution with a plugin, and return its entry points."""
    (folder / f"{name}_identity.py").write_text(CODE.replace("{name}", name))
    for old in folder.glob(f"{name}-*.dist-info/*"):
        old.unlink()
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[runtree]\n{name} = {name}_identity\n")
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
    return PathDistribution(info).entry_points


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a finished run whose algorithm, metric, stage, tracker and a hook come from the plugin `gold`."""
    folder = tmp_path_factory.mktemp("gold")
    sys.path.insert(0, str(folder))
    points = lay_out(folder, "gold", "0.1.0")
    app = App(make_plugins(found=points))
    words = ["data=iris", "algorithm=centre", "trackers=[board]", "objective.metric=gain", f"outputs={folder / 'out'}"]
    quiet = [
        "evaluator.baselines=[]",
        "evaluator.diagnose=none",
        "evaluator.intervals.resamples=0",
        "evaluator.explain=none",
    ]
    [run] = train(app, parse_flags([*words, *quiet])).runs
    yield folder, RunFolder(run.folder)
    sys.path.remove(str(folder))


def installed(folder, version, **options):
    return make_plugins(found=lay_out(folder, "gold", version), **options)


def test_the_record_names_each_plugin_and_what_it_added(finished):
    record = read_record(finished[1])
    adds = ["algorithm", "hook run_finished", "metric gain", "stage balance", "tracker board"]
    assert record.plugins == {"gold": {"distribution": "dist-gold", "version": "0.1.0", "adds": adds}}
    assert record.fingerprints["scoring"] == "gain: dist-gold 0.1.0"
    assert record.fingerprints["plugins"] == "algorithm: dist-gold 0.1.0"
    environment = json.loads(finished[1].environment.read_text())
    assert environment["plugins"]["gold"]["installed"] == "dist-gold 0.1.0"


def test_the_ledger_keeps_the_plugins_of_a_run(finished):
    record = read_record(finished[1])
    event = json.loads(json.dumps(AttemptResult.from_record(record, None, kept=True).to_event()))
    assert AttemptResult.from_event(event).plugins == record.plugins


def test_a_model_names_the_plugins_and_libraries_that_it_is_made_of(finished):
    card = json.loads((finished[1].model / "model.json").read_text())
    assert card["plugins"] == {"gold": {"distribution": "dist-gold", "version": "0.1.0", "adds": ["algorithm"]}}
    assert "scikit-learn" in card["libraries"]


def test_a_model_is_loaded_by_the_same_version_without_a_word_and_without_a_second_list_of_trust(finished, caplog):
    plugins = installed(finished[0], "0.1.0")
    assert type(read_predictor(finished[1].model, plugins, plugins.trusted_types()).model[-1]).__name__ == "Centre"
    assert caplog.text == ""


def test_another_version_is_told_with_both(finished, caplog):
    plugins = installed(finished[0], "0.2.0")
    read_predictor(finished[1].model, plugins, plugins.trusted_types())
    assert "was trained with dist-gold 0.1.0 (plugin 'gold'), and dist-gold 0.2.0 is installed" in caplog.text


@pytest.mark.parametrize(
    ("plugins", "problem", "remedy"),
    [
        (lambda folder: make_plugins(found=[]), "which is not installed", "pip install dist-gold==0.1.0"),
        (lambda folder: installed(folder, "0.1.0", blocked=["gold"]), "which is blocked", "leave out --block gold"),
    ],
)
def test_a_missing_plugin_is_named_with_the_remedy(finished, plugins, problem, remedy):
    with pytest.raises(MissingError) as refused:
        read_predictor(finished[1].model, plugins(finished[0]), ())
    assert problem in refused.value.message
    assert remedy in str(refused.value)
    assert refused.value.exit_code == 4


def test_a_diff_shows_the_versions(finished):
    record = read_record(finished[1])
    other = {"gold": {**record.plugins["gold"], "version": "0.2.0"}}
    found = diff(record, RunRecord(**{**record.__dict__, "plugins": other})).section("code").differences
    assert [(item.name, item.first, item.second) for item in found] == [
        ("plugins.gold", "dist-gold 0.1.0", "dist-gold 0.2.0")
    ]


CONFIG = {"objective.metric": "auto", "evaluator.metrics": ["gain"], "trackers": "auto"}


@pytest.mark.parametrize(
    ("adds", "is_needed"),
    [
        (["algorithm"], True),
        (["data", "stage balance"], True),
        (["metric gain"], True),
        (["metric loss"], False),
        (["stage balance", "hook run_finished", "tracker board"], False),
    ],
)
def test_a_run_needs_what_its_config_names(adds, is_needed):
    recorded = {"gold": {"distribution": "dist-gold", "version": "1", "adds": adds}}
    if is_needed:
        with pytest.raises(MissingError):
            compare_plugins(recorded, {}, "the run was made", is_needed_by(CONFIG))
    else:
        [note] = compare_plugins(recorded, {}, "the run was made", is_needed_by(CONFIG))
        assert note.endswith("which is not installed")


@pytest.mark.parametrize(
    "recorded",
    [None, [], {"x": 1}, {"x": {}}, {"x": {"adds": 1}}, {"x": {"distribution": "a b", "version": "1; rm"}}],
)
def test_a_record_from_elsewhere_makes_no_command(recorded):
    try:
        text = "\n".join(compare_plugins(recorded, {}, "the run was made"))
    except MissingError as error:
        text = str(error)
    assert "pip install" not in text


def test_code_without_a_version_of_its_own_is_identified_by_its_content(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def identity(origin):
        return make_plugins(found=lay_out(tmp_path, "silver", "1.0", origin)).identities["silver"]

    assert identity(None).text == "dist-silver 1.0"  # from an index, where a version is one content
    editable = {"url": "file:///x", "dir_info": {"editable": True}}
    first = identity(editable)
    assert first.source
    assert identity(editable) == first
    (tmp_path / "silver_identity").mkdir()
    module = tmp_path / "silver_identity.py"
    points = lay_out(tmp_path, "silver", "1.0", editable)
    module.write_text(module.read_text().replace("0.5", "0.7"))
    assert make_plugins(found=points).identities["silver"].source != first.source


def test_every_kind_of_option_has_its_plugin():
    options = frozenset({"preprocess=plain", "tuner=walk"})
    kit = PluginIdentity("kit", "runtree-kit", "1", packages=frozenset({"kit"}), options=options)
    broken = PluginIdentity("bad", "runtree-bad", "1", packages=frozenset({"bad"}), problem="broken")
    config = {
        "algorithm": {"name": "a", "_target_": {"classification": "kit.A", "regression": "sklearn.linear_model.Ridge"}},
        "preprocess": {"name": "plain", "_target_": "sklearn.preprocessing.StandardScaler"},
        "data": {"name": "d", "_target_": "kit.data.Rows"},
        "evaluator": {"name": "e", "_target_": "bad.E"},
        "tuner": {"name": "walk", "_target_": "kit.Walk"},
        "compute": {"name": "auto", "_target_": "runtree.compute.device.Auto"},
    }
    found = Contributors({"kit": kit, "bad": broken})
    assert found.entries(config, ())["kit"]["adds"] == ["algorithm", "data", "preprocess", "tuner"]
    # the preprocessing is an option of the plugin, but a class of scikit-learn: the model needs no more than that
    assert found.of_model(config)["kit"]["adds"] == ["algorithm"]
    assert "bad" not in found.entries(config, ())


def test_another_version_of_a_library_is_told_once():
    [note] = compare_libraries({"scikit-learn": "0.1", "pandas": None, "no-such-library": "1"})[:1]
    assert note.startswith("the model was trained with scikit-learn 0.1, and ")
    assert compare_libraries(["not a mapping"]) == []


def test_an_unknown_option_may_be_one_of_a_broken_plugin(finished):
    plugins = installed(finished[0], "0.1.0")
    plugins.leave_out("gold", "for a test")
    with pytest.raises(ConfigError, match="plugins left out as broken: gold"):
        App(plugins).catalogue.option("algorithm", "centre")


PARTS = """
def helper():
    raise KeyError("planted")

class Ranks:
    def fit(self):
        helper()

class Waves:
    def load(self):
        return open("nowhere")

class Halves:
    def evaluate(self, work):
        work()
"""


def code_of_kit():
    module = {"__name__": "kit.parts"}
    exec(PARTS, module)
    return module


def raised(work):
    with pytest.raises(BaseException) as caught:
        work()
    return caught.value


def test_an_error_is_told_with_the_plugin_whose_code_raised_it():
    kit = PluginIdentity("kit", "runtree-kit", "1", packages=frozenset({"kit"}))
    found, code = Contributors({"kit": kit}), code_of_kit()
    config = {
        "data": {"name": "waves", "_target_": "kit.parts.Waves"},
        "preprocess": {"name": "ranks", "steps": [{"_target_": "kit.parts.Ranks"}]},
    }
    told = found.named(raised(code["Ranks"]().fit), config)
    assert told.message == "preprocess.steps of the plugin 'kit' failed: KeyError: 'planted'"
    assert told.hints == ("in kit.parts.helper, line 3",)
    told = found.named(raised(code["Waves"]().load), config)
    assert told.message.startswith("data=waves of the plugin 'kit' failed: FileNotFoundError: ")
    assert found.named(raised(code["helper"]), config).message.startswith("the plugin 'kit' failed: ")
    # what the plugin has called of runtree, or nobody's code
    inner = raised(lambda: code["Halves"]().evaluate(lambda: table_options({})))
    assert found.named(inner, config) is inner
    other = raised(lambda: int("x"))
    assert found.named(other, config) is other
    # raised on purpose, with and without a cause in the plugin
    said = ConfigError("data.rows: no")
    assert found.named(said, config) is said
    said.__cause__ = raised(code["Ranks"]().fit)
    assert found.named(said, config).hints == ("in kit.parts.helper, line 3, of the plugin 'kit'",)
    assert len(found.named(said, config).hints) == 1
