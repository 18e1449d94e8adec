"""Champion and challenger on the same labelled rows: newer ones, and those that the champion was once promised by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.explain import read_run_config
from runtree.app.monitor import cut_rows, monitor_node
from runtree.app.monitored_rows import MonitorRequest, NewRows, read_rows
from runtree.config.allowlist import AllowList
from runtree.contract.errors import RequestError, RuntreeError, first_line
from runtree.contract.model_version import ModelVersion
from runtree.contract.predictions import Predictions
from runtree.contract.types import RunRecord, Table
from runtree.lifecycle.labelled_rows import encode_known, predict_labelled, row_keys
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import Predictor
from runtree.monitoring.options import MIN_ROWS, read_options
from runtree.monitoring.reference import HELD_OUT
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.record import read_record
from runtree.records.sealed import plain_source
from runtree.registry.figures import ScoredRows
from runtree.tables.declared import as_numbers
from runtree.tables.fingerprint import hash_table
from runtree.tables.roles import read_groups

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

OTHER_CLASSES = "they know different classes, and cannot be compared row by row"
MADE_WITH = ("train", "validation")  # splits that shape a model


@dataclass(frozen=True)
class Side:
    """One of the two versions, with the table that it was made with, read again."""

    version: ModelVersion
    record: RunRecord
    config: Mapping[str, Any]
    predictor: Predictor
    trust: AllowList

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return str(self.config["data"]["target"])

    @cached_property
    def current(self) -> "Table | str":
        """The table of its run as it is now; a sentence where it cannot be read any more."""
        try:
            return load(self.config, self.trust)
        except (RuntreeError, OSError, ValueError, KeyError) as error:
            return first_line(error)

    @cached_property
    def table(self) -> "Table | str":
        """The table of its run; a sentence where it cannot be had any more.

        Of one that has grown since the first rows count, which are those that the version was made with.
        """
        table = self.current
        if isinstance(table, str):
            return table
        if table.streamed is not None:
            return "it learnt in batches"
        recorded = self.record.fingerprints.get("data")
        if table.fingerprint == recorded:
            return table
        count = int(RunReader(self.version.folder).data.get("rows") or 0)
        first = replace(table, features=table.features.iloc[:count], target=table.target.iloc[:count],
                        aside=None if table.aside is None else table.aside.iloc[:count])  # fmt: skip
        grown = 0 < count < len(table.features) and hash_table(first.features, first.target)[0] == recorded
        return first if grown else "it has changed"

    @cached_property
    def parts(self) -> "dict[str, Array]":
        """The positions of the rows of each split in the table."""
        import pandas as pd

        try:
            found = pd.read_parquet(plain_source(RunFolder(self.version.folder).predictions), columns=["row", "part"])
        except (OSError, ValueError, KeyError):
            return {}
        return {str(part): rows["row"].to_numpy() for part, rows in found.groupby("part")}

    @cached_property
    def made_with(self) -> "Array | None":
        """The keys of the rows that it was made with; None where they are not known."""
        import numpy as np

        if isinstance(self.table, str) or not self.parts:
            return None
        learned = np.unique(np.concatenate([self.parts.get(part, np.zeros(0, dtype=int)) for part in MADE_WITH]))
        return self.keys(self.rows_of_table().iloc[learned])

    def rows_of_table(self) -> "pd.DataFrame":
        """Return the columns of the table, with the target and those that are no features."""
        import pandas as pd

        assert isinstance(self.table, Table)
        aside = [] if self.table.aside is None else [self.table.aside]
        rows = pd.concat([self.table.features, *aside, self.table.target], axis=1)
        return rows.loc[:, ~rows.columns.duplicated()]

    def held_out(self) -> "pd.DataFrame | str":
        """Return the rows that it was not fitted on; a sentence where there are none."""
        if isinstance(self.table, str):
            return self.table
        part = next((name for name in HELD_OUT if name in self.parts), None)
        return self.rows_of_table().iloc[self.parts[part]] if part else "the run kept no predictions"

    def keys(self, rows: "pd.DataFrame") -> "Array":
        """Return a hash of each row and its target, as this version reads them."""
        return row_keys(self.predictor.select_columns(rows), self.truth(rows))

    def truth(self, rows: "pd.DataFrame") -> "Array":
        """Return the target as the version knows it: positions of classes, -1 for others; or numbers."""
        import numpy as np

        if self.predictor.classes:
            return encode_known(rows[self.target], self.predictor.classes)
        decimal = str(self.config["data"].get("decimal", "."))
        values: Array = as_numbers(rows[self.target], decimal).to_numpy(dtype=float, na_value=np.nan)
        return values

    def predict(self, rows: "pd.DataFrame") -> Predictions:
        """Return the predictions of labelled rows."""
        return predict_labelled(self.predictor, self.predictor.select_columns(rows), self.truth(rows))


@dataclass(frozen=True)
class SidesCompared:
    """The rows on which the gate decides (None: there are none), the old ones or why there are none, and notes."""

    scored: ScoredRows | None
    old: ScoredRows | str
    notes: tuple[str, ...]


def make_side(app: App, version: ModelVersion, trust: AllowList, trusted: tuple[str, ...]) -> Side:
    """Read a version with its model."""
    record = read_record(RunFolder(version.folder))
    predictor = replace(app.load_predictor(record, trusted), refuse=False, schema=None)
    return Side(version, record, read_run_config(record), predictor, trust)


def compare_sides(app: App, challenger: Side, champion: Side, newest: MonitorRequest | None) -> SidesCompared:
    """Score both on the newest labelled rows and on those that the champion had held out.

    Rows that one of them was made with are left out of both.

    Parameters
    ----------
    newest
        What was watched as the request was made: the newest window with labels counts, if enough of its rows are left.
        Else the rows that the challenger has held out.
    """
    if challenger.predictor.classes != champion.predictor.classes:
        return SidesCompared(None, OTHER_CLASSES, (OTHER_CLASSES,))
    notes: list[str] = []
    scored = None
    if newest is not None:
        rows, name = _newest_window(app, champion, newest)
        scored = _score(challenger, champion, rows, f"rows of {name}", notes) if name else None
        notes += [] if name else [f"the window cannot be compared: {rows}"]
    if scored is None:
        scored = _score(challenger, champion, challenger.held_out(), "rows that the new run held out", notes)
    old = score_held_out(challenger, champion)
    notes += [old] if isinstance(old, str) else []
    if champion.made_with is None:
        reason = champion.table if isinstance(champion.table, str) else "its run kept no predictions"
        notes.append(f"which rows version {champion.version.number} was made with is not known ({reason})")
    return SidesCompared(scored, old, tuple(notes))


def score_held_out(challenger: Side, champion: Side) -> ScoredRows | str:
    """Return the predictions of both for the rows that the champion had held out; a sentence where there are none."""
    if challenger.predictor.classes != champion.predictor.classes:
        return OTHER_CLASSES
    notes: list[str] = []
    found = _score(challenger, champion, champion.held_out(), "rows that the old run held out", notes)
    return found or "; ".join(notes)


def _score(
    challenger: Side, champion: Side, rows: "pd.DataFrame | str", about: str, notes: list[str]
) -> ScoredRows | None:
    """Return the predictions of both for the labelled rows that neither was made with; None, and a note, if too few."""
    import numpy as np

    if isinstance(rows, str):
        notes.append(f"{about}: {rows}")
        return None
    if challenger.made_with is None:  # scores of rows that it may have learnt would promote it
        notes.append(f"{about}: which of them version {challenger.version.number} was made with is not known")
        return None
    known = np.isfinite(challenger.truth(rows)) & (
        challenger.truth(rows) >= 0 if challenger.predictor.classes else True
    )
    rows = rows[known]
    seen = np.zeros(len(rows), dtype=bool)
    for side in (challenger, champion):
        seen |= False if side.made_with is None else np.isin(side.keys(rows), side.made_with)
    left = rows[~seen]
    if len(left) < MIN_ROWS:
        notes.append(f"{about}: {len(left):,} of {len(rows):,} are new to both versions, {MIN_ROWS} are needed")
        return None
    numbers = challenger.version.number, champion.version.number
    said = f"{len(left):,} {about}" + (f", without {int(seen.sum()):,} known ones" if seen.any() else "")
    group = str(challenger.config["data"].get("group"))
    groups = read_groups(left[group]).to_numpy() if group in left.columns else None
    # of its own test rows: the new run has measured the gaps there
    fairness = RunReader(challenger.version.folder).evaluation.get("fairness") or ()
    return ScoredRows(*numbers, challenger.predict(left), champion.predict(left), said, groups, fairness)


@dataclass(frozen=True)
class WatchedLabels:
    """The rows that were watched of a version, with the positions of those with labels.

    `newest` are those of the newest window with enough of them, `older` all others; `name` is that window, "" for none.
    """

    rows: NewRows
    newest: "Array"
    older: "Array"
    name: str


def read_labelled(app: App, champion: Side, request: MonitorRequest) -> WatchedLabels:
    """Read what was watched of a version, and find the newest window with enough labels.

    Enough is the least number of rows that a window is tested with; without any such window it is `MIN_ROWS`.

    Raises
    ------
    RuntreeError
        The rows cannot be read, or the log leaves out an input.
    """
    import numpy as np

    options = read_options(monitor_node(app, request, champion.config))
    rows, _ = read_rows(app, request, champion.config, champion.predictor, champion.trust, options)
    if rows.absent:
        raise RequestError(f"the log leaves out {', '.join(rows.absent)}")
    windows = cut_rows(request, rows, options, champion.config, [])
    labelled = [window.rows[rows.labelled[window.rows]] for window in windows]
    known = np.flatnonzero(rows.labelled)
    for least in (options.window.minimum, MIN_ROWS):
        for window, found in reversed(list(zip(windows, labelled, strict=True))):
            if len(found) >= least:
                name = f"the window {window.name}" if len(windows) > 1 else "the window that was watched"
                return WatchedLabels(rows, found, np.setdiff1d(known, found), name)
    return WatchedLabels(rows, known[:0], known, "")


def _newest_window(app: App, champion: Side, request: MonitorRequest) -> "tuple[pd.DataFrame | str, str]":
    """Return the rows of the newest window with labels, and its name; or why there is none, and no name."""
    try:
        found = read_labelled(app, champion, request)
    except RuntreeError as error:
        return first_line(error), ""
    if not found.name:
        return "no window has labels enough", ""
    return found.rows.raw.iloc[found.newest].reset_index(drop=True), found.name
