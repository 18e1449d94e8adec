"""Splits rows into folds with scikit-learn's splitters, selected by the config."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, first_line, unknown
from runtree.contract.folds import Fold
from runtree.contract.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

KINDS = ("random", "stratified", "group", "stratified_group", "leave_one_group_out", "time")
OF_GROUPS = ("group", "stratified_group", "leave_one_group_out")
# The kinds of folds that a test split allows: any other would separate rows that it keeps together.
FITTING: Mapping[str, tuple[str, ...]] = {"group": OF_GROUPS, "time": ("time",)}


@dataclass(frozen=True)
class Splitting:
    """A way to split rows into folds; `where` is the config path of its keys.

    Its folds are those of scikit-learn's KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold, LeaveOneGroupOut and
    TimeSeriesSplit with the run's seed, repeated as RepeatedKFold and RepeatedStratifiedKFold do.
    """

    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int = 0
    max_train_size: int | None = None
    where: str = "evaluator.folds"

    def parts(self, run: Run, rows: "Rows") -> Iterator[Fold]:
        """Yield the folds of some rows of a run's table; `Fold.number` counts over all repeats.

        Raises
        ------
        ConfigError, DataError
            A kind that does not fit the data, or more folds than there are rows, groups or members of a class.
        """
        kind = self.checked(run)
        data = run.data
        if kind == "time" and data.times is not None:
            yield from self._folds_in_time(data.times, rows)
            return
        target = data.target.iloc[rows]
        groups = data.groups.iloc[rows] if data.groups is not None and kind in OF_GROUPS else None
        if kind in ("stratified", "stratified_group"):
            # scikit-learn only warns, and then leaves folds without a class, where most metrics are undefined
            self._check_classes(int(target.value_counts().min()))
        number = 0
        for repeat, splitter in enumerate(self._splitters(kind, run.seed)):
            try:
                parts = list(splitter.split(rows, target, groups))
            except ValueError as error:
                raise DataError(f"{self.where}: {first_line(error)}", "ask for fewer folds") from None
            for train, held_out in parts:
                yield Fold(rows[train], rows[held_out], number, repeat)
                number += 1

    def _folds_in_time(self, times: "pd.Series[Any]", rows: "Rows") -> Iterator[Fold]:
        """Yield TimeSeriesSplit's folds, their borders moved so that rows of one time are on one side.

        Raises
        ------
        DataError
            There are too few different times, so that a fold would be empty.
        """
        import numpy as np
        from sklearn.model_selection import TimeSeriesSplit

        from runtree.tables.roles import nearest_border, sort_by_time, time_borders

        # TimeSeriesSplit cuts by position and knows no column of times, so the rows have to be in order first
        rows = sort_by_time(times, rows)
        try:
            cuts = [held_out[0] for _, held_out in TimeSeriesSplit(self.folds, gap=self.gap).split(rows)]
        except ValueError as error:
            raise DataError(f"{self.where}: {first_line(error)}", "ask for fewer folds") from None
        borders = time_borders(times, rows)
        starts = [nearest_border(borders, cut) for cut in cuts] if len(borders) else cuts
        ends = [*starts[1:], len(rows)]
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            last = start - self.gap
            first = 0 if self.max_train_size is None else max(0, last - self.max_train_size)
            if last <= 0 or start == end or not len(borders):
                different = times.iloc[rows].nunique()
                raise DataError(
                    f"{self.where}: {self.folds} folds, and '{times.name}' has {different} different times outside the "
                    "test split",
                    "rows of one time are not divided; ask for fewer folds, or type: data.split=random",
                )
            yield Fold(rows[np.arange(first, last)], rows[np.arange(start, end)], number, 0)

    def _splitters(self, kind: str, seed: int) -> Iterator[Any]:
        """Yield a splitter for each repeat. They draw from one generator, as scikit-learn's repeated splitters do."""
        import numpy as np
        from sklearn import model_selection as of

        # RandomState and not a Generator: scikit-learn's splitters accept no other, and the folds must equal theirs
        state = np.random.RandomState(seed)
        for _ in range(self.repeats):
            if kind == "leave_one_group_out":
                yield of.LeaveOneGroupOut()
            elif kind == "group":  # unshuffled, the groups are shared out so that folds are alike in size
                mixed = {"shuffle": True, "random_state": state} if self.repeats > 1 else {}
                yield of.GroupKFold(self.folds, **mixed)
            elif kind == "stratified_group":
                yield of.StratifiedGroupKFold(self.folds, shuffle=True, random_state=state)
            else:
                chosen = of.StratifiedKFold if kind == "stratified" else of.KFold
                yield chosen(self.folds, shuffle=True, random_state=state)

    def checked(self, run: Run) -> str:
        """Return the kind, "auto" resolved to that of the test split; raise `ConfigError` if it is not possible."""
        if self.folds < 2 or self.repeats < 1:
            raise ConfigError(f"evaluator: {self.folds} folds, {self.repeats} repeats: at least 2 and 1 are needed")
        split = str(run.metadata.get("split", "random"))
        kind = split if self.kind == "auto" else self.kind
        if kind not in KINDS:
            raise unknown("kind of folds at evaluator.kind:", kind, ["auto", *KINDS], error=ConfigError)
        self._check_columns(kind, run)
        if kind not in FITTING.get(split, KINDS):
            raise ConfigError(
                f"evaluator.kind: {kind} folds would tear apart what data.split={split} keeps together",
                f"possible: auto, {', '.join(FITTING[split])}",
            )
        # repeats of equal folds would look like independent ones, and narrow every confidence interval
        if kind in ("time", "leave_one_group_out") and self.repeats > 1:
            raise ConfigError(f"evaluator.repeats: {kind} folds are the same each time", "type: evaluator.repeats=1")
        if kind != "time" and (self.gap or self.max_train_size is not None):
            raise ConfigError("evaluator.gap, evaluator.max_train_size: they are for folds in time", "name data.time")
        return kind

    def _check_columns(self, kind: str, run: Run) -> None:
        if kind in OF_GROUPS and run.data.groups is None:
            raise ConfigError(f"evaluator.kind: {kind} needs the column of groups", "name it: data.group=COLUMN")
        if kind == "time" and run.data.times is None:
            raise ConfigError("evaluator.kind: time needs the column of times", "name it: data.time=COLUMN")
        if kind in ("stratified", "stratified_group") and not run.data.classes:
            raise ConfigError(f"evaluator.kind: {kind} needs classes, and the task is regression")

    def _check_classes(self, smallest: int) -> None:
        if smallest < self.folds:
            raise DataError(
                f"{self.where}: {self.folds} folds, and the smallest class has {smallest} rows to share out",
                f"type: {self.where}={max(smallest, 2)}, or data.split=random",
            )
