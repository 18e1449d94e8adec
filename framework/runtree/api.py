"""runtree from Python and notebooks: the engine, the records and the rules of the command line, behind functions.

    import runtree as rt

    run = rt.train("algorithm=random_forest", data=frame, target="price", seed=1)
    run.metrics["test"]["rmse"]
    run.model.predict(new_frame)

Errors are those of the command line, as exceptions: `RuntreeError` and its kinds, with the config path and the remedy.
"""

import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.commands import DEFAULT_OUTPUTS
from runtree.contract.errors import ConfigError, NotFoundError, RequestError, RunFailedError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder, find_sweep
from runtree.records.reader import RunReader, nested_settings
from runtree.records.record import read_record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from runtree.lifecycle.predict import Predictor

    Array = np.ndarray[Any, Any]

FRAMES = ".frames"  # in the output folder: the tables that were given as data frames, by content
SHOWN_RUNS = 10  # of a sweep, in a notebook


def train(
    *overrides: str | Mapping[str, Any],
    data: "pd.DataFrame | str | Path | None" = None,
    target: str | None = None,
    trust: Sequence[str] = (),
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
    from runtree.app import App, train

    flags = _parse((*_words(overrides, values), *_data_words(data, target, values)), trust)
    if flags.multirun:
        raise RequestError("rt.train: is one run", "for several: rt.tune(…)")
    result = train(App(), flags)
    if result.multirun:
        raise RequestError("rt.train: the overrides name several runs", "for several: rt.tune(…)")
    return RecordedRun(Path(result.runs[0].folder))


def tune(
    *overrides: str | Mapping[str, Any],
    data: "pd.DataFrame | str | Path | None" = None,
    target: str | None = None,
    max_runs: int | None = None,
    max_seconds: float | None = None,
    slots: int | None = None,
    trust: Sequence[str] = (),
    **values: Any,
) -> "RecordedSweep":
    """Search for the best configuration, as `runtree tune` does; ranges are written as on the command line.

    Parameters
    ----------
    max_runs, max_seconds
        When the search stops: `tuner.stop.max_runs` and `tuner.stop.max_seconds`.
    slots
        Runs at a time: `compute.slots`.
    overrides, data, target, trust, values
        As in `train`; several values, as in ``algorithm="ridge,lasso"``, are searched.

    Returns
    -------
    RecordedSweep
        The finished sweep. A first Ctrl-C lets the runs that work finish, a second one ends them; what was done stays,
        and ``runtree resume`` goes on.

    Raises
    ------
    RuntreeError
        The request is wrong, or no run completed.
    """
    from runtree.app import App, train
    from runtree.app.default_tuner import missing_overrides
    from runtree.app.preflight import SweepRequest

    stop = {"tuner.stop.max_runs": max_runs, "tuner.stop.max_seconds": max_seconds, "compute.slots": slots}
    given = {path: value for path, value in stop.items() if value is not None}
    words = [*_words((*overrides, given), values, ranges=True), *_data_words(data, target, values)]
    app, flags = App(), _parse(words, trust)
    flags.multirun = True
    # in front, so that what was given takes precedence
    flags.overrides = [*missing_overrides(app, flags), *flags.overrides]
    result = train(app, flags, order=SweepRequest(app))
    if result.folder is None:
        raise RunFailedError("rt.tune: the sweep was not started")
    return RecordedSweep(result.folder)


def load_run(run: str = "latest", outputs: str | Path = DEFAULT_OUTPUTS) -> "RecordedRun":
    """Return a recorded run: `latest`, a path, the beginning of an id, or ``models:/NAME@ALIAS``.

    Raises
    ------
    NotFoundError
        There is no such run, or there are several.
    """
    from runtree.records.find import find_run

    return RecordedRun(find_run(Path(outputs), run).folder)


def load_sweep(sweep: str = "latest", outputs: str | Path = DEFAULT_OUTPUTS) -> "RecordedSweep":
    """Return a recorded sweep: `latest`, a path, or the beginning of its name.

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
    words, file = list(_words(overrides, values)), None
    if data is not None and not isinstance(data, (str, Path)):
        file = str(_keep_frame(data, Path(outputs)))
    elif data is not None and Path(data).suffix:
        file = str(data)
    elif data is not None:
        words.insert(0, f"data={data}")
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


# --- What was recorded.


@dataclass(frozen=True)
class RecordedRun:
    """A run as its files tell it. Everything is read when it is asked for.

    Attributes
    ----------
    folder
        The folder of the run.
    """

    folder: Path

    @cached_property
    def record(self) -> RunRecord:
        """The content of `run.json`."""
        return read_record(RunFolder(self.folder))

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.record.id

    @property
    def state(self) -> str:
        """Its state: queued, running, completed, pruned, stopped, failed or interrupted."""
        return self.record.state

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics by split: ``run.metrics["test"]["rmse"]``."""
        return self.record.metrics

    @property
    def missed(self) -> tuple[str, ...]:
        """A sentence for each quality gate that the run failed."""
        return self.record.missed

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, nested by group."""
        return nested_settings(self.record)

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """What was found about the model, each with advice: name, level, says, advice."""
        return list(self._reader.evaluation.get("findings") or ())

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """The predictions: a row for each row of a split, with row, part, y_true, y_pred and ``p_<class>``."""
        import pandas as pd

        file = RunFolder(self.folder).predictions
        if not file.is_file():
            raise NotFoundError(f"{self.folder}: this run kept no predictions", "a sweep keeps those of its best runs")
        return pd.read_parquet(file)

    @cached_property
    def history(self) -> "pd.DataFrame":
        """One row for each reported iteration: step, and the metrics then."""
        import pandas as pd

        return pd.DataFrame(self._reader.history)

    @cached_property
    def model(self) -> "LoadedModel":
        """The fitted model."""
        return self.load_model()

    def load_model(self, trust: Sequence[str] = ()) -> "LoadedModel":
        """Return the model; `trust` names classes of your own that it holds."""
        from runtree.config.allowlist import add_import_folder
        from runtree.lifecycle.predict import load_predictor
        from runtree.plugins import installed_plugins

        add_import_folder(Path.cwd(), tuple(trust))
        plugins = installed_plugins()
        return LoadedModel(load_predictor(RunFolder(self.folder), plugins, plugins.trusted_types(trust)))

    def report(self) -> Path:
        """Write the page `report.html` of the run, and return the file."""
        from runtree.app.report import report_run

        return report_run(self.record, None).file

    @property
    def _reader(self) -> RunReader:
        return RunReader(self.folder)

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.state}{_scores(self.record)}>"

    def _repr_html_(self) -> str:
        """Return the metrics as a table, for a notebook."""
        parts = list(self.metrics)
        names = dict.fromkeys(name for values in self.metrics.values() for name in values)
        rows = [[name, *(self.metrics[part].get(name) for part in parts)] for name in names]
        missed = "".join(f"<p>gate failed: {html.escape(text)}</p>" for text in self.missed)
        advice = "".join(f"<li>{html.escape(str(found.get('says')))}</li>" for found in self.findings)
        head = f"<p><b>{html.escape(self.id)}</b> {html.escape(self.state)}</p>{missed}"
        return head + _html_table(["metric", *parts], rows) + (f"<ul>{advice}</ul>" if advice else "")


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep as its files tell it.

    Attributes
    ----------
    folder
        The folder of the sweep.
    """

    folder: Path

    @property
    def stop(self) -> dict[str, Any]:
        """The content of `stop.json`: the criterion that ended it, and the best runs."""
        from runtree.records.reader import read_json

        return read_json(SweepFolder(self.folder).stop)[0]

    @property
    def runs(self) -> list[RecordedRun]:
        """Its runs, by number."""
        return [RecordedRun(path.parent) for path in sorted(SweepFolder(self.folder).runs.glob("*/run.json"))]

    @property
    def best(self) -> RecordedRun:
        """The best run.

        Raises
        ------
        NotFoundError
            No run completed, or they cannot be ranked together.
        """
        found = self.stop.get("best")
        number = found.get("run") if isinstance(found, Mapping) else None
        if number is None:
            raise NotFoundError(f"{self.folder}: has no best run", "none completed, or they differ in data or split")
        return RecordedRun(SweepFolder(self.folder).run(int(number)).path)

    def trials(self) -> "pd.DataFrame":
        """Return the leaderboard: a row for each run, the best first, with its settings and metrics."""
        import pandas as pd

        file = SweepFolder(self.folder).leaderboard
        return pd.read_csv(file) if file.is_file() else pd.DataFrame()

    def report(self) -> Path:
        """Write the page `report.html` of the sweep, and return the file."""
        from runtree.app.report import report_sweep

        return report_sweep(SweepFolder(self.folder), None).file

    def __repr__(self) -> str:
        return f"<sweep {self.folder.name}: {len(self.runs)} runs, stopped by {self.stop.get('criterion')}>"

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>{html.escape(self.folder.name)}</b> stopped by {html.escape(str(self.stop.get('criterion')))}</p>"
        )
        return head + self.trials().head(SHOWN_RUNS).to_html(index=False, escape=True)


@dataclass(frozen=True)
class LoadedModel:
    """A fitted model with the contract of its columns: rows are read, checked and converted as in training.

    Attributes
    ----------
    predictor
        What `runtree predict` uses.
    """

    predictor: "Predictor"

    @property
    def pipeline(self) -> Any:
        """The fitted scikit-learn pipeline."""
        return self.predictor.model

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have; others are ignored."""
        return tuple(self.predictor.columns)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes, in the order of the columns of `predict_proba`; empty for a regression."""
        return self.predictor.classes

    def predict(self, rows: "pd.DataFrame") -> "Array":
        """Return the prediction for each row, shape (rows,).

        Raises
        ------
        DataError
            A column is missing, or holds values that are not what the model was trained with.
        """
        from runtree.lifecycle.predict import PREDICTION

        return self.predictor.predict(rows)[PREDICTION].to_numpy()

    def predict_proba(self, rows: "pd.DataFrame") -> "Array":
        """Return the probability of each class, shape (rows, classes), in the order of `classes`.

        Raises
        ------
        DataError
            As `predict` does.
        RequestError
            The model has no probabilities.
        """
        table = self.predictor.predict(rows)
        names = [f"p_{label}" for label in self.classes]
        if not names or not set(names) <= set(table.columns):
            raise RequestError("predict_proba: this model has no probabilities", "choose an algorithm that has them")
        return table[names].to_numpy()

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else "regression"
        return f"<model: {kind}, {len(self.columns)} columns, {type(self.pipeline).__name__}>"


# --- How calls become command lines.


def _parse(words: Sequence[str], trust: Sequence[str]) -> Any:
    from runtree.config.hydra_engine import parse_flags

    return parse_flags([*words, *(part for name in trust for part in ("--trust", name))])


def _words(overrides: Sequence[Any], values: Mapping[str, Any], ranges: bool = False) -> Iterator[str]:
    """Yield overrides as they are typed; with `ranges` a text of a keyword may name several values."""
    import shlex

    from runtree.config.space.grammar import literal

    for given in (*overrides, values):
        if isinstance(given, str):
            yield from shlex.split(given)
        elif isinstance(given, Mapping):
            for path, value in given.items():
                # what is written as on the command line stays so: "ridge,lasso" names two options
                plain = ranges and isinstance(value, str)
                yield f"{path}={value if plain else literal(value, str(path))}"
        else:
            raise ConfigError(f"rt: {given!r} is no override", "type: 'algorithm=ridge', or {'algorithm.alpha': 2}")


def _data_words(data: Any, target: str | None, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the overrides that choose the data: an option, a file, or a data frame that is kept in the output tree."""
    from runtree.config.space.grammar import override

    if data is not None:
        if hasattr(data, "to_parquet"):
            yield "data=parquet"
            yield override("data.path", str(_keep_frame(data, Path(str(values.get("outputs", DEFAULT_OUTPUTS))))))
            yield "data.name=frame"
        elif isinstance(data, Path) or Path(str(data)).suffix:
            yield "data=parquet" if Path(data).suffix == ".parquet" else "data=csv"
            yield override("data.path", str(data))
        else:
            yield f"data={data}"
    if target is not None:
        yield override("data.target", target)


def _keep_frame(frame: "pd.DataFrame", outputs: Path) -> Path:
    """Write a data frame below the output folder, once for each content; the run reads it from there.

    Raises
    ------
    DataError
        It cannot be written as Parquet, for example since a column mixes numbers and text.
    """
    from io import BytesIO

    from runtree.contract.errors import DataError, first_line
    from runtree.records.writer import write_bytes

    content = BytesIO()
    try:
        # the index of a frame is no column: rows are numbered by their place
        frame.to_parquet(content, index=False)
    except Exception as error:
        raise DataError(f"data: the data frame cannot be kept as Parquet: {first_line(error)}") from None
    folder = outputs / FRAMES
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(content.getvalue()).hexdigest()[:16]}.parquet"
    if not file.is_file():
        write_bytes(file, content.getvalue())
    return file


def _scores(record: RunRecord) -> str:
    name = str(record.objective.get("metric"))
    scored = {part: values[name] for part, values in record.metrics.items() if name in values}
    shown = ", ".join(f"{part} {value:.4g}" for part, value in scored.items() if isinstance(value, (int, float)))
    return f", {name} {shown}" if shown else ""


def _html_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"{value:.4f}" if isinstance(value, float) else html.escape("" if value is None else str(value))

    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
