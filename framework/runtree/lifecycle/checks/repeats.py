"""Does the same seed give the same predictions?"""

from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding, failed, passed


def repeats(context: Context) -> Finding:
    """Fit twice on the same rows, and compare what is said of the validation rows."""
    import numpy as np

    rows = context.few(context.train)
    target, seed = context.target(rows), context.run.seed
    first, second = (context.answers(context.fit_soon(rows, target, seed), context.validation) for _ in range(2))
    pairs = [(first.y_pred, second.y_pred)]
    if first.score is not None and second.score is not None:
        pairs.append((first.score, second.score))
    if all(np.array_equal(one, other, equal_nan=True) for one, other in pairs):
        return passed(f"two fits on {len(rows):,} rows say the same of {len(context.validation):,} others")
    differ = np.mean(first.y_pred != second.y_pred)
    far = max(float(np.max(np.abs(np.asarray(one, float) - other))) for one, other in pairs)
    return failed(
        f"two fits with seed {seed} differ by up to {far:.2g} ({differ:.0%} of the predictions)",
        "let all its randomness come from a parameter that is ${seed}",
    )
