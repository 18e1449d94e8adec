"""Each hook has a test named for it, and the order of all moments in one run is asserted once."""

import json
from types import SimpleNamespace

import pytest

from registered_runs import write_run
from runtree import AlertChannel, AlgorithmOption, Command, Detection, Detector, Metric, Stage, Tracker, hookimpl
from runtree.app import App, train
from runtree.config.hydra_engine import parse_flags
from runtree.contract import hookspecs
from runtree.contract.errors import GateError, MissingError, RunFailedError
from runtree.monitoring.alerts import open_channels
from runtree.monitoring.options import MonitorOptions
from runtree.plugins import make_plugins
from runtree.registry.store import Registry
from runtree.testing.fixtures import UNEXAMINED

STAGES = (
    "load", "check_schema", "check", "validate_evaluation", "split", "validate_gate", "check_table", "fit", "score", "save", "evaluate", "report",
)  # fmt: skip


def plugin(**hooks):
    """Return an object with these hooks."""
    return type("Probe", (), {name: staticmethod(hookimpl(function)) for name, function in hooks.items()})


def run(folder, *overrides, app=None, **hooks):
    app = app or App(make_plugins(found=[], extra=[("probe", plugin(**hooks))]))
    done = train(app, parse_flags(["algorithm=dummy", "data=iris", *UNEXAMINED, *overrides]))
    return done.runs[0]


def test_every_hook_has_a_test_named_for_it():
    hooks = [name for name, item in vars(hookspecs).items() if hasattr(item, "runtree_spec")]
    assert [name for name in hooks if f"test_{name}" not in globals()] == []


def test_config_paths(folder):
    (folder / "extra" / "data").mkdir(parents=True)
    (folder / "extra" / "data" / "flowers.yaml").write_text(
        "# Flowers.\ndefaults: [_table_, _self_]\nname: flowers\n_target_: runtree.data.bundled.Bundled\nsource: iris\ntarget: target\n"
    )
    assert run(folder, "data=flowers", config_paths=lambda: [str(folder / "extra")]).config.data.name == "flowers"


def test_register_algorithms(folder):
    option = AlgorithmOption(
        "stump", "sklearn.tree.DecisionTreeClassifier", {"max_depth": 1}, tasks=("classification",)
    )
    found = run(folder, "algorithm=stump", "algorithm.max_depth=2", register_algorithms=lambda: [option])
    assert found.model[-1].max_depth == 2


def test_register_stages(folder):
    seen = []
    run(folder, register_stages=lambda: [Stage("look", lambda run: seen.append(len(run.data.features)), after="load")])
    assert seen == [150]


def test_register_metrics(folder):
    metric = Metric("rows", lambda t, p, labels: float(len(t)), "maximize", tasks=("classification",))
    assert run(folder, register_metrics=lambda: [metric]).metrics["test"]["rows"] == 30


def test_register_commands(folder):
    import click

    command = Command("hello", click.Command("hello"), "Greet.")
    app = App(make_plugins(found=[], extra=[("probe", plugin(register_commands=lambda: [command]))]))
    assert list(app.plugins.contributions("register_commands")) == [("probe", command)]


def test_register_trackers(folder):
    class Board:
        def run_finished(self, run, record):
            seen.append(record.state)

    seen = []
    trackers = plugin(register_trackers=lambda: [Tracker("board", Board)])
    app = App(make_plugins(found=[], extra=[("probe", trackers)]))
    run(folder, "trackers=[board]", app=app)
    run(folder, app=app)
    assert seen == ["completed"]


def test_register_detectors():
    own = Detector("mean", lambda reference, window: Detection(1.0), ("number",))
    plugins = make_plugins(found=[], extra=[("probe", plugin(register_detectors=lambda: [own]))])
    assert list(plugins.contributions("register_detectors"))[-1] == ("probe", own)


def test_register_alerts():
    sent = []
    own = AlertChannel("pager", lambda address="here": SimpleNamespace(send=lambda alert: sent.append(address)))
    plugins = make_plugins(found=[], extra=[("probe", plugin(register_alerts=lambda: [own]))])
    options = MonitorOptions(alerting={"pager": {"address": "there"}})
    open_channels(options, plugins.contributions("register_alerts")).channels["pager"].send(None)
    assert sent == ["there"]


def test_trusted_types():
    plugins = make_plugins(found=[], extra=[("probe", plugin(trusted_types=lambda: ["mine.Net"]))])
    assert "mine.Net" in plugins.trusted_types()
    assert plugins.trusted_types(["typed.Name"])[-1] == "typed.Name"


def test_environment_facts(folder):
    found = run(folder, environment_facts=lambda: {"mylib": "1.2"})
    probe = json.loads((found.folder / "environment.json").read_text())["plugins"]["probe"]
    assert probe["mylib"] == "1.2"
    assert probe["installed"]  # distribution and version


def test_run_started(folder):
    seen = []
    run(folder, run_started=lambda run: seen.append((run.folder / "config.yaml").is_file() and not run.is_set("data")))
    assert seen == [True]


def test_stage_finished(folder):
    seen = []
    run(folder, stage_finished=lambda stage, seconds: seen.append((stage.name, seconds >= 0)))
    assert seen == [(name, True) for name in STAGES]


def test_run_iterated(folder):
    def iterate(run):
        for step in range(3):
            run.report(step, loss=1.0 / (step + 1))

    seen = []
    found = run(
        folder,
        register_stages=lambda: [Stage("iterate", iterate, after="split")],
        run_iterated=lambda run, step, metrics: seen.append((step, metrics["loss"])),
    )
    lines = [json.loads(line) for line in (found.folder / "history.jsonl").read_text().splitlines()]
    assert seen == [(line["step"], line["loss"]) for line in lines] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


def test_run_finished(folder):
    seen = []
    found = run(
        folder, run_finished=lambda run, record: seen.append((record.state, (run.folder / "run.json").is_file()))
    )
    assert seen == [("completed", True)]
    assert json.loads((found.folder / "run.json").read_text())["state"] == "completed"


def test_run_failed(folder):
    def fail(run):
        raise RunFailedError("no")

    seen = []
    with pytest.raises(RunFailedError, match="no"):
        run(
            folder,
            register_stages=lambda: [Stage("fail", fail, after="load")],
            run_failed=lambda run, error: seen.append((str(error), (run.folder / "run.json").is_file())),
        )
    assert seen == [("no", True)]


def sweep(folder, **hooks):
    app = App(make_plugins(found=[], extra=[("probe", plugin(**hooks))]))
    return train(
        app,
        parse_flags(
            ["-m", "algorithm=knn", "algorithm.n_neighbors=1,5", "data=iris", "compute.engine=in_process", *UNEXAMINED]
        ),
    ).folder


def test_sweep_started(folder):
    seen = []
    found = sweep(folder, sweep_started=lambda folder: seen.append((folder, (folder / "sweep.yaml").is_file())))
    assert seen == [(found, True)]


def test_sweep_finished(folder):
    seen = []
    found = sweep(folder, sweep_finished=lambda folder, best, stop: seen.append((folder, best, stop)))
    [(told, [best], stop)] = seen
    assert told == found
    assert (stop["criterion"], "test" in best.metrics) == ("space_exhausted", True)


def test_save_model(folder):
    saved = []

    def save(model, folder):
        saved.append(model)
        (folder / "mine.txt").write_text("model")
        return "mine"

    # the saved model is replayed, so it must be readable, too
    found = run(folder, save_model=save, load_model=lambda folder, format: saved[-1] if format == "mine" else None)
    assert json.loads((found.folder / "model" / "model.json").read_text())["format"] == "mine"
    assert not (found.folder / "model" / "model.skops").exists()


def test_load_model(folder):
    class Model:
        def predict(self, rows):
            return rows

    plugins = make_plugins(found=[], extra=[("probe", plugin(load_model=lambda folder, format: Model()))])
    assert isinstance(plugins.first("load_model", folder=folder, format="mine", trust=()), Model)


def registered(tmp_path, **hooks):
    """Register a run with these hooks, and let the alias `new` mean the version."""
    plugins = make_plugins(found=[], extra=[("probe", plugin(**hooks))])
    registry = Registry(tmp_path / "registry", plugins, "anna")
    registry.register("churn", write_run(tmp_path / "r1"), {})
    return registry.move_alias("churn", "1", "new")


def test_model_registered(tmp_path):
    seen = []
    registered(tmp_path, model_registered=lambda version: seen.append((version.reference, version.folder.is_dir())))
    assert seen == [("models:/churn/1", True)]


def test_alias_moved(tmp_path):
    seen = []
    registered(tmp_path, alias_moved=lambda name, alias, version: seen.append((name, alias, version.number)))
    assert seen == [("churn", "new", 1)]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda version: f"{version.run} was not reviewed", GateError, "new stays as it is: r1 was not reviewed"),
        (lambda: False, MissingError, "plugin 'probe' failed in may_promote: TypeError: it returned False"),
        (lambda: 1 / 0, MissingError, "plugin 'probe' failed in may_promote: ZeroDivisionError"),
    ],
)
def test_may_promote(tmp_path, answer, error, message):
    with pytest.raises(error, match=message):
        registered(tmp_path, may_promote=answer)


def test_the_order_of_all_moments_in_one_run(folder):
    said = []
    run(
        folder,
        register_stages=lambda: [Stage("iterate", lambda run: run.report(0, loss=1.0), after="split")],
        run_started=lambda: said.append("started"),
        stage_finished=lambda stage: said.append(stage.name),
        run_iterated=lambda: said.append("iterated"),
        run_finished=lambda: said.append("finished"),
        run_failed=lambda: said.append("failed"),
    )
    assert said == [
        "started",
        *STAGES[: STAGES.index("split") + 1],
        "iterated",
        "iterate",
        *STAGES[STAGES.index("split") + 1 :],
        "finished",
    ]


def test_a_plugin_that_fails_in_a_moment_is_named_and_the_run_goes_on(folder, caplog):
    def fail():
        raise ValueError("oops")

    run(folder, run_started=fail, run_finished=fail)
    assert "plugin probe failed in run_started: ValueError: oops" in caplog.text


@pytest.mark.parametrize("returned", [["not a stage"], 7])
def test_a_plugin_that_contributes_something_else_is_named_and_left_out(folder, caplog, returned):
    found = run(folder, register_stages=lambda: returned)
    assert found.is_set("metrics")
    assert "plugin probe is left out: register_stages" in caplog.text


def test_a_name_of_runtree_means_what_is_runtrees(folder, caplog):
    (folder / "more" / "algorithm").mkdir(parents=True)
    (folder / "more" / "algorithm" / "dummy.yaml").write_text("_target_: sklearn.linear_model.LogisticRegression\n")
    (folder / "more" / "config.yaml").write_text("seed: 5\n")
    done = run(
        folder,
        "compute=cpu",
        config_paths=lambda: [str(folder / "more")],
        register_algorithms=lambda: [AlgorithmOption("ridge", "sklearn.linear_model.Lasso")],
        register_metrics=lambda: [Metric("accuracy", lambda y_true, y_pred: 7.0, "minimize")],
        register_stages=lambda: [Stage("fit", lambda run: 1 / 0)],
        register_trackers=lambda: [Tracker("tensorboard", dict, lambda: True)],
    )
    assert done.config.algorithm._target_.classification == "sklearn.dummy.DummyClassifier"
    assert done.metrics["test"]["accuracy"] < 1
    assert done.config.seed == 0
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    left_out = (
        "metric 'accuracy'",
        "option algorithm=dummy",
        "option algorithm=ridge",
        "stage 'fit'",
        "tracker 'tensorboard'",
    )
    assert sorted(told) == [
        f"plugin probe: its {what} is left out: runtree has one of that name. Without this: runtree --block probe …"
        for what in left_out
    ]


def test_an_option_of_two_packages_is_refused_where_it_is_chosen(folder):
    mine = AlgorithmOption("mine", "sklearn.linear_model.LogisticRegression")
    given = [(name, plugin(register_algorithms=lambda: [mine])) for name in ("one", "two")]
    app = App(make_plugins(found=[], extra=given))
    run(folder, app=app)
    for words in (["algorithm=mine"], ["algorithm=mine", "-m", "seed=1,2"], ["-m", "algorithm=dummy,mine"]):
        with pytest.raises(MissingError, match="algorithm=mine is provided twice: by 'one' and by 'two'") as refused:
            run(folder, *words, app=app)
        assert refused.value.hints == ("leave one of them out: runtree --block two …",)
