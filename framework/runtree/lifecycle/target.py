"""The target of a table: whether its values are classes, which classes there are, and in which order."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.types import Task
from runtree.lifecycle.table_options import TableOptions

if TYPE_CHECKING:
    import pandas as pd


MAX_INTEGER_CLASSES = 20  # an integer target with more distinct values is a regression


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


def choose_task(target: "pd.Series[Any]", options: TableOptions, *notes: str) -> tuple[Task, str]:
    """Return the task and the reason for it; an error shows the notes on the target."""
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

    # pandas counts booleans as numeric, but a boolean target is two classes
    numeric = is_numeric_dtype(target) and not is_bool_dtype(target)
    if options.task != "auto":
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
