"""The hooks that a plugin may implement.

Contribution hooks return values. Notification hooks are called after an event and return nothing. Of the hooks with
`firstresult` the first result that is not None is used. Implement any of them in a module or a class::

    from runtree import hookimpl

    @hookimpl
    def environment_facts():
        return {"mylib": "1.2"}
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy

from runtree.contract.alerting import AlertChannel
from runtree.contract.detection import Detector
from runtree.contract.model_version import ModelVersion
from runtree.contract.run import Run, Stage
from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Tracker

# pluggy matches specifications and implementations by this name, and it is the entry point group of plugins
PROJECT = "runtree"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def config_paths() -> Iterable[str]:  # type: ignore[empty-body]
    """Return folders with config groups, as ``pkg://package.folder``. Called once, before Hydra composes.

    ::

        @hookimpl
        def config_paths():
            return ["pkg://mine.conf"]        # mine/conf/data/sensors.yaml → data=sensors
    """


@hookspec
def register_algorithms() -> Iterable[AlgorithmOption]:  # type: ignore[empty-body]
    """Return algorithms; each becomes an option of the group `algorithm`. Called once, before Hydra composes.

    ::

        @hookimpl
        def register_algorithms():
            return [AlgorithmOption("stump", "mine.trees.Stump", defaults={"depth": 1}, space={"depth": "range(1, 5)"})]
    """


@hookspec
def register_stages() -> Iterable[Stage]:  # type: ignore[empty-body]
    """Return stages of every run, each `after` or `before` a known one. Called once per run.

    ::

        @hookimpl
        def register_stages():
            return [Stage("profile", lambda run: print(run.data.features.describe()), after="load")]
    """


@hookspec
def register_metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Return metrics for `evaluator.metrics` and `objective.metric`. Called once per run.

    ::

        @hookimpl
        def register_metrics():
            return [Metric("bias", lambda t, p: float((p - t).mean()), "minimize", tasks=("regression",))]
    """


@hookspec
def register_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Return commands of the command line. Called when it starts: import nothing heavy here.

    ::

        @hookimpl
        def register_commands():
            return [Command("hello", click.Command("hello", callback=lambda: click.echo("hi")), "Greet.")]
    """


@hookspec
def register_trackers() -> Iterable[Tracker]:  # type: ignore[empty-body]
    """Return trackers for the key `trackers`. Called once per run: import nothing heavy here.

    ::

        @hookimpl
        def register_trackers():
            return [Tracker("board", "mine.board.Board")]  # a class with methods such as run_finished(run, record)
    """


@hookspec
def register_detectors() -> Iterable[Detector]:  # type: ignore[empty-body]
    """Return detectors of drift for `monitor.detectors`. Called once by `runtree monitor`.

    ::

        @hookimpl
        def register_detectors():
            def compare(reference, window):
                return Detection(abs(float(window.mean() - reference.mean())))

            return [Detector("mean", compare, ("number",), threshold=0.5)]
    """


@hookspec
def register_alerts() -> Iterable[AlertChannel]:  # type: ignore[empty-body]
    """Return channels of alerts for `monitor.alerts`. Called once by `runtree monitor`: import nothing heavy here.

    ::

        @hookimpl
        def register_alerts():
            return [AlertChannel("pager", "mine.pager.Pager")]  # a class with the method send(alert)
    """


@hookspec
# a hook and not a file beside the model: anyone who can change the model could change that file as well
def trusted_types() -> Iterable[str]:  # type: ignore[empty-body]
    """Return dotted names of classes in your saved models that are safe to load. Called when a model is loaded.

    ::

        @hookimpl
        def trusted_types():
            return ["mine.trees.Stump"]
    """


@hookspec
def environment_facts() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return facts for `environment.json`: versions, devices. Called once per run, at its start.

    ::

        @hookimpl
        def environment_facts():
            return {"mylib": mylib.__version__}
    """


@hookspec
def run_started(run: Run) -> None:
    """Called when a run's folder exists and its config is written. No slot of `run` is filled yet."""


@hookspec
def stage_finished(run: Run, stage: Stage, seconds: float) -> None:
    """Called when a stage has succeeded; `seconds` is its duration by a monotonic clock."""


@hookspec
def run_iterated(run: Run, step: int, metrics: Mapping[str, float]) -> None:
    """Called after each iteration of an algorithm that reports."""


@hookspec
def run_finished(run: Run, record: RunRecord) -> None:
    """Called when a run has completed or was pruned (`record.state`); its metrics and record are on disk.

    A run of a sweep that is not kept has no test scores.
    """


@hookspec
def run_failed(run: Run, error: BaseException) -> None:
    """Called when a run has failed or was interrupted. An error raised here never hides the run's own."""


@hookspec
def sweep_started(folder: Path) -> None:
    """Called in the driver when a sweep starts or is resumed; its folder contains `sweep.yaml`."""


@hookspec
def sweep_finished(folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
    """Called when a sweep has ended: `best` are its best runs, scored on the test split, `stop` is `stop.json`."""


@hookspec(firstresult=True)
def save_model(model: Any, folder: Path) -> str | None:
    """Write a fitted model into an empty folder and return the name of the format, or None if it is not yours.

    ::

        @hookimpl
        def save_model(model, folder):
            if isinstance(model, MyNet):
                model.write(folder / "net.bin")
                return "mynet"
    """


@hookspec(firstresult=True)
def load_model(folder: Path, format: str, trust: tuple[str, ...]) -> Any | None:
    """Load the model that `save_model` wrote; return None if the format is not yours.

    `trust` holds the dotted names that the user allows on the command line.
    """


@hookspec
def model_registered(version: ModelVersion) -> None:
    """Called when a version of a model was registered; its files are in `version.folder`."""


@hookspec
def alias_moved(name: str, alias: str, version: ModelVersion) -> None:
    """Called when an alias of the registered model `name` means another version from now on."""


@hookspec(firstresult=True)
def may_promote(version: ModelVersion, alias: str) -> str | None:
    """Return why an alias must not move to a version, or None if nothing speaks against it. Called before it moves.

    ::

        @hookimpl
        def may_promote(version, alias):
            if alias == "champion" and version.tags.get("reviewed") != "yes":
                return "tag it reviewed=yes first"
    """
