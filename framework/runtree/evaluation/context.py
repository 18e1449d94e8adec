"""The context that each evaluation step reads: the scored run, its predictions by split, and the ranking metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions, encode_target, read_predictions
from runtree.contract.types import WHOLE_GROUPS, Direction, Metric
from runtree.evaluation.options import EvaluationOptions, read_evaluation_options
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

STANDARD_ERROR_RESAMPLES = 100  # give a standard error to 7 %; the limits of an interval need more
MAX_SAMPLED_ROWS = 5_000  # of a split; beyond that a seeded sample gives the same picture
MAX_BOOTSTRAP_ROWS = 2_000  # from which a standard error is estimated


@dataclass(frozen=True)
class EvaluationContext:
    """A run that is fitted, scored and saved.

    Attributes
    ----------
    metrics
        The metrics that the run is scored by, `metric` among them.
    metric, direction
        The metric by which runs are ranked, and whether more or less of it is better.
    results
        The results of the steps so far, by their key in `evaluation.json`.
    """

    run: ActiveRun
    options: EvaluationOptions
    metrics: Sequence[Metric]
    metric: Metric
    direction: Direction
    results: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def predictions(self) -> Mapping[str, Predictions]:
        """Predictions by split; under cross-validation those of "validation" are out-of-fold predictions.

        A split with predictions that are not finite is not there, as if it had not been scored: no step of the
        evaluation has to know of NaN. `not_finite` tells of it.
        """
        return {split: own for split, own in self._all_predictions.items() if not own.not_finite}

    @cached_property
    def not_finite(self) -> Mapping[str, int]:
        """The number of rows whose predictions are not finite, of the splits that have such rows."""
        return {split: own.not_finite for split, own in self._all_predictions.items() if own.not_finite}

    @cached_property
    def _tables(self) -> "Mapping[str, pd.DataFrame]":
        """The predictions of the rows in memory by split, `row` being their position there."""
        table = self.run.predictions
        if self.run.data.streamed is not None:
            known, positions = self.run.data.find_rows(table["row"].to_numpy())
            table = table[known].assign(row=positions)
        return {str(split): own for split, own in table.groupby("part", sort=False)}

    @cached_property
    def test_rows(self) -> "tuple[Predictions, Array | None] | None":
        """Predictions of all test rows, those that are not in memory among them, and the groups that rows belong to.

        None without a test split, or where a prediction is not finite.
        """
        if self.run.data.streamed is None:
            return (self.predictions["test"], self.groups("test")) if "test" in self.predictions else None
        table = self.run.predictions
        own = table[table["part"] == "test"]
        predictions = read_predictions(own, self.run.data.classes) if len(own) else None
        if predictions is None or predictions.not_finite:
            return None
        groups = self.run.data.streamed.outline.groups
        if groups is None or self.run.metadata.get("split") not in WHOLE_GROUPS:
            return predictions, None
        return predictions, groups.iloc[own["row"]].to_numpy()

    @cached_property
    def _all_predictions(self) -> Mapping[str, Predictions]:
        classes = self.run.data.classes
        return {split: read_predictions(table, classes) for split, table in self._tables.items()}

    @cached_property
    def rows(self) -> "Mapping[str, Array]":
        """Positions in the table of the rows in `predictions`, by split."""
        return {split: table["row"].to_numpy() for split, table in self._tables.items()}

    def groups(self, split: str) -> "Array | None":
        """Return the group of each row, if the table is split by groups: the rows of a group are not independent."""
        if self.run.data.groups is None or self.run.metadata.get("split") not in WHOLE_GROUPS:
            return None
        groups: Array = self.run.data.groups.iloc[self.rows[split]].to_numpy()
        return groups

    def gain(self, value: float, reference: float) -> float:
        """Return by how much a score beats a reference, in either direction of the metric: above 0 is better."""
        return value - reference if self.direction == "maximize" else reference - value

    @property
    def selection_split(self) -> str | None:
        """The split that models are chosen by: validation, else test."""
        return next((split for split in ("validation", "test") if split in self.predictions), None)

    @property
    def reporting_split(self) -> str | None:
        """The split that nothing was chosen by: test, else validation."""
        # test first: scores on the validation split are optimistic, because the model was chosen by them
        return next((split for split in ("test", "validation") if split in self.predictions), None)

    def sample_rows(self, split: str, limit: int = MAX_SAMPLED_ROWS) -> "Array":
        """Return positions within a split's predictions: all of them, or a seeded sample in ascending order."""
        import numpy as np

        count = len(self.rows[split])
        if count <= limit:
            return np.arange(count)
        return np.sort(np.random.default_rng(self.run.seed).choice(count, limit, replace=False))

    def standard_error(self, split: str) -> float:
        """Return the bootstrap standard error of the ranking metric (Efron 1979, doi:10.1214/aos/1176344552).

        NaN where the rows do not determine it.
        """
        import numpy as np
        import pandas as pd

        from runtree.statistics.resampling import replicate, too_few_units

        chosen, groups = self.sample_rows(split, MAX_BOOTSTRAP_ROWS), self.groups(split)
        # groups may be text with missing values; the resampling needs numbers
        codes = None if groups is None else pd.factorize(groups[chosen])[0]
        sampled = take_rows(self.predictions[split], chosen)
        # the resamples of one group are all the same: no error, and so any difference would be a finding
        if too_few_units(len(chosen), codes, self.options.intervals.level):
            return float("nan")
        resampled = replicate([sampled], [self.metric], STANDARD_ERROR_RESAMPLES, self.run.seed, codes)
        replicates = resampled.get(self.metric.name)
        # a metric that most resamples leave undefined, such as an AUC with a single positive row
        if replicates is None or np.isnan(replicates.drawn).mean() > 0.5:
            return float("nan")
        # the error falls with the square root of the rows, and the split may have more than were sampled
        shrinkage = len(chosen) / len(self.rows[split])
        return float(np.nanstd(replicates.drawn) * np.sqrt(shrinkage))

    def no_skill_predictions(self, split: str) -> Predictions:
        """Return the predictions of a model without features: the train split's class shares, or its mean."""
        import numpy as np

        classes = self.run.data.classes
        truth = self.predictions[split].y_true
        train = encode_target(self.run.select("train")[1], classes)
        if not classes:
            return Predictions(truth, np.full(len(truth), train.mean()), None, ())
        shares = np.bincount(train, minlength=len(classes)) / len(train)
        # the shares are the best constant probabilities by log loss and Brier score
        return Predictions(truth, np.full(len(truth), shares.argmax()), np.tile(shares, (len(truth), 1)), classes)


def make_evaluation_context(run: ActiveRun) -> EvaluationContext:
    """Return the context of a scored run."""
    node = run.config.to_dict()["evaluator"]
    selected = metrics.select_metrics(node.get("metrics", "auto"), run.data.task, run.catalogue)
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    scored = selected if metric in selected else [*selected, metric]
    return EvaluationContext(run, read_evaluation_options(node), scored, metric, direction)


def metric_value(predictions: Predictions, metric: Metric) -> float:
    """Return a metric; NaN where it is not defined."""
    return predictions.values([metric]).get(metric.name, float("nan"))


def take_rows(predictions: Predictions, rows: "Array | slice") -> Predictions:
    """Return the predictions of some rows."""
    score = None if predictions.score is None else predictions.score[rows]
    return Predictions(predictions.y_true[rows], predictions.y_pred[rows], score, predictions.classes)


def perfect_predictions(predictions: Predictions) -> Predictions:
    """Return the predictions of a model that is always right, and sure of it."""
    import numpy as np

    truth, classes = predictions.y_true, predictions.classes
    return Predictions(truth, truth, np.eye(len(classes))[truth] if classes else None, classes)
