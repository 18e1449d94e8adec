"""The model asked about many variants of some rows at once: a call costs more than the rows it is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, chances, codes
from runtree.contract.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]
    Change = tuple[int, pd.Series[Any]]  # a column's position, and its values in a variant

TOGETHER = 20_000  # rows of one call


@dataclass(frozen=True)
class Sample:
    """Some rows that nothing was learnt from, as the table has them, before preprocessing.

    Attributes
    ----------
    part
        The validation part, so that what is learnt of the columns is not learnt from the test part; where there is
        none, the test part.
    whole
        How many rows the part has.
    """

    run: Run
    part: str
    features: "pd.DataFrame"
    truth: "Array"
    whole: int

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [str(name) for name in self.features.columns]

    def ask(self, features: "pd.DataFrame", truth: "Array", with_chances: bool) -> Answers:
        """Ask the model; its chances only where they are needed."""
        return ask_model(self.run.model, features, truth, self.run.data.classes, with_chances)

    def variants(self, changes: "Sequence[Change]", with_chances: bool) -> Iterator[Answers]:
        """Yield what the model answers to the rows with one column changed, for each change."""
        import numpy as np

        rows = len(self.features)
        step = max(1, TOGETHER // max(rows, 1))
        for start in range(0, len(changes), step):
            some = changes[start : start + step]
            block = self.features.take(np.tile(np.arange(rows), len(some))).reset_index(drop=True)
            for position in dict.fromkeys(position for position, _ in some):
                block.isetitem(position, _changed(block.iloc[:, position], position, some).array)
            found = self.ask(block, np.tile(self.truth, len(some)), with_chances)
            yield from (piece(found, number * rows, (number + 1) * rows) for number in range(len(some)))


def _changed(own: "pd.Series[Any]", position: int, changes: "Sequence[Change]") -> "pd.Series[Any]":
    """Return a column of many variants, its own values replaced in those that change it: they stand in a row."""
    import pandas as pd

    rows = len(own) // len(changes)
    places = [number for number, (place, _) in enumerate(changes) if place == position]
    values = [changes[number][1] for number in places]
    parts = [own.iloc[: places[0] * rows], *values, own.iloc[(places[-1] + 1) * rows :]]
    return pd.concat([part for part in parts if len(part)], ignore_index=True).astype(own.dtype)


def take_sample(run: Run, rows: int) -> Sample:
    """Return a seeded sample of at most so many rows."""
    import numpy as np

    part = "validation" if len(run.split.validation) else "test"
    own = run.split.rows(part)
    chosen = np.sort(np.random.default_rng(run.seed).permutation(own)[:rows]) if rows < len(own) else own
    features = run.data.features.iloc[chosen].reset_index(drop=True)
    return Sample(run, part, features, actual(run.data.target.iloc[chosen], run.data.classes), len(own))


def ask_model(
    model: Any, features: "pd.DataFrame", truth: "Array", classes: tuple[Any, ...], with_chances: bool
) -> Answers:
    """Ask a pipeline about rows of the table: prepare them once for both of its answers."""
    from joblib import parallel_config

    last, rows = (model[-1], model[:-1].transform(features)) if hasattr(model, "steps") else (model, features)
    with parallel_config("sequential"):
        predicted = last.predict(rows)
        score = chances(last, rows, classes) if classes and with_chances else None
    return Answers(truth, codes(predicted, classes) if classes else predicted.astype(float).ravel(), score, classes)


def piece(found: Answers, start: int, end: int) -> Answers:
    """Return the answers about some rows in a row."""
    score = found.score[start:end] if found.score is not None else None
    return Answers(found.y_true[start:end], found.y_pred[start:end], score, found.classes)


def expected(found: Answers) -> "Array":
    """Return the chance of each class, of shape (rows, classes), without chances 1 for the class that is predicted.

    For a regression the predicted number, of shape (rows, 1).
    """
    import numpy as np

    if not found.classes:
        return found.y_pred[:, None]
    return found.score if found.score is not None else np.eye(len(found.classes))[found.y_pred]
