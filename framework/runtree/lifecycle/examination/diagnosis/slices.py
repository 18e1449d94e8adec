"""The worst slices: groups of rows found on the validation part and put to the proof on the test part."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis.candidates import Candidate, find_candidates
from runtree.lifecycle.examination.diagnosis.columns import Column, part_of, read_columns
from runtree.lifecycle.examination.diagnosis.conditions import Equal, mask_of, written
from runtree.lifecycle.examination.diagnosis.level import sample, take
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEVEL = 0.05
LEAST, SHARE = 20, 0.02  # rows of a slice, on either part, and the share of the part
MUCH = 1.5  # times the overall loss: a warning
NAMED = 3


def examine(subject: Subject) -> list[dict[str, Any]] | None:
    """Return the slices that looked worst on the validation part, with what the test part says of them, surest first.

    The loss is 1 for a wrong class and 0 for a right one (`error_rate`), or the absolute error (`mae`); less is better.
    `p` is one-sided, of the test part alone, which had no part in the search, and corrected for all slices by Holm:
    Fisher's exact test for classes, Mann and Whitney's for errors. So are the limits of the test part.
    """
    import numpy as np

    if not {"validation", "test"} <= set(subject.answers):
        return None
    chosen = {part: sample(subject, part) for part in ("validation", "test")}
    rows = [subject.rows[part][chosen[part]] for part in chosen]
    columns, _ = read_columns(subject.run.data.features.iloc[np.concatenate(rows)])
    losses = [loss_of(take(subject.answers[part], chosen[part])) for part in chosen]
    searched, proven = (part_of(columns, place) for place in np.split(np.arange(sum(map(len, rows))), [len(rows[0])]))
    candidates = find_candidates(searched, losses[0], max(LEAST, int(SHARE * len(rows[0]))))
    return _proven(candidates, proven, losses[1], bool(subject.run.data.classes))


def loss_of(answers: Answers) -> "Array":
    """Return what each row costs."""
    import numpy as np

    found: Array = answers.y_true != answers.y_pred if answers.classes else np.abs(answers.y_true - answers.y_pred)
    return found.astype(float)


def _proven(
    candidates: Sequence[Candidate], columns: Sequence[Column], loss: "Array", counts: bool
) -> list[dict[str, Any]]:
    from runtree.statistics.corrections import holm

    table = {column.name: column for column in columns}
    found: list[dict[str, Any]] = []
    for one in candidates:
        mask = mask_of(one.conditions, table)
        if not LEAST <= mask.sum() < len(mask):
            continue
        low, high = _limits(loss[mask], counts)
        found.append(
            {
                "where": written(one.conditions),
                "source": one.source,
                "columns": list(dict.fromkeys(part.column for part in one.conditions)),
                "category": all(isinstance(part, Equal) for part in one.conditions),
                "rows": int(mask.sum()),
                "metric": "error_rate" if counts else "mae",
                "value": float(loss[mask].mean()),
                "overall": float(loss.mean()),
                "low": low,
                "high": high,
                "p": _p(loss, mask, counts),
            }
        )
    corrected = holm([one["p"] for one in found])
    return sorted(({**one, "p": p} for one, p in zip(found, corrected, strict=True)), key=lambda one: one["p"])


def _p(loss: "Array", mask: "Array", counts: bool) -> float:
    """Return how likely so great a loss is in a group drawn blindly."""
    from scipy.stats import hypergeom, mannwhitneyu

    if counts:
        return float(hypergeom.sf(loss[mask].sum() - 1, len(loss), int(loss.sum()), int(mask.sum())))
    return float(mannwhitneyu(loss[mask], loss[~mask], alternative="greater", method="asymptotic").pvalue)


def _limits(loss: "Array", counts: bool) -> tuple[float, float]:
    """Return 95 % limits of the mean loss: exact for a share, by Student's t for errors."""
    import numpy as np
    from scipy.stats import t

    from runtree.statistics.shares import clopper_pearson

    if counts:
        return clopper_pearson(int(loss.sum()), len(loss), 0.95)
    half = float(t.ppf(0.975, len(loss) - 1) * loss.std(ddof=1) / np.sqrt(len(loss)))
    return float(loss.mean()) - half, float(loss.mean()) + half


def findings(subject: Subject) -> Iterator[Finding]:
    """Name the slices that are proven worse, and the columns that could not be looked at."""
    found = subject.found.get("slices")
    if found is None:
        return
    worse = [one for one in found if one["p"] < LEVEL and one["value"] > one["overall"]]
    for one in worse[:NAMED]:
        yield _finding(one)
    if not worse:
        yield Finding("slices", "good", "no group of rows by columns is worse than the rest, beyond chance")
    yield from _skipped(subject)


def _finding(one: dict[str, Any]) -> Finding:
    times = one["value"] / one["overall"]
    name = "errors are" if one["metric"] == "mae" else "wrong answers are"
    advice = "look at these rows: wrong labels, too few of them to learn from, or a column that is lacking"
    if one["category"]:
        advice += f"; watch them: evaluator.fairness.columns=[{','.join(one['columns'])}]"
    return Finding(
        "slice",
        "warning" if times >= MUCH else "note",
        f"where {one['where']}, {name} {times:.2g} times as {'large' if one['metric'] == 'mae' else 'frequent'}: "
        f"{one['metric']} {one['value']:.3g} ({one['low']:.3g} to {one['high']:.3g}), overall {one['overall']:.3g}, "
        f"{one['rows']:,} rows of test",
        advice,
        {key: one[key] for key in ("where", "metric", "value", "overall", "p", "rows")},
    )


def _skipped(subject: Subject) -> Iterator[Finding]:
    _, skipped = read_columns(subject.run.data.features.iloc[:100])
    if skipped and len(skipped) == subject.run.data.features.shape[1]:
        name, reason = next(iter(skipped.items()))
        yield Finding("slices", "good", f"no column can be sliced by: {name!r} {reason}", "", {"skipped": skipped})
