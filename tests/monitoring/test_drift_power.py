"""What a window finds, and how often it is wrong: clean windows, and planted shifts over many seeds each.

`RUNTREE_TESTS=all` takes 200 windows and 100 seeds; benchmarks/watching.py does it with segments and stream tests.
"""

import numpy as np
import pandas as pd
import pytest

from exhaustive import EXHAUSTIVE
from runtree.contract.predictions import Predictions
from runtree.monitoring.detectors import BUILTIN
from runtree.monitoring.drift import DriftMonitor, WatchedRows
from runtree.monitoring.options import MonitorOptions, choose_detectors
from runtree.monitoring.quality import worse_p
from runtree.statistics.metrics import BUILTIN as METRICS

KINDS = {"x": "number", "city": "category", "prediction": "category", "p_yes": "number", "y": "category"}
DETECTORS = choose_detectors(MonitorOptions(), [("runtree", detector) for detector in BUILTIN])
OF_COLUMNS = [chosen for chosen in DETECTORS if chosen.detector.name != "classifier"]
OF_SEGMENTS = [chosen for chosen in DETECTORS if chosen.detector.name in ("ks", "missing")]
ACCURACY = next(metric for metric in METRICS if metric.name == "balanced_accuracy")
BUDGET = 0.05
SEEDS = 100 if EXHAUSTIVE else 40
CLEAN = 200 if EXHAUSTIVE else 40


def rows(count, rng, shift=""):
    """Return rows of a calibrated model, some of them after a shift."""
    x, city = (
        rng.normal(size=count),
        rng.choice(list("abc"), count, p=(0.3, 0.3, 0.4) if shift == "mix" else (0.5, 0.3, 0.2)),
    )
    x = {"mean": x + 0.5, "variance": 1.7 * x, "segment": np.where(city == "a", x + 0.9, x)}.get(shift, x)
    log_odds = 1.5 * x + (city == "a") - 0.5
    p = 1 / (1 + np.exp(-log_odds))
    true = {"prior": 1 / (1 + np.exp(-log_odds - 1.2)), "rule": 0.5 * p + 0.5 * (1 - p[::-1])}.get(shift, p)
    y = (rng.random(count) < true).astype(int)
    inputs = pd.DataFrame({"x": x, "city": city})
    if shift == "missing":
        inputs.loc[rng.random(count) < 0.1, "x"] = np.nan
    predictions = Predictions(y, (p > 0.5).astype(int), np.column_stack([1 - p, p]), ("no", "yes"))
    labels = np.array(["no", "yes"])
    outputs = pd.DataFrame({"prediction": labels[predictions.y_pred], "p_yes": p, "y": labels[y]})
    return WatchedRows(inputs, outputs, inputs), predictions


def sides(seed, shift="", reference=400, window=200):
    rng = np.random.default_rng(seed)
    return rows(reference, rng), rows(window, rng, shift)


def drifts(reference, window, detectors, segments=()):
    monitor = DriftMonitor(reference, KINDS, detectors, segments, 30)
    # half of the budget: the other half is that of the quality
    return any(result.alarm for result in monitor.compare(window, BUDGET / 2))


def gets_worse(reference, window):
    return worse_p(reference, window, ACCURACY, "maximize") <= BUDGET / 2


def test_clean_windows_raise_no_more_alarms_than_the_budget_allows():
    alarms = 0
    for seed in range(CLEAN):
        (reference, held_out), (window, predictions) = sides(seed)
        alarms += drifts(reference, window, DETECTORS) or gets_worse(held_out, predictions)
    assert alarms <= BUDGET * CLEAN


def names(count, rng, levels):
    return np.array([f"c{code}" for code in rng.integers(0, levels, count)])


# rows whose values are few, so that they have ties, and many, so that later rows hold new ones
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("classifier", lambda count, rng: pd.DataFrame({"city": rng.choice(list("abc"), count)})),
        ("classifier", lambda count, rng: pd.DataFrame(rng.normal(size=(count, 2)))),
        ("unseen", lambda count, rng: names(count, rng, 300)),
        ("chi_square", lambda count, rng: names(count, rng, 300)),
        ("wasserstein", lambda count, rng: (rng.random(count) < 0.005).astype(float)),
        ("psi", lambda count, rng: rng.integers(0, 4, count).astype(float)),
        ("ks", lambda count, rng: rng.integers(0, 4, count).astype(float)),
    ],
)
def test_rows_of_few_and_of_many_values_are_no_alarm_by_themselves(name, make):
    detector, rng = next(one for one in BUILTIN if one.name == name), np.random.default_rng(0)
    found = [detector.function(make(400, rng), make(300, rng)) for _ in range(SEEDS)]
    alarms = [one.score > detector.threshold and (one.p is None or one.p <= 0.05) for one in found]
    # 5 %, and three standard errors of so few windows
    assert sum(alarms) / SEEDS <= 0.05 + 3 * (0.05 * 0.95 / SEEDS) ** 0.5


# the smallest share of 100 windows of 200 rows, beside a reference of 400 rows, in which the shift is found
@pytest.mark.parametrize(
    ("shift", "columns", "power"),
    [
        ("mean", ["x", "city"], 0.97),
        ("variance", ["x", "city"], 0.9),
        ("mix", ["x", "city"], 0.9),
        ("missing", ["x", "city"], 0.97),
        ("prior", ["y", "prediction"], 0.9),
    ],
)
def test_a_planted_shift_is_found(shift, columns, power):
    found = 0
    for seed in range(SEEDS):
        (reference, _), (window, _) = sides(seed, shift)
        parts = [
            WatchedRows(
                *(part[[name for name in columns if name in part]] for part in (one.inputs, one.outputs)), one.raw
            )
            for one in (reference, window)
        ]
        found += drifts(*parts, OF_COLUMNS)
    assert found / SEEDS >= power


def test_another_rule_of_the_labels_lowers_the_quality_beyond_chance():
    found = sum(gets_worse(own[1], other[1]) for own, other in (sides(seed, "rule") for seed in range(SEEDS)))
    assert found / SEEDS >= 0.85


def test_a_shift_in_one_segment_is_found_there():
    found = 0
    for seed in range(SEEDS):
        (reference, _), (window, _) = sides(seed, "segment", 800, 300)
        monitor = DriftMonitor(only(reference, "x"), KINDS, OF_SEGMENTS, ["city"], 50)
        alarms = [result for result in monitor.compare(only(window, "x"), BUDGET / 2) if result.alarm]
        found += any(result.segment == "city=a" for result in alarms)
    assert found / SEEDS >= 0.97


def only(one, column):
    return WatchedRows(one.inputs[[column]], one.outputs[[]], one.raw)
