"""Each shipped data source passes the suite that a third party's has to pass."""

import pytest

from conformance.shipped import class_name, options
from runtree.testing import DataSuite, tiny_table
from runtree.testing.fixtures import TARGET, quoted

SMALL = {"digits": ["data.sample=300"]}

for _option in options("data"):
    if _option not in ("csv", "parquet"):  # these need a file, below
        _name = class_name(_option)
        globals()[_name] = type(
            _name, (DataSuite,), {"option": _option, "overrides": SMALL.get(_option, []), "__module__": __name__}
        )


class TestCsv(DataSuite):
    option = "csv"

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "table.csv"
        tiny_table().to_csv(file, index=False)
        return ["data=csv", f"data.path={quoted(file)}", f"data.target={TARGET}"]


class TestParquet(DataSuite):
    option = "parquet"

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "table.parquet"
        tiny_table("regression").to_parquet(file)
        return ["data=parquet", f"data.path={quoted(file)}", f"data.target={TARGET}"]
