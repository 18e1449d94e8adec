"""Does a column name its rows, rather than tell something of them?"""

from typing import TYPE_CHECKING, Any

from runtree.lifecycle.checks.context import Context, silent
from runtree.lifecycle.checks.finding import Finding, listed, named, passed, skipped, warned

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 20  # rows from which it means something that every value differs
WORDS = 3  # of so many words is a sentence


def identifiers(context: Context) -> Finding:
    """Look for columns in which every value differs, as in a customer's number."""
    features = context.run.data.features
    if len(features) < FEWEST:
        return skipped(f"{len(features)} rows are too few to tell")
    names = [str(name) for name, column in features.items() if is_identifier(column)]
    if names:
        return warned(
            f"every value differs in {named(names)}: a name of the row, which says nothing of the next",
            f"if so, type: data.drop={listed(names)}",
        )
    return passed("no column names its rows")


def is_identifier(column: "pd.Series[Any]") -> bool:
    """Tell whether whole numbers or short texts differ in every row; measurements and moments do so by nature."""
    from pandas.api import types

    written = not (types.is_numeric_dtype(column) or _is_moment(column))
    if not (written or types.is_integer_dtype(column)) or column.nunique() < len(column):
        return False
    if not written:
        return True
    texts = column.head(1000).astype(str)
    return not _are_moments(texts) and sum(len(text.split()) for text in texts) < WORDS * len(texts)


def _is_moment(column: "pd.Series[Any]") -> bool:
    from pandas.api import types

    return types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column)


def _are_moments(texts: "pd.Series[Any]") -> bool:
    import pandas as pd

    with silent():
        looks = texts.str.contains(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", regex=True)
        return bool(looks.all()) and bool(pd.to_datetime(texts, errors="coerce").notna().mean() > 0.9)
