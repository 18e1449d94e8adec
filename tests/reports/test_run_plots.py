import json

import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from runtree.records.layout import RunFolder
from runtree.reports.plots.draw import draw_run_plots
from runtree.reports.run.content import read_run_content

ALWAYS = {
    "baselines",
    "slices",
    "fairness",
    "importance",
    "robustness",
    "dependence",
    "training_size",
    "learning_curve",
    "calibration",
    "threshold",
}
OF_CASE = {
    "binary": {"confusion", "roc", "precision_recall"},
    "multiclass": {"confusion", "roc", "precision_recall"},
    "many": {"confusion", "roc", "precision_recall"},
    "regression": {"predicted_actual", "residuals"},
}


def drawn(record, folder) -> dict[str, dict]:
    """Return what each picture says it shows."""
    names = draw_run_plots(read_run_content(record), folder)
    assert [name for name in names if name.endswith(".svg")] == [
        f"{name[:-5]}.svg" for name in names if name.endswith(".json")
    ]
    return {name[:-5]: json.loads((folder / name).read_text()) for name in names if name.endswith(".json")}


@pytest.mark.parametrize("case", OF_CASE)
def test_predictions_that_are_not_finite_are_not_drawn(write, folder, case, caplog):
    record = write(case, found={})
    file = RunFolder(record.folder).predictions
    table = pd.read_parquet(file)
    table.loc[table["part"] == "test", table.columns[-1]] = float("nan")
    table.to_parquet(file, index=False)
    assert not set(drawn(record, folder / "plots")) & OF_CASE[case]
    assert not caplog.records


@pytest.mark.parametrize("case", OF_CASE)
def test_each_case_has_the_pictures_that_apply(write, folder, case, caplog):
    record = write(case) if case == "binary" else write(case, found={})
    told = drawn(record, folder / "plots")
    assert told.keys() == OF_CASE[case] | (ALWAYS if case == "binary" else {"learning_curve"})
    assert not caplog.records
    assert all(one["title"] and one["says"] for one in told.values())
    assert all((folder / "plots" / f"{name}.svg").stat().st_size < 200_000 for name in told)


def test_without_an_evaluation_only_the_predictions_are_drawn(write, folder):
    assert drawn(write(found={}), folder / "plots").keys() == OF_CASE["binary"] | {"calibration", "learning_curve"}


def test_without_predictions_only_the_evaluation_is_drawn(write, folder):
    record = write()
    (record.folder / "predictions.parquet").unlink()
    assert drawn(record, folder / "plots").keys() == ALWAYS


def test_a_model_without_chances_has_no_curves(write, folder):
    record, file = write(found={}), "predictions.parquet"
    import pandas as pd

    pd.read_parquet(record.folder / file).drop(columns=["p_no", "p_yes"]).to_parquet(record.folder / file)
    assert drawn(record, folder / "plots").keys() == {"confusion", "learning_curve"}


def test_the_curves_are_those_of_scikit_learn(write, folder):
    record = write(found={})
    answers = read_run_content(record).predictions
    told = drawn(record, folder / "plots")
    assert told["roc"]["curves"][0]["area"] == pytest.approx(roc_auc_score(answers.y_true, answers.score[:, 1]))
    area = average_precision_score(answers.y_true, answers.score[:, 1])
    assert told["precision_recall"]["curves"][0]["area"] == pytest.approx(area)
    assert told["roc"]["curves"][0]["points"][0] == [0, 0]
    assert told["roc"]["curves"][0]["points"][-1] == [1, 1]


def test_the_confusion_counts_every_row_of_the_test_part(write, folder):
    record = write("multiclass", found={})
    counts = drawn(record, folder / "plots")["confusion"]["counts"]
    assert sum(map(sum, counts)) == len(read_run_content(record).predictions.y_true) == 120
    right = sum(counts[code][code] for code in range(3))
    assert right == (read_run_content(record).predictions.y_true == read_run_content(record).predictions.y_pred).sum()


def test_of_many_classes_only_the_worst_have_a_curve(write, folder):
    told = drawn(write("many", found={}), folder / "plots")
    assert len(told["roc"]["curves"]) == 10
    assert "of 45" in told["roc"]["says"]
    assert "<!-- 17 -->" not in (folder / "plots/confusion.svg").read_text()  # no counts that nobody can read


def test_of_many_rows_a_few_are_drawn_and_that_is_said(write, folder):
    told = drawn(write("regression", rows=9000, found={}), folder / "plots")
    assert (told["residuals"]["shown"], told["residuals"]["of"]) == (1500, 9000)
    assert "1,500 of 9,000 rows are drawn" in told["residuals"]["says"]
    assert (folder / "plots/residuals.svg").stat().st_size < 200_000
    curves = drawn(write("binary", "other", rows=9000, found={}), folder / "more")["roc"]["curves"]
    assert len(curves[0]["points"]) <= 402


def test_a_picture_that_fails_is_a_warning_and_the_others_are_drawn(write, folder, caplog):
    found = {
        "importance": {"features": [{"feature": "a", "mean": "no number"}]},
        "slices": [{"where": "x", "value": 0.5, "overall": 0.4}],
    }
    told = drawn(write(found=found), folder / "plots")
    assert "slices" in told
    assert "importance" not in told
    assert "plots/importance is left out" in caplog.text


def test_no_window_is_opened(write, folder):
    import matplotlib.pyplot as pyplot

    before = pyplot.get_fignums()
    draw_run_plots(read_run_content(write(found={})), folder / "plots")
    assert pyplot.get_fignums() == before
