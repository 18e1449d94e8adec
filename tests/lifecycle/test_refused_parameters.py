"""A value that the algorithm refuses: told with its config path, by the stage check or by the fit."""

from dataclasses import replace

import pytest

from runtree.app import App
from runtree.contract.errors import ConfigError
from runtree.lifecycle.cache import RunCache
from runtree.lifecycle.fit import fit_stage
from runtree.lifecycle.stages import check_stage, load_stage, split_stage
from runtree.statistics import metrics
from runtree.testing.fixtures import compose
from runtree.training.active_run import ActiveRun, RunOptions


def begun(folder, *typed):
    app = App()
    known = metrics.catalogue(app.plugins.contributions("register_metrics"))
    run = ActiveRun(
        compose(*typed).config,
        folder,
        app.plugins,
        app.allow_list(typed),
        known,
        RunOptions(cached=RunCache().get_or_compute),
    )
    load_stage(run)
    return run


BAD = ("algorithm=logistic", "algorithm.C=-1")


def test_a_run_of_its_own_looks_before_it_splits(tmp_path):
    with pytest.raises(ConfigError, match=r"algorithm\.C: The 'C' parameter of LogisticRegression"):
        check_stage(begun(tmp_path, *BAD))


def test_a_run_of_a_sweep_which_looked_before_is_told_by_its_fit(tmp_path):
    run = begun(tmp_path, *BAD)
    run.options = replace(run.options, validated=True)
    check_stage(run)
    split_stage(run)
    with pytest.raises(ConfigError, match=r"algorithm\.C: The 'C' parameter of LogisticRegression"):
        fit_stage(run)
