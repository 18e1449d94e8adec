"""A script of a user, which mypy checks with the package: what the functions take and return is known to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import runtree as rt


def space(trial: rt.SpaceTrial) -> dict[str, Any]:
    """Return what a trial sets."""
    depth: int = trial.suggest_int("depth", 1, 9)
    return {"algorithm.max_depth": depth, "algorithm.min_samples_leaf": trial.suggest_float("leaf", 0.01, 0.2)}


def main(frame: pd.DataFrame) -> list[object]:
    """Train, look, tune, predict."""
    run = rt.train("algorithm=ridge", {"algorithm.alpha": 2.0}, data=frame, target="price", seed=1)
    rmse: float = run.metrics["test"]["rmse"]
    folder: Path = run.folder
    explained: pd.DataFrame = run.explain(frame.head(1))
    sweep: rt.RecordedSweep = rt.tune("algorithm=decision_tree", data="rows.csv", target="price", space=space)
    again: rt.RecordedSweep = rt.resume(sweep.folder, "tuner.stop.max_runs=9", space=space, retry=["failed"])
    best: rt.RecordedRun = again.best
    model: rt.LoadedModel = rt.load_model("models:/prices@champion")
    predicted: np.ndarray[Any, Any] = model.predict(frame)
    scores: dict[str, Any] = rt.evaluate(best, frame)
    watched: dict[str, Any] = rt.monitor(best, frame, labels="truths.csv", key="id")
    again_trained: dict[str, Any] = rt.retrain("prices", frame, policy="train")
    table: pd.DataFrame = rt.compare([run.id, best.id], where=["state=completed"])
    runs: pd.DataFrame = rt.load_runs(where="test.rmse<9")
    report: Path = rt.load_run("latest").report()
    return [
        rmse,
        folder,
        explained,
        predicted,
        scores,
        watched,
        again_trained,
        table,
        runs,
        report,
        sweep.plot_history(),
        sweep.trials(),
    ]
