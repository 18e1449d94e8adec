"""A run's model asked about its parts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, ask, prepare
from runtree.contract.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def frames(answers: "Sequence[tuple[Answers, Array, str]]") -> "pd.DataFrame":
    """Return predictions of several parts as one table; each comes with its rows and the part's name."""
    import pandas as pd

    return pd.concat([found.frame(rows, part) for found, rows, part in answers], ignore_index=True)


def answer_part(run: Run, part: str) -> Answers:
    """Ask a run's model about a part; runs that share data, split and preprocessing share the prepared rows."""
    place = (run.data.fingerprint, run.split.id, part)
    truth = run.recall("truth", place, lambda: actual(run.part(part)[1], run.data.classes))
    if run.preprocessed is None:
        return ask(*prepare(run.model, run.part(part)[0]), truth, run.data.classes)
    prepared = run.recall("rows", (run.preprocessed, part), lambda: prepare(run.model, run.part(part)[0])[1])
    return ask(run.model[-1], prepared, truth, run.data.classes)
