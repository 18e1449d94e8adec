"""How much of a model's skill is sampling noise, and what knowing nothing would score."""

from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual
from runtree.contract.types import Metric
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

RESAMPLES = 100  # for a standard error, then known to 7 %; an interval needs more
ROWS = 5_000  # of a part that are looked at: beyond, a seeded sample says as much
FEW = 2_000  # … and that a standard error is estimated from


def value(answers: Answers, metric: Metric) -> float:
    """Return a metric; NaN where it is not defined."""
    found = answers.values([metric]).get(metric.name)
    return float("nan") if found is None else found


def standard_error(subject: Subject, part: str) -> float:
    """Return the bootstrap standard error of the metric that runs are ranked by, in its unit; whole groups are drawn.

    Efron 1979, doi:10.1214/aos/1176344552.
    """
    import numpy as np

    from runtree.statistics.replicates import replicate

    chosen = sample(subject, part, FEW)
    groups = group_codes(subject, subject.rows[part][chosen])
    answers = [take(subject.answers[part], chosen)]
    found = replicate(answers, [subject.metric], RESAMPLES, subject.run.seed, groups).get(subject.metric.name)
    if found is None or np.isnan(found.drawn).mean() > 0.5:
        return float("nan")
    shrink = len(chosen) / len(subject.rows[part])
    return float(np.nanstd(found.drawn) * np.sqrt(shrink))


def sample(subject: Subject, part: str, most: int = ROWS) -> "Array":
    """Return positions within a part's answers: all of them, or a seeded sample in their order."""
    import numpy as np

    count = len(subject.rows[part])
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(subject.run.seed).choice(count, most, replace=False))


def take(answers: Answers, chosen: "Array") -> Answers:
    """Return the answers to some of the rows."""
    score = None if answers.score is None else answers.score[chosen]
    return Answers(answers.y_true[chosen], answers.y_pred[chosen], score, answers.classes)


def group_codes(subject: Subject, rows: "Array") -> "Array | None":
    """Return which group each row belongs to, where rows of a group are alike."""
    groups = subject.run.data.groups
    if groups is None or subject.run.facts.get("split") != "group":
        return None
    found: Array = groups.iloc[rows].factorize()[0]
    return found


def knowing_nothing(subject: Subject, part: str) -> Answers:
    """Return what somebody answers about a part who knows how often each class, or which mean, the train part has."""
    import numpy as np

    truth = subject.answers[part].y_true
    known = actual(subject.run.part("train")[1], subject.run.data.classes)
    if not subject.run.data.classes:
        return Answers(truth, np.full(len(truth), known.mean()), None, ())
    shares = np.bincount(known, minlength=len(subject.run.data.classes)) / len(known)
    return Answers(
        truth, np.full(len(truth), shares.argmax()), np.tile(shares, (len(truth), 1)), subject.run.data.classes
    )


def knowing_all(answers: Answers) -> Answers:
    """Return the answers that are right."""
    import numpy as np

    if not answers.classes:
        return Answers(answers.y_true, answers.y_true, None, ())
    return Answers(answers.y_true, answers.y_true, np.eye(len(answers.classes))[answers.y_true], answers.classes)


def judged(subject: Subject) -> str | None:
    """Return the part by which a fit is judged beside the train part: validation, else test."""
    return next((part for part in ("validation", "test") if part in subject.answers), None)


def reported(subject: Subject) -> str | None:
    """Return the part on which nothing was chosen: test, else validation."""
    return next((part for part in ("test", "validation") if part in subject.answers), None)
