"""Each shipped data source passes the suite that a third party's has to pass."""

import sqlite3

import numpy as np
import pytest

from conformance.shipped import class_name, options
from runtree.testing import DataSuite, tiny_table
from runtree.testing.fixtures import TARGET, quoted

FROM_FILES = ("csv", "parquet", "arrow", "json", "excel", "file", "sql", "image_folder", "image_arrays")  # suites below
SMALL = {"digits": ["data.sample=300"]}

for _option in options("data"):
    if _option not in FROM_FILES:
        _name = class_name(_option)
        globals()[_name] = type(
            _name, (DataSuite,), {"option": _option, "overrides": SMALL.get(_option, []), "__module__": __name__}
        )


class TestCsv(DataSuite):
    option = "csv"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "table.csv"
        tiny_table().to_csv(file, index=False)
        return ["data=csv", f"data.path={quoted(file)}", f"data.target={TARGET}"]


class TestParquet(DataSuite):
    option = "parquet"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "table.parquet"
        tiny_table("regression").to_parquet(file)
        return ["data=parquet", f"data.path={quoted(file)}", f"data.target={TARGET}"]


class TestFile(DataSuite):
    """Arrow, JSON lines and Excel are options with the same class and another format."""

    option = "file"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        folder = tmp_path_factory.mktemp("data")
        for part in range(2):
            tiny_table(rows=40, seed=part).to_json(folder / f"{part}.jsonl", orient="records", lines=True)
        return ["data=file", f"data.path={quoted(folder)}", f"data.target={TARGET}"]


class TestSql(DataSuite):
    option = "sql"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "shop.db"
        with sqlite3.connect(file) as connection:
            tiny_table().to_sql("orders", connection, index=False)
        connection.close()
        return ["data=sql", f"data.url={quoted(f'sqlite:///{file}')}", "data.table=orders", f"data.target={TARGET}"]


class TestImageFolder(DataSuite):
    option = "image_folder"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        image = pytest.importorskip("PIL.Image")
        folder = tmp_path_factory.mktemp("pictures")
        for number in range(40):
            file = folder / ("light", "dark")[number % 2] / f"{number}.png"
            file.parent.mkdir(exist_ok=True)
            image.new("L", (4, 4), number * 5).save(file)
        # A file's name tells nothing to the default preprocessing.
        return ["data=image_folder", f"data.path={quoted(folder)}", "preprocess=raw"]


class TestImageArrays(DataSuite):
    option = "image_arrays"

    @pytest.fixture(scope="class")
    @classmethod
    def source_overrides(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        file = tmp_path_factory.mktemp("data") / "pictures.npz"
        images = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 3), dtype=np.uint8)
        np.savez(file, images=images, labels=np.arange(40) % 2)
        return ["data=image_arrays", f"data.path={quoted(file)}"]
