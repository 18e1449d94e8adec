"""The functions: train, tune, resume, evaluate, load, compare."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.api.overrides import AT_WORK, data_words, keep_frame, override_words, parse_words, protection_of
from runtree.api.recorded import LoadedModel, RecordedRun, RecordedSweep
from runtree.contract.commands import DEFAULT_OUTPUTS
from runtree.contract.errors import RequestError, RunFailedError
from runtree.records.layout import find_sweep

if TYPE_CHECKING:
    import pandas as pd

    from runtree.app import App, TrainResult
    from runtree.app.sweep_plan import SweepRequest
    from runtree.sweeps.function_space import SpaceFunction


def train(
    *overrides: str | Mapping[str, Any],
    data: "pd.DataFrame | str | Path | None" = None,
    target: str | None = None,
    trust: Sequence[str] = (),
    progress: bool = True,
    **values: Any,
) -> "RecordedRun":
    """Train, evaluate and record a model, as `runtree train` does.

    Parameters
    ----------
    overrides
        As they are typed (``"algorithm=ridge algorithm.alpha=2"``), or mappings of config paths to values
        (``{"algorithm.alpha": 2}``).
    data
        A data frame, the path of a file, or the name of an option of the group `data`. A data frame is kept below the
        output folder, so that the run can be repeated.
    target
        The column to predict.
    trust
        Classes of your own that config files name.
    progress
        Whether to show the stage and the iterations, on a terminal or in a notebook, while it works.
    values
        Values of config keys and options of groups: ``seed=1``, ``algorithm="ridge"``.

    Returns
    -------
    RecordedRun
        The finished run, read from its files. Where a quality gate failed, `run.missed` says why.

    Raises
    ------
    RuntreeError
        The request is wrong (`RequestError`), or the run failed.
    """
    from runtree.api.notebook import run_progress
    from runtree.app import App, TrainCallbacks, train

    words = [*override_words(overrides, values)]
    flags = parse_words((*words, *data_words(data, target, values, words)), trust)
    if flags.multirun:
        raise RequestError("rt.train: is one run", "for several: rt.tune(…)")
    shown = run_progress(progress)
    with AT_WORK:
        try:
            result = train(App(), flags, TrainCallbacks(shown.on_stage, shown.on_run_end, shown.on_iteration))
        finally:
            shown.stop()
    if result.multirun:
        raise RequestError("rt.train: the overrides name several runs", "for several: rt.tune(…)")
    return RecordedRun(Path(result.runs[0].folder), tuple(trust))


def tune(
    *overrides: str | Mapping[str, Any],
    data: "pd.DataFrame | str | Path | None" = None,
    target: str | None = None,
    space: "SpaceFunction | None" = None,
    max_runs: int | None = None,
    max_seconds: float | None = None,
    slots: int | None = None,
    trust: Sequence[str] = (),
    progress: bool = True,
    **values: Any,
) -> "RecordedSweep":
    """Search for the best configuration, as `runtree tune` does; ranges are written as on the command line.

    Parameters
    ----------
    space
        A function that gets a `SpaceTrial` and returns the values of a trial by config path, in place of declared
        ranges: ``lambda trial: {"algorithm.C": trial.suggest_float("C", 1e-3, 10, log=True)}``. It may choose options,
        too (``{"algorithm": trial.suggest_categorical("algorithm", ["svm", "ridge"]), …}``), and suggest what depends
        on them.
    max_runs, max_seconds
        When the search stops: `tuner.stop.max_runs` and `tuner.stop.max_seconds`.
    slots
        Runs at a time: `compute.slots`.
    progress
        Whether to show a bar while it works: in a notebook, on a terminal, or as lines.
    overrides, data, target, trust, values
        As in `train`; several values, as in ``algorithm="ridge,lasso"``, are searched.

    Returns
    -------
    RecordedSweep
        The finished sweep. A first Ctrl-C lets the runs that work finish, and the sweep is returned; what was done
        stays, and `resume` goes on.

    Raises
    ------
    RuntreeError
        The request is wrong, or no run completed.
    KeyboardInterrupt
        A second Ctrl-C ended the runs that worked.
    """
    from runtree.app import App, train
    from runtree.app.default_tuner import missing_overrides

    stop = {"tuner.stop.max_runs": max_runs, "tuner.stop.max_seconds": max_seconds, "compute.slots": slots}
    given = {path: value for path, value in stop.items() if value is not None}
    words = [*override_words((*overrides, given), values, ranges=True)]
    words += data_words(data, target, values, words)
    app, flags = App(), parse_words(words, trust)
    flags.multirun = True
    check_callable(space)
    with AT_WORK:
        # in front, so that what was given takes precedence
        flags.overrides = [*missing_overrides(app, flags), *flags.overrides]
        return _sweep(app, space, progress, trust, lambda request: train(app, flags, order=request))


def resume(
    sweep: str | Path = "latest",
    *overrides: str | Mapping[str, Any],
    space: "SpaceFunction | None" = None,
    retry: Sequence[str] = (),
    outputs: str | Path = DEFAULT_OUTPUTS,
    trust: Sequence[str] = (),
    progress: bool = True,
) -> "RecordedSweep":
    """Continue a sweep, as `runtree resume` does.

    Parameters
    ----------
    sweep
        As in `load_sweep`.
    overrides
        Stop criteria and `compute` may change: ``"tuner.stop.max_runs=200"``.
    space
        The function that the sweep began with, if its space was one. What it makes of the recorded trials is compared;
        `sweep.yaml` has its source, should it be lost.
    retry
        ``"failed"`` or ``"stopped"``: such runs are tried again.
    outputs, trust, progress
        As in `load_run` and `tune`.

    Raises
    ------
    RuntreeError
        There is no such sweep, another process works on it, or its config or space has changed.
    """
    from runtree.app import App
    from runtree.app.resume import resume_sweep

    check_callable(space)
    folder, app = find_sweep(Path(outputs), str(sweep)), App()
    words = list(override_words(overrides, {}))
    with AT_WORK:
        return _sweep(
            app,
            space,
            progress,
            trust,
            lambda request: resume_sweep(app, folder, words, request.observer, retry, trust, request.space),
        )


def check_callable(space: Any) -> None:
    """Refuse a space that is no function."""
    if space is not None and not callable(space):
        raise RequestError(
            f"space: a {type(space).__name__} is no function of a trial",
            "declared ranges are overrides: rt.tune({'algorithm.alpha': 'interval(0.1, 10)'}, …)",
        )


def _sweep(
    app: "App",
    space: "SpaceFunction | None",
    progress: bool,
    trust: Sequence[str],
    begin: "Callable[[SweepRequest], TrainResult]",
) -> "RecordedSweep":
    from runtree.api.notebook import sweep_view
    from runtree.app.sweep_plan import SweepRequest

    view = sweep_view(progress)
    with warnings.catch_warnings():
        # of tqdm, which Optuna imports and which has no part in this
        warnings.filterwarnings("ignore", "IProgress not found")
        try:
            view.preparing()
            result = begin(SweepRequest(app, space=space, observer=view))
        finally:
            view.close()
    driver = result.swept.driver if result.swept else None
    if result.folder is None or driver is None:
        raise RequestError("rt.tune: needs runtree's own sweeper", "type: hydra/sweeper=runtree")
    sweep = RecordedSweep(result.folder, tuple(trust))
    if driver.signals > 1:  # a second interrupt is meant for the program or the cell that is at work, too
        raise KeyboardInterrupt(f"the sweep was stopped; to go on: rt.resume('{result.folder}')")
    failed = [run for run in driver.state.runs.values() if run.state == "failed"]
    if failed and not driver.state.completed() and driver.stop_cause is None:
        error = failed[0].result.error or {}
        raise RunFailedError(
            f"rt.tune: no run of {result.folder} completed",
            f"the first failed: {error.get('message') or error.get('type') or 'see its log'}",
            f"after it is mended: rt.resume('{result.folder}', retry=['failed'])",
        )
    return sweep


def load_run(run: str = "latest", outputs: str | Path = DEFAULT_OUTPUTS) -> "RecordedRun":
    """Return a recorded run.

    Parameters
    ----------
    run
        `latest`, a path, the beginning of an id, or ``models:/NAME@ALIAS``.
    outputs
        The output folder, in which it is looked for.

    Raises
    ------
    NotFoundError
        There is no such run, or there are several.
    """
    from runtree.records.find import find_run

    return RecordedRun(find_run(Path(outputs), run).folder)


def load_sweep(sweep: str = "latest", outputs: str | Path = DEFAULT_OUTPUTS) -> "RecordedSweep":
    """Return a recorded sweep.

    Parameters
    ----------
    sweep
        `latest`, a path, or the beginning of its name.
    outputs
        The output folder, in which it is looked for.

    Raises
    ------
    NotFoundError
        There is no such sweep, or there are several.
    """
    return RecordedSweep(find_sweep(Path(outputs), sweep).path)


def load_model(run: str = "latest", outputs: str | Path = DEFAULT_OUTPUTS, trust: Sequence[str] = ()) -> "LoadedModel":
    """Return the model of a run or of the registry: ``rt.load_model("models:/churn@champion")``.

    Parameters
    ----------
    run, outputs
        As in `load_run`.
    trust
        Classes of your own that the model holds; all others but those of runtree, scikit-learn and plugins are refused.

    Raises
    ------
    RuntreeError
        There is no such run, it kept no model, or the files were changed since.
    """
    from runtree.records.find import find_run

    return RecordedRun(find_run(Path(outputs), run, needs="model").folder).load_model(trust)


def evaluate(
    run: "str | RecordedRun" = "latest",
    data: "pd.DataFrame | str | Path | None" = None,
    *overrides: str | Mapping[str, Any],
    outputs: str | Path = DEFAULT_OUTPUTS,
    trust: Sequence[str] = (),
    **values: Any,
) -> dict[str, Any]:
    """Score the model of a run on labelled rows, as `runtree evaluate` does; nothing is trained or changed.

    Parameters
    ----------
    run
        As in `load_run`, or a run.
    data
        A data frame or a file with the columns and the target of the run, or an option of the group `data`.
    overrides, values
        Keys of `data`, `evaluator` and `objective` that differ from those of the run.
    outputs, trust
        As in `load_run` and `load_model`.

    Returns
    -------
    dict
        The content of `scores.json`: "metrics", "intervals", "differences" from the run's own test scores, "notes", …;
        and "failed", a sentence for each bound that these rows do not meet.

    Raises
    ------
    RuntreeError
        The run has no model, or the rows do not fit it.
    """
    from runtree.app import App
    from runtree.app.evaluate import EvaluationRequest, evaluate_run

    record = run.record if isinstance(run, RecordedRun) else load_run(run, outputs).record
    words, file = list(override_words(overrides, values)), None
    if data is not None and not isinstance(data, (str, Path)):
        file = str(keep_frame(data, Path(outputs), protection_of(record)))
    elif data is not None and Path(data).suffix:
        file = str(data)
    elif data is not None:
        words.insert(0, f"data={data}")
    with AT_WORK:
        result = evaluate_run(App(), EvaluationRequest(record, file, tuple(words), tuple(trust)))
    return {**result.content, "folder": str(result.folder.path), "failed": list(result.failed)}


def compare(
    runs: Sequence[str] = (),
    metric: str | None = None,
    where: str | Sequence[str] = (),
    outputs: str | Path = DEFAULT_OUTPUTS,
    alpha: float = 0.05,
    baseline: str | None = None,
) -> "pd.DataFrame":
    """Compare configurations as `runtree compare` does; runs that differ only in the seed are one configuration.

    Parameters
    ----------
    runs
        Ids, beginnings of them, folders, or names of sweeps; none: all runs that are comparable.
    metric
        ``"test.rmse"``, or the name alone for the validation split; None: the objective of the runs.
    where
        Conditions that the runs meet: ``"algorithm.name=ridge"``.
    outputs
        The output folder.
    alpha
        The level of intervals and tests.
    baseline
        The run that the others are tested against; None: the best.

    Returns
    -------
    pandas.DataFrame
        A row for each configuration, the best first: rank, run, n, the mean of the metric with its sd, low and high,
        the p value of the difference from the best, corrected by Holm, and whether it is tied with it (None: not
        testable).

    Raises
    ------
    RequestError
        The runs are not comparable: other data, split, evaluator or objective.
    """
    import pandas as pd

    from runtree.app.compare import make_comparison
    from runtree.records.compare.table import CompareRequest

    conditions = (where,) if isinstance(where, str) else tuple(where)
    request = CompareRequest(tuple(runs), metric, baseline, conditions, alpha, most=None)
    table, _ = make_comparison(Path(outputs), request)
    rows = [
        {
            "rank": line.rank,
            "run": line.top(table.measure).id,
            "runs": len(line.records),
            "mean": line.spread.mean,
            "sd": line.spread.sd,
            "low": line.spread.low,
            "high": line.spread.high,
            "p": line.p,
            "tied": line.tied,
        }
        for line in table.lines
    ]
    return pd.DataFrame(rows)
