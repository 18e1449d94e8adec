import numpy as np
import pandas as pd

from runtree.checks.context import sample_rows
from runtree.lifecycle.split import holdout_rows

LABELS = pd.Series(["a"] * 900 + ["b"] * 97 + ["c"] * 3)


def test_a_sample_keeps_shares_rare_classes_and_order():
    rows = np.arange(1000)
    taken = sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=1)
    assert LABELS.iloc[taken].value_counts().to_dict() == {"a": 90, "b": 10, "c": 2}
    assert (np.diff(taken) > 0).all()
    assert taken.tolist() == sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=1).tolist()
    assert taken.tolist() != sample_rows(rows, LABELS, ("a", "b", "c"), 100, seed=2).tolist()


def test_few_rows_are_all_taken():
    rows = np.arange(0, 1000, 20)
    assert sample_rows(rows, LABELS, ("a", "b", "c"), 50, seed=1) is rows
    assert len(sample_rows(np.arange(1000), LABELS, (), 70, seed=1)) == 70


def test_an_evaluator_of_folds_is_given_rows_to_judge_by(looked_at):
    context = looked_at("iris", "evaluator=cross_validation")
    train, validation = holdout_rows(context.run)
    assert context.parts == ["train", "test"]
    assert len(validation) == 30
    assert sorted([*train, *validation]) == context.run.split.train.tolist()
