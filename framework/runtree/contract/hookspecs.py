"""Every hook a plugin may implement.

Contribution hooks return values, once, at the start. Moment hooks are told and return nothing. Decision hooks
(`firstresult`) are asked in turn until one answers. Implement any of them in a module or a class::

    from runtree import hookimpl

    @hookimpl
    def environment_facts():
        return {"mylib": "1.2"}
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy

from runtree.contract.run import Run, Stage
from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Tracker

PROJECT = "runtree"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def config_paths() -> Iterable[str]:  # type: ignore[empty-body]
    """Return folders with config groups, as ``pkg://package.folder``. Asked once, before Hydra composes.

    ::

        @hookimpl
        def config_paths():
            return ["pkg://mine.conf"]        # mine/conf/data/sensors.yaml → data=sensors
    """


@hookspec
def register_algorithms() -> Iterable[AlgorithmOption]:  # type: ignore[empty-body]
    """Return algorithms; each becomes an option of the group `algorithm`. Asked once, before Hydra composes.

    ::

        @hookimpl
        def register_algorithms():
            return [AlgorithmOption("stump", "mine.trees.Stump", defaults={"depth": 1}, space={"depth": "range(1, 5)"})]
    """


@hookspec
def register_stages() -> Iterable[Stage]:  # type: ignore[empty-body]
    """Return stages that stand in every run, `after` or `before` one that is known. Asked once a run.

    ::

        @hookimpl
        def register_stages():
            return [Stage("profile", lambda run: print(run.data.features.describe()), after="load")]
    """


@hookspec
def register_metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Return metrics, to be named in `evaluator.metrics` and `objective.metric`. Asked once a run.

    ::

        @hookimpl
        def register_metrics():
            return [Metric("bias", lambda t, p: float((p - t).mean()), "minimize", tasks=("regression",))]
    """


@hookspec
def register_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Return verbs of the command line. Asked when the command line starts: import nothing heavy here.

    ::

        @hookimpl
        def register_commands():
            return [Command("hello", click.Command("hello", callback=lambda: click.echo("hi")), "Greet.")]
    """


@hookspec
def register_trackers() -> Iterable[Tracker]:  # type: ignore[empty-body]
    """Return trackers, to be named in `trackers`. Asked once a run: import nothing heavy here.

    ::

        @hookimpl
        def register_trackers():
            return [Tracker("board", "mine.board.Board")]  # a class with methods such as run_finished(run, record)
    """


@hookspec
def trusted_types() -> Iterable[str]:  # type: ignore[empty-body]
    """Return dotted names of classes that a saved model of yours holds and that are safe to load. Asked at load.

    ::

        @hookimpl
        def trusted_types():
            return ["mine.trees.Stump"]
    """


@hookspec
def environment_facts() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return facts to keep in `environment.json`: versions, devices. Asked once a run, at its start.

    ::

        @hookimpl
        def environment_facts():
            return {"mylib": mylib.__version__}
    """


@hookspec
def run_started(run: Run) -> None:
    """Hear that a run's folder stands and its config is written. No slot of `run` is filled yet."""


@hookspec
def stage_finished(run: Run, stage: Stage, seconds: float) -> None:
    """Hear that a stage ended well, and how long it took (monotonic seconds)."""


@hookspec
def run_iterated(run: Run, step: int, metrics: Mapping[str, float]) -> None:
    """Hear of one iteration of an algorithm that reports."""


@hookspec
def run_finished(run: Run, record: RunRecord) -> None:
    """Hear that a run completed; its metrics and record are on disk."""


@hookspec
def run_failed(run: Run, error: BaseException) -> None:
    """Hear that a run failed or was interrupted. An error raised here never hides the run's own."""


@hookspec
def sweep_started(folder: Path) -> None:
    """Hear that a sweep begins or goes on; its folder holds `sweep.yaml`. Told in the process that leads it."""


@hookspec
def sweep_finished(folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
    """Hear that a sweep has ended: its best runs, scored on the test part, and what `stop.json` says."""


@hookspec(firstresult=True)
def save_model(model: Any, folder: Path) -> str | None:
    """Write a fitted model into an empty folder and return the name of the format, or None to pass.

    ::

        @hookimpl
        def save_model(model, folder):
            if isinstance(model, MyNet):
                model.write(folder / "net.bin")
                return "mynet"
    """


@hookspec(firstresult=True)
def load_model(folder: Path, format: str, trust: tuple[str, ...]) -> Any | None:
    """Read the model that `save_model` wrote in a format you know, or return None to pass.

    `trust` holds dotted names that the user vouches for on the command line.
    """
