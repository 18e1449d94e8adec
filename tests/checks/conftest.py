"""Check contexts of small tables, as `runtree check` makes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtree.app import App
from runtree.checks.context import CheckContext, make_check_context
from runtree.config.build import build
from runtree.config.resources import compute_arguments
from runtree.lifecycle.stages import build_evaluator, check_stage, load_stage, split_stage
from runtree.statistics import metrics
from runtree.testing.fixtures import compose, quoted
from runtree.training.active_run import ActiveRun
from runtree.training.fit_plan import FitOptions, FitPlan, IterationSpec

ROWS = 200


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Return four numbers, of which the first two predict `y`."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, 4))
    signal = values[:, 0] + values[:, 1] / 2 + generator.normal(size=rows)
    return pd.DataFrame(values, columns=list("abcd")).assign(y=np.where(signal > 0, "yes", "no"))


@pytest.fixture
def make_context(folder) -> Callable[..., CheckContext]:
    """Return a function that loads and splits a table, or the bundled data set of that name."""

    def make(data: pd.DataFrame | str, *overrides: str, estimator: Any = None) -> CheckContext:
        chosen = [f"data={data}"] if isinstance(data, str) else written(data, folder)
        typed = ["algorithm=logistic", *chosen, *overrides, "compute=cpu", "compute.threads=1"]
        app, config = App(), compose(*typed).config
        trust = app.allow_list(typed)
        known = metrics.catalogue(app.plugins.contributions("register_metrics"))
        run = ActiveRun(config, folder, app.plugins, trust, known)
        load_stage(run)
        if estimator is None:
            check_stage(run)
        else:
            run.estimator, run.evaluator = estimator, build_evaluator(run)
            run.plan = FitPlan(FitOptions(), IterationSpec())
        split_stage(run)
        return make_check_context(run, build(compute_arguments(config["compute"]), "compute", trust).session)

    return make


def written(data: pd.DataFrame, folder: Any) -> list[str]:
    file = folder / "table.csv"
    data.to_csv(file, index=False)
    return ["data=csv", f"data.path={quoted(file)}", "data.target=y"]


@pytest.fixture
def tables() -> Callable[..., pd.DataFrame]:
    """Return a function that makes a small table."""
    return table
