"""What intervals of every metric take, beside scikit-learn's functions called on each resample.

One process and one run: `replicate` for 10,000 resamples of 10,000 rows, and a loop that draws rows and calls the
metric's own function on them for fewer resamples, scaled up. Seconds are processor time.

    python benchmarks/bootstrap.py [--rows 10000] [--resamples 10000] [--looped 20] [--classes 2]
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric, Task
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.resampling import replicate


def classified(rows: int, classes: int) -> Predictions:
    """Return a middling classifier's answers."""
    dice = np.random.default_rng(0)
    true = dice.integers(0, classes, rows)
    score = dice.dirichlet(np.ones(classes), rows) + 0.3 * np.eye(classes)[true]
    score /= score.sum(1, keepdims=True)
    return Predictions(true, score.argmax(1), score, tuple(range(classes)))


def measured(rows: int) -> Predictions:
    """Return a regression's answers."""
    dice = np.random.default_rng(0)
    true = dice.normal(10, 3, rows)
    return Predictions(true, true + dice.normal(size=rows), None, ())


def seconds(work: Callable[[], Any]) -> float:
    """Return the processor time that some work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def looped(answers: Predictions, metric: Metric, resamples: int) -> None:
    """Draw rows and call the metric's own function on them."""
    dice, rows = np.random.default_rng(0), len(answers.y_true)
    for _ in range(resamples):
        drawn = dice.integers(0, rows, rows)
        score = None if answers.score is None else answers.score[drawn]
        Predictions(answers.y_true[drawn], answers.y_pred[drawn], score, answers.classes).values([metric])


def measure(answers: Predictions, metrics: Sequence[Metric], resamples: int, calls: int) -> None:
    """Print a line for each metric and the sum."""
    looped(answers, metrics[0], 1)  # libraries loaded
    whole = 0.0
    for metric in metrics:
        ours = seconds(lambda metric=metric: replicate([answers], [metric], resamples, 0))
        theirs = seconds(lambda metric=metric: looped(answers, metric, calls)) * resamples / calls
        whole += theirs
        print(f"  {metric.name:<20} {ours:8.2f} s   {theirs:8.1f} s in a loop   1/{theirs / ours:,.0f}")
    together = seconds(lambda: replicate([answers], metrics, resamples, 0))
    print(f"  {'all of them':<20} {together:8.2f} s   {whole:8.1f} s in a loop   1/{whole / together:,.0f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--looped", type=int, default=20, help="resamples that the loop does")
    parser.add_argument("--classes", type=int, default=2)
    options = parser.parse_args()
    print(f"{options.resamples:,} resamples of {options.rows:,} rows")
    tasks: dict[Task, Predictions] = {
        "classification": classified(options.rows, options.classes),
        "regression": measured(options.rows),
    }
    for task, answers in tasks.items():
        print(f"\n{task}{f', {len(answers.classes)} classes' if answers.classes else ''}")
        measure(answers, [one for one in BUILTIN if task in one.tasks], options.resamples, options.looped)
    print(f"\nmost memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
