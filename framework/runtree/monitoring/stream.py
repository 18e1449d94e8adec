"""Stream tests: changes within the sequence of errors and predictions, over the windows in the order of their time.

A window tells a slow change from chance only by what came before it. So each record keeps the means of blocks of rows,
and a window is tested together with those of the windows before it, back to the last change that was found.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtree.contract.detection import Detection
from runtree.contract.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

OVER_TIME = " over time"  # in the names of what is tested: "error over time"
MIN_BLOCK, BLOCKS = 20, 50  # rows of a block; blocks of the first window
SHORTEST, LONGEST = 10, 500  # blocks of a sequence that is tested
TOLERATED = 0.05  # Page-Hinkley's delta, in standard deviations of a block
PERMUTATIONS = 199
SEED = 0


def page_hinkley(reference: "Array", window: "Array") -> Detection:
    """Largest rise or fall of the sum of deviations from the running mean (Page 1954, doi:10.1093/biomet/41.1-2.100).

    The p value is that of permutations of the sequence. The score is the size of the change.
    """
    return _detect(window, _page_hinkley)


def adwin(reference: "Array", window: "Array") -> Detection:
    """Largest difference of the means before and after a cut, as ADWIN compares them.

    ADWIN (Bifet & Gavaldà 2007, doi:10.1137/1.9781611972771.42) drops what is older than the cut: so does the monitor,
    whose next sequence begins behind the window with the alarm. The p value, of permutations, is in the place of its
    bound by Hoeffding, which is wider than it must be for so few blocks.
    """
    return _detect(window, lambda values: _cuts(values)[0].max(axis=-1))


def _detect(values: "Array", statistic: Any) -> Detection:
    import numpy as np

    spread = float(values.std())
    if len(values) < SHORTEST or not spread:
        return Detection(0.0, 1.0)
    weighted, differences = _cuts(values)
    place = int(weighted.argmax())
    plain = (values - values.mean()) / spread
    drawn = np.random.default_rng(SEED).permuted(np.tile(plain, (PERMUTATIONS, 1)), axis=1)
    p = permutation_p(float(statistic(plain)), statistic(drawn))
    return Detection(float(abs(differences[place])), p, f"from {place + 1:,} of {len(values):,} blocks on")


def _cuts(values: "Array") -> "tuple[Array, Array]":
    """Return for each cut the difference of the means in its standard errors, and as it is."""
    import numpy as np

    count = values.shape[-1]
    before = np.arange(1, count)
    sums = np.cumsum(values, axis=-1)
    differences = (sums[..., -1:] - sums[..., :-1]) / (count - before) - sums[..., :-1] / before
    return np.abs(differences) * np.sqrt(before * (count - before) / count), differences


def _page_hinkley(values: "Array") -> Any:
    import numpy as np

    means = np.cumsum(values, axis=-1) / np.arange(1, values.shape[-1] + 1)
    largest = []
    for sign in (1.0, -1.0):
        sums = np.cumsum(sign * (values - means) - TOLERATED, axis=-1)
        largest.append((sums - np.minimum.accumulate(sums, axis=-1)).max(axis=-1))
    return np.maximum(*largest)


def permutation_p(seen: float, drawn: "Array") -> float:
    """Return the p value of a statistic beside permuted ones, with the tail of a Pearson type III distribution.

    It has their first three moments (Winkler et al. 2016, doi:10.1016/j.neuroimage.2016.05.068): few permutations have
    no small p values by themselves.
    """
    from scipy.stats import pearson3

    centre, width = float(drawn.mean()), float(drawn.std())
    if not width:
        return 1.0
    skew = max(float((((drawn - centre) / width) ** 3).mean()), 0.1)
    # never below what so few permutations can support together with a tail that is only approximate
    return min(1.0, max(float(pearson3.sf(seen, skew, centre, width)), 1e-12))


# --- The sequences.


def row_figures(predictions: Predictions, known: "Array") -> "dict[str, Array]":
    """Return a figure of each row: the error of those whose label is known, and the prediction, or its probability."""
    import numpy as np

    own = predictions.take(known)
    error = (own.y_true != own.y_pred).astype(float) if predictions.classes else np.abs(own.y_true - own.y_pred)
    score = predictions.score
    if score is not None:
        prediction = score[:, 1] if score.shape[1] == 2 else score.max(axis=1)
    else:
        prediction = predictions.y_pred.astype(float)
    found = {"error": error, "prediction": prediction}
    return {name: values for name, values in found.items() if len(values) and np.isfinite(values).all()}


def cut_blocks(values: "Array", size: int | None) -> dict[str, Any]:
    """Return the means of blocks of so many rows in their order; a size for all windows that follow if none is given.

    Blocks of one size have one variance, so that a busy day is not taken for a change.
    """
    size = size or max(MIN_BLOCK, -(-len(values) // BLOCKS))
    whole = values[: len(values) // size * size].reshape(-1, size)
    return {"size": size, "means": [float(mean) for mean in whole.mean(axis=1)[-LONGEST:]]}


def earlier_means(windows: Sequence[Mapping[str, Any]], name: str) -> tuple[int | None, list[float]]:
    """Return the size of blocks, and the means of the windows before, back to the last in which a change was found."""
    size, means = None, list[float]()
    for window in reversed(windows):
        blocks = (window.get("stream") or {}).get(name)
        if not blocks or (size is not None and blocks["size"] != size):
            continue
        size = int(blocks["size"])
        if len(means) >= LONGEST or any(one["column"] == name + OVER_TIME and one["alarm"] for one in window["drift"]):
            break
        means = [*blocks["means"], *means]
    return size, means[-LONGEST:]
