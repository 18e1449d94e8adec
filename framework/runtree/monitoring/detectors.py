"""The built-in detectors of drift. Each compares a reference with a window and returns a score and a p value.

The scores are those that the field reports; the thresholds are sizes that matter, since on a million rows every
difference is significant. p values of PSI and Jensen-Shannon are those of the chi-square that both approach.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.contract.detection import Detection, Detector
from runtree.monitoring.stream import PERMUTATIONS, SEED, adwin, page_hinkley, permutation_p

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

BINS = 10  # of a number, at the deciles of the reference
MAX_LEVELS = 30  # of a category; the rest are one
MIN_EXPECTED = 5  # rows in a cell, below which the chi-square distribution is a bad approximation
MAX_PERMUTED = 500  # rows of each side
MAX_CLASSIFIED = 2_000  # rows of each side


def ks(reference: "Array", window: "Array") -> Detection:
    """Largest distance of the two distribution functions (`scipy.stats.ks_2samp`)."""
    from scipy.stats import ks_2samp

    found = ks_2samp(reference, window, method="asymp")
    return Detection(float(found.statistic), float(found.pvalue))


def wasserstein(reference: "Array", window: "Array") -> Detection:
    """Earth mover's distance (`scipy.stats.wasserstein_distance`) in standard deviations of the reference.

    The p value is that of permutations.
    """
    import numpy as np
    from scipy.stats import fisher_exact, wasserstein_distance

    spread = float(np.std(reference))
    if not spread:  # the share of rows with another number: one rare row is no change
        moved = int((window != reference[0]).sum())
        table = [[moved, len(window) - moved], [0, len(reference)]]
        return Detection(moved / len(window), min(1.0, float(fisher_exact(table).pvalue)))
    score = float(wasserstein_distance(reference, window)) / spread
    first, second = sample(reference, MAX_PERMUTED), sample(window, MAX_PERMUTED)
    pooled = np.concatenate([first, second])
    order = np.argsort(pooled, kind="stable")
    steps = np.diff(pooled[order])
    # a row of the reference lifts its distribution function by 1/n, one of the window lowers the difference by 1/m
    lifts = np.concatenate([np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))])
    generator = np.random.default_rng(SEED)
    shuffled = generator.permuted(np.tile(lifts, (PERMUTATIONS, 1)), axis=1)
    drawn = np.abs(np.cumsum(shuffled, axis=1)[:, :-1]) @ steps
    seen = float(np.abs(np.cumsum(lifts[order])[:-1]) @ steps)
    return Detection(score, permutation_p(seen, drawn))


def psi(reference: "Array", window: "Array") -> Detection:
    """Population stability index over deciles, or over levels.

    Times nm/(n+m) it approaches a chi-square (Yurdakul 2018, scholarworks.wmich.edu/dissertations/3208).
    """
    import numpy as np

    counts = count_cells(reference, window)
    if counts.shape[1] < 2:
        return Detection(0.0, 1.0)
    # half a row in each cell: an empty one would make the index infinite
    first, second = _shares(counts + 0.5)
    score = float(((second - first) * np.log(second / first)).sum())
    return Detection(score, _chi_square(score, counts, 1.0))


def jensen_shannon(reference: "Array", window: "Array") -> Detection:
    """Jensen-Shannon distance (`scipy.spatial.distance.jensenshannon`, base 2) over deciles, or over levels."""
    from scipy.spatial.distance import jensenshannon

    counts = count_cells(reference, window)
    if counts.shape[1] < 2:
        return Detection(0.0, 1.0)
    score = float(jensenshannon(*_shares(counts), base=2))
    # the divergence in nats is the square times log 2, and for near distributions an eighth of their chi-square
    return Detection(score, _chi_square(score**2 * 0.6931471805599453, counts, 8.0))


def chi_square(reference: "Array", window: "Array") -> Detection:
    """Test of equal shares of the levels (`scipy.stats.chi2_contingency`); the score is Cramér's V."""
    from scipy.stats import chi2_contingency

    counts = count_cells(reference, window)
    if counts.shape[1] < 2:
        return Detection(0.0, 1.0)
    found = chi2_contingency(counts, correction=False)
    return Detection(float((found.statistic / counts.sum()) ** 0.5), float(found.pvalue))


def missing(reference: "pd.Series[Any]", window: "pd.Series[Any]") -> Detection:
    """Difference of the shares of missing values, by Fisher's exact test."""
    from scipy.stats import fisher_exact

    absent, rows = [int(column.isna().sum()) for column in (reference, window)], [len(reference), len(window)]
    if not any(absent):
        return Detection(0.0, 1.0)
    shares = [count / max(total, 1) for count, total in zip(absent, rows, strict=True)]
    table = [absent, [total - count for count, total in zip(absent, rows, strict=True)]]
    note = f"{shares[1]:.1%} are missing, in the reference {shares[0]:.1%}"
    return Detection(abs(shares[1] - shares[0]), min(1.0, float(fisher_exact(table).pvalue)), note)


def unseen(reference: "Array", window: "Array") -> Detection:
    """Share of rows with a category that the reference does not hold.

    The p value is that of permutations, in closed form: of `count` rows with a category, all lie in the window with the
    probability `share ** count`, nearly independent of the other categories; the tail is that of a Pearson type III
    distribution with the first three moments of the sum. So a column of rare categories, each row of which may be a new
    one, is no alarm by itself.
    """
    import numpy as np
    from scipy.stats import pearson3

    levels, places = np.unique(np.concatenate([reference, window]), return_inverse=True)
    before, after = (np.bincount(own, minlength=len(levels)) for own in np.split(places, [len(reference)]))
    new = before == 0
    rows = int(after[new].sum())
    if not rows:
        return Detection(0.0, 1.0)
    counts = (before + after).astype(float)
    alone = (len(window) / (len(reference) + len(window))) ** counts
    variance = counts**2 * alone * (1 - alone)
    width = float(np.sqrt(variance.sum()))
    if width < 1e-9:  # impossible by chance, and too small to be cubed
        p = 0.0
    else:
        skew = float((counts * variance * (1 - 2 * alone)).sum()) / width**3
        p = float(pearson3.sf(rows, max(skew, 0.1), float((counts * alone).sum()), width))
    shown = ", ".join(repr(str(level)) for level in levels[new][:3])
    return Detection(rows / len(window), min(1.0, p), f"{rows:,} of {len(window):,} rows hold {shown}")


def classifier(reference: "pd.DataFrame", window: "pd.DataFrame") -> Detection:
    """Area under the ROC curve, above 0.5, of a model that tells rows of the window from those of the reference.

    Gradient boosting of scikit-learn, each half predicted by a model of the other half; it finds what no column shows
    alone. Each half has a rank test (`scipy.stats.mannwhitneyu`, corrected for ties: rows of a few categories have few
    scores). What is chance in both halves deceives both models alike, so that their tests may agree fully without any
    change: p is that of the mean of their z values, as of one test and not of two.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import mannwhitneyu, norm
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    first, second = sample(reference, MAX_CLASSIFIED), sample(window, MAX_CLASSIFIED)
    rows = _as_codes(pd.concat([first, second], ignore_index=True))
    of_window = np.arange(len(rows)) >= len(first)
    # a fold has every second row of each side, in random order, since neighbours may be alike
    fold = np.random.default_rng(SEED).permutation(len(rows)) % 2
    areas, ps = [], []
    with threadpool_limits(1, "openmp"):  # on so few rows threads wait for each other most of the time
        for half in (0, 1):
            own, others = fold == half, fold != half
            if len(set(of_window[others].tolist())) < 2 or len(set(of_window[own].tolist())) < 2:
                return Detection(0.0, 1.0)
            model = HistGradientBoostingClassifier(
                max_iter=20,
                max_leaf_nodes=8,
                min_samples_leaf=10,
                early_stopping=False,
                random_state=SEED,
            )
            scores = model.fit(rows[others], of_window[others]).predict_proba(rows[own])[:, 1]
            known = of_window[own]
            found = mannwhitneyu(scores[known], scores[~known], alternative="greater", method="asymptotic")
            areas.append(float(found.statistic) / (int(known.sum()) * int((~known).sum())))
            ps.append(float(found.pvalue) if np.ptp(scores) else 0.5)  # equal scores have no ranks to test
    auc, tiny = sum(areas) / 2, 1e-300  # the z value of a p of 0 is infinite
    p = float(norm.sf(np.mean(norm.isf(np.clip(ps, tiny, 1 - 1e-16)))))
    return Detection(max(auc - 0.5, 0.0), p, f"area under the curve {auc:.3f}")


def schema(reference: "pd.DataFrame", window: "pd.DataFrame") -> Detection:
    """Number of columns that are missing, or hold values that are no numbers where numbers are expected."""
    from pandas.api import types

    from runtree.tables.declared import find_misfits

    said = [f"column '{name}' is missing" for name in reference.columns if name not in window.columns]
    for name in reference.columns:
        known = name in window.columns and types.is_numeric_dtype(reference[name].dtype)
        misfits = find_misfits(window[name], "number") if known else None
        if misfits is not None:
            said.append(misfits.describe())
    more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
    return Detection(float(len(said)), None, f"{'; '.join(said[:3])}{more}")


BUILTIN: tuple[Detector, ...] = (
    Detector("ks", ks, ("number",), 0.05),
    Detector("wasserstein", wasserstein, ("number",), 0.1),
    Detector("chi_square", chi_square, ("category",), 0.05),
    Detector("psi", psi, ("number", "category"), 0.1),
    Detector("jensen_shannon", jensen_shannon, ("number", "category"), 0.1, default=False),
    Detector("missing", missing, ("column",), 0.01),
    Detector("unseen", unseen, ("category",), 0.0),
    Detector("classifier", classifier, ("table",), 0.05),
    Detector("page_hinkley", page_hinkley, ("stream",), 0.1),
    Detector("adwin", adwin, ("stream",), 0.1),
    Detector("schema", schema, ("schema",), 0.0),
)


# --- Samples and cells.


def sample(rows: Any, most: int) -> Any:
    """Return at most so many rows, a seeded sample in their order."""
    import numpy as np

    if len(rows) <= most:
        return rows
    chosen = np.sort(np.random.default_rng(SEED).choice(len(rows), most, replace=False))
    return rows.iloc[chosen] if hasattr(rows, "iloc") else rows[chosen]


def count_cells(reference: "Array", window: "Array") -> "Array":
    """Return counts of shape (2, cells): numbers by deciles of the reference, texts by level.

    Cells with too few rows for a chi-square are joined: rare levels with each other, neighbouring deciles need it not.
    """
    import numpy as np

    if reference.dtype.kind == "f":
        edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
        cells = len(edges) + 1
        codes = [np.searchsorted(edges, values, side="left") for values in (reference, window)]
    else:
        levels, both = np.unique(np.concatenate([reference, window]), return_inverse=True)
        cells, codes = len(levels), np.split(both, [len(reference)])
    counts = np.stack([np.bincount(own, minlength=cells) for own in codes]).astype(float)
    totals = counts.sum(axis=0)
    expected = totals * min(counts.sum(axis=1)) / max(totals.sum(), 1)
    frequent = np.argsort(-totals, kind="stable")[:MAX_LEVELS]
    kept = np.isin(np.arange(cells), frequent) & (expected >= MIN_EXPECTED)
    rest = counts[:, ~kept].sum(axis=1, keepdims=True)
    counts = counts[:, kept]
    joined = np.concatenate([counts, rest], axis=1) if rest.sum() else counts
    small = rest.sum() * min(joined.sum(axis=1)) / max(joined.sum(), 1) < MIN_EXPECTED
    if rest.sum() and small and counts.shape[1]:
        # the rest alone is too little as well: it goes to the rarest of the others
        least = int(counts.sum(axis=0).argmin())
        counts[:, least] += rest[:, 0]
        return counts
    return joined


def _shares(counts: "Array") -> "Array":
    shares: Array = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _chi_square(score: float, counts: "Array", factor: float) -> float:
    from scipy.stats import chi2

    first, second = counts.sum(axis=1)
    return float(chi2.sf(factor * score * first * second / (first + second), counts.shape[1] - 1))


def _as_codes(rows: "pd.DataFrame") -> "Array":
    """Return a table as numbers: other values than numbers as the rank of their frequency, the rarest as one."""
    import numpy as np
    import pandas as pd

    columns = []
    for _, column in rows.items():
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            columns.append(column.to_numpy(dtype=float, na_value=np.nan))
            continue
        texts = column.astype("str").where(column.notna())
        ranks: Mapping[Any, int] = {
            level: min(rank, MAX_LEVELS) for rank, level in enumerate(texts.value_counts().index)
        }
        columns.append(texts.map(ranks).to_numpy(dtype=float, na_value=np.nan))
    return np.column_stack(columns)
