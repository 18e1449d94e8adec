"""Does the pipeline learn anything?"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding, failed, passed, skipped, warned

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DRAWS = 60  # of validation rows with replacement, for the sampling error of a difference
SURE = 0.95


def learns(context: Context) -> Finding:
    """Compare the pipeline with a dummy on the validation rows."""
    import numpy as np

    model = context.answers(context.model, context.validation)
    dummy = dummy_answers(context)
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


def dummy_answers(context: Context) -> Answers:
    """Return what a dummy says of the validation rows: the classes' shares, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    from runtree.contract.answers import actual, ask

    dummy = DummyClassifier(strategy="prior") if context.classes else DummyRegressor()
    dummy.fit(context.features(context.train), context.target(context.train).to_numpy())
    truth = actual(context.target(context.validation), context.classes)
    return ask(dummy, context.features(context.validation), truth, context.classes)


def _share_better(context: Context, model: Answers, dummy: Answers) -> float:
    """Return the share of draws of the validation rows in which the pipeline is better."""
    import numpy as np

    generator = np.random.default_rng(context.run.seed)
    draws = [generator.integers(0, len(model.y_true), len(model.y_true)) for _ in range(DRAWS)]
    gains = [context.gain(context.score(_of(model, rows)), context.score(_of(dummy, rows))) for rows in draws]
    return float(np.mean([gain > 0 for gain in gains if not np.isnan(gain)] or [False]))


def _of(answers: Answers, rows: "Array") -> Answers:
    score = None if answers.score is None else answers.score[rows]
    return replace(answers, y_true=answers.y_true[rows], y_pred=answers.y_pred[rows], score=score)
