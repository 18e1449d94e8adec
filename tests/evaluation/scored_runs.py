"""Scored runs, as the stage evaluate gets them."""

from typing import Any

import numpy as np
import pandas as pd

from runtree.app import App
from runtree.evaluation.context import EvaluationContext, make_evaluation_context
from runtree.evaluation.evaluate import validate_gate, validate_options
from runtree.lifecycle.cache import RunCache
from runtree.lifecycle.fit import fit_stage
from runtree.lifecycle.score import score
from runtree.lifecycle.stages import check_stage, load_stage, split_stage
from runtree.statistics import metrics
from runtree.testing.fixtures import compose, quoted
from runtree.training.active_run import ActiveRun, RunOptions


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return ages, incomes with holes, a sex, a town, and `y`, which is easier to tell of one sex."""
    dice = np.random.default_rng(seed)
    sex = dice.choice(["f", "m"], rows, p=[0.4, 0.6])
    age, income = dice.integers(18, 80, rows), dice.normal(30, 8, rows)
    signal = (age - 49) / 10 + np.where(sex == "m", (income - 30) / 4, 0) + dice.normal(0, 1, rows)
    income[dice.random(rows) < 0.05] = np.nan
    town = dice.choice(["north", "south", "east"], rows)
    label = np.where(signal > 0, "yes", "no")
    return pd.DataFrame({"age": age, "income": income, "sex": sex, "town": town, "y": label})


def scored(folder: Any, *overrides: str, table: pd.DataFrame | None = None) -> EvaluationContext:
    """Return the evaluation context of a run of a table, or of the data that the overrides name."""
    chosen = []
    if table is not None:
        table.to_csv(folder / "table.csv", index=False)
        chosen = ["data=csv", f"data.path={quoted(folder / 'table.csv')}", "data.target=y"]
    typed = [*chosen, *overrides, "compute=cpu", "compute.threads=1"]
    app, config = App(), compose(*typed).config
    known = metrics.catalogue(app.plugins.contributions("register_metrics"))
    run = ActiveRun(
        config,
        folder,
        app.plugins,
        app.allow_list(typed),
        known,
        RunOptions(cached=RunCache().get_or_compute),
    )
    for stage in (load_stage, check_stage, validate_options, split_stage, validate_gate, fit_stage, score):
        stage(run)
    return make_evaluation_context(run)
