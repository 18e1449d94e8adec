"""By which test two configurations are compared, and that its figures are those of the formula or of scipy."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats


def against(table, rank: int = 2):
    """Return what came of comparing the configuration of a rank with the best."""
    return table.lines[rank - 1].best


def corrected_t(differences, share):
    """Nadeau & Bengio 2003, written out."""
    values = np.asarray(differences)
    t = values.mean() / math.sqrt((1 / len(values) + share) * values.var(ddof=1))
    return 2 * stats.t.sf(abs(t), len(values) - 1)


def sweep(write, name, scores, folds=None, **more):
    """Write a run for each score, seeds 0, 1, …"""
    for seed, score in enumerate(scores):
        own = {} if folds is None else {"folds": folds[seed]}
        config = {"algorithm.name": name, **more.get("config", {})}
        write(f"{name}{seed}", seed=seed, score=score, **own, **{**more, "config": config})


ONE, OTHER = [0.91, 0.93, 0.90, 0.95], [0.90, 0.89, 0.88, 0.90]


def test_several_seeds_with_splits_of_their_own_are_compared_seed_by_seed(write, compared):
    sweep(write, "ridge", ONE), sweep(write, "lasso", OTHER)
    found = against(compared("e"))
    assert found.over == "seeds"
    assert found.comparison.n == 4
    assert found.comparison.value == pytest.approx(np.mean(OTHER) - np.mean(ONE))
    assert found.p == pytest.approx(corrected_t(np.subtract(OTHER, ONE), 20 / 60))


def test_the_sizes_are_those_of_the_part(write, compared):
    sizes = {"train": 50, "validation": 20, "test": 30}
    sweep(write, "ridge", ONE, sizes=sizes), sweep(write, "lasso", OTHER, sizes=sizes)
    found = against(compared("e", metric="test.accuracy"))
    assert found.p == pytest.approx(corrected_t(np.subtract(OTHER, ONE) / 2, 30 / 50))


def test_seeds_on_one_split_are_compared_by_the_plain_t(write, compared):
    same = {"config": "c", "data": "d", "split": "s"}
    sweep(write, "ridge", ONE, fingerprints=same), sweep(write, "lasso", OTHER, fingerprints=same)
    found = against(compared("e"))
    assert found.over == "seeds on one split"
    assert found.p == pytest.approx(stats.ttest_rel(OTHER, ONE).pvalue)


def test_folds_are_compared_fold_by_fold_and_seed_by_seed(write, compared):
    config = {"evaluator.name": "cross_validation", "evaluator.folds": 3}
    folds = [[0.9, 0.8, 0.95], [0.85, 0.9, 0.92]], [[0.88, 0.79, 0.9], [0.85, 0.86, 0.9]]
    for name, own in zip(("ridge", "lasso"), folds, strict=True):
        sweep(write, name, [float(np.mean(scores)) for scores in own], own, config=config)
    table = compared("e")
    found = against(table)
    assert (found.over, found.comparison.n) == ("folds", 6)
    assert found.p == pytest.approx(corrected_t(np.subtract(folds[1], folds[0]).ravel(), 1 / 2))
    assert table.lines[0].spread.over == "folds"


def test_the_test_part_has_no_folds(write, compared):
    sweep(write, "ridge", ONE[:2], [[0.9, 0.8], [0.9, 0.8]]), sweep(write, "lasso", OTHER[:2], [[0.9, 0.7], [0.9, 0.6]])
    assert against(compared("e", metric="test.accuracy")).over == "seeds"


def test_folds_tell_their_rows_and_those_in_time_are_fitted_on_less(write, compared):
    folds = [
        [{"fold": 1, "rows": 10, "accuracy": 0.7}, {"fold": 0, "rows": 20, "accuracy": score}] for score in (0.9, 0.8)
    ]
    for name, own in zip(("ridge", "lasso"), folds, strict=True):
        config = {"algorithm.name": name, "evaluator.folds": 2}
        write(name, score=own[1]["accuracy"], config=config, lines=own)
        write(f"{name}t", score=own[1]["accuracy"], config={**config, "evaluator.kind": "time"}, lines=own)
    for suffix, share in (("", 15 / 45), ("t", 2 / 3)):
        found = against(compared(f"ridge{suffix}", f"lasso{suffix}"))
        assert found.p == pytest.approx(corrected_t([-0.1, 0.0], share))


TRUTH = [0] * 30 + [1] * 30
GOOD = list(np.r_[np.linspace(0.05, 0.6, 30), np.linspace(0.35, 0.95, 30)])
POOR = list(np.r_[np.linspace(0.3, 0.8, 30), np.linspace(0.15, 0.9, 30)])


def pair(write, metric="accuracy", **more):
    ranked = {"metric": metric, "direction": "maximize", "part": "validation"}
    for name, chances in (("ridge", GOOD), ("lasso", POOR)):
        score = 0.9 if name == "ridge" else 0.7
        own = {"answers": (TRUTH, chances), "objective": ranked, "metrics": {"validation": {metric: score}}, **more}
        write(name, config={"algorithm.name": name}, **own)


def test_one_seed_is_compared_row_by_row(write, compared):
    pair(write)
    found = against(compared("e"))
    right = [(np.array(chances) > 0.5).astype(int) == np.array(TRUTH) for chances in (GOOD, POOR)]
    won, lost = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    assert (found.over, found.comparison.n) == ("rows", 60)
    assert found.comparison.method.startswith("McNemar")
    assert found.p == pytest.approx(stats.binomtest(won, won + lost).pvalue)


def test_rows_of_groups_are_no_independent_rows(write, compared):
    for name, chances in (("ridge", GOOD), ("lasso", POOR)):
        config = {"algorithm.name": name, "data.group": "customer"}
        write(name, score=0.9 if name == "ridge" else 0.7, answers=(TRUTH, chances), config=config)
    assert "treated as independent" in against(compared("e")).comparison.note


def test_areas_under_the_curve_are_compared_by_delong(write, compared):
    from sklearn.metrics import roc_auc_score

    pair(write, "roc_auc")
    found = against(compared("e"))
    assert found.comparison.method == "DeLong"
    assert found.comparison.value == pytest.approx(roc_auc_score(TRUTH, POOR) - roc_auc_score(TRUTH, GOOD))
    assert 0 < found.p < 0.05


def test_any_other_metric_is_compared_by_the_bootstrap(write, compared):
    pair(write, "f1")
    found = against(compared("e"))
    assert found.comparison.method.startswith("bootstrap")
    assert found.comparison.value < 0
    assert found.p < 0.05
    assert compared("e").lines[1].best.p == found.p, "the resamples are not the same each time"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"answers": None}, "lasso has no predictions"),
        ({"answers": (TRUTH[:-1], POOR[:-1])}, "their predictions are of other rows"),
        ({"answers": (TRUTH, POOR, "test")}, "has no predictions on the validation split"),
        ({"classes": ["a", "b"]}, "have other classes than its data"),
        ({"seed": 5}, "no two of their runs have the same seed, data and split"),
        ({"fingerprints": {"config": "x"}}, "no two of their runs have the same seed, data and split"),
    ],
)
def test_what_cannot_be_tested_says_why(write, compared, changes, why):
    write("ridge", score=0.9, answers=(TRUTH, GOOD))
    write("lasso", **{"score": 0.7, "config": {"algorithm.name": "lasso"}, "answers": (TRUTH, POOR), **changes})
    table = compared("e")
    assert why in against(table).why
    assert table.lines[1].tied is None
    assert table.lines[1].p is None


def test_a_damaged_file_of_predictions_is_no_crash(write, compared):
    pair(write)
    Path("outputs/e/lasso/predictions.parquet").write_bytes(b"PAR1 no")
    assert "cannot be read" in against(compared("e")).why


def test_missing_sizes_are_told(write, compared):
    sweep(write, "ridge", ONE, sizes={}), sweep(write, "lasso", OTHER, sizes={})
    assert "the sizes of the splits of" in against(compared("e")).why


def test_scores_on_the_train_part_are_not_tested(write, compared):
    for name, score in (("ridge", 0.9), ("lasso", 0.8)):
        write(name, config={"algorithm.name": name}, metrics={"train": {"accuracy": score}})
    assert "do not generalize to other rows" in against(compared("e", metric="train.accuracy")).why
