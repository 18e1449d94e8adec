"""Windows of a prediction log, which grows: those that were closed stay as they are, and only the last one changes.

A window is all answers from its start to the start of the next one. Without `every` and `rows` it is a day, or several
days in a row until they have enough rows to be tested.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runtree.monitoring.options import PERIODS, WindowOptions
from runtree.monitoring.windows import Window, period_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

STEM = "log"  # of windows by count; those by time are named after their start


@dataclass(frozen=True)
class RecordedWindow:
    """A window of the same model and the same log that an earlier look has recorded."""

    name: str
    begin: Any  # numpy.datetime64, as all times here: UTC, without a zone
    end: Any


def recorded_windows(
    records: Sequence[Mapping[str, Any]], run: str, log: str, options: WindowOptions
) -> list[RecordedWindow]:
    """Return the recorded windows that were cut as `options` say, in the order of time."""
    import numpy as np

    found = []
    for record in records:
        window, cut = record["window"], (record.get("options") or {}).get("window") or {}
        same = (record.get("model") or {}).get("run") == run and (record.get("data") or {}).get("path") == log
        if same and all(cut.get(name) == getattr(options, name) for name in ("rows", "time", "every")):
            begin, end = (np.datetime64(utc(window[name])) for name in ("begin", "end"))
            found.append(RecordedWindow(window["name"], begin, end))
    return sorted(found, key=lambda one: (one.begin, one.name))


def utc(moment: str) -> datetime:
    """Return a recorded moment in UTC, without its zone."""
    parsed = datetime.fromisoformat(moment)
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def utc_values(times: "pd.Series[Any]") -> "Array":
    """Return moments as an array in UTC, without a zone."""
    plain = times.dt.tz_convert(None) if getattr(times.dtype, "tz", None) is not None else times
    return plain.to_numpy(dtype="datetime64[us]")


def cut_log(
    times: "Array",
    traffic: "Array | None",
    options: WindowOptions,
    recorded: Sequence[RecordedWindow],
    taken: Sequence[str] = (),
    now: datetime | None = None,
) -> list[Window]:
    """Cut the rows of a log into windows.

    Parameters
    ----------
    times
        Of the rows, as `utc_values` returns them.
    traffic
        Those of all answers of the model, errors among them: a day of errors alone is a window, too. None where rows
        are not cut by the log's own time.
    recorded
        Whose starts are kept. So windows stay what they are where older rows are not read any more, or come late.
    taken
        Names of windows by count that there are already.
    """
    import numpy as np
    import pandas as pd

    now_value = np.datetime64((now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None))
    period = options.every or (None if options.rows else "day")
    if period is None:
        units, counts = np.unique(times, return_counts=True)  # rows of one moment, as of one request, stay together
    else:
        known = times if traffic is None else np.concatenate([times, traffic])
        floors = {name: floor_moments(values, period) for name, values in (("rows", times), ("all", known))}
        units = np.unique(floors["all"])
        counts = np.searchsorted(np.sort(floors["rows"]), units, "right")
        counts = np.diff(counts, prepend=0)
    begins = np.array([one.begin for one in recorded], dtype="datetime64[us]")
    forced = begins if period is None else floor_moments(begins, period)
    size = options.rows or (1 if options.every else options.minimum)
    places = list(range(len(units))) if options.every else join_units(units, counts, size, forced, recorded)
    starts = units[places]
    names = {start: one.name for start, one in zip(forced, recorded, strict=True)}
    # a window of which only a part is read any more has the start, and the name, that it was recorded with
    if not options.every and len(forced) and forced[0] < starts[0]:
        starts[0] = forced[forced < starts[0]][-1] if starts[0] not in names else starts[0]
    free = 1 + max((int(found[1]) for name in taken if (found := re.fullmatch(rf"{STEM}-(\d+)", name))), default=0)
    ends, zone = [*starts[1:], None], "" if traffic is None else "+00:00"
    windows = []
    for start, end, own in zip(starts, ends, _split(times, starts), strict=True):
        if period is not None:
            name, over = period_name(pd.Timestamp(start), period), floor_moments(units[-1:], period, 1)[0] <= now_value
        elif start in names:
            name, over = names[start], True
        else:
            name, over, free = f"{STEM}-{free:04d}", True, free + 1
        closed = end is not None or (bool(over) and len(own) >= (0 if options.every else size))
        begin, last = (times[own[0]], times[own[-1]]) if len(own) else (start, start)
        shown = [f"{moment.item().isoformat()}{zone}" for moment in (begin, last)]
        windows.append(Window(name, shown[0], shown[1], own, closed))
    if traffic is None:
        return windows
    parts = _split(traffic, starts)
    return [Window(w.name, w.begin, w.end, w.rows, w.closed, part) for w, part in zip(windows, parts, strict=True)]


def join_units(
    units: "Array", counts: "Array", size: int, forced: "Array", recorded: Sequence[RecordedWindow]
) -> list[int]:
    """Return the positions of units (moments, or days) at which windows begin, each of `size` rows if there are more.

    Recorded starts stay where they are: a row that comes late makes no difference to the windows after its own.
    """
    import numpy as np

    total, places = np.cumsum(counts), [0]
    kept = np.searchsorted(units, forced)
    if len(forced) and forced[-1] < units[0]:
        # the last window was begun by rows that are not read any more: it ends where it was recorded to end
        kept = np.array([np.searchsorted(units, recorded[-1].end, "right")])
        kept = kept if forced[-1] <= units[0] <= recorded[-1].end else kept[:0]
    while True:
        place = places[-1]
        later, before = kept[kept > place], (forced <= units[place]).any()
        enough = int(np.searchsorted(total, (total[place - 1] if place else 0) + size)) + 1
        following = int(later[0]) if len(later) and before else min([enough, *later[:1].tolist()])
        if following >= len(units):
            return places
        places.append(following)


def floor_moments(values: "Array", period: str, later: int = 0) -> "Array":
    """Return the starts of the periods of moments, or of those after them."""
    import pandas as pd

    periods = pd.DatetimeIndex(values).to_period(PERIODS[period])  # type: ignore[index]
    return (periods + later).start_time.to_numpy(dtype="datetime64[us]")


def _split(times: "Array", starts: "Array") -> "list[Array]":
    """Return for each start the positions of the moments up to the next one, in order; the first has all before."""
    import numpy as np

    order = np.argsort(times, kind="stable")
    return np.split(order, np.searchsorted(times[order], starts[1:]))
