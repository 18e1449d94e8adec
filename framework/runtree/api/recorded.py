"""Runs, sweeps and models as a user of Python holds them: read from their files when something is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.reader import RunReader, nested_settings
from runtree.records.record import read_record
from runtree.records.sealed import plain_source

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from runtree.lifecycle.predict import Predictor

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RecordedRun:
    """A run as its files tell it. Everything is read when it is asked for.

    Attributes
    ----------
    folder
        The folder of the run.
    trust
        Classes of your own that its model may hold.
    """

    folder: Path
    trust: tuple[str, ...] = ()

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
        return pd.read_parquet(plain_source(file))

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

        names = (*self.trust, *trust)
        add_import_folder(Path.cwd(), names)
        plugins = installed_plugins()
        return LoadedModel(load_predictor(RunFolder(self.folder), plugins, plugins.trusted_types(names)))

    def explain(
        self, rows: "pd.DataFrame | int | Sequence[int]", label: str | None = None, trust: Sequence[str] = ()
    ) -> "pd.DataFrame":
        """Explain single predictions, as `runtree explain` does: the contribution of each column.

        Parameters
        ----------
        rows
            At most 20 rows to explain, or numbers of rows in the table of the run, from 0.
        label
            The class whose probability is explained; None for the predicted one.

        Returns
        -------
        pandas.DataFrame
            Sampled Shapley values, a row for each row and column, the largest first: row, output, prediction, base,
            column, value, amount, error. ``base`` plus the amounts of a row is its prediction.
        """
        import pandas as pd

        from runtree.app import App
        from runtree.app.explain import CELLS, explain_rows

        table = rows if isinstance(rows, pd.DataFrame) else None
        numbers = [] if isinstance(rows, pd.DataFrame) else [rows] if isinstance(rows, int) else list(rows)
        explained = explain_rows(App(), self.record, table, numbers, label, (*self.trust, *trust))
        return pd.DataFrame(explained.cells(), columns=list(CELLS))

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
        """Return metrics with intervals, the curve of the fit, findings and next steps, for a notebook."""
        from runtree.api.notebook import run_html

        return run_html(self.record, self._reader)


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep as its files tell it.

    Attributes
    ----------
    folder
        The folder of the sweep.
    trust
        Classes of your own that its models may hold.
    """

    folder: Path
    trust: tuple[str, ...] = ()

    @property
    def stop(self) -> dict[str, Any]:
        """The content of `stop.json`: the criterion that ended it, and the best runs."""
        from runtree.records.reader import read_json

        return read_json(SweepFolder(self.folder).stop)[0]

    @property
    def runs(self) -> list[RecordedRun]:
        """Its runs, by number."""
        return [
            RecordedRun(path.parent, self.trust) for path in sorted(SweepFolder(self.folder).runs.glob("*/run.json"))
        ]

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
        return RecordedRun(SweepFolder(self.folder).run(int(number)).path, self.trust)

    def trials(self) -> "pd.DataFrame":
        """Return the leaderboard: a row for each run, the best first, with its settings and metrics."""
        import pandas as pd

        file = SweepFolder(self.folder).leaderboard
        return pd.read_csv(file) if file.is_file() else pd.DataFrame()

    def plot_history(self) -> "Figure":
        """Draw the objective by run, and the best so far.

        Raises
        ------
        NotFoundError
            No run has completed.
        """
        from matplotlib import pyplot

        from runtree.cli.sweep.ledger_reader import LedgerReader
        from runtree.sweeps.plots.draw import undisturbed
        from runtree.sweeps.plots.history import history
        from runtree.sweeps.plots.plot_data import SweepPlotData, points

        reader = LedgerReader(SweepFolder(self.folder)).read()
        progress, state = reader.progress, reader.sweep_state
        best = frozenset(trial.runs[0] for trial, _ in progress.bests if trial.runs)
        names = tuple(dict.fromkeys(space for space, _ in state.trials))
        data = SweepPlotData(points(state, progress.objectives), progress.objectives, names, best)
        if not data.completed:
            raise NotFoundError(f"{self.folder}: has no completed run to plot")
        with undisturbed():
            figure: Figure = history(data, 0)[0]
            pyplot.close(figure)  # a notebook would show it a second time
        vars(figure)["_repr_png_"] = partial(_png, figure)  # for a notebook that is not set up to show figures
        return figure

    def report(self) -> Path:
        """Write the page `report.html` of the sweep, and return the file."""
        from runtree.app.report import report_sweep

        return report_sweep(SweepFolder(self.folder), None).file

    def __repr__(self) -> str:
        return f"<sweep {self.folder.name}: {len(self.runs)} runs, stopped by {self.stop.get('criterion')}>"

    def _repr_html_(self) -> str:
        from runtree.api.notebook import sweep_html

        return sweep_html(self.folder.name, self.stop, self.trials())


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

    def predict(self, rows: "pd.DataFrame | Sequence[Mapping[str, Any]]") -> "Array":
        """Return the prediction for each row, shape (rows,).

        Parameters
        ----------
        rows
            A table, or a list with a mapping from columns to values for each row.

        Raises
        ------
        DataError
            A column is missing, or holds values that are not what the model was trained with.
        RequestError
            The columns of `rows` have no names.
        """
        from runtree.lifecycle.predict import PREDICTION

        return self.predictor.predict(self._table(rows))[PREDICTION].to_numpy()

    def predict_proba(self, rows: "pd.DataFrame | Sequence[Mapping[str, Any]]") -> "Array":
        """Return the probability of each class, shape (rows, classes), in the order of `classes`.

        Raises
        ------
        DataError
            As `predict` does.
        RequestError
            The model has no probabilities.
        """
        table = self.predictor.predict(self._table(rows))
        names = [f"p_{label}" for label in self.classes]
        if not names or not set(names) <= set(table.columns):
            raise RequestError("predict_proba: this model has no probabilities", "choose an algorithm that has them")
        return table[names].to_numpy()

    def _table(self, rows: Any) -> "pd.DataFrame":
        import pandas as pd

        if isinstance(rows, pd.DataFrame):
            return rows
        if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
            return pd.DataFrame(list(rows))
        raise RequestError(
            f"rows: a {type(rows).__name__} has no columns with names",
            "pass a table: pandas.DataFrame(values, columns=model.columns), or a list of {COLUMN: VALUE}",
        )

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else "regression"
        return f"<model: {kind}, {len(self.columns)} columns, {type(self.pipeline).__name__}>"


def _png(figure: "Figure") -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _scores(record: RunRecord) -> str:
    name = str(record.objective.get("metric"))
    scored = {part: values[name] for part, values in record.metrics.items() if name in values}
    shown = ", ".join(f"{part} {value:.4g}" for part, value in scored.items() if isinstance(value, (int, float)))
    return f", {name} {shown}" if shown else ""
