"""The suite for an option of the group `preprocess`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from runtree.config.build import build
from runtree.contract.errors import RuntreeError
from runtree.testing.fixtures import PLAIN, TARGET, UNEXAMINED, compose, tiny_table, train, write_table
from runtree.testing.suite import TINY, Suite, folder_of, read_json
from runtree.training.model_files import load_skops, save_skops

if TYPE_CHECKING:
    import pandas as pd


@TINY
class PreprocessSuite(Suite):
    """Checks that a preprocessing learns from the train split alone and transforms each later row independently.

    ::

        class TestHashing(PreprocessSuite):
            option = "hashing"
            numbers_only = True     # if it takes no categories
    """

    option: ClassVar[str]
    numbers_only: ClassVar[bool] = False

    @classmethod
    def table(cls, seed: int) -> "pd.DataFrame":
        """Return features and the column `outcome`; override it for another kind of table."""
        frame = tiny_table(seed=seed)
        return frame.drop(columns="place") if cls.numbers_only else frame

    @pytest.fixture
    def train_part(self) -> "pd.DataFrame":
        """Return the features of the train split."""
        return self.table(seed=0).drop(columns=TARGET)

    @pytest.fixture
    def later(self) -> "pd.DataFrame":
        """Return the features of later rows."""
        return self.table(seed=1).drop(columns=TARGET)

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls) -> dict[str, Any]:
        """Return the composed config."""
        return compose(f"preprocess={cls.option}", *cls.overrides, app=cls.make_app()).config

    @pytest.fixture
    def unfitted(self, config: dict[str, Any]) -> Any:
        """Return the preprocessing that the config builds."""
        return build(config["preprocess"], "preprocess", self.make_app().allow_list(self.overrides))

    @pytest.fixture
    def fitted(self, unfitted: Any) -> Any:
        """Return the preprocessing, fitted on the train split."""
        frame = self.table(seed=0)
        return unfitted.fit(frame.drop(columns=TARGET), frame[TARGET])

    def test_clone_is_equal(self, unfitted: Any) -> None:
        from sklearn.base import clone

        assert repr(clone(unfitted).get_params()) == repr(unfitted.get_params())

    def test_gives_a_named_number_for_each_feature(self, fitted: Any, later: "pd.DataFrame") -> None:
        import numpy as np

        names = list(fitted.get_feature_names_out())
        numbers = np.asarray(fitted.transform(later))
        assert numbers.shape == (len(later), len(names))
        assert np.issubdtype(numbers.dtype, np.number)
        assert len(set(names)) == len(names)

    def test_learns_the_same_each_time(self, fitted: Any, unfitted: Any, later: "pd.DataFrame") -> None:
        from sklearn.base import clone

        frame = self.table(seed=0)
        again = clone(unfitted).fit(frame.drop(columns=TARGET), frame[TARGET])
        assert_equal(again.transform(later), fitted.transform(later))

    def test_later_rows_change_nothing(self, fitted: Any, train_part: "pd.DataFrame", later: "pd.DataFrame") -> None:
        import joblib

        # the hash covers the whole fitted state, also attributes that no output shows
        state, before = joblib.hash(fitted), fitted.transform(train_part)
        fitted.transform(later * 10 if self.numbers_only else later)
        assert joblib.hash(fitted) == state
        assert_equal(fitted.transform(train_part), before)

    def test_leaves_the_table_alone(self, fitted: Any, later: "pd.DataFrame") -> None:
        kept = later.copy(deep=True)
        fitted.transform(later)
        assert later.equals(kept)

    def test_row_by_row_is_as_at_once(self, fitted: Any, later: "pd.DataFrame") -> None:
        import numpy as np

        # a service predicts one row at a time: means over a batch, or categories inferred from it, would show here
        rows = [fitted.transform(later.iloc[[row]]) for row in range(len(later))]
        assert_equal(np.vstack(rows), fitted.transform(later))

    def test_takes_unknown_categories_and_holes(self, fitted: Any, later: "pd.DataFrame") -> None:
        strange = later.copy()
        strange.loc[0] = [None if dtype == "float64" else "nowhere" for dtype in strange.dtypes]
        strange.loc[1] = [None] * strange.shape[1]
        assert fitted.transform(strange).shape == fitted.transform(later).shape

    def test_finds_columns_by_name(self, fitted: Any, later: "pd.DataFrame") -> None:
        # a file may have its columns in another order, and more of them
        shuffled = later[later.columns[::-1]].assign(another="x")
        assert_equal(fitted.transform(shuffled), fitted.transform(later))

    def test_names_a_missing_column(self, fitted: Any, later: "pd.DataFrame") -> None:
        with pytest.raises(RuntreeError, match="weight"):
            fitted.transform(later.drop(columns="weight"))

    def test_reloads_the_same(self, fitted: Any, later: "pd.DataFrame", tmp_path: Path) -> None:
        # with skops, as a run saves it: load_skops refuses types that are not trusted
        save_skops(fitted, tmp_path)
        again = load_skops(tmp_path, self.make_app().plugins.trusted_types())
        assert_equal(again.transform(later), fitted.transform(later))

    def test_a_run_works_with_it(self, tmp_path: Path) -> None:
        dropped = ["data.drop=[place]"] if self.numbers_only else []
        overrides = [f"preprocess={self.option}", "algorithm=dummy", *PLAIN, *UNEXAMINED, *dropped, *self.overrides]
        run = train(*write_table(tmp_path), *overrides, folder=tmp_path, app=self.make_app())
        assert read_json(folder_of(run).record)["state"] == "completed"


def assert_equal(actual: Any, expected: Any) -> None:
    """Check that two arrays hold the same numbers, NaN included."""
    import numpy as np

    np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))
