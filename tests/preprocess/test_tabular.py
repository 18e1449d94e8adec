"""The whole of a mixed table: shapes, names, later tables, seeds, saving, memory."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from runtree.contract.errors import ConfigError, DataError
from runtree.preprocess.numeric import ImputeScale, Passthrough
from runtree.preprocess.tabular import CHUNK, Tabular
from runtree.training.model_files import FILE, save_skops

ROWS = 300
OURS = {
    "numpy.dtype",
    "runtree.preprocess.categories.OneHot",
    "runtree.preprocess.categories.TargetEncoding",
    "runtree.preprocess.dates.DateParts",
    "runtree.preprocess.categories.LevelCodes",
    "runtree.preprocess.numeric.ImputeScale",
    "runtree.preprocess.numeric.Passthrough",
    "runtree.preprocess.tabular.Tabular",
    "runtree.preprocess.text.TextEncoding",
}


def mixed(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    words = ["good", "bad", "ugly", "fine", "slow", "fast", "cheap", "nice", "warm", "cold"]
    return pd.DataFrame(
        {
            "id": [f"id{row}" for row in range(rows)],
            "age": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(40, 10, rows)),
            "kids": pd.array(rng.integers(0, 4, rows), dtype="Int64"),
            "member": rng.random(rows) < 0.5,
            "city": rng.choice(np.asarray(["Paris", "Rome", "Oslo", None], dtype=object), rows),
            "shop": [f"s{code}" for code in rng.integers(0, 30, rows)],
            "signed_up": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 800, rows), unit="D"),
            "seen": [f"{day:02d}/05/2021" for day in rng.integers(1, 31, rows)],
            "review": [" ".join(rng.choice(words, 5)) for _ in range(rows)],
            "constant": 1,
            "empty": None,
        }
    )


def target(rows=ROWS):
    return np.random.default_rng(1).choice(["a", "b", "c"], rows)


@pytest.fixture(scope="module")
def fitted():
    return Tabular().fit(mixed(), target())


def test_each_column_goes_the_way_of_its_kind(fitted):
    assert fitted.kinds_ == {
        "id": "dropped", "age": "number", "kids": "number", "member": "number", "city": "few", "shop": "many",
        "signed_up": "date", "seen": "date", "review": "text", "constant": "dropped", "empty": "dropped",
    }  # fmt: skip
    assert fitted.dropped_.keys() == {"id", "constant", "empty"}
    assert fitted.dropped_["constant"] == "constant"


def test_the_output_is_one_block_of_finite_named_numbers(fitted):
    out = fitted.transform(mixed(seed=5))
    assert out.dtype == np.float64
    assert out.flags.c_contiguous
    assert out.shape == (ROWS, len(fitted.get_feature_names_out()))
    assert np.isfinite(out).all()
    assert {"age", "age_missing", "city_Paris", "city_missing", "shop_a", "signed_up_month", "review_topic1"} <= set(
        fitted.get_feature_names_out()
    )


def test_the_seed_decides_all():
    for column in ("shop", "review"):
        table = mixed()[[column]]
        one, same, other = (Tabular(random_state=seed).fit_transform(table, target()) for seed in (0, 0, 1))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)


def test_fitting_leaves_table_and_parameters_alone():
    table, copy, unfitted = mixed(), mixed(), Tabular(max_levels=12)
    before = unfitted.get_params()
    unfitted.fit(table, target())
    assert_frame_equal(table, copy)
    assert unfitted.get_params() == before == clone(unfitted).get_params()
    assert unfitted.set_params(max_levels=3).max_levels == 3


def test_later_tables_are_read_as_the_train_part_was(fitted):
    table = mixed(seed=5)
    expected = fitted.transform(table)
    text = table.map(lambda value: None if value is None or value is pd.NA or value != value else str(value))
    disguises = {
        "text": text,
        "objects": table.astype(object),
        "categories": table.astype("category"),
        "arrow": table.convert_dtypes(dtype_backend="pyarrow"),
        "shuffled": table[table.columns[::-1]].assign(extra="x"),
        "without what was dropped": table.drop(columns=["id", "constant", "empty"]),
        "another index": table.set_axis(np.zeros(len(table)), axis=0),
    }
    for name, disguise in disguises.items():
        assert np.array_equal(fitted.transform(disguise), expected), name


def test_a_chunk_without_any_value_is_fine(fitted):
    for empty in (None, np.nan, pd.NaT):
        for dtype in (object, None):
            chunk = pd.DataFrame({name: [empty] * 3 for name in mixed().columns}, dtype=dtype)
            assert np.isfinite(fitted.transform(chunk)).all()


def test_what_cannot_be_read_is_named(fitted):
    with pytest.raises(DataError, match="columns 'age', 'city' are missing; the model was trained with them"):
        fitted.transform(mixed().drop(columns=["age", "city"]))
    with pytest.raises(DataError, match="column 'age' holds 'old', which is not a number"):
        fitted.transform(mixed().assign(age="old"))
    with pytest.raises(DataError, match="column 'signed_up' holds numbers; the model was trained with dates"):
        fitted.transform(mixed().assign(signed_up=20240101))
    with pytest.raises(DataError, match="column 'city' holds values of type list"):
        fitted.transform(mixed().assign(city=[["a"]] * ROWS))
    with pytest.raises(NotFittedError):
        Tabular().transform(mixed())


def test_a_table_that_tells_nothing_is_refused_with_reasons():
    with pytest.raises(DataError, match="no feature columns are left") as caught:
        Tabular().fit(pd.DataFrame({"a": [1, 1], "b": [None, None]}))
    assert caught.value.hints == ("column 'a': constant", "column 'b': entirely missing")


@pytest.mark.parametrize(
    "wrong",
    [{"max_levels": 0}, {"text_components": 0}, {"max_features": -1}, {"min_frequency": 1.0}, {"min_frequency": -0.1}],
)
def test_a_parameter_out_of_range_is_named(wrong):
    with pytest.raises(ConfigError, match=rf"preprocess\.{next(iter(wrong))} is"):
        Tabular(**wrong).fit(mixed(), target())


@pytest.mark.parametrize("first", [Tabular(), ImputeScale(), Passthrough()], ids=["tabular", "standard", "none"])
def test_a_saved_pipeline_predicts_the_same_to_the_bit(first, tmp_path):
    table = mixed() if isinstance(first, Tabular) else mixed()[["age", "kids", "member"]].fillna(0)
    model = make_pipeline(first, LogisticRegression(max_iter=3000)).fit(table, target())
    save_skops(model, tmp_path)
    import skops.io  # only now: who imports it first decides what it trusts unasked

    types = skops.io.get_untrusted_types(file=tmp_path / FILE)
    loaded = skops.io.load(tmp_path / FILE, trusted=types)
    assert {name for name in types if not name.startswith("sklearn.")} <= OURS
    assert np.array_equal(loaded[0].transform(table), model[0].transform(table))
    assert np.array_equal(loaded.predict_proba(table), model.predict_proba(table))
    assert loaded[0].get_feature_names_out().tolist() == model[0].get_feature_names_out().tolist()


def test_more_rows_than_a_chunk_are_encoded_like_fewer(fitted):
    table = pd.concat([mixed(seed=seed) for seed in range(CHUNK // ROWS + 2)], ignore_index=True)
    assert len(table) > CHUNK
    out = fitted.transform(table)
    for start in (0, CHUNK - 150, len(table) - ROWS):
        assert np.array_equal(out[start : start + ROWS], fitted.transform(table.iloc[start : start + ROWS]))


def test_the_output_is_assembled_once():
    """`ColumnTransformer` holds all encoded columns and their copy: twice the output."""
    rng = np.random.default_rng(0)
    rows = 4 * CHUNK
    table = pd.DataFrame({f"c{column}": rng.choice(list("abcdefgh"), rows) for column in range(12)})
    table = table.assign(**{f"n{column}": rng.normal(size=rows) for column in range(12)})
    fitted = Tabular().fit(table)
    tracemalloc.start()
    out = fitted.transform(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * out.nbytes


@pytest.mark.parametrize(("option", "choice"), [("none", Passthrough), ("standard", ImputeScale), ("tabular", Tabular)])
def test_the_config_says_what_the_class_takes(option, choice, request):
    node = OmegaConf.load(request.config.rootpath / "conf" / "preprocess" / f"{option}.yaml")
    settings = OmegaConf.to_container(OmegaConf.create({"seed": 0, "node": node}), resolve=True)["node"]
    assert settings.pop("_target_") == f"{choice.__module__}.{choice.__name__}"
    assert settings.pop("name") == option
    assert settings.items() <= choice().get_params().items()
