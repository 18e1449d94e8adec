"""Algorithms that take categories get the number of each level, and are told which features these are."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from runtree.contract.errors import ConfigError, DataError
from runtree.evaluation.baselines import spread_levels
from runtree.preprocess.tabular import MAX_NATIVE_LEVELS, Tabular
from runtree.testing.fixtures import PLAIN, UNEXAMINED, train, write_table
from runtree.training.pipeline import declare_features, takes_categories

ROWS = 1200


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    words = np.asarray(["good", "bad", "fine", "slow", "fast", "warm", "cold", "dear", "cheap", "new", "old", "odd"])
    return pd.DataFrame(
        {
            "size": rng.normal(size=ROWS),
            "city": rng.choice(["Paris", "Rome", None], ROWS),
            "shop": [f"s{code}" for code in rng.integers(0, 40, ROWS)],
            "street": [f"street{code}" for code in [*range(400)] * 3],
            "review": [" ".join(rng.choice(words, 4)) for _ in range(ROWS)],
        }
    )


@pytest.fixture(scope="module")
def fitted(table):
    return Tabular(native_categories=True, text_components=3).fit(table, np.arange(ROWS) % 2)


def test_each_category_is_one_feature_with_the_number_of_its_level(fitted, table):
    names = fitted.get_feature_names_out().tolist()
    assert names == ["city_level", "shop_level", "size", "shop", "street", "review_score", *names[6:]]
    assert fitted.level_counts() == [3, 40]
    assert table["street"].nunique() > MAX_NATIVE_LEVELS
    rows = fitted.transform(table.head(50).assign(shop="never seen"))
    assert np.isnan(rows[:, 1]).all()
    assert set(rows[:, 0]) == {0.0, 1.0, 2.0}
    # a service encodes rows without a table
    plain = table.head(5).assign(shop="s3").astype(object).where(lambda frame: frame.notna(), None)
    encoded = fitted.row_encoder()([list(row) for row in plain.itertuples(index=False)])
    assert np.array_equal(encoded, fitted.transform(plain.infer_objects()), equal_nan=True)


def test_categories_of_more_levels_than_can_be_numbered_are_one_hot():
    table = pd.DataFrame({"a": [f"{code}x" for code in [*range(300)] * 2], "b": ["x", "y"] * 300})
    fitted = Tabular(max_levels=400, min_frequency=0, native_categories=True).fit(table, np.arange(600) % 2)
    assert fitted.transform(table).shape == (600, 301)


def test_the_algorithm_is_told_what_the_features_are(fitted):
    algorithm = HistGradientBoostingRegressor()
    declare_features(algorithm, fitted)
    assert algorithm.categorical_features == [0, 1]
    few_bins = HistGradientBoostingClassifier(max_bins=30)
    declare_features(few_bins, fitted)
    assert few_bins.categorical_features == [0]


@pytest.mark.parametrize(
    ("algorithm", "config", "resample", "task", "takes"),
    [
        (HistGradientBoostingRegressor(), {"categorical_features": "from_dtype"}, "over", "regression", True),
        (HistGradientBoostingRegressor(categorical_features=[0]), {}, None, "regression", True),
        (HistGradientBoostingRegressor(), {"categorical_features": None}, None, "regression", False),
        (HistGradientBoostingRegressor(), {}, "smote", "regression", False),
        (HistGradientBoostingClassifier(), {}, None, "classification", False),
        (Ridge(), {}, None, "regression", False),
    ],
)
def test_who_gets_categories(algorithm, config, resample, task, takes):
    node = {"imbalance": {"resample": resample}}
    config, data = SimpleNamespace(algorithm=config, to_dict=lambda: node), SimpleNamespace(task=task)
    run = SimpleNamespace(config=config, estimator=algorithm, data=data)
    assert takes_categories(run) is takes


def test_a_line_beside_such_a_model_gets_a_feature_for_each_level(fitted, table):
    rows = fitted.transform(table)
    train_rows, splits = spread_levels(fitted, rows, {"test": rows[:10]})
    assert train_rows.shape == (ROWS, rows.shape[1] - 2 + 3 + 40)
    assert (train_rows[:, :43].sum(axis=1) == 2).all()
    assert (splits["test"] == train_rows[:10]).all()


def test_what_a_column_becomes_can_be_said(tmp_path):
    words = ("algorithm=ridge", "data.types.noise=category", "preprocess.columns.weight=drop")
    table = write_table(tmp_path, "regression", rows=60)
    columns = ("preprocess.columns.place=target", "preprocess.max_levels=20")
    run = train(*table, *PLAIN, *UNEXAMINED, *words, *columns, folder=tmp_path)
    kinds = {name: kind for name, (kind, _) in run.model[0].column_kinds().items()}
    assert kinds == {"height": "number", "weight": "dropped", "noise": "many", "place": "many"}
    with pytest.raises(DataError, match=r"unknown column at preprocess\.columns: 'plce'"):
        train(*table, *PLAIN, *UNEXAMINED, "algorithm=ridge", "preprocess.columns.plce=drop", folder=tmp_path)
    with pytest.raises(ConfigError, match=r"preprocess\.columns\.place: 'onehot' is not known"):
        Tabular(columns={"place": "onehot"}).fit(pd.DataFrame({"place": ["a", "b"]}), [0, 1])


def test_every_fit_of_a_run_knows_the_categories(tmp_path):
    table = write_table(tmp_path, "regression", rows=90)
    words = ("algorithm=hist_gradient_boosting", "algorithm.max_iter=5", "fit.refit=true", "evaluator=cross_validation")
    run = train(*table, *PLAIN, *UNEXAMINED, *words, "evaluator.folds=2", folder=tmp_path)
    assert run.model[-1].is_categorical_.tolist() == [True, *[False] * (run.model[-1].n_features_in_ - 1)]
    assert run.refit(run.data.features, run.data.target.to_numpy())[-1].is_categorical_[0]
