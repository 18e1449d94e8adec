"""False alarms of `runtree monitor` over 200 clean windows, and the power with which planted shifts are found.

Everything is on: inputs, predictions, target, quality, segments and stream tests; the windows of one model follow each
other. Each row of the table is one kind of window.

    python benchmarks/watching.py [--seeds 100] [--clean 200]
"""

import argparse
import time

import numpy as np
import pandas as pd

from runtree.app.monitored_rows import NewRows
from runtree.app.monitored_window import WindowWatch
from runtree.contract.predictions import Predictions
from runtree.evaluation.options import IntervalOptions
from runtree.monitoring.detectors import BUILTIN
from runtree.monitoring.drift import DriftMonitor, WatchedRows
from runtree.monitoring.options import MonitorOptions, WindowOptions, choose_detectors
from runtree.monitoring.quality import QualityReference
from runtree.monitoring.reference import output_columns
from runtree.monitoring.windows import Window
from runtree.statistics.metrics import BUILTIN as METRICS

KINDS = {"x": "number", "city": "category", "prediction": "category", "p_yes": "number", "y": "category"}
OPTIONS = MonitorOptions(segments=["city"], window=WindowOptions(minimum=50))
ACCURACY = [metric for metric in METRICS if metric.name == "accuracy"]
REFERENCE, HELD_OUT, ROWS, BEFORE = 1000, 400, 300, 3
SHIFTS = {
    "mean": "mean by 0.5 standard deviations",
    "variance": "standard deviation times 1.7",
    "mix": "a category from 50 to 30 %",
    "missing": "10 % of an input missing",
    "prior": "log-odds of the labels by 1.2",
    "rule": "other labels for half of the rows",
    "segment": "mean by 0.9 in one of three cities",
    "rule in segment": "other labels in one of three cities",
    "slow": "log-odds of the labels by 0.15 more in each of 8 windows",
}


def make_rows(rng, count, shift="", step=0):
    """Return rows of a calibrated model, some of them after a shift."""
    x = rng.normal(size=count)
    city = rng.choice(list("abc"), count, p=(0.3, 0.3, 0.4) if shift == "mix" else (0.5, 0.3, 0.2))
    x = {"mean": x + 0.5, "variance": 1.7 * x, "segment": np.where(city == "a", x + 0.9, x)}.get(shift, x)
    log_odds = 1.5 * x + (city == "a") - 0.5
    p = 1 / (1 + np.exp(-log_odds))
    moved = {"prior": 1.2, "slow": 0.15 * step}.get(shift, 0.0)
    true = 1 / (1 + np.exp(-log_odds - moved))
    if shift.startswith("rule"):
        turned = rng.random(count) < 0.5 if shift == "rule" else city == "a"
        true = np.where(turned, 1 - p, p)
    y = (rng.random(count) < true).astype(int)
    inputs = pd.DataFrame({"x": x, "city": city})
    if shift == "missing":
        inputs.loc[rng.random(count) < 0.1, "x"] = np.nan
    return inputs, Predictions(y, (p > 0.5).astype(int), np.column_stack([1 - p, p]), ("no", "yes"))


def make_watch(rng):
    """Return what windows are compared with: a reference, and the rows that were held out of it."""
    inputs, _ = make_rows(rng, REFERENCE)
    own, held_out = make_rows(rng, HELD_OUT)
    inputs = pd.concat([inputs, own], ignore_index=True)
    outputs = output_columns(held_out, np.arange(REFERENCE, REFERENCE + HELD_OUT), "y")
    detectors = choose_detectors(OPTIONS, [("runtree", detector) for detector in BUILTIN])
    rows, segments = WatchedRows(inputs, outputs, inputs), {"city": own["city"].to_numpy(dtype=object)}
    scores, intervals = held_out.values(ACCURACY), IntervalOptions(resamples=200)
    quality = QualityReference(held_out, ACCURACY, ACCURACY[0], "maximize", scores, {}, intervals, segments)
    drift = DriftMonitor(rows, KINDS, detectors, OPTIONS.segments, OPTIONS.window.minimum)
    return WindowWatch(OPTIONS, drift, quality, {}, [])


def make_window(rng, number, shift="", step=0):
    """Return a window and its rows."""
    inputs, predictions = make_rows(rng, ROWS, shift, step)
    moment = f"2026-01-{number + 1:02d}"
    rows = NewRows(inputs, inputs, predictions, np.ones(ROWS, dtype=bool), "y")
    return Window(moment, moment, moment, np.arange(ROWS)), rows


def look(watch, made, earlier):
    """Return the record of a window."""
    window, rows = made
    return watch.look(window, rows, rows.raw, earlier)


def clean_windows(count, length=10):
    """Yield the records of windows without a change, `length` of each model."""
    for seed in range(-(-count // length)):
        rng, earlier = np.random.default_rng(seed), []
        watch = make_watch(rng)
        for number in range(min(length, count - seed * length)):
            earlier.append(look(watch, make_window(rng, number), earlier))
            yield earlier[-1]


def shifted_window(seed, shift):
    """Return the records of windows in which the last ones are shifted, as far as the first alarm, and the shift."""
    rng, found = np.random.default_rng(10_000 + seed), []
    watch = make_watch(rng)
    for number in range(BEFORE):  # of clean ones only what stream tests look back at
        window, rows = make_window(rng, number)
        found.append({"stream": watch.blocks(window, rows, found)[0], "drift": []})
    for step in range(1, 9 if shift == "slow" else 2):
        found.append(look(watch, make_window(rng, BEFORE + step, shift, step), found))
        if found[-1]["state"] == "alarm":
            break
    return found[BEFORE:]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--shifts", nargs="*", default=list(SHIFTS))
    parser.add_argument("--clean", type=int, default=200)
    asked, begun = parser.parse_args(), time.process_time()
    clean = list(clean_windows(asked.clean))
    raised = sum(one["state"] == "alarm" for one in clean)
    over_time = sum(any(r["alarm"] and "over time" in r["column"] for r in one["drift"]) for one in clean)
    print(f"clean: {raised} of {len(clean)} windows ({over_time} by stream tests)")
    for shift in asked.shifts:
        text = SHIFTS[shift]
        runs = [shifted_window(seed, shift) for seed in range(asked.seeds)]
        found = sum(any(one["state"] == "alarm" for one in run) for run in runs)
        stream = sum(
            any(r["alarm"] and "over time" in r["column"] for one in run for r in one["drift"]) for run in runs
        )
        where = sum(any("city=a" in alarm for one in run for alarm in one["alarms"]) for run in runs)
        print(f"{text}: {found} of {asked.seeds}, by stream tests {stream}, named in the segment {where}", flush=True)
    print(f"{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
