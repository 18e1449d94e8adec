"""How much of the rows a fold was scored on is read from what the folds recorded."""

import json

import pytest

from runtree.records.compare.configurations import RankingMetric
from runtree.records.compare.run_data import RunData
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.record import read_record

LINES = [{"fold": 0, "rows": 10, "train_rows": 20}, {"fold": 1, "rows": 10, "train_rows": 30}]


def test_folds_are_read_line_by_line_with_their_seconds(write):
    path = write("r1", folds=[0.5, 0.6])
    record = read_record(RunFolder(path))
    assert RunReader(record.folder).folds == [{"fold": 0, "accuracy": 0.5}, {"fold": 1, "accuracy": 0.6}]
    lines = [{**line, "accuracy": 0.5, "fit_seconds": 0.1} for line in LINES]
    (path / "folds.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n{torn")
    assert RunReader(record.folder).folds == lines


def test_the_share_of_folds_in_time_is_their_own(write):
    path = write("r1", folds=[0.5, 0.6], config={"evaluator.folds": 2})
    (path / "folds.jsonl").write_text("\n".join(json.dumps({**line, "accuracy": 0.5}) for line in LINES))
    evidence = RunData(read_record(RunFolder(path)), RankingMetric("validation", "accuracy", "maximize"))
    assert evidence.test_train_ratio == pytest.approx(20 / 50)
