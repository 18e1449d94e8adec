"""Does the pipeline learn from the target, and from nothing else?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding, failed, passed, skipped

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SHUFFLES = (6, 14)  # fits on permuted labels; the second lot only where the first is in doubt
ORDERS = 30  # of the validation rows, for what chance gives
DEVIATIONS = 4.0
# Of what the true labels give. Where the rarer class is the more scattered one, its outliers are guessed oftener than
# by chance whatever the labels: balanced accuracy 0.53 to 0.61 on breast_cancer, with nothing leaking.
SHARE = 1 / 3
DOUBT = 0.001  # how often a sound pipeline may be blamed


def shuffled(context: Context) -> Finding:
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


def _against_chance(context: Context, answers: list[Answers], orders: "Sequence[Array]") -> tuple[str, float, float]:
    """Return what was found, by how much it is better than chance, and by how much it may be."""
    import numpy as np

    scores = np.array([context.score(one) for one in answers])
    random = np.array([[context.score(replace(one, y_true=one.y_true[order])) for one in answers] for order in orders])
    gains = np.array([context.gain(score, chance) for score, chance in zip(scores, random.mean(axis=0), strict=True)])
    found = f"validation {context.metric.name} {scores.mean():.4g} on permuted labels, by chance {random.mean():.4g}"
    learnt = context.gain(context.score(context.answers(context.model, context.validation)), float(random.mean()))
    return found, float(gains.mean()), max(tolerance(gains, random.mean(axis=1)), SHARE * learnt)


def _permuted(context: Context, rows: "Array", generator: "np.random.Generator") -> Answers:
    target = context.target(rows)
    changed = target.iloc[generator.permutation(len(target))].set_axis(target.index)
    # a seed of its own: what random weights say by themselves must not repeat in every fit
    model = context.fit_soon(rows, changed, seed=int(generator.integers(2**31)))
    return context.answers(model, context.validation)


def tolerance(gains: "Array", chances: "Array") -> float:
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
