"""Choose answers of a model for people to look at: the most uncertain ones, and others at random.

The random ones are those with the smallest keyed hash of their request and row: the same ones each time, and nobody
who only chooses the id of a request can know which. Each row has the weight of the answers that it stands for, the
inverse of the probability of its choice: sums of `weight * value` estimate the sum over all of them (Horvitz and
Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import NotFoundError
from runtree.records.prediction_labels import ANSWERS
from runtree.records.prediction_reader import read_prediction_log
from runtree.records.sealed import SealKey

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

UNCERTAIN, RANDOM = "uncertain", "random"
INPUT, PREDICTED, PROBABILITY = "inputs.", "outputs.prediction", "outputs.probabilities."
PLACE = ["request_id", "row"]


@dataclass(frozen=True)
class ReviewedModel:
    """Whose answers are looked at.

    Attributes
    ----------
    name, version
        As the log has them: of a run its id and "run".
    run
        The id of the run, by which the hashes are keyed.
    classes
        The labels as they are typed; empty for a regression.
    threshold
        Of two classes, the probability from which a row is of the second; None: the largest probability decides.
    """

    name: str
    version: str
    run: str
    classes: Sequence[str] = ()
    threshold: float | None = None

    @property
    def reference(self) -> str:
        """How it is named: ``churn/3``, or the id of a run."""
        return self.name if self.version == "run" else f"{self.name}/{self.version}"

    @property
    def columns(self) -> list[str]:
        """The columns of its probabilities in a log."""
        return [f"{PROBABILITY}{label}" for label in self.classes]


@dataclass(frozen=True)
class ReviewRow:
    """An answer to look at; `chosen` is why, `weight` how many answers it stands for."""

    request: str
    time: str
    prediction: Any
    probabilities: Mapping[str, float]
    inputs: Mapping[str, Any]
    chosen: str
    weight: float


@dataclass
class ReviewSample:
    """The chosen rows, of `answers` without a label; `labelled` answers have one already."""

    answers: int = 0
    labelled: int = 0
    rows: list[ReviewRow] = field(default_factory=list)


def sample_for_review(
    place: str, model: ReviewedModel, count: int, since: str = "", key: SealKey | None = None
) -> ReviewSample:
    """Choose `count` answers of a model without a label; the log is read in constant memory.

    Half of them are uncertain ones, where the model gives probabilities.

    Raises
    ------
    NotFoundError
        There is no log, or no answer of the model in it.
    """
    import pandas as pd

    sample, others = ReviewSample(), dict[str, int]()
    uncertain, random = pd.DataFrame(), pd.DataFrame()
    columns = [*PLACE, "time", "model", "version", "route", "label", PREDICTED, *model.columns]
    for batch in read_prediction_log(place, columns, since, key):
        frame = batch.to_pandas()
        own = _is_own(frame, model)
        for name, number in (frame["model"] + "/" + frame["version"].astype(str))[~own].value_counts().items():
            others[str(name)] = others.get(str(name), 0) + int(number)
        free = own & frame["label"].isna()
        sample.answers, sample.labelled = sample.answers + int(free.sum()), sample.labelled + int((own & ~free).sum())
        frame = frame[free]
        frame = frame.assign(hash=_hashes(frame, model.run), margin=_margins(frame, model))
        random = pd.concat([random, frame]).drop_duplicates(PLACE, keep="last").nsmallest(count, "hash")
        doubtful = pd.concat([uncertain, frame[frame["margin"].notna()]]).drop_duplicates(PLACE, keep="last")
        uncertain = doubtful.nsmallest(count // 2, ["margin", "hash"])
    if not sample.answers and not sample.labelled:
        found = ", ".join(f"{name} ({number:,} rows)" for name, number in others.items())
        raise NotFoundError(f"{place}: no answer of {model.reference}", found and f"it holds {found}")
    if not sample.answers:
        return sample
    rest = random.merge(uncertain[PLACE], how="left", indicator=True)["_merge"] == "left_only"
    random = random[rest.to_numpy()].head(count - len(uncertain))
    weight = (sample.answers - len(uncertain)) / max(len(random), 1)
    chosen = pd.concat([uncertain.assign(chosen=UNCERTAIN, weight=1.0), random.assign(chosen=RANDOM, weight=weight)])
    whole = _read_whole(place, model, list(chosen["request_id"]), key)
    for name, row, why, stands_for in chosen[[*PLACE, "chosen", "weight"]].itertuples(index=False, name=None):
        sample.rows.append(_review_row(whole[name, row], model, why, float(stands_for)))
    return sample


def _is_own(frame: "pd.DataFrame", model: ReviewedModel) -> "pd.Series[bool]":
    own = (frame["model"] == model.name) & (frame["version"].astype(str) == model.version)
    return own & frame["route"].isin(ANSWERS) & (frame[PREDICTED].notna() if PREDICTED in frame else False)


def _hashes(frame: "pd.DataFrame", key: str) -> "Array":
    from pandas.util import hash_array

    texts = (frame["request_id"] + "/" + frame["row"].astype(str)).to_numpy(dtype=object)
    # SipHash with a key of 16 characters
    hashes: Array = hash_array(texts, hash_key=hashlib.sha256(key.encode()).hexdigest()[:16], categorize=False)
    return hashes


def _margins(frame: "pd.DataFrame", model: ReviewedModel) -> "Array":
    """Return how far each prediction is from being another one; NaN where the model gives no probabilities.

    Of two classes the distance from the threshold, else that of the two largest probabilities (margin sampling).
    """
    import numpy as np

    if len(model.classes) < 2 or not set(model.columns) <= set(frame.columns):
        return np.full(len(frame), np.nan)
    proba = frame[model.columns].to_numpy(dtype=float)
    largest = np.sort(proba, axis=1)
    margins: Array = largest[:, -1] - largest[:, -2]
    if len(model.classes) == 2 and model.threshold is not None:
        margins = np.abs(proba[:, 1] - model.threshold)
    return margins


def _read_whole(
    place: str, model: ReviewedModel, ids: Sequence[str], key: SealKey | None
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return all columns of the answers to some requests, by id and row; of a repeated one the last."""
    rows: dict[tuple[str, int], Mapping[str, Any]] = {}
    for batch in read_prediction_log(place, key=key, request_ids=ids):
        frame = batch.to_pandas()
        kept = [bool(one) for one in _is_own(frame, model)]
        found = [one for one, is_own in zip(batch.to_pylist(), kept, strict=True) if is_own]
        rows |= {(str(one["request_id"]), int(one["row"])): one for one in found}
    return rows


def _review_row(row: Mapping[str, Any], model: ReviewedModel, chosen: str, weight: float) -> ReviewRow:
    inputs = {name.removeprefix(INPUT): value for name, value in row.items() if name.startswith(INPUT)}
    names = zip(model.classes, model.columns, strict=True)
    probabilities = {label: float(row[name]) for label, name in names if row.get(name) is not None}
    place, time = f"{row['request_id']}/{row['row']}", row["time"].isoformat(timespec="milliseconds")
    return ReviewRow(place, time, row[PREDICTED], probabilities, inputs, chosen, weight)
