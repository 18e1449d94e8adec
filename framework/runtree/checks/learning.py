"""Does the pipeline learn anything?"""

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
from runtree.contract.answers import Answers, actual, ask

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DRAWS = 60  # of validation rows with replacement, for the sampling error of a difference
SURE = 0.95


def check_learns(context: CheckContext) -> CheckResult:
    """Compare the pipeline with a dummy on the validation rows."""
    import numpy as np

    model = context.answers(context.model, context.validation)
    dummy = dummy_predictions(context)
    value, level = context.score(model), context.score(dummy)
    if np.isnan(value) or np.isnan(level):
        return skipped(f"{context.metric.name} is not defined on the validation rows")
    found = f"validation {context.metric.name} {value:.4g}, a dummy's {level:.4g}"
    if context.gain(value, level) <= 0:
        return failed(
            f"{found}: it learns nothing", "look at target and columns; choose another algorithm or preprocess"
        )
    if _share_better(context, model, dummy) < SURE:
        return warned(
            f"{found}: within the sampling error of {len(model.y_true):,} rows", "get more rows, or expect little"
        )
    return passed(found)


def dummy_predictions(context: CheckContext) -> Answers:
    """Return what a dummy says of the validation rows: the classes' shares, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    from runtree.contract.answers import actual, ask

    dummy = DummyClassifier(strategy="prior") if context.classes else DummyRegressor()
    dummy.fit(context.features(context.train), context.target(context.train).to_numpy())
    truth = actual(context.target(context.validation), context.classes)
    return ask(dummy, context.features(context.validation), truth, context.classes)


def _share_better(context: CheckContext, model: Answers, dummy: Answers) -> float:
    """Return the share of draws of the validation rows in which the pipeline is better."""
    import numpy as np

    generator = np.random.default_rng(context.run.seed)
    draws = [generator.integers(0, len(model.y_true), len(model.y_true)) for _ in range(DRAWS)]
    gains = [context.gain(context.score(_of(model, rows)), context.score(_of(dummy, rows))) for rows in draws]
    return float(np.mean([gain > 0 for gain in gains if not np.isnan(gain)] or [False]))


def _of(answers: Answers, rows: "Array") -> Answers:
    score = None if answers.score is None else answers.score[rows]
    return replace(answers, y_true=answers.y_true[rows], y_pred=answers.y_pred[rows], score=score)


SHUFFLES = (6, 14)  # fits on permuted labels; the second lot only where the first is in doubt
ORDERS = 30  # of the validation rows, for what chance gives
DEVIATIONS = 4.0
# Of what the true labels give. Where the rarer class is the more scattered one, its outliers are guessed oftener than
# by chance whatever the labels: balanced accuracy 0.53 to 0.61 on breast_cancer, with nothing leaking.
SHARE = 1 / 3
DOUBT = 0.001  # how often a sound pipeline may be blamed


def check_shuffled(context: CheckContext) -> CheckResult:
    """Fit on permuted labels, and see whether the validation score falls to chance.

    Chance is what the same predictions score against the validation rows' own labels in random order. A dummy's score
    would not do: its F1 is 0, and that of a coin is not.
    """
    import numpy as np

    rows = context.few(context.train)
    generator = np.random.default_rng([context.run.seed, len(rows)])
    orders = [generator.permutation(len(context.validation)) for _ in range(ORDERS)]
    answers: list[Answers] = []
    for count in SHUFFLES:
        answers += [_permuted(context, rows, generator) for _ in range(count)]
        found, gain, limit = _against_chance(context, answers, orders)
        if np.isnan(gain):
            return skipped(f"{context.metric.name} is not defined on the validation rows")
        if gain <= limit:
            return passed(found)
    return failed(
        f"{found} ± {limit:.2g}",
        "the answer comes in by another way than the train labels: look at preprocess, algorithm and groups",
    )


def _against_chance(
    context: CheckContext, answers: list[Answers], orders: "Sequence[Array]"
) -> tuple[str, float, float]:
    """Return what was found, by how much it is better than chance, and by how much it may be."""
    import numpy as np

    scores = np.array([context.score(one) for one in answers])
    random = np.array([[context.score(replace(one, y_true=one.y_true[order])) for one in answers] for order in orders])
    gains = np.array([context.gain(score, chance) for score, chance in zip(scores, random.mean(axis=0), strict=True)])
    found = f"validation {context.metric.name} {scores.mean():.4g} on permuted labels, by chance {random.mean():.4g}"
    memorization_score = context.gain(
        context.score(context.answers(context.model, context.validation)), float(random.mean())
    )
    return found, float(gains.mean()), max(chance_tolerance(gains, random.mean(axis=1)), SHARE * memorization_score)


def _permuted(context: CheckContext, rows: "Array", generator: "np.random.Generator") -> Answers:
    target = context.target(rows)
    changed = target.iloc[generator.permutation(len(target))].set_axis(target.index)
    # a seed of its own: what random weights say by themselves must not repeat in every fit
    model = context.fit_soon(rows, changed, seed=int(generator.integers(2**31)))
    return context.answers(model, context.validation)


def chance_tolerance(gains: "Array", chances: "Array") -> float:
    """Return how far above chance the mean of `gains` may be.

    The larger of two errors: of the validation rows (4 deviations of the mean score over their orders), and of the
    permutations of the train labels (Student's t, one-sided, one in a thousand). Where the rows lie along one line,
    six fits may well err to the same side; hence the second lot.
    """
    import numpy as np
    from scipy.stats import t

    quantile = t.ppf(1 - DOUBT, len(gains) - 1)
    of_fits = quantile * np.std(gains, ddof=1) / np.sqrt(len(gains))
    return float(max(DEVIATIONS * np.std(chances, ddof=1), of_fits)) + 1e-12


TRIES = ((64, 100), (64, 1000), (32, 1000), (16, 1000), (8, 1000))
"""Rows and epochs: more epochs where few do not do, fewer rows where a linear model cannot tell so many apart."""
GOOD: Mapping[str, float] = {"classification": 0.95, "regression": 0.9}


def check_one_batch(context: CheckContext) -> CheckResult:
    """Fit on a few train rows with many iterations, and score these very rows."""
    if not iterates_by_gradient(context.run.estimator, context.algorithm):
        return skipped(f"{context.algorithm.get('name')} does not iterate by gradients")
    _, prepared = context.prepare(context.train)
    measure, value, rows = "accuracy" if context.classes else "R²", 0.0, 0
    for places, epochs in _batches(context):
        value, rows = memorization_score(context, prepared[places], context.train[places], epochs), len(places)
        if value >= GOOD[context.run.data.task]:
            return passed(f"{rows} rows learnt by heart: train {measure} {value:.3f}")
    return failed(
        f"not even {rows} rows can be learnt by heart: train {measure} {value:.3f}",
        "look at loss, gradients and learning rate, or scale the inputs and the target",
    )


def _batches(context: CheckContext) -> "Iterator[tuple[Array, int]]":
    """Yield places in the sampled train rows, and for how many epochs to learn them."""
    import numpy as np

    target, places = context.target(context.train), np.arange(len(context.train))
    least = 2 * len(context.classes)
    for size, epochs in TRIES:
        if size >= least or size == TRIES[0][0]:
            yield sample_rows(places, target, context.classes, size, context.run.seed), epochs


def memorization_score(context: CheckContext, prepared: "Array", rows: "Array", epochs: int) -> float:
    """Return accuracy or R² on the rows that an unhindered copy of the algorithm was fitted on."""
    from sklearn.metrics import accuracy_score, r2_score

    algorithm = allow_memorizing(context.run.estimator, context.algorithm, epochs)
    with context.session(context.run.seed), silent():
        algorithm.fit(prepared, context.target(rows).to_numpy())
        answers = ask(algorithm, prepared, actual(context.target(rows), context.classes), context.classes)
        return float((accuracy_score if context.classes else r2_score)(answers.y_true, answers.y_pred))
