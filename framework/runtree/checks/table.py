"""Is anything missing, or constant?"""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from runtree.checks.context import (
    CheckContext,
    CheckResult,
    failed,
    format_list,
    passed,
    quote_names,
    silent,
    skipped,
    warned,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

ODD = 200  # rows with holes of each part that are looked at besides the sample


def check_missing(context: CheckContext) -> CheckResult:
    """Look for holes and infinity behind the preprocessing, where the algorithm takes none."""
    import numpy as np

    if _not_finite(context.target(context.run.split.train).to_numpy()):
        return failed("the target holds NaN or infinity", "drop those rows before training")
    preprocess, _ = context.prepare(context.train)
    holes, infinite = 0, 0
    for part in context.parts:
        with silent():
            values = _numbers(preprocess.transform(context.features(_looked_at(context, part))))
        holes, infinite = holes + int(np.isnan(values).sum()), infinite + int(np.isinf(values).sum())
    if infinite:
        return failed(f"{infinite:,} infinite values are left after preprocessing", "type: preprocess=tabular")
    if holes and not takes_holes(context):
        name = context.run.config.algorithm.get("name")
        return failed(f"{holes:,} missing values are left, and {name} takes none", "type: preprocess=tabular")
    before = int(context.run.data.features.isna().sum().sum())
    raw = f"{before:,} missing values in the table" if before else "no missing values"
    return passed(f"{raw}; the algorithm takes those left" if holes else f"{raw}{', none left' if before else ''}")


def takes_holes(context: CheckContext) -> bool:
    """Tell whether the algorithm takes missing values: by what it says of itself, else by trying."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(context.run.estimator).input_tags.allow_nan)
    except Exception:  # not an estimator of scikit-learn's kind
        return context.trouble is None


def _looked_at(context: CheckContext, part: str) -> "Rows":
    """Return the rows to look at: a sample, and some of those with holes or infinity, which it may lack."""
    import numpy as np

    rows = context.run.split.rows(part)
    raw = context.features(rows)
    numbers = raw.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)
    odd = raw.isna().to_numpy().any(axis=1) | np.isinf(numbers).any(axis=1)
    return np.union1d(context.few(rows), rows[odd][:ODD])


def _numbers(prepared: Any) -> "Rows":
    import numpy as np

    found: Rows = np.asarray(prepared.data if hasattr(prepared, "tocsr") else prepared, dtype=float)
    return found


def _not_finite(values: "Rows") -> bool:
    import numpy as np

    return values.dtype.kind == "f" and not bool(np.isfinite(values).all())


def check_constant(context: CheckContext) -> CheckResult:
    """Look for columns that hold one value."""
    features = context.features(context.run.split.train)
    names = [str(name) for name, column in features.items() if column.nunique(dropna=False) <= 1]
    if names:
        return warned(
            f"{len(names)} of {features.shape[1]:,} columns hold one value in the train part: {quote_names(names)}",
            f"they tell nothing: data.drop={format_list(names)}",
        )
    return passed("every column varies")


MIN_ROWS = 20  # rows from which it means something that every value differs
WORDS = 3  # of so many words is a sentence


def check_identifiers(context: CheckContext) -> CheckResult:
    """Look for columns in which every value differs, as in a customer's number."""
    features = context.run.data.features
    if len(features) < MIN_ROWS:
        return skipped(f"{len(features)} rows are too few to tell")
    names = [str(name) for name, column in features.items() if is_identifier(column)]
    if names:
        return warned(
            f"every value differs in {quote_names(names)}: a name of the row, which says nothing of the next",
            f"if so, type: data.drop={format_list(names)}",
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


MIN_CLASS_ROWS = 5  # rows of a class in a part


def check_classes(context: CheckContext) -> CheckResult:
    """Look for a class that a part lacks, and for the fewest rows of one."""
    if not context.classes:
        return skipped("the task is regression")
    counts = {part: context.target(context.run.split.rows(part)).value_counts() for part in context.parts}
    for part, found in counts.items():
        lacking = [label for label in context.classes if label not in found.index]
        if lacking:
            return failed(f"the {part} part has no row of class {lacking[0]!r}{_more(lacking)}", _remedy(context, part))
    part = min(counts, key=lambda name: int(counts[name].min()))
    label = min(context.classes, key=lambda one: int(counts[part][one]))
    rows = int(counts[part][label])
    said = f"all {len(context.classes)} in each part; the smallest: {label!r} with {rows:,} in {part}"
    if rows < MIN_CLASS_ROWS:
        return warned(said, f"so few say little of it; {_remedy(context, part)}")
    return passed(said)


def _more(lacking: list[Any]) -> str:
    return f" (nor of {len(lacking) - 1} others)" if len(lacking) > 1 else ""


def _remedy(context: CheckContext, part: str) -> str:
    if context.run.facts.get("split") == "random":
        return "type: data.split=stratified"
    return f"make it larger: data.{part}_size=0.3, or gather or drop rare classes"


def check_duplicates(context: CheckContext) -> CheckResult:
    """Look for rows of the test and validation part whose features stand in the train part, too."""
    from pandas.util import hash_pandas_object

    hashes = hash_pandas_object(context.run.data.features, index=False)
    known = hashes.iloc[context.run.split.train]
    found = {part: hashes.iloc[context.run.split.rows(part)].isin(known) for part in context.parts[1:]}
    shared = {part: same for part, same in found.items() if same.any()}
    if not shared:
        return passed("no row of another part stands in the train part")
    said = ", ".join(f"{same.sum():,} {part} rows ({same.mean():.1%})" for part, same in shared.items())
    return warned(
        f"the train part has the features of {said}, too",
        "drop repeated rows, or keep them together: data.group=COLUMN",
    )


def check_groups(context: CheckContext) -> CheckResult:
    """Look for a group that stands in two parts."""
    held = context.run.data.groups
    if held is None:
        return skipped("data.group names no column")
    sets = {part: set(column.dropna().tolist()) for part, column in _by_part(context, held)}
    for first, second in combinations(sets, 2):
        both = sets[first] & sets[second]
        if both:
            return failed(
                f"{len(both):,} groups of '{held.name}' stand in {first} and {second}, such as {min(both, key=str)!r}",
                "type: data.split=group",
            )
    return passed(f"{held.nunique():,} groups of '{held.name}', each in one part")


def check_time(context: CheckContext) -> CheckResult:
    """Look for a row that is judged by, and is earlier than one that is learnt from."""
    held = context.run.data.times
    if held is None:
        return skipped("data.time names no column")
    parts = {part: column.dropna() for part, column in _by_part(context, held)}
    if not all(len(column) for column in parts.values()):
        return failed(f"'{held.name}' is missing in a whole part", "fill it, or name another column: data.time=COLUMN")
    last = parts.pop("train").max()
    for part, column in parts.items():
        early = int((column < last).sum())
        if early:
            return failed(
                f"{early:,} {part} rows are earlier than the last train row ({last})", "type: data.split=time"
            )
    return passed(f"the train part ends with {last}, before the others begin")


def _by_part(context: CheckContext, column: "pd.Series[Any]") -> "Iterator[tuple[str, pd.Series[Any]]]":
    return ((part, column.iloc[context.run.split.rows(part)]) for part in context.parts)
