"""A fixed threshold holds in the folds too, and in the search before them."""

import pytest

from runtree.testing.fixtures import UNEXAMINED, train, write_table

NESTED = ["evaluator.folds=2", "evaluator.inner_folds=2", "evaluator.candidates=2"]


@pytest.mark.parametrize("evaluator", [["cross_validation", "evaluator.folds=3"], ["nested_cross_validation", *NESTED]])
def test_the_folds_are_cut_where_the_model_is(evaluator, tmp_path, monkeypatch):
    from runtree.training import fold_runner

    seen = []
    fit_fold = fold_runner.fit_fold
    monkeypatch.setattr(fold_runner, "fit_fold", lambda *given: seen.append(fit_fold(*given)) or seen[-1])
    table = write_table(tmp_path)
    run = train(
        *table,
        "algorithm=logistic",
        f"evaluator={evaluator[0]}",
        *evaluator[1:],
        "decision.threshold=0.8",
        *UNEXAMINED,
        folder=tmp_path,
    )
    assert len(seen) >= 3
    for answers, _ in seen:
        assert (answers.y_pred == (answers.score[:, 1] >= 0.8)).all()
    found = run.predictions
    assert ((found["y_pred"] == "yes") == (found["p_yes"] >= 0.8)).all()
    assert ((found["p_yes"] > 0.5) & (found["y_pred"] == "no")).any()
