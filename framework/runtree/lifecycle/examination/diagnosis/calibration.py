"""Whether chances come true as often as they say, against what perfect chances would show on as many rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis.level import reported, sample, take
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BINS = 10
SIMULATIONS = 200
LEVEL = 0.05
MATTERS = 0.02  # an error of chances that is worth a word, however sure
ENOUGH = 1000  # rows from which isotonic regression does better than a sigmoid (scikit-learn, user guide 1.16.3)


@dataclass(frozen=True)
class Chances:
    """What is said and what came of it, row by row.

    For two classes `said` is the chance of the second, and `came` whether it was it; for more the chance of the class
    that is answered, and whether that was right.
    """

    said: "Array"
    came: "Array"


def chances_of(subject: Subject, part: str) -> Chances | None:
    """Return what the model said on a part; None where it gives no chances."""
    import numpy as np

    answers = take(subject.answers[part], sample(subject, part))
    if answers.score is None:
        return None
    if len(answers.classes) == 2:
        return Chances(np.clip(answers.score[:, 1], 0, 1), answers.y_true == 1)
    likeliest = answers.score.argmax(axis=1)
    return Chances(np.clip(answers.score.max(axis=1), 0, 1), answers.y_true == likeliest)


def examine(subject: Subject) -> dict[str, Any] | None:
    """Return the calibration curve and the expected calibration error.

    Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602, in bins of equal width.

    `noise` is the error that perfect chances show on as many rows in 19 of 20 cases, and `p` how often they show as
    great a one: drawn from the chances themselves (consistency resampling, Bröcker & Smith 2007,
    doi:10.1175/WAF993.1).
    """
    import numpy as np

    part = reported(subject)
    if part is None or not subject.run.data.classes:
        return None
    chances = chances_of(subject, part)
    if chances is None:
        return None
    edges = np.linspace(0, 1, BINS + 1)
    own = np.searchsorted(edges[1:-1], chances.said, side="right")
    rows = np.bincount(own, minlength=BINS)
    said, came = (np.bincount(own, weights=values, minlength=BINS) for values in (chances.said, chances.came))
    ece = float(np.abs(came - said).sum() / rows.sum())
    drawn = _drawn(chances.said, own, said, subject.run.seed)
    bins = [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "rows": int(rows[place]),
            "mean": float(said[place] / rows[place]),
            "share": float(came[place] / rows[place]),
        }
        for place in range(BINS)
        if rows[place]
    ]
    noise, p = float(np.quantile(drawn, 0.95)), float((1 + (drawn >= ece).sum()) / (1 + len(drawn)))
    return {"ece": ece, "noise": noise, "p": p, "bins": bins, "part": part, "rows": int(rows.sum())}


def _drawn(said: "Array", own: "Array", sums: "Array", seed: int) -> "Array":
    """Return the error of perfect chances on draws of what comes: of shape (SIMULATIONS,)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    order = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[order], np.flatnonzero(np.bincount(own, minlength=BINS)))
    ordered, there = said[order].astype(np.float32), sums[np.bincount(own, minlength=BINS) > 0]
    found = []
    for _ in range(SIMULATIONS):
        came = generator.random(len(ordered), dtype=np.float32) < ordered
        found.append(np.abs(np.add.reduceat(came, starts, dtype=float) - there).sum() / len(ordered))
    return np.array(found)


def findings(subject: Subject) -> Iterator[Finding]:
    """Say whether the model is surer, or less sure, than it may be; silent where it gives no chances."""
    found, part = subject.found.get("calibration"), reported(subject)
    chances = chances_of(subject, part) if found and part else None
    if not found or chances is None:
        return
    values = {key: found[key] for key in ("ece", "noise", "p")}
    said = f"chances are off by {found['ece']:.2g} on average on {found['part']}"
    if found["p"] >= LEVEL or found["ece"] < MATTERS:
        yield Finding(
            "calibration", "good", f"{said}; perfect ones show up to {found['noise']:.2g} on as many rows", "", values
        )
        return
    kind, detail = _direction(subject, chances)
    yield Finding(
        "calibration",
        "warning",
        f"{said}, where perfect ones show up to {found['noise']:.2g}: {detail}",
        _remedy(subject),
        {**values, "kind": kind},
    )


def _direction(subject: Subject, chances: Chances) -> tuple[str, str]:
    """Tell surer than right, less sure than right, or too high for one class."""
    import numpy as np

    two = len(subject.run.data.classes) == 2
    sure = np.maximum(chances.said, 1 - chances.said) if two else chances.said
    right = (chances.came == (chances.said >= 0.5)) if two else chances.came
    excess = float(sure.mean() - right.mean())
    noise = 2 * float(np.sqrt(np.mean(sure * (1 - sure)) / len(sure)))
    if excess > noise:
        return "over-confident", f"over-confident, {sure.mean():.0%} sure and {right.mean():.0%} right"
    if excess < -noise:
        return "under-confident", f"under-confident, {sure.mean():.0%} sure and {right.mean():.0%} right"
    if two:
        lean = float(chances.said.mean() - chances.came.mean())
        label = subject.run.data.classes[1]
        return "leaning", f"{label!r} is said to have {chances.said.mean():.0%}, and has {chances.came.mean():.0%}" if (
            abs(lean) > noise
        ) else "too high for some rows and too low for others"
    return "uneven", "too high for some rows and too low for others"


def _remedy(subject: Subject) -> str:
    """Return what to type; not the calibration that was used."""
    used = (subject.run.facts.get("decision") or {}).get("calibrate")
    rows, classes = len(subject.run.split.validation), len(subject.run.data.classes)
    if used:
        return "it was calibrated on few or other rows: a larger data.validation_size"
    method = "temperature" if classes > 2 else "isotonic" if rows >= ENOUGH else "sigmoid"
    holdout = "" if getattr(subject.run.evaluator, "holds_out", True) else " evaluator=holdout"
    return f"set them right: decision.calibrate={method}{holdout}"
