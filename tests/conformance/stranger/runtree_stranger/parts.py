"""A data source, a tuner, an evaluator and a tracker."""

import random

from runtree.contract.folds import Fold
from runtree.contract.predictions import Predictions, apply_preprocessing, encode_target, predict
from runtree.contract.search import Choice, Proposal
from runtree.contract.types import Evaluation


class Waves:
    """Two waves, one of them upside down."""

    def __init__(self, rows=120, seed=0):
        self.rows, self.seed = rows, seed

    def load(self):
        import numpy as np
        import pandas as pd

        rng = np.random.default_rng(self.seed)
        time, noise = rng.random(self.rows), rng.normal(0, 0.2, self.rows)
        up = rng.random(self.rows) < 0.5
        height = np.where(up, np.sin(3 * time), -np.sin(3 * time)) + noise
        return pd.DataFrame({"time": time, "height": height, "wave": np.where(up, "up", "down")})


class Shuffled:
    """Draw each value at random, all from the seed and the number of the proposal."""

    own_space, prunes = True, False

    def begin(self, space, directions, seed):
        self.space, self.seed = space, seed

    def ask(self, number):
        dice, values = random.Random(f"{self.seed} {number}"), {}
        for dimension in self.space:
            if dimension.holds(values):
                values[dimension.path] = self.draw(dimension.domain, dice)
        return Proposal(number, values)

    def draw(self, domain, dice):
        import copy

        if isinstance(domain, Choice) or domain.size is not None:
            return copy.deepcopy(dice.choice(domain.values))
        return dice.uniform(domain.low, domain.high)

    def tell(self, observation):
        pass

    def report(self, number, step, value):
        return False


class Halves:
    """Validate on each half of the rows that are not for the test, by a model that is fitted on the other half."""

    holds_out = False

    def evaluate(self, run, metrics):
        import numpy as np
        import pandas as pd

        first, second = run.split.train[::2], run.split.train[1::2]
        lines, tables, found = [], [], {}
        if "validation" in run.scored_splits:
            results = list(run.fit_folds([Fold(first, second, 0), Fold(second, first, 1)]))
            for result in results:
                lines.append(run.record_fold(result, result.predictions.values(metrics)))
                tables.append(result.predictions.frame(result.fold.held_out, "validation"))
            names = [metric.name for metric in metrics if all(metric.name in line for line in lines)]
            found["validation"] = {name: float(np.mean([line[name] for line in lines])) for name in names}
        if "test" in run.scored_splits:
            features, target = run.select("test")
            last, rows = apply_preprocessing(run.model, features)
            predicted: Predictions = predict(last, rows, encode_target(target, run.data.classes), run.data.classes)
            found["test"] = predicted.values(metrics)
            tables.append(predicted.frame(run.split.test, "test"))
        table = pd.concat(tables, ignore_index=True)
        return Evaluation(metrics=found, predictions=table, folds=tuple(lines))


class Diary:
    """Write a line for each run."""

    def __init__(self, path: str = "diary.txt") -> None:
        self.path = path

    def run_finished(self, run, record):
        with open(self.path, "a") as diary:  # noqa: PTH123
            diary.write(f"{record.id} {record.state}\n")
