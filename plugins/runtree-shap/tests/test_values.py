"""The values are those of SHAP's own explainers, and add up to what the model says."""

from typing import Any

import numpy as np
import pytest
from runtree_shap.explainers import explain, linear_values, permutation_values, tree_values
from runtree_shap.settings import Settings, Skipped, divide_budget
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.normal(size=(80, 5))
SUM = 2 * ROWS[:, 0] - ROWS[:, 1] + 0.1 * GENERATOR.normal(size=80)
CLASSES = np.array(["a", "b", "c"])[np.digitize(SUM, [-1, 1])]

pytestmark = pytest.mark.filterwarnings("ignore")  # SHAP's own, at import


def test_linear_values_are_shap_s() -> None:
    import shap

    model = LinearRegression().fit(ROWS, SUM)
    reference = shap.LinearExplainer(model, shap.maskers.Independent(ROWS, max_samples=len(ROWS)))(ROWS[:10])
    values, base = linear_values(model, ROWS, ROWS[:10])
    assert values[:, :, 0] == pytest.approx(reference.values)
    assert base[0] == pytest.approx(reference.base_values[0])


def test_linear_classes_add_up_to_the_decision_function() -> None:
    model = LogisticRegression().fit(ROWS, CLASSES)
    found = explain(model, ("a", "b", "c"), ROWS, ROWS[:10], Settings(), seed=0)
    assert (found.explainer, found.explains) == ("linear", "decision function")
    assert found.base + found.values.sum(axis=1) == pytest.approx(model.decision_function(ROWS[:10]))


def test_a_log_link_is_explained_on_its_own_scale() -> None:
    model = PoissonRegressor().fit(ROWS, np.exp(SUM / 3))
    found = explain(model, (), ROWS, ROWS[:10], Settings(), seed=0)
    assert (found.explainer, found.explains) == ("linear", "logarithm of the prediction")
    assert np.exp(found.base + found.values.sum(axis=1))[:, 0] == pytest.approx(model.predict(ROWS[:10]))


def test_tree_values_add_up_to_the_probabilities() -> None:
    model = RandomForestClassifier(10, random_state=0).fit(ROWS, CLASSES)
    values, base = tree_values(model, ROWS[:10])
    assert base + values.sum(axis=1) == pytest.approx(model.predict_proba(ROWS[:10]))


def test_of_two_classes_the_second_is_explained() -> None:
    two = np.where(SUM > 0, "yes", "no")
    model = RandomForestClassifier(10, random_state=0).fit(ROWS, two)
    found = explain(model, ("no", "yes"), ROWS, ROWS[:10], Settings(), seed=0)
    assert found.values.shape == (10, 5, 1)
    assert (found.base + found.values.sum(axis=1))[:, 0] == pytest.approx(model.predict_proba(ROWS[:10])[:, 1])


@pytest.mark.parametrize("model", [RandomForestClassifier(10, random_state=0), LogisticRegression()])
def test_of_two_classes_the_positive_is_explained_even_if_it_is_the_models_first(model: Any) -> None:
    model.fit(ROWS, np.where(SUM > 0, "yes", "no"))
    found = explain(model, ("yes", "no"), ROWS, ROWS[:10], Settings(), seed=0)
    forest = isinstance(model, RandomForestClassifier)
    expected = model.predict_proba(ROWS[:10])[:, 0] if forest else -model.decision_function(ROWS[:10])
    assert (found.base + found.values.sum(axis=1))[:, 0] == pytest.approx(expected)


def pairs(rows: Any) -> Any:
    """Return a function whose features interact in pairs."""
    return np.column_stack([rows[:, 0] * rows[:, 1] + rows[:, 2], rows[:, 3] - rows[:, 4] * rows[:, 0]])


def test_permutations_are_exact_for_pairs() -> None:
    import shap

    exact = shap.ExactExplainer(pairs, shap.maskers.Independent(ROWS[:20], max_samples=20))(ROWS[:6])
    values, base = permutation_values(pairs, ROWS[:6], ROWS[:20], permutations=1, seed=0)
    assert values == pytest.approx(exact.values, abs=1e-9)
    assert base == pytest.approx(exact.base_values[0])


def test_when_time_is_up_the_rows_so_far_are_as_they_would_be() -> None:
    whole, _ = permutation_values(pairs, ROWS[:6], ROWS[:20], permutations=1, seed=0)
    part, _ = permutation_values(pairs, ROWS[:6], ROWS[:20], permutations=1, seed=0, seconds=0.0)
    assert part.tolist() == whole[: len(part)].tolist()
    assert len(part) == 1


@pytest.mark.parametrize("features", [1, 6, 64, 1000, 9000])
def test_no_more_predictions_than_allowed(features: int) -> None:
    budget = divide_budget(Settings(), features)
    assert budget.rows * 2 * (features + 1) * budget.background * budget.permutations <= Settings().evaluations
    assert min(budget.rows, budget.background, budget.permutations) >= 1


def test_too_many_features_are_refused_with_a_way_out() -> None:
    with pytest.raises(Skipped, match=r"raise explain\.evaluations"):
        divide_budget(Settings(), 20_000)
