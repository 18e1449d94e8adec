"""Categories, dates and text as features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from runtree.contract.errors import ConfigError, DataError
from runtree.preprocess import text
from runtree.preprocess.categories import MAX_LEVEL_CHARACTERS, LevelCodes, OneHot, read_target
from runtree.preprocess.tabular import Tabular

ROWS = 400


def cities(kinds=("Rome", "Oslo", "Bonn", None), rows=ROWS):
    return pd.DataFrame({"city": np.random.default_rng(0).choice(np.asarray(kinds, dtype=object), rows)})


def features(fitted, table):
    return pd.DataFrame(fitted.transform(table), columns=fitted.get_feature_names_out())


def test_few_levels_are_a_feature_each_and_missing_is_one_of_them():
    found = features(Tabular().fit(cities()), pd.DataFrame({"city": ["Oslo", None, "Atlantis"]}))
    assert list(found.columns) == ["city_Bonn", "city_Oslo", "city_Rome", "city_missing"]
    assert found.to_numpy().tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_rare_and_unknown_levels_share_a_feature():
    table = pd.DataFrame({"city": ["Rome"] * 500 + ["Oslo"] * 498 + ["Bonn", "Kyiv"]})
    found = features(Tabular().fit(table), pd.DataFrame({"city": ["Bonn", "Kyiv", "Atlantis", "Oslo"]}))
    assert list(found.columns) == ["city_Oslo", "city_Rome", "city_other"]
    assert found["city_other"].tolist() == [1, 1, 1, 0]
    assert "city_Bonn" in Tabular(min_frequency=0).fit(table).get_feature_names_out()


@pytest.mark.parametrize(
    "as_stored", [list, lambda v: pd.Series(v, dtype="category"), lambda v: pd.Series(v, dtype=object), pd.array]
)
def test_a_level_is_its_text_whatever_the_dtype(as_stored):
    fitted = Tabular().fit(pd.DataFrame({"zone": pd.Series([1, 2, 3, 2] * 50, dtype="category")}))
    expected = fitted.transform(pd.DataFrame({"zone": ["1", "3", "9"]}))
    assert np.array_equal(fitted.transform(pd.DataFrame({"zone": as_stored([1, 3, 9])})), expected)
    assert np.array_equal(fitted.transform(pd.DataFrame({"zone": as_stored([1.0, 3.0, 9.0])})), expected)
    assert expected.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_very_long_levels_are_told_apart_without_widening_the_others():
    long = "x" * 5000
    codes = LevelCodes()
    found = codes.fit_transform(pd.DataFrame({"a": [long + "1", long + "2", "b", None]}))
    assert len(set(found[:, 0])) == 4
    assert codes.levels_[0].dtype == np.dtype(f"<U{MAX_LEVEL_CHARACTERS}")
    assert np.array_equal(codes.transform(pd.DataFrame({"a": [long + "2", long + "3"]}))[:, 0], [found[1, 0], -1])


def test_two_columns_arriving_at_one_name_are_told_apart():
    table = cities().assign(city_Rome=np.arange(ROWS))
    names = Tabular().fit(table).get_feature_names_out().tolist()
    assert "city_Rome" in names
    assert "city_Rome_2" in names


def many(levels=40, rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, rows)
    return pd.DataFrame({"shop": [f"s{code}" for code in codes]}), codes, rng


def test_many_levels_become_the_mean_of_an_amount():
    table, codes, rng = many()
    amount = 100.0 * codes + rng.normal(size=ROWS)
    fitted = Tabular().fit(table, amount)
    found = fitted.transform(pd.DataFrame({"shop": ["s0", "s39", "nowhere"]}))[:, 0]
    scaler = fitted.encoders_["many"].scaler_
    assert scaler.inverse_transform(found[:, None])[:, 0] == pytest.approx([0, 3900, amount.mean()], abs=150)
    assert found[2] == scaler.transform([[amount.mean()]])[0, 0]


def test_an_unknown_level_and_one_met_once_are_the_mean_of_all():
    table, _, rng = many()
    table.loc[0, "shop"] = "single"
    fitted = Tabular().fit(table, rng.integers(0, 2, ROWS))
    single, unknown = fitted.transform(pd.DataFrame({"shop": ["single", "never met"]}))
    assert single == unknown


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (["no", "yes"], ["shop"]),
        ([True, False], ["shop"]),
        ([0, 1], ["shop"]),
        (["a", "b", "c"], ["shop_a", "shop_b", "shop_c"]),
        ([0, 1, 2], ["shop_0", "shop_1", "shop_2"]),
        (np.linspace(0, 1, 50), ["shop"]),
        (np.arange(50), ["shop"]),
    ],
)
@pytest.mark.parametrize("as_series", [np.asarray, pd.Series])
def test_targets_of_every_sort(target, names, as_series):
    table, _, rng = many()
    fitted = Tabular()
    out = fitted.fit_transform(table, as_series(rng.choice(np.asarray(target), ROWS)))
    assert fitted.get_feature_names_out().tolist() == names
    assert out.shape == (ROWS, len(names))
    assert np.isfinite(out).all()


def test_the_task_decides_what_a_target_of_numbers_is():
    y = np.arange(60) % 3
    assert read_target(y, "auto", ["a"]).type == "multiclass"
    assert read_target(y, "regression", ["a"]).type == "continuous"
    assert read_target(np.arange(60), "classification", ["a"]).type == "multiclass"
    with pytest.raises(ConfigError, match=r"preprocess\.task is 'ranking'"):
        read_target(y, "ranking", ["a"])


def test_of_very_many_classes_the_rare_ones_are_gathered():
    target = read_target([*["often"] * 5, *[f"c{number}" for number in range(40)]], "auto", ["a"])
    assert target.classes[-2:] == ["often", "other"]
    assert len(target.classes) == 21
    assert np.bincount(target.values).tolist() == [*[1] * 19, 5, 21]


def test_a_rare_class_and_few_rows_do_not_hinder():
    table, _, _ = many(rows=60, levels=15)
    y = np.asarray(["a"] * 58 + ["b", "c"])
    assert np.isfinite(Tabular().fit_transform(table, y)).all()
    small = pd.DataFrame({"shop": ["a", "b", "a"]})
    assert Tabular(max_levels=1).fit_transform(small, [1.0, 2.5, 3.0]).shape == (3, 1)


def test_the_train_part_is_encoded_without_its_own_target():
    """A category that is noise must not tell the target of the very rows that it was learned from."""
    table, _, rng = many(levels=100)
    y = rng.integers(0, 2, ROWS)
    fitted = Tabular()
    fold_by_fold, at_once = fitted.fit_transform(table, y)[:, 0], fitted.transform(table)[:, 0]
    assert abs(np.corrcoef(fold_by_fold, y)[0, 1]) < 0.15
    assert np.corrcoef(at_once, y)[0, 1] > 0.3


def test_many_levels_need_a_whole_target():
    table, _, _ = many()
    with pytest.raises(DataError, match="encoding column 'shop' needs the target"):
        Tabular().fit(table)
    with pytest.raises(DataError, match="target has missing values"):
        Tabular().fit(table, [None, *np.ones(ROWS - 1)])
    with pytest.raises(DataError, match=r"one value per row, got shape \(400, 2\)"):
        Tabular().fit(table, np.zeros((ROWS, 2)))


def test_dates_become_the_parts_that_vary():
    days = pd.DataFrame({"day": pd.date_range("2024-02-01", periods=29)})
    assert Tabular().fit(days).get_feature_names_out().tolist() == ["day_day", "day_weekday", "day_days"]
    hours = pd.DataFrame({"at": pd.date_range("2023-12-31 22:30", periods=5, freq="h", tz="UTC")})
    names = Tabular().fit(hours).get_feature_names_out().tolist()
    assert names == ["at_year", "at_month", "at_day", "at_weekday", "at_hour", "at_days"]


def test_date_parts_are_right():
    table = pd.DataFrame({"day": ["31/12/2023", "29/02/2024", "14/07/2025"] * 10})
    parts = [[2023, 12, 31, 6, 19722], [2024, 2, 29, 3, 19782], [2025, 7, 14, 0, 20283]] * 10
    np.testing.assert_allclose(Tabular().fit_transform(table), StandardScaler().fit_transform(parts))


def test_missing_and_unreadable_dates_are_the_median_and_marked():
    days = pd.to_datetime(["2024-01-05", "2024-02-19", "2031-05-01"] * 33).strftime("%Y-%m-%d")
    table = pd.DataFrame({"day": [*days, None]})
    fitted = Tabular().fit(table)
    found = features(fitted, pd.DataFrame({"day": [None, "soon", "2024-02-19"]}))
    assert np.array_equal(found.iloc[0], found.iloc[1])
    assert found["day_days"].nunique() == 1
    assert found["day_missing"].nunique() == 2


def test_text_becomes_a_score_and_topics():
    rng = np.random.default_rng(0)
    sports, food = ["ball", "goal", "team", "win", "match"], ["soup", "bread", "salt", "cook", "taste"]
    about = rng.integers(0, 2, ROWS)
    reviews = [" ".join(rng.choice(food if which else sports, 6)) + f" {row}" for row, which in enumerate(about)]
    fitted = Tabular(text_components=3).fit(pd.DataFrame({"review": reviews}), about)
    assert fitted.kinds_ == {"review": "text"}
    assert fitted.get_feature_names_out().tolist() == ["review_score", *(f"review_topic{topic}" for topic in (1, 2, 3))]
    later = pd.DataFrame({"review": ["goal goal team", "salt soup cook", None, "unheard words only"]})
    scores, topics = np.split(fitted.transform(later), [1], axis=1)
    assert topics[0] @ topics[1] < 0.5 * min(topics[0] @ topics[0], topics[1] @ topics[1])
    assert not topics[2:].any()
    assert scores[0] < scores[2] == scores[3] < scores[1]


def test_the_score_of_a_text_is_that_of_a_linear_model_which_has_not_seen_its_row():
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(40)]
    table = pd.DataFrame({"review": [" ".join(rng.choice(words, 8)) for _ in range(ROWS)]})
    noise = rng.integers(0, 2, ROWS)
    fitted = Tabular()
    own = fitted.fit_transform(table, noise)[:, 0]
    # by its own target a score would know the noise; fold by fold it does not, on later rows it is one fixed model
    assert abs(np.corrcoef(own, noise)[0, 1]) < 0.3 < np.corrcoef(fitted.transform(table)[:, 0], noise)[0, 1]
    three = Tabular().fit(table, rng.integers(0, 3, ROWS))
    assert three.get_feature_names_out()[:3].tolist() == ["review_score_0", "review_score_1", "review_score_2"]


def test_rows_that_no_score_was_learnt_from_are_scored_as_later_rows_are(monkeypatch):
    monkeypatch.setattr(text, "SAMPLE_ROWS", ROWS // 4)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"review": [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(ROWS)]})
    fitted = Tabular(text_components=2)
    own = fitted.fit_transform(table, rng.normal(size=ROWS))
    changed = (own != fitted.transform(table)).any(axis=1)
    assert np.isfinite(own).all()
    assert np.flatnonzero(changed).tolist() == list(range(0, ROWS, 4))


def test_text_of_few_words_gives_fewer_topics():
    table = pd.DataFrame({"note": ["a b c!", "a b c?", "a b c.", "a b c;"] * 3})
    # a score, and the words a, b, c with the pairs of them
    assert Tabular(max_levels=2, text_components=50).fit_transform(table, np.arange(12) % 2).shape == (12, 1 + 5)


def test_min_frequency_of_zero_knows_no_rare_levels():
    fitted = OneHot(0.0).fit(cities())
    assert fitted.transform(pd.DataFrame({"city": ["Atlantis"]})).sum() == 0
