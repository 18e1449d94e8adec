import numpy as np
import pytest

from runtree.evaluation.diagnosis.convergence import convergence_findings

HONOURS = ("max_iterations", "patience")
ENDED = {"unit": "epoch", "iterations": 40, "reason": "max_iterations"}


def history(values, seed=0, noise=0.004):
    scattered = np.asarray(values) + noise * np.random.default_rng(seed).normal(size=len(values))
    return [
        {"step": step, "validation_balanced_accuracy": float(value), "train_loss": 1.0}
        for step, value in enumerate(scattered, start=1)
    ]


def look(context, guessing, values, ending=ENDED, seed=0):
    made = context(guessing(0, {"validation": 50}), history=history(values, seed), ending=ending, honours=HONOURS)
    return {finding.name: finding for finding in convergence_findings(made)}


def test_a_rising_curve_is_advised_more_iterations(context, guessing):
    found = look(context, guessing, np.linspace(0.5, 0.8, 40))
    assert found["budget"].level == "note"
    assert "fit.max_iterations=80" in found["budget"].advice


def test_a_flat_curve_is_good_over_many_seeds(context, guessing):
    flat = 0.9 - 0.4 * np.exp(-np.arange(40) / 4)
    levels = [look(context, guessing, flat, seed=seed)["budget"].level for seed in range(100)]
    assert levels.count("good") >= 98


def test_a_curve_that_fell_since_its_best_is_a_warning(context, guessing):
    steps = np.arange(40)
    turned = 0.9 - 0.002 * np.abs(steps - 12) ** 1.5
    found = look(context, guessing, turned)["overtraining"]
    assert (found.level, found.advice) == ("warning", "keep the best: fit.patience.checks=10")
    assert 9 <= found.values["best"] <= 16
    kept = look(context, guessing, turned, {**ENDED, "reason": "patience", "best": 13})["overtraining"]
    assert kept.level == "good"


@pytest.mark.parametrize("reason", ["tolerance", "patience"])
def test_a_converged_fit_is_not_advised_more_iterations(context, guessing, reason):
    assert "budget" not in look(context, guessing, np.linspace(0.5, 0.8, 40), {**ENDED, "reason": reason})


def test_a_solver_that_reached_its_limit_is_a_note_without_a_history(context, guessing):
    cut = {"unit": "iteration", "iterations": 100, "reason": "max_iterations"}
    made = context(guessing(0, {"validation": 50}), ending=cut, honours=HONOURS)
    assert [finding.advice for finding in convergence_findings(made)] == ["train longer: fit.max_iterations=500"]
    assert not list(
        convergence_findings(context(guessing(0, {"validation": 50}), ending={**cut, "unit": "tree"}, honours=HONOURS))
    )
