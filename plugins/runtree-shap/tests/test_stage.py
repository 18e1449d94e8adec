"""What the stage writes, how it is set, and that its failures stay its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtree.testing import train, write_table
from runtree.testing.fixtures import UNEXAMINED
from runtree.testing.suite import read_json

PLAIN = ("compute=cpu", "compute.threads=1", "algorithm=ridge", *UNEXAMINED)


def test_importance_is_the_mean_absolute_value(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path, "multiclass"), *PLAIN, folder=tmp_path)
    values = pd.read_parquet(run.folder / "explain" / "shap_values.parquet")
    table = pd.read_csv(run.folder / "explain" / "importance.csv")
    for line in table.itertuples():
        assert line.importance == pytest.approx(values[line.feature].abs().mean())
    assert table["importance"].is_monotonic_decreasing
    assert {f"importance_{label}" for label in run.data.classes} < set(table.columns)
    told = read_json(run.folder / "explain" / "importance.json")
    assert [item["feature"] for item in told["importance"]] == table["feature"].tolist()


def test_values_add_up_to_the_predictions(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path, "regression"), *PLAIN, folder=tmp_path)
    values = pd.read_parquet(run.folder / "explain" / "shap_values.parquet").set_index("row")
    told = run.predictions.set_index("row")["y_pred"]
    sums = values.drop(columns="output").sum(axis=1)
    assert sums.to_numpy() == pytest.approx(told[sums.index].to_numpy())
    assert (values["output"] == "prediction").all()


def test_rows_are_set_by_the_group(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *PLAIN, "+explain=default", "explain.rows=3", folder=tmp_path)
    assert read_json(run.folder / "explain" / "importance.json")["rows"] == 3


def test_rows_are_set_without_the_group(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *PLAIN, "+explain.rows=4", folder=tmp_path)
    assert read_json(run.folder / "explain" / "importance.json")["rows"] == 4


def test_none_explains_nothing(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *PLAIN, "+explain=none", folder=tmp_path)
    assert not (run.folder / "explain").exists()
    assert not (run.folder / "plots" / "shap_summary.svg").exists()


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    table = write_table(tmp_path)
    first, second = (train(*table, *PLAIN, "algorithm=knn", folder=tmp_path).folder for _ in range(2))
    for name in ("explain/shap_values.parquet", "explain/importance.json", "plots/shap_summary.svg"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize(
    ("setting", "why"),
    [("+explain.rowz=1", "explain.rowz"), ("+explain.shown=0", "explain.shown"), ("+explain.rows=x", "")],
)
def test_a_wrong_setting_is_told_and_the_run_goes_on(setting: str, why: str, tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *PLAIN, setting, folder=tmp_path)
    assert why in read_json(run.folder / "explain" / "skipped.json")["reason"]
    assert "is not explained" in (run.folder / "log.txt").read_text()
    assert read_json(run.folder / "run.json")["state"] == "completed"


def broken(*arguments: Any) -> None:
    raise RuntimeError("broken on purpose")


def test_a_failure_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtree_shap.explanation.explain", broken)
    run = train(*write_table(tmp_path), *PLAIN, folder=tmp_path)
    told = read_json(run.folder / "explain" / "skipped.json")
    assert told == {"reason": "RuntimeError: broken on purpose"}
    assert [file.name for file in (run.folder / "explain").iterdir()] == ["skipped.json"]
    lines = [line for line in (run.folder / "log.txt").read_text().splitlines() if "WARNING" in line]
    assert len(lines) == 1


def test_a_picture_that_fails_leaves_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtree_shap.stage.write_plot", broken)
    run = train(*write_table(tmp_path), *PLAIN, folder=tmp_path)
    assert (run.folder / "explain" / "shap_values.parquet").is_file()
    assert "the plot is left out" in (run.folder / "log.txt").read_text()


def test_numpy_s_global_generator_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtree_shap import plugin, stage

    states: list[bool] = []

    def watched(run: Any) -> None:
        before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
        original(run)
        states.append(np.random.get_state()[1].tolist() == before)  # type: ignore[index,union-attr]

    original = stage.explain_run
    monkeypatch.setattr(stage, "explain_run", watched)
    train(*write_table(tmp_path), *PLAIN, "algorithm=knn", folder=tmp_path)
    assert plugin.explain
    assert states == [True]


def test_a_feature_may_be_called_row(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    frame = pd.DataFrame({"row": np.arange(60.0), "output": np.arange(60.0) % 7, "y": np.arange(60.0) * 2})
    frame.to_csv(file, index=False)
    asked = ("data=csv", f"data.path={file}", "data.target=y", "data.task=regression")
    run = train(*asked, *PLAIN, folder=tmp_path)
    values = pd.read_parquet(run.folder / "explain" / "shap_values.parquet")
    assert list(values.columns) == ["row", "output", "base_value", "row_feature", "output_feature"]


@pytest.mark.parametrize(("case", "kind"), [("binary", "swarm"), ("regression", "swarm"), ("multiclass", "bars")])
def test_the_picture_says_what_it_shows(case: Any, kind: str, tmp_path: Path) -> None:
    run = train(*write_table(tmp_path, case), *PLAIN, folder=tmp_path)
    data = json.loads((run.folder / "plots" / "shap_summary.json").read_text())
    text = (run.folder / "plots" / "shap_summary.svg").read_text()
    assert data["kind"] == kind
    assert data["features"][0] == pd.read_csv(run.folder / "explain" / "importance.csv")["feature"][0]
    assert all(f">{name}</text>" in text for name in data["features"])
    assert "SHAP value" in text


def test_no_figure_is_left_open(tmp_path: Path) -> None:
    train(*write_table(tmp_path), *PLAIN, folder=tmp_path)
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
