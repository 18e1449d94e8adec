"""Is anything missing, or constant?"""

from typing import TYPE_CHECKING, Any

from runtree.lifecycle.checks.context import Context, silent
from runtree.lifecycle.checks.finding import Finding, failed, listed, named, passed, warned

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

ODD = 200  # rows with holes of each part that are looked at besides the sample


def missing(context: Context) -> Finding:
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


def takes_holes(context: Context) -> bool:
    """Tell whether the algorithm takes missing values: by what it says of itself, else by trying."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(context.run.estimator).input_tags.allow_nan)
    except Exception:  # not an estimator of scikit-learn's kind
        return context.trouble is None


def _looked_at(context: Context, part: str) -> "Rows":
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


def constant(context: Context) -> Finding:
    """Look for columns that hold one value."""
    features = context.features(context.run.split.train)
    names = [str(name) for name, column in features.items() if column.nunique(dropna=False) <= 1]
    if names:
        return warned(
            f"{len(names)} of {features.shape[1]:,} columns hold one value in the train part: {named(names)}",
            f"they tell nothing: data.drop={listed(names)}",
        )
    return passed("every column varies")
