"""The stage load: the keys that all data sources share, and a source's table, checked."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runtree.config.build import check_arguments, check_required
from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.protocols import TargetResolver
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, TASKS, Table, Task
from runtree.lifecycle.sources import read_sources
from runtree.tables.csv_files import Reading
from runtree.tables.fingerprint import hash_table


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The keys of `data` that runtree reads itself: target, task, sample and split."""

    target: str
    task: str = "auto"
    positive: str | int | float | bool | None = None
    drop: list[str] | None = None
    sample: int | float | None = None
    test_size: float | int = 0.2
    validation_size: float | int = 0.2
    split: str = "auto"
    group: str | None = None
    time: str | None = None
    gap: int | str = 0
    split_column: str | None = None
    split_file: str | None = None
    duplicates: str = "auto"
    batches: bool = False
    batch_sample: int = 100_000
    types: dict[str, Any] = field(default_factory=dict)
    missing: list[Any] = field(default_factory=lambda: ["auto"])
    date_format: str | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    join: list[Any] = field(default_factory=list)
    weight: str | None = None
    population: dict[str, Any] = field(default_factory=dict)
    reweight: list[str] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | int | None = None

    @property
    def reading(self) -> Reading:
        """Return what the user says about the columns."""
        # Hydra reads the word null as None
        words = tuple("null" if word is None else str(word) for word in self.missing)
        return Reading({name: str(kind) for name, kind in self.types.items()}, words)

    @property
    def key(self) -> tuple[Any, ...]:
        """Return the keys that determine the split, as a cache key."""
        # the types decide the order of times, and which rows are one group, also where the column is no feature
        types = tuple(sorted(self.reading.types.items()))
        given = self.split_column, self.split_file, self.duplicates, self.gap
        return (self.target, self.test_size, self.validation_size, self.split, self.group, self.time, *given, types)


TABLE_KEYS = tuple(TableOptions.__dataclass_fields__)


def table_options(node: Mapping[str, Any]) -> TableOptions:
    """Read the common keys of a `data` node."""
    common = {key: node[key] for key in TABLE_KEYS if key in node}
    # the dataclass would accept a text for a number; the check compares with the annotations and names the config path
    check_arguments(TableOptions, common, "data")
    check_required(TableOptions, common, "data")
    options = TableOptions(**common)
    if options.date_format is not None:
        check_date_format(options.date_format)
    return options


def check_date_format(text: str) -> None:
    """Refuse a `data.date_format` that has no year, month or day."""
    if not re.search(r"%[YymbBdj]", text):
        raise ConfigError(f"data.date_format: {text!r} is no format of dates", "such as: data.date_format=%d/%m/%Y")


# --- Checks of a table, before anything is fitted on it.

if TYPE_CHECKING:
    import pandas as pd


def check_frame(frame: "pd.DataFrame", options: TableOptions) -> None:
    """Refuse an empty table, repeated column names, unknown columns, and columns of lists."""
    from runtree.tables.roles import refuse_nested

    if len(frame) == 0:
        raise DataError("data: the table has no rows")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"data: two columns are named '{repeated[0]}'", "rename one of them")
    # a frame of a plugin may have integers as column names, but the names in a config are texts
    columns = [str(column) for column in frame.columns]
    required = {"data.target": [options.target], "data.drop": options.drop or []}
    required |= {
        "data.group": [options.group] if options.group else [],
        "data.time": [options.time] if options.time else [],
        "data.weight": [options.weight] if options.weight else [],
        "data.split_column": [options.split_column] if options.split_column else [],
    }
    for path, names in required.items():
        for name in names:
            if name not in columns:
                raise unknown(f"column at {path}:", name, columns, error=DataError)
    for path in ("data.group", "data.time", "data.split_column", "data.weight"):
        if required[path] == [options.target]:
            raise ConfigError(
                f"{path}: column '{options.target}' is the target", f"name another column, or type: {path}=null"
            )
    refuse_nested(frame, options.drop or ())


def check_classes(target: "pd.Series[Any]", name: str, *notes: str) -> tuple[Any, ...]:
    """Return the sorted classes; refuse a single class, and a target that looks like a quantity."""
    counts = target.value_counts()
    if len(counts) < 2:
        raise DataError(f"data.target: column '{name}' holds only one class: {counts.index[0]!r}")
    # fewer than two rows in a class on average: no split could put each class on both sides, and it is most likely a
    # quantity
    if len(counts) > len(target) / 2:
        raise DataError(
            f"data.target: column '{name}' holds {len(counts)} classes in {len(target)} rows",
            *(notes or ("if it is a quantity, type: data.task=regression",)),
        )
    try:
        # sorted as scikit-learn's `classes_`: without `data.positive` a class has the same position in both
        return tuple(sorted(counts.index.tolist()))
    except TypeError:
        raise DataError(f"data.target: column '{name}' mixes text and numbers") from None


def put_positive_last(classes: tuple[Any, ...], positive: Any) -> tuple[Any, ...]:
    """Return the classes with the positive one of two last, where metrics, thresholds and plots read it.

    Raises
    ------
    RuntreeError
        There are not two classes, or none of them is `positive`.
    """
    if positive is None:
        return classes
    if len(classes) != 2:
        held = f"{len(classes)} classes" if classes else "a quantity, not classes"
        raise ConfigError(
            f"data.positive: only one of two classes can be the positive one; the target holds {held}",
            "leave it out: data.positive=null",
        )
    # by text form: a label typed on the command line is a number or a boolean only if it looks like one
    labels = {as_text(label): label for label in classes}
    if as_text(positive) not in labels:
        raise unknown("class at data.positive:", as_text(positive), labels, error=DataError)
    return tuple(sorted(classes, key=lambda label: as_text(label) == as_text(positive)))


def as_text(label: Any) -> str:
    """Return a class label as it is typed: 1 for 1.0, true for True."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


# --- The stage itself: from a data source to a checked table.

if TYPE_CHECKING:
    import pandas as pd

PART, GIVEN = "\0part", "\0given"  # columns with the parts of rows, and with their splits, while they are sampled
MAX_INTEGER_CLASSES = 20  # an integer target with more distinct values is a regression


def source_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a `data` node that are passed to its source."""
    return {key: value for key, value in node.items() if key not in TABLE_KEYS}


def load(config: Mapping[str, Any], trust: TargetResolver) -> Table:
    """Build the data source and return its table."""
    options = table_options(config["data"])
    if options.batches:
        from runtree.lifecycle.batches import load_batches

        return load_batches(config, options)
    node = source_node(config["data"])
    rows = read_sources(node, options.parts, options.join, options.reading, options.drop or (), trust)
    decimal = str(config["data"].get("decimal", "."))
    name = str(config["data"].get("name", "data"))
    given = read_split_file(rows.frame, options) if options.split_file else None
    table = to_table(rows.frame, options, name, int(config["seed"]), decimal, rows.parts, given)
    table = replace(table, notes=(*table.notes, *rows.notes), sources=rows.sources)
    if not rows.content:
        return table
    # a table of file names stays equal when the content of the files changes, so the source adds a hash of the content
    both = f"{table.fingerprint}:{rows.content}"
    return replace(table, fingerprint=hashlib.sha256(both.encode()).hexdigest())


def to_table(
    frame: "pd.DataFrame",
    options: TableOptions,
    name: str,
    seed: int,
    decimal: str = ".",
    parts: "pd.Series[Any] | None" = None,
    given: "pd.Series[Any] | None" = None,
) -> Table:
    """Check a data frame and separate features, target, and the columns to split by; each is read as its type."""
    from runtree.tables import declared, roles
    from runtree.tables.notes import apply_decisions, decide_types, notes_of
    from runtree.tables.strata import read_given

    check_frame(frame, options)
    # sampled before the task is chosen: task, classes and fingerprint describe the rows that are used
    beside = {name: column.to_numpy() for name, column in ((PART, parts), (GIVEN, given)) if column is not None}
    frame = sample_rows(frame.assign(**beside) if beside else frame, options, seed)
    parts = None if parts is None else frame.pop(PART)
    given = frame.pop(GIVEN).rename(str(given.name)) if given is not None else None
    types = dict(options.reading.types)
    declared.check_types(types, [str(column) for column in frame.columns])
    frame = declared.apply_types(frame, types, decimal)
    times = None
    if options.time:
        times, kind = roles.read_times(frame[options.time])
        if kind:
            # as a feature it is read as it is for the split, and so it will be in later rows
            types[options.time] = kind
            frame = frame.assign(**{options.time: times})
    if "drop" in types.values():
        dropped = [name for name, kind in types.items() if kind == "drop"]
        options, types = (
            replace(options, drop=[*(options.drop or ()), *dropped]),
            {name: kind for name, kind in types.items() if kind != "drop"},
        )
    target, kind = read_target(frame[options.target], options, types, decimal)
    if kind:
        types[options.target] = kind
        frame = frame.assign(**{options.target: target})
    # what looks like a quantity but is text would be a class for each value
    are_classes = options.task != "regression" and holds_few_whole_numbers(target)
    target_notes = () if are_classes else notes_of(decide_types(target.to_frame(), types, decimal))
    task, reason = choose_task(target, options, *target_notes)
    classes = check_classes(target, options.target, *target_notes) if task == "classification" else ()
    # the group column would identify the rows of a group, so it is no feature. The time column stays one unless dropped
    if options.split_column:
        given = read_given(frame[options.split_column], "data.split_column")
    weights = read_weights(frame[options.weight]) if options.weight else None
    roles_aside = [name for name in (options.group, options.split_column, options.weight) if name]
    aside = [*(options.drop or ()), *roles_aside]
    excluded = [options.target, *aside]
    features = frame.drop(columns=excluded)
    if features.shape[1] == 0:
        raise DataError("data: no feature columns are left", f"target and dropped: {', '.join(excluded)}")
    groups = roles.read_groups(frame[options.group]) if options.group else None
    decided = decide_types(features, types, decimal, options.date_format or "")
    features = apply_decisions(features, decided, decimal)
    types |= {name: decision.read_as for name, decision in decided.items() if decision.read_as}
    fingerprint, sketch = hash_table(features, target)
    if parts is not None:
        fingerprint = hashlib.sha256(f"{fingerprint}:{','.join(parts)}".encode()).hexdigest()
    if weights is not None:
        fingerprint = hashlib.sha256(f"{fingerprint}:{weights.tolist()}".encode()).hexdigest()
    firsts, repeated = find_repeats(features, options.duplicates)
    return Table(
        features=features,
        target=target,
        task=task,
        classes=put_positive_last(classes, options.positive),
        fingerprint=fingerprint,
        sketch=sketch,
        parts=parts,
        name=name,
        reason=reason,
        groups=groups,
        times=times,
        given=given,
        firsts=firsts,
        repeated=repeated,
        aside=frame[list(dict.fromkeys(aside))] if aside else None,
        types=types,
        weights=weights,
        decided=decided,
        notes=(*target_notes, *roles.spelling_notes(target, groups), *notes_of(decided)),
    )


def read_target(
    column: "pd.Series[Any]", options: TableOptions, types: Mapping[str, str], decimal: str
) -> "tuple[pd.Series[Any], str]":
    """Return the target, and the type by which its texts are numbers; "" if it is taken as it is.

    Few of them may be classes, and a text that is no number is a missing target: such a column stays as it is.
    """
    from runtree.tables import notes, roles

    target = roles.read_target(column)
    few = options.task == "auto" and target.nunique() <= MAX_INTEGER_CLASSES
    if options.task == "classification" or few:
        return target, ""
    decision = notes.decide_types(target.to_frame(), types, decimal).get(str(target.name))
    if decision is None or not decision.read_as or decision.misfits:
        return target, ""
    return notes.apply_decisions(target.to_frame(), {str(target.name): decision}, decimal)[
        target.name
    ], decision.read_as


def read_weights(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the weights of rows as float64.

    Raises
    ------
    DataError
        One is no number, missing, infinite or negative, or all are 0.
    """
    import numpy as np

    from runtree.tables.declared import read_as

    values, misfits = read_as(column, "number")
    if misfits is not None:
        raise DataError(f"data.weight: {misfits.describe()}")
    weights = values.astype("float64")
    for fault, bad in (
        ("is missing", weights.isna()),
        ("is infinite", np.isinf(weights)),
        ("is negative", weights < 0),
    ):
        if bad.any():
            row = int(np.argmax(bad)) + 1
            raise DataError(
                f"data.weight: column '{column.name}' {fault} in {int(bad.sum()):,} rows, such as row {row:,}"
            )
    if not weights.any():
        raise DataError(f"data.weight: column '{column.name}' is 0 in every row")
    return weights


DUPLICATES = ("auto", "together", "split")


def find_repeats(features: "pd.DataFrame", policy: str) -> "tuple[Any | None, int]":
    """Return for each row the first with equal features, if such rows are to be in one split, and how many repeat."""
    import numpy as np

    from runtree.tables.strata import MAX_REPEATED, repeated_rows

    if policy not in DUPLICATES:
        raise unknown("value at data.duplicates:", policy, DUPLICATES, error=ConfigError)
    if policy == "split":
        return None, 0
    firsts = repeated_rows(features)
    repeated = int((firsts != np.arange(len(firsts))).sum())
    kept = repeated and (policy == "together" or repeated <= MAX_REPEATED * len(firsts))
    return firsts if kept else None, repeated


def read_split_file(frame: "pd.DataFrame", options: TableOptions) -> "pd.Series[Any]":
    """Return what `data.split_file` says of each row: a split, or the number of a fold.

    The file has a column ``part`` or ``fold``, and ``row``, the position in the table from 0, unless it has one line
    for each row in their order. So `predictions.parquet` of an earlier run gives its split again.
    """
    from runtree.tables.file_formats import FileOptions, read_files
    from runtree.tables.places import local_files
    from runtree.tables.strata import read_given

    path = "data.split_file"
    if options.split_column:
        raise ConfigError(f"{path}: data.split_column gives the split already", f"type: {path}=null")
    with local_files(str(options.split_file), FileOptions().suffixes, path) as files:
        listed = read_files(files, FileOptions(), Reading(), path)[0]
    label = next((name for name in ("part", "fold") if name in listed.columns), None)
    if label is None:
        raise DataError(f"{path}: {options.split_file} has no column part or fold", "columns: row and part")
    if "row" in listed.columns:
        pairs = listed[["row", label]].drop_duplicates()
        listed = pairs.set_index("row").reindex(range(len(frame))) if pairs["row"].is_unique else pairs
    if len(listed) != len(frame):
        raise DataError(
            f"{path}: {options.split_file} has {len(listed):,} rows, and the table {len(frame):,}",
            "a line for each row of the table, in their order, or a column row with their positions from 0",
        )
    return read_given(listed[label].reset_index(drop=True), path)


def sample_rows(frame: "pd.DataFrame", options: TableOptions, seed: int) -> "pd.DataFrame":
    """Return a seeded sample of rows in their original order; each class of a classification keeps its share."""
    sample = options.sample
    if sample is None:
        # all later stages address rows by position, and `predictions.parquet` names rows by these numbers
        return frame.reset_index(drop=True)
    if sample <= 0 or (isinstance(sample, float) and sample > 1):
        raise ConfigError(f"data.sample: {sample} is neither a share (0 to 1) nor a count of rows")
    count = max(1, round(sample * len(frame)) if isinstance(sample, float) else min(sample, len(frame)))
    target = frame[options.target]
    if options.task == "classification" or (
        options.task == "auto" and choose_task(target, options)[0] == "classification"
    ):
        rows = sample_classes(target, count, seed)
        if rows is not None:
            return take_rows(frame, rows)
    if numeric_and_known(target):
        from runtree.tables.strata import strata

        rows = sample_classes(strata(target, False), count, seed)
        if rows is not None:
            return take_rows(frame, rows)
    # sorted again: the order of rows may carry the time, and a sample must not shuffle it
    return frame.sample(n=count, random_state=seed).sort_index().reset_index(drop=True)


def take_rows(frame: "pd.DataFrame", rows: Any) -> "pd.DataFrame":
    """Return some rows by position, numbered anew."""
    taken: pd.DataFrame = frame.iloc[rows].reset_index(drop=True)
    return taken


def numeric_and_known(target: "pd.Series[Any]") -> bool:
    """Return whether a target holds numbers in every row, and so has bins."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(target) and not is_bool_dtype(target) and bool(target.notna().all())


MIN_CLASS_ROWS = 3  # of a class in a sample, where the class has as many: one for each part of a stratified split


def sample_classes(target: "pd.Series[Any]", count: int, seed: int) -> "Any | None":
    """Return positions of `count` rows, ascending, in which each class has its share of the table.

    A rare class keeps a few rows all the same. None if there are more classes than half the rows of the sample.
    """
    import numpy as np
    import pandas as pd

    codes, levels = pd.factorize(target, use_na_sentinel=False)
    sizes, classes = np.bincount(codes), len(levels)
    if 2 * classes > count:
        return None
    share = sizes * (count / len(codes))
    least = np.minimum(sizes, max(1, min(MIN_CLASS_ROWS, count // (2 * classes))))
    taken = np.maximum(np.floor(share).astype(int), least)
    # the rounding is made up for where it is largest
    while taken.sum() < count:
        taken[np.argmax(share - taken)] += 1
    while taken.sum() > count:
        taken[np.argmax(np.where(taken > least, taken - share, -np.inf))] -= 1
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    first = np.cumsum(sizes) - sizes
    return np.sort(np.concatenate([by_class[at : at + some] for at, some in zip(first, taken, strict=True)]))


def choose_task(target: "pd.Series[Any]", options: TableOptions, *notes: str) -> tuple[Task, str]:
    """Return the task and the reason for it; an error shows the notes on the target."""
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

    # pandas counts booleans as numeric, but a boolean target is two classes
    numeric = is_numeric_dtype(target) and not is_bool_dtype(target)
    if options.task != "auto":
        if options.task not in TASKS:
            raise unknown("task at data.task:", options.task, TASKS, error=ConfigError)
        if options.task == "regression" and not numeric:
            raise DataError(
                f"data.target: column '{options.target}' holds text; a regression needs numbers",
                *(
                    notes
                    or (f"for example {target.iloc[0]!r}", "type: data.task=classification, or choose another target")
                ),
            )
        return ("regression" if options.task == "regression" else "classification"), "set by data.task"
    levels = int(target.nunique())
    if not numeric:
        return "classification", f"'{options.target}' is not numeric ({levels} distinct values)"
    if is_integer_dtype(target) and levels <= MAX_INTEGER_CLASSES:
        return "classification", f"'{options.target}' holds {levels} distinct whole numbers"
    return "regression", f"'{options.target}' is numeric with {levels} distinct values"


def holds_few_whole_numbers(target: "pd.Series[Any]") -> bool:
    """Return whether a target of text holds so few plain whole numbers that they would be classes as numbers, too."""
    labels = [str(label).removeprefix("-") for label in target.dropna().unique()[: MAX_INTEGER_CLASSES + 1]]
    # 007 is a code, and as a number another label
    plain = all(label.isdecimal() and (label == "0" or label[0] != "0") for label in labels)
    return plain and len(labels) <= MAX_INTEGER_CLASSES


def describe_table(run: Run) -> dict[str, Any]:
    """Return the content of `data.json`."""
    parts = {part: len(run.split.rows(part)) for part in SPLITS}
    notes = [*run.data.notes, *run.split.notes]
    card = table_options(run.config.to_dict()["data"]).card
    stated = {key: text for key, text in card.items() if text is not None}
    return {
        **describe_content(run.data),
        **({"card": stated} if stated else {}),
        "notes": notes,
        "split": {"id": run.split.id, **parts},
    }


def row_count(table: Table) -> int:
    """Return the number of rows, those included that are not in memory."""
    return int(table.streamed.rows) if table.streamed is not None else len(table.features)


def describe_column(name: str, column: "pd.Series[Any]", table: Table) -> dict[str, Any]:
    """Return the type of a column, what shows it, and how many of its values do not fit."""
    from runtree.tables.column_types import describe_type

    decision = table.decided.get(name)
    if decision is not None:
        record: dict[str, Any] = decision.record()
        return record
    return describe_type(column, str(table.types.get(name, "")))


def describe_content(table: Table) -> dict[str, Any]:
    """Return what `data.json` says about a table before it is split."""
    return {
        "name": table.name,
        "rows": row_count(table),
        "sources": [dict(source) for source in table.sources],
        "notes": list(table.notes),
        "task": table.task,
        "why": table.reason,
        "target": {
            "name": str(table.target.name),
            "dtype": str(table.target.dtype),
            "classes": list(table.classes),
            "positive": table.positive,
        },
        "columns": [
            {
                "name": str(name),
                "dtype": str(column.dtype),
                **describe_column(str(name), column, table),
                "missing": int(column.isna().sum()),
                "distinct": int(column.nunique()),
            }
            for name, column in table.features.items()
        ],
        "fingerprint": table.fingerprint,
        "sketch": dict(table.sketch),
    }
