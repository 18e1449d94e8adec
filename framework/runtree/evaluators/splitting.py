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

KINDS = ("random", "stratified", "group", "stratified_group", "leave_one_group_out", "time", "predefined")
OF_GROUPS = ("group", "stratified_group", "leave_one_group_out")
STRATIFIED = ("stratified", "stratified_group")
# The kinds of folds that a test split allows: any other would separate rows that it keeps together.
FITTING: Mapping[str, tuple[str, ...]] = {"group": OF_GROUPS, "stratified_group": OF_GROUPS, "time": ("time",)}


@dataclass(frozen=True)
class Splitting:
    """A way to split rows into folds; `where` is the config path of its keys.

    Its folds are those of scikit-learn's KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold, LeaveOneGroupOut,
    TimeSeriesSplit and PredefinedSplit with the run's seed, repeated as RepeatedKFold and RepeatedStratifiedKFold do.
    A regression is stratified by bins of its target. Rows that repeat each other change folds so that they are in one.
    """

    kind: str = "auto"
    folds: int = 5
    repeats: int = 1
    gap: int | str | None = None
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
            yield from self._folds_in_time(data.times, rows, self._gap(run))
            return
        if kind == "predefined":
            yield from self._given_folds(data, rows)
            return
        from runtree.tables.strata import strata

        target = data.target.iloc[rows]
        groups = data.groups.iloc[rows] if data.groups is not None and kind in OF_GROUPS else None
        if kind in STRATIFIED and data.classes:
            # scikit-learn only warns, and then leaves folds without a class, where most metrics are undefined
            self._check_classes(int(target.value_counts().min()))
        stratum = strata(target, bool(data.classes), self.folds)
        number = 0
        for repeat, splitter in enumerate(self._splitters(kind, run.seed)):
            try:
                parts = list(splitter.split(rows, stratum, groups))
            except ValueError as error:
                raise DataError(f"{self.where}: {first_line(error)}", "ask for fewer folds") from None
            if data.firsts is not None and groups is None:
                parts = _with_equal_rows(parts, data.firsts[rows], stratum.to_numpy(), run.seed + repeat)
            for train, held_out in parts:
                yield Fold(rows[train], rows[held_out], number, repeat)
                number += 1

    def _gap(self, run: Run) -> Any:
        return run.config.to_dict()["data"].get("gap", 0) if self.gap is None else self.gap

    def _given_folds(self, data: Any, rows: "Rows") -> Iterator[Fold]:
        """Yield the folds that a column or a file gives; rows without a number are always train rows."""
        import numpy as np

        from runtree.tables.strata import ALWAYS_TRAIN, fold_numbers

        numbers = fold_numbers(data.given)[rows]
        for place, fold in enumerate(sorted(set(numbers.tolist()) - {ALWAYS_TRAIN})):
            held_out = numbers == fold
            if held_out.all():
                raise DataError(
                    f"evaluator.kind: '{data.given.name}' has one fold outside the test split, and two are needed",
                    "type: evaluator=holdout, or evaluator.kind=random",
                )
            yield Fold(rows[np.flatnonzero(~held_out)], rows[np.flatnonzero(held_out)], place, 0)

    def _folds_in_time(self, times: "pd.Series[Any]", rows: "Rows", gap: Any) -> Iterator[Fold]:
        """Yield TimeSeriesSplit's folds, their borders moved so that rows of one time are on one side.

        Raises
        ------
        DataError
            There are too few different times, so that a fold would be empty.
        """
        import numpy as np
        from sklearn.model_selection import TimeSeriesSplit

        from runtree.tables.roles import nearest_border, sort_by_time, time_borders
        from runtree.tables.strata import before_gap, read_gap

        path = "data.gap" if self.gap is None else "evaluator.gap"
        gap = read_gap(gap, path)
        # TimeSeriesSplit cuts by position and knows no column of times, so the rows have to be in order first
        rows = sort_by_time(times, rows)
        try:
            splitter = TimeSeriesSplit(self.folds, gap=gap if isinstance(gap, int) else 0)
            cuts = [held_out[0] for _, held_out in splitter.split(rows)]
        except ValueError as error:
            raise DataError(f"{self.where}: {first_line(error)}", "ask for fewer folds") from None
        borders = time_borders(times, rows)
        starts = [nearest_border(borders, cut) for cut in cuts] if len(borders) else cuts
        ends = [*starts[1:], len(rows)]
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            last = before_gap(times, rows, start, gap, path)
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
        if split == "predefined" and (run.data.groups is not None or self.kind == "auto"):
            split = self._split_without_folds(run)
        kind = split if self.kind == "auto" else self.kind
        if kind not in KINDS:
            raise unknown("kind of folds at evaluator.kind:", kind, ["auto", *KINDS], error=ConfigError)
        self._check_columns(kind, run)
        fitting = (*OF_GROUPS, split) if split == "predefined" and run.data.groups is not None else FITTING.get(split)
        if fitting is not None and kind not in fitting:
            raise ConfigError(
                f"evaluator.kind: {kind} folds would tear apart what data.split={split} keeps together",
                f"possible: auto, {', '.join(fitting)}",
            )
        # repeats of equal folds would look like independent ones, and narrow every confidence interval
        if kind in ("time", "leave_one_group_out", "predefined") and self.repeats > 1:
            raise ConfigError(f"evaluator.repeats: {kind} folds are the same each time", "type: evaluator.repeats=1")
        if kind != "time" and (self.gap or self.max_train_size is not None):
            raise ConfigError("evaluator.gap, evaluator.max_train_size: they are for folds in time", "name data.time")
        return kind

    def _split_without_folds(self, run: Run) -> str:
        """Return what a given split stands for: its folds, if it numbers some, else the strategy of the columns."""
        data = run.data
        if data.given is not None and data.given.str.fullmatch(r"\d+").iloc[run.split.train].any():
            return "predefined"
        if data.groups is not None or data.times is not None:
            return "group" if data.groups is not None else "time"
        return "stratified" if data.classes else "random"

    def _check_columns(self, kind: str, run: Run) -> None:
        if kind in OF_GROUPS and run.data.groups is None:
            raise ConfigError(f"evaluator.kind: {kind} needs the column of groups", "name it: data.group=COLUMN")
        if kind == "time" and run.data.times is None:
            raise ConfigError("evaluator.kind: time needs the column of times", "name it: data.time=COLUMN")
        if kind == "predefined" and run.data.given is None:
            raise ConfigError(
                "evaluator.kind: predefined needs the number of each row's fold", "name it: data.split_column=COLUMN"
            )

    def _check_classes(self, smallest: int) -> None:
        if smallest < self.folds:
            rows = "1 row" if smallest == 1 else f"{smallest} rows"
            fewer = f"{self.where}={smallest}, or " if smallest > 1 else ""
            raise DataError(
                f"{self.where}: {self.folds} folds, and the smallest class has {rows} to share out",
                f"type: {fewer}evaluator.kind=random",
            )


def _with_equal_rows(parts: "list[Any]", firsts: "Rows", stratum: "Rows", seed: int) -> "list[tuple[Rows, Rows]]":
    """Return folds, given as positions, in which rows that repeat each other are in one fold."""
    import numpy as np

    from runtree.tables.strata import keep_together

    sides = np.zeros(len(firsts), dtype=int)
    for number, (_, held_out) in enumerate(parts):
        sides[held_out] = number
    sides = keep_together(sides, firsts, stratum, seed)
    return [(np.flatnonzero(sides != number), np.flatnonzero(sides == number)) for number in range(len(parts))]
