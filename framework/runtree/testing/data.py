"""The suite for an option of the group `data`."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtree.config.build import build
from runtree.lifecycle import load
from runtree.lifecycle.table_options import TABLE_KEYS, source_node
from runtree.testing.fixtures import PLAIN, UNEXAMINED, compose, train
from runtree.testing.suite import TINY, Suite, folder_of, read_json


@TINY
class DataSuite(Suite):
    """Checks that a data source returns a valid table, the same one on each call.

    ::

        class TestSensors(DataSuite):
            option = "sensors"
            overrides = ["data.path=tests/sensors.csv"]
    """

    option: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls) -> list[str]:
        """Return the overrides that select the source; override it if a file has to be written first."""
        return [f"data={cls.option}", *cls.overrides]

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, source_overrides: list[str]) -> dict[str, Any]:
        """Return the composed config."""
        return compose(*source_overrides, app=cls.make_app()).config

    @pytest.fixture
    def source(self, config: dict[str, Any], source_overrides: list[str]) -> Any:
        """Return the data source."""
        return build(source_node(config["data"]), "data", self.make_app().allow_list(source_overrides))

    def test_config_is_named_like_the_option(self, config: dict[str, Any]) -> None:
        assert config["data"]["name"] == self.option

    def test_has_the_keys_that_every_source_has(self, config: dict[str, Any]) -> None:
        # an option without them would refuse `data.sample=…` as an unknown key
        missing = [key for key in TABLE_KEYS if key not in config["data"]]
        assert missing == [], "the defaults list of the file must begin with _table_"

    def test_gives_rows_with_the_target(self, source: Any, config: dict[str, Any]) -> None:
        import pandas as pd

        frame = source.load()
        assert isinstance(frame, pd.DataFrame)
        assert len(frame)
        assert config["data"]["target"] in frame.columns
        assert frame.columns.is_unique

    def test_is_a_sound_table(self, config: dict[str, Any], source_overrides: list[str]) -> None:
        table = load.load(config, self.make_app().allow_list(source_overrides))
        assert len(table.features) == len(table.target)
        assert table.features.shape[1]

    def test_same_fingerprint_each_time(self, config: dict[str, Any], source_overrides: list[str]) -> None:
        trust = self.make_app().allow_list(source_overrides)
        # two loads and not one load hashed twice: a source that shuffles or draws random numbers shows
        assert load.load(config, trust).fingerprint == load.load(config, trust).fingerprint

    def test_a_changed_table_changes_no_later_one(self, source: Any, config: dict[str, Any]) -> None:
        # a worker of a sweep calls `load` once and shares the table among runs, so a cache in the source must not hand
        # out its own object
        first = source.load()
        kept = first.copy(deep=True)
        del first[config["data"]["target"]]
        first.iloc[:, 0] = first.iloc[::-1, 0].to_numpy()
        assert source.load().equals(kept)

    def test_a_run_works_on_it(self, source_overrides: list[str], tmp_path: Path) -> None:
        run = train(*source_overrides, "algorithm=dummy", *PLAIN, *UNEXAMINED, folder=tmp_path, app=self.make_app())
        description = read_json(folder_of(run).data)
        assert description["rows"] == len(run.data.features)
        assert description["fingerprint"] == run.data.fingerprint
