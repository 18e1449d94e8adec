"""A prediction log in parts of time: a look at it needs the memory of a part, and not that of the log.

A part has about `PART_ROWS` answers, and at least one window: only whole windows are tested, and the next part begins
with what is left.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.monitored_rows import PREDICTED, MonitorRequest, NewRows, answered_by, are_answers
from runtree.monitoring.log_windows import floor_moments, utc_values
from runtree.monitoring.options import WindowOptions
from runtree.monitoring.windows import Window
from runtree.records.prediction_reader import LogFiles

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PART_ROWS = 200_000
COLUMNS = ("time", "model", "version", "route", PREDICTED)


@contextmanager
def open_log(request: MonitorRequest, options: WindowOptions) -> Iterator[tuple[MonitorRequest, list[str]]]:
    """Yield the request with its log opened, and the ends of the parts in which it is read; the last has none: "".

    Files, databases, windows by another time than the log's own, and a file of labels are read in one part.
    """
    if request.file is not None or request.labels is not None or "://" in request.log or options.time is not None:
        yield request, [""]
        return
    with closing(LogFiles(Path(request.log))) as files:
        yield replace(request, opened=files), [*part_ends(files, request, options), ""]


def part_ends(files: LogFiles, request: MonitorRequest, options: WindowOptions) -> list[str]:
    """Return the moments at which parts end: starts of periods, with answers of the model before and after each."""
    import numpy as np

    model, version = answered_by(request)
    counts = dict[Any, list[int]]()
    for batch in files.batches(COLUMNS, request.since, with_labels=False):
        frame = batch.to_pandas()
        frame = frame[frame["model"] == model]
        own = are_answers(frame, version)
        units, places = np.unique(_units(utc_values(frame["time"]), options), return_inverse=True)
        totals = (np.bincount(places, minlength=len(units)), np.bincount(places, own, minlength=len(units)))
        for unit, total, answers in zip(units, *totals, strict=True):
            known = counts.setdefault(unit, [0, 0])
            counts[unit] = [known[0] + int(total), known[1] + int(answers)]
    ends, rows, answers = [], 0, 0
    for unit in sorted(counts):
        if rows >= PART_ROWS and answers:
            ends.append(unit)
            rows = answers = 0
        rows, answers = rows + counts[unit][0], answers + counts[unit][1]
    if ends and not answers:  # what comes after the last answer belongs to the part before
        ends.pop()
    return [f"{end.astype('datetime64[us]').item().isoformat()}+00:00" for end in ends]


def _units(times: "Array", options: WindowOptions) -> "Array":
    """Return the moments at which a part may begin: of windows by count a minute, else the start of a window."""
    if options.rows:
        return times.astype("datetime64[m]")
    return floor_moments(times, options.every or "day")


def whole_windows(
    windows: Sequence[Window], rows: NewRows, options: WindowOptions, since: str, until: str
) -> tuple[list[Window], str]:
    """Return the windows of a part that are whole, and from when on the next part is read."""
    if not until or windows[-1].closed:
        return list(windows), until
    last = windows[-1]
    if len(windows) == 1 or rows.traffic is None or last.traffic is None or last.begin is None:
        return [], since
    if options.rows:
        return list(windows[:-1]), last.begin
    first = utc_values(rows.traffic["time"].iloc[last.traffic]).min()
    return list(windows[:-1]), f"{floor_moments(first.reshape(1), 'day')[0].item().isoformat()}+00:00"
