"""Checks of learning: better than a dummy, no better than chance on permuted labels, able to memorize a few rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.checks.context import (
    CheckContext,
    CheckResult,
    allow_memorizing,
    failed,
    iterates_by_gradient,
    passed,
    sample_rows,
    silent,
    skipped,
    warned,
)
from runtree.contract.predictions import Predictions, encode_target, predict

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DUMMY_RESAMPLES = 60  # of the validation rows, for the sampling error of a difference
MIN_SHARE_BETTER = 0.95  # of these resamples

PERMUTED_FITS = (6, 14)  # the second batch is fitted only if the first leaves doubt
CHANCE_ORDERS = 30  # of the validation labels, for the chance level
MAX_DEVIATIONS = 4.0  # of the chance level
# A share of the gain with the true labels is tolerated. If the rarer class is the more scattered one, its outliers are
# predicted more often than by chance whatever the labels: balanced accuracy is 0.53 to 0.61 on breast_cancer, without
# any leakage.
TOLERATED_SHARE = 1 / 3
FALSE_ALARM_RATE = 0.001  # of pipelines without leakage

# (rows, epochs): more epochs if few do not suffice, then fewer rows, for a linear model cannot memorize many.
MEMORIZING_ATTEMPTS = ((64, 100), (64, 1000), (32, 1000), (16, 1000), (8, 1000))
# below 1, because labels of equal rows may differ
MEMORIZED_SCORE: Mapping[str, float] = {"classification": 0.95, "regression": 0.9}  # accuracy, R²


def check_learns(context: CheckContext) -> CheckResult:
    """Fail if the pipeline is not better than a dummy on the validation rows; warn within the sampling error."""
    import numpy as np

    model = context.predict(context.model, context.validation)
    dummy = dummy_predictions(context)
    value, reference = context.score(model), context.score(dummy)
    if np.isnan(value) or np.isnan(reference):
        return skipped(f"{context.metric.name} is not defined on the validation rows")
    message = f"validation {context.metric.name} {value:.4g}, dummy {reference:.4g}"
    if context.gain(value, reference) <= 0:
        return failed(
            f"{message}: the pipeline learns nothing",
            "check target and columns; choose another algorithm or preprocess",
        )
    if _share_better(context, model, dummy) < MIN_SHARE_BETTER:
        return warned(
            f"{message}: within the sampling error of {len(model.y_true):,} rows", "get more rows, or expect little"
        )
    return passed(message)


def dummy_predictions(context: CheckContext) -> Predictions:
    """Return predictions of the class shares, or of the mean, for the validation rows."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    dummy = DummyClassifier(strategy="prior") if context.classes else DummyRegressor()
    dummy.fit(context.features(context.train), context.target(context.train).to_numpy())
    truth = encode_target(context.target(context.validation), context.classes)
    return predict(dummy, context.features(context.validation), truth, context.classes)


def _share_better(context: CheckContext, model: Predictions, dummy: Predictions) -> float:
    """Return the share of resamples of the validation rows in which the pipeline is better."""
    import numpy as np

    generator = np.random.default_rng(context.run.seed)
    resamples = [generator.integers(0, len(model.y_true), len(model.y_true)) for _ in range(DUMMY_RESAMPLES)]
    gains = [context.gain(context.score(_take(model, rows)), context.score(_take(dummy, rows))) for rows in resamples]
    return float(np.mean([gain > 0 for gain in gains if not np.isnan(gain)] or [False]))


def _take(predictions: Predictions, rows: "Array") -> Predictions:
    score = None if predictions.score is None else predictions.score[rows]
    return replace(predictions, y_true=predictions.y_true[rows], y_pred=predictions.y_pred[rows], score=score)


def check_shuffled(context: CheckContext) -> CheckResult:
    """Fail if a pipeline that is fitted on permuted labels still beats the chance level on the validation rows.

    The chance level is the score of the same predictions against the validation labels in random order. A dummy's score
    would not do: its F1 is 0, and that of random predictions is not.
    """
    import numpy as np

    rows = context.reduce(context.train)
    # not the run's seed alone: that one drew the split, and the permutations would depend on it
    generator = np.random.default_rng([context.run.seed, len(rows)])
    orders = [generator.permutation(len(context.validation)) for _ in range(CHANCE_ORDERS)]
    predictions: list[Predictions] = []
    # most pipelines pass after six fits; the second batch is the price of a doubtful case only
    for count in PERMUTED_FITS:
        predictions += [_fit_permuted(context, rows, generator) for _ in range(count)]
        message, gain, limit = _compare_with_chance(context, predictions, orders)
        if np.isnan(gain):
            return skipped(f"{context.metric.name} is not defined on the validation rows")
        if gain <= limit:
            return passed(message)
    return failed(
        f"{message} ± {limit:.2g}",
        "the pipeline knows the target from another source than the train labels: check preprocess, algorithm, groups",
    )


def _fit_permuted(context: CheckContext, rows: "Array", generator: "np.random.Generator") -> Predictions:
    target = context.target(rows)
    # with the index of the original rows: pandas would align the labels with their rows again
    permuted = target.iloc[generator.permutation(len(target))].set_axis(target.index)
    # each fit has a seed of its own, or what random initial weights predict by themselves would repeat in every fit
    model = context.fit_short(rows, permuted, seed=int(generator.integers(2**31)))
    return context.predict(model, context.validation)


def _compare_with_chance(
    context: CheckContext, predictions: list[Predictions], orders: "Sequence[Array]"
) -> tuple[str, float, float]:
    """Return a message, the mean gain over the chance level, and the largest gain that is tolerated."""
    import numpy as np

    scores = np.array([context.score(prediction) for prediction in predictions])
    chance = np.array(
        [
            [context.score(replace(prediction, y_true=prediction.y_true[order])) for prediction in predictions]
            for order in orders
        ]
    )
    gains = np.array([context.gain(score, level) for score, level in zip(scores, chance.mean(axis=0), strict=True)])
    message = f"validation {context.metric.name} {scores.mean():.4g} on permuted labels, chance {chance.mean():.4g}"
    true_labels = context.score(context.predict(context.model, context.validation))
    true_gain = context.gain(true_labels, float(chance.mean()))
    limit = max(chance_tolerance(gains, chance.mean(axis=1)), TOLERATED_SHARE * true_gain)
    return message, float(gains.mean()), limit


def chance_tolerance(gains: "Array", chance: "Array") -> float:
    """Return how far above the chance level the mean of `gains` may be.

    The larger of two errors: of the validation rows (4 deviations of the mean score over their orders), and of the
    permutations of the train labels (Student's t, one-sided, at `FALSE_ALARM_RATE`). If the rows lie near one line, six
    fits may well err to the same side, which is why there is a second batch of fits.
    """
    import numpy as np
    from scipy.stats import t

    quantile = t.ppf(1 - FALSE_ALARM_RATE, len(gains) - 1)
    error_of_fits = quantile * np.std(gains, ddof=1) / np.sqrt(len(gains))
    # the addend admits a gain of rounding errors where all scores are equal
    return float(max(MAX_DEVIATIONS * np.std(chance, ddof=1), error_of_fits)) + 1e-12


def check_one_batch(context: CheckContext) -> CheckResult:
    """Fail if an algorithm that is trained by gradients cannot memorize a few rows: it will not learn from many."""
    if not iterates_by_gradient(context.run.estimator, context.algorithm):
        return skipped(f"{context.algorithm.get('name')} is not trained by gradients")
    _, prepared = context.prepare(context.train)
    measure, value, rows = "accuracy" if context.classes else "R²", 0.0, 0
    for places, epochs in _batches(context):
        value, rows = memorization_score(context, prepared[places], context.train[places], epochs), len(places)
        if value >= MEMORIZED_SCORE[context.run.data.task]:
            return passed(f"{rows} rows memorized: train {measure} {value:.3f}")
    return failed(
        f"cannot memorize even {rows} rows: train {measure} {value:.3f}",
        "check loss, gradients and learning rate, or scale the inputs and the target",
    )


def _batches(context: CheckContext) -> "Iterator[tuple[Array, int]]":
    """Yield positions in the sampled train rows, and for how many epochs to fit them."""
    import numpy as np

    target, places = context.target(context.train), np.arange(len(context.train))
    smallest = 2 * len(context.classes)
    for size, epochs in MEMORIZING_ATTEMPTS:
        # two rows of each class at least, except at the first attempt, so that there is always one
        if size >= smallest or size == MEMORIZING_ATTEMPTS[0][0]:
            yield sample_rows(places, target, context.classes, size, context.run.seed), epochs


def memorization_score(context: CheckContext, prepared: "Array", rows: "Array", epochs: int) -> float:
    """Return accuracy or R² on the rows that an unregularized copy of the algorithm was fitted on."""
    from sklearn.metrics import accuracy_score, r2_score

    algorithm = allow_memorizing(context.run.estimator, context.algorithm, epochs)
    with context.session(context.run.seed), silent():
        algorithm.fit(prepared, context.target(rows).to_numpy())
        predictions = predict(
            algorithm, prepared, encode_target(context.target(rows), context.classes), context.classes
        )
        score = accuracy_score if context.classes else r2_score
        return float(score(predictions.y_true, predictions.y_pred))
