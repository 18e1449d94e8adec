"""Drift: each window beside the reference, column by column and segment by segment, within one budget of false alarms.

All p values of a window are corrected together by Benjamini and Hochberg. If nothing has changed, any alarm is a false
one, and then the correction bounds the probability of one by the budget: for the whole window and not for each test.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.detection import Detection
from runtree.contract.errors import RunFailedError, describe_error, raise_if_ours
from runtree.contract.faults import warn_of_fault
from runtree.contract.run import read_only
from runtree.monitoring.options import MAX_SEGMENTS, MIN_ROWS, ChosenDetector
from runtree.monitoring.stream import OVER_TIME
from runtree.statistics.comparison import benjamini_hochberg

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

NUMBER, CATEGORY, OTHER = "number", "category", ""


@dataclass(frozen=True)
class WatchedRows:
    """Rows of the reference or of a window.

    Attributes
    ----------
    inputs
        The model's columns as it gets them.
    outputs
        Predictions, probabilities and, where it is known, the target, as columns; of the reference only of rows that
        the model was not fitted on.
    raw
        All columns as they were read, for the schema and for segments. The index of all three names rows.
    """

    inputs: "pd.DataFrame"
    outputs: "pd.DataFrame"
    raw: "pd.DataFrame"

    def take(self, rows: "Array") -> "WatchedRows":
        """Return the rows at these positions; all three frames must have the same rows."""
        return WatchedRows(self.inputs.iloc[rows], self.outputs.iloc[rows], self.raw.iloc[rows])


@dataclass(frozen=True)
class DriftResult:
    """What a detector found in a column, in all rows or in a segment; `column` is "" for the whole table."""

    column: str
    segment: str
    detector: str
    score: float
    p: float | None
    threshold: float
    note: str = ""
    adjusted: float | None = None
    alarm: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `monitor.json` has it."""
        return asdict(self)


@dataclass
class DriftMonitor:
    """Compares windows with one reference.

    Attributes
    ----------
    kinds
        "number" or "category" of each column of inputs and outputs; "" for one of which only missing values count.
    usable
        The names of the detectors that the inputs of the reference allow; None: all.
    minimum
        The rows that both sides of a segment must have.
    """

    reference: WatchedRows
    kinds: Mapping[str, str]
    detectors: Sequence[ChosenDetector]
    segments: Sequence[str] = ()
    minimum: int = MIN_ROWS
    usable: frozenset[str] | None = None
    _values: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def compare(
        self, window: WatchedRows, budget: float, streams: "Mapping[str, tuple[Array, Array]] | None" = None
    ) -> list[DriftResult]:
        """Return what every detector finds, with corrected p values and alarms.

        Parameters
        ----------
        streams
            Reference and sequence of what is tested over time.
        """
        results = [*self._table(window), *self._columns("", self.reference, window)]
        for name, sides in (streams or {}).items():
            for chosen in self.detectors:
                if "stream" in chosen.detector.compares:
                    results += self._call(chosen, name + OVER_TIME, "", *map(read_only, sides))
        for label, reference, rows in self._segments(window):
            results += self._columns(label, reference, rows)
        return correct(results, budget)

    def _table(self, window: WatchedRows) -> Iterator[DriftResult]:
        reference = self.reference
        watched = list(reference.inputs.columns)
        for chosen in self.detectors:
            compares = chosen.detector.compares
            if not watched or not self._may(chosen):
                continue
            if "schema" in compares:
                sides = (reference.raw.reindex(columns=watched), window.raw)
                yield from self._call(chosen, "", "", *(frame.copy() for frame in sides))
            if "table" in compares:
                typed = [name for name in watched if self.kinds.get(name)]
                if typed:
                    yield from self._call(chosen, "", "", reference.inputs[typed].copy(), window.inputs[typed].copy())

    def _columns(self, segment: str, reference: WatchedRows, window: WatchedRows) -> Iterator[DriftResult]:
        for part in ("inputs", "outputs"):
            before, now = getattr(reference, part), getattr(window, part)
            for name in before.columns:
                if name not in now.columns:
                    continue
                for chosen in self.detectors:
                    if part == "inputs" and not self._may(chosen):
                        continue
                    yield from self._column(chosen, name, segment, before[name], now[name], part)

    def _column(
        self,
        chosen: ChosenDetector,
        name: str,
        segment: str,
        before: "pd.Series[Any]",
        now: "pd.Series[Any]",
        part: str,
    ) -> Iterator[DriftResult]:
        compares, kind = chosen.detector.compares, self.kinds.get(name, OTHER)
        if "column" in compares and part == "inputs":
            yield from self._call(chosen, name, segment, before.copy(), now.copy())
        if kind in compares:
            key = (part, name, segment)
            if key not in self._values:  # the reference is the same for all windows
                self._values[key] = as_values(before, kind)
            first, second = self._values[key], as_values(now, kind)
            # a column without enough known values is reported by `missing` and `schema`
            if min(len(first), len(second)) >= MIN_ROWS:
                yield from self._call(chosen, name, segment, read_only(first), read_only(second))

    def _segments(self, window: WatchedRows) -> Iterator[tuple[str, WatchedRows, WatchedRows]]:
        """Yield each segment that has enough rows on both sides, with these rows."""
        for name in self.segments:
            if name not in self.reference.raw.columns or name not in window.raw.columns:
                continue
            of_reference, of_window = (segment_texts(rows.raw[name]) for rows in (self.reference, window))
            for level, count in of_reference.value_counts().head(MAX_SEGMENTS).items():
                there = of_window[of_window == level].index
                if min(int(count), len(there)) < self.minimum:
                    continue
                here = of_reference[of_reference == level].index
                yield f"{name}={level}", _of_index(self.reference, here), _of_index(window, there)

    def _may(self, chosen: ChosenDetector) -> bool:
        return self.usable is None or chosen.detector.name in self.usable

    def _call(
        self, chosen: ChosenDetector, column: str, segment: str, reference: Any, window: Any
    ) -> Iterator[DriftResult]:
        """Yield the result of a detector; one of a plugin that fails is named once and left out.

        Raises
        ------
        RunFailedError
            It failed, and the config names it.
        """
        detector = chosen.detector
        if detector.name in self._failed:
            return
        try:
            found = detector.function(reference, window)
            if not isinstance(found, Detection):
                raise TypeError(f"it returned {found!r:.80}, not a Detection")
        except BaseException as error:
            raise_if_ours(error)
            failure = f"detector '{detector.name}' of the plugin '{chosen.plugin}' failed: {describe_error(error)}"
            if chosen.asked:
                raise RunFailedError(failure, f"leave it out of monitor.detectors (column '{column}')") from error
            warn_of_fault(log, f"{failure}; it is left out")
            self._failed.add(detector.name)
            return
        yield DriftResult(column, segment, detector.name, found.score, found.p, detector.threshold, found.note)


def correct(results: Sequence[DriftResult], budget: float) -> list[DriftResult]:
    """Return the results with corrected p values, and which of them are alarms."""
    adjusted = benjamini_hochberg([math.nan if result.p is None else result.p for result in results])
    return [
        replace(
            result,
            adjusted=None if math.isnan(p) else p,
            alarm=result.score > result.threshold and (math.isnan(p) or p <= budget),
        )
        for result, p in zip(results, adjusted, strict=True)
    ]


def as_values(column: "pd.Series[Any]", kind: str) -> "Array":
    """Return the known values of a column as floats, or as texts."""
    import numpy as np

    from runtree.tables.table import to_texts

    if kind == NUMBER:
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        finite: Array = numbers[np.isfinite(numbers)]
        return finite
    return np.asarray(to_texts(column.dropna()), dtype=str)


def segment_texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the values of a segment column as texts, None where they are missing."""
    import pandas as pd

    from runtree.tables.table import to_texts

    known = column.dropna()
    return pd.Series(to_texts(known), index=known.index, dtype="object").reindex(column.index)


def _of_index(rows: WatchedRows, index: Any) -> WatchedRows:
    frames = (frame.loc[frame.index.intersection(index)] for frame in (rows.inputs, rows.outputs, rows.raw))
    return WatchedRows(*frames)
