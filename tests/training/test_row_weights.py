"""Weights of rows: shares of a population within 1e-6, and exactly those weights in the fit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from runtree.app import App
from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.fit import fit
from runtree.lifecycle.stages import check_stage, load_stage, split_stage
from runtree.statistics import metrics
from runtree.testing.fixtures import compose, quoted
from runtree.training.active_run import ActiveRun
from runtree.training.imbalance import resample_rows
from runtree.training.monitor import hold_out_rows
from runtree.training.row_weights import rake

SHARES = {"sex": {"f": 0.5, "m": 0.5}, "age": {"young": 0.2, "old": 0.7}}


def people(rows=300):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": draw.normal(size=rows),
            "sex": draw.choice(["f", "m"], rows, p=[0.15, 0.85]),
            "age": draw.choice(["young", "old", "unknown"], rows),
            "w": draw.integers(1, 5, rows),
        }
    )
    return frame.assign(y=np.where(frame["a"] + draw.normal(size=rows) > 0, "yes", "no"))


def shares_of(weights, labels):
    return pd.Series(weights).groupby(labels.to_numpy()).sum() / weights.sum()


def test_groups_get_their_shares_and_the_others_keep_theirs():
    frame = people()
    weights = rake(frame["w"].to_numpy(float), {name: frame[name] for name in SHARES}, SHARES)
    for name, shares in SHARES.items():
        found = shares_of(weights, frame[name])
        assert all(found[group] == pytest.approx(share, abs=1e-6) for group, share in shares.items())
    assert shares_of(weights, frame["age"])["unknown"] == pytest.approx(0.1, abs=1e-6)
    assert weights.mean() == pytest.approx(frame["w"].mean())
    with pytest.raises(DataError, match=r"data.population.sex: no train row is of group 'x'"):
        rake(weights, {"sex": frame["sex"]}, {"sex": {"x": 0.5}})


@pytest.fixture
def make_run(folder):
    def make(table, *overrides, estimator=None):
        table.to_csv(folder / "table.csv", index=False)
        chosen = ["data=csv", f"data.path={quoted(folder / 'table.csv')}", "data.target=y", "algorithm=naive_bayes"]
        typed = [*chosen, *overrides, "compute=cpu", "compute.threads=1"]
        app, config = App(), compose(*typed).config
        known = metrics.catalogue(app.plugins.contributions("register_metrics"))
        run = ActiveRun(config, folder, app.plugins, app.allow_list(typed), known)
        for stage in (load_stage, check_stage, split_stage):
            stage(run)
        if estimator is not None:
            run.__dict__["estimator"] = estimator  # another of the same interface
        return run

    return make


class Noted(GaussianNB):
    """Keeps the weights that reach its fit."""

    def fit(self, X, y, sample_weight=None):
        self.weights_ = sample_weight
        return super().fit(X, y, sample_weight)


def test_the_weights_reach_the_fit_and_the_weight_is_no_feature(make_run):
    given = ["data.weight=w", "data.population={sex: {f: 0.5, m: 0.5}}", "data.reweight=[sex]"]
    run = make_run(people(), *given, estimator=Noted())
    assert "w" not in run.data.features.columns
    model = fit(run)
    train = run.split.train
    sex = run.data.features["sex"].iloc[train]
    reached = model[-1].weights_
    assert shares_of(reached, sex)["f"] == pytest.approx(0.5, abs=1e-6)
    # within a group the rows keep the ratio of their own weights
    women = (sex == "f").to_numpy()
    own = run.data.weights.to_numpy()[train][women]
    assert reached[women] / reached[women].sum() == pytest.approx(own / own.sum())
    # a fold has the weights of its own rows
    run.model = model
    fold = run.refit(run.data.features.iloc[train[:150]], run.data.target.iloc[train[:150]].to_numpy())
    assert shares_of(fold[-1].weights_, sex.iloc[:150])["f"] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("resample", ["over", "under"])
def test_a_row_that_is_sampled_again_keeps_its_weight(make_run, resample):
    pytest.importorskip("imblearn", reason="resampling needs the extra imbalance")
    frame = people()
    # of a row its weight is known by its number, and the number by the row
    frame["y"], frame["w"] = np.where(np.arange(300) < 60, "yes", "no"), np.arange(300) + 1.0
    given = ["data.weight=w", f"imbalance.resample={resample}", "data.drop=[sex,age]", "preprocess=none"]
    run = make_run(frame, *given, estimator=Noted())
    by_value = dict(zip(frame["a"], frame["w"], strict=True))
    target = run.data.target.iloc[run.split.train].to_numpy()
    (rows, labels), positions = resample_rows(run, (run.data.features.iloc[run.split.train], target), run.split.train)
    choose = max if resample == "over" else min
    assert np.unique(labels, return_counts=True)[1].tolist() == [choose(np.unique(target, return_counts=True)[1])] * 2
    assert run.data.weights.to_numpy()[positions].tolist() == [by_value[value] for value in rows["a"]]
    reached = fit(run)[-1].weights_
    assert reached.tolist() == run.data.weights.to_numpy()[positions].tolist()
    run.model = fit(run)
    fold = run.refit(run.data.features.iloc[run.split.train[::2]], target[::2])
    assert set(fold[-1].weights_) <= set(run.data.weights.to_numpy()[run.split.train[::2]])


def test_rows_that_are_held_out_of_the_train_rows_take_their_weights_along(make_run):
    frame = people().assign(w=np.arange(300) + 1.0)
    run = make_run(frame, "data.weight=w", "data.drop=[sex,age]", "algorithm=mlp", "fit.validation_fraction=0.25")
    features, target = run.select("train")
    (rows, _), (held_out, _), positions = hold_out_rows(run, (features, target.to_numpy()), None, run.split.train)
    assert len(held_out) == 45 and len(positions) == 135
    assert run.data.features.iloc[positions].equals(rows)
    assert len(fit(run)[-1].classes_) == 2  # as many weights as rows


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["data.population={sex: {f: 0.5, m: 0.6}}"], "data.population.sex: .* are no shares"),
        (["data.population={sx: {f: 0.5}}"], "unknown column at data.population: 'sx'"),
        (["data.reweight=[sex]"], "data.reweight: sex has no shares"),
        (
            ["data.sensitive={sex: 'mask:1'}", "data.population={sex: {f: 0.5}}"],
            r"data.population.sex: the column is hashed or masked, and no group is 'f'; possible: .*\*\*\*",
        ),
        (["data.weight=w", "algorithm=knn"], "data.weight: algorithm=knn takes no weights"),
        (
            ["data.weight=w", "imbalance.resample=smote"],
            "data.weight: imbalance.resample=smote makes new rows of several",
        ),
    ],
)
def test_what_cannot_be_weighted_is_refused(make_run, given, says):
    if "imbalance.resample=smote" in given:
        pytest.importorskip("imblearn")
    with pytest.raises(ConfigError, match=says):
        make_run(people(), *given)


@pytest.mark.parametrize(
    ("value", "says"), [(-1, "is negative in 1 rows"), (None, "is missing"), ("x", "no number|not a number")]
)
def test_weights_that_are_none_are_refused(make_run, value, says):
    frame = people().astype({"w": object})
    frame.loc[3, "w"] = value
    with pytest.raises(DataError, match=f"data.weight.*({says})"):
        make_run(frame, "data.weight=w")
