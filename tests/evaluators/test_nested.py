"""Nested cross-validation is scikit-learn's `cross_val_score(GridSearchCV(…))`, and keeps what was estimated."""

import json
import math

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from runtree.contract.errors import ConfigError, RunFailedError
from runtree.evaluators.nested_cross_validation import NestedCrossValidation
from runtree.testing.fixtures import UNEXAMINED, train, write_table
from runtree.tuners.grid import Grid

SEED = 7
NESTED = ["evaluator=nested_cross_validation", "objective.metric=accuracy", f"seed={SEED}", "compute=cpu", *UNEXAMINED]
SMALL = ["evaluator.folds=3", "evaluator.inner_folds=3"]
SPACE = "algorithm.space={n_neighbors: 'choice(1, 5, 15)', weights: 'choice(uniform, distance)'}"
KNN = ["algorithm=knn", SPACE, "~algorithm.space.p", "evaluator.tuner=grid", *SMALL]


def splitter():
    return StratifiedKFold(3, shuffle=True, random_state=SEED)


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nested")
    return train(*write_table(folder), *NESTED, *KNN, folder=folder)


def search(nested):
    grid = {"algorithm__n_neighbors": [1, 5, 15], "algorithm__weights": ["uniform", "distance"]}
    return GridSearchCV(clone(nested.model), grid, cv=splitter())


def test_outer_scores_equal_scikit_learns(nested):
    expected = cross_val_score(search(nested), *nested.select("train"), cv=splitter())
    assert [fold["accuracy"] for fold in nested.folds] == expected.tolist()
    assert nested.metrics["validation"]["accuracy"] == pytest.approx(expected.mean())


def test_the_kept_model_is_what_the_same_search_finds_in_all_rows(nested):
    expected = search(nested).fit(*nested.select("train"))
    chosen = {f"algorithm__{path.partition('.')[2]}": value for path, value in nested.search_result.values.items()}
    assert chosen == expected.best_params_
    assert nested.search_result.score == pytest.approx(expected.best_score_)
    assert nested.model[-1].get_params()["n_neighbors"] == expected.best_params_["algorithm__n_neighbors"]
    features = nested.select("test")[0]
    assert nested.model.predict(features).tolist() == expected.predict(features).tolist()


def test_it_is_told_what_each_fold_chose_and_how_optimistic_that_was(nested):
    kept = json.loads((nested.folder / "metrics.json").read_text())["search"]
    assert (kept["metric"], kept["direction"], kept["tuner"]) == ("accuracy", "maximize", "grid")
    assert kept["chosen"] == nested.search_result.values
    folds = kept["folds"]
    assert [fold["outer"] for fold in folds] == [fold["accuracy"] for fold in nested.folds]
    assert kept["optimism"] == pytest.approx(sum(fold["inner"] - fold["outer"] for fold in folds) / 3)


def test_candidates_and_folds_are_steps_one_after_the_other(nested):
    lines = [json.loads(line) for line in (nested.folder / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 6 + 3 * 7 + 1))
    assert [line["step"] for line in lines if "validation_accuracy" in line] == [13, 20, 27]


def test_what_is_typed_is_not_searched(tmp_path):
    typed = [*write_table(tmp_path), *NESTED, *KNN, "algorithm.weights=distance"]
    run = train(*typed, folder=tmp_path)
    assert list(run.search_result.values) == ["algorithm.n_neighbors"]
    assert run.model[-1].weights == "distance"
    with pytest.raises(ConfigError, match="no dimension left to search"):
        train(*typed, "algorithm.n_neighbors=3", folder=tmp_path)


def test_a_tuner_that_learns_is_asked_again_in_each_fold(tmp_path):
    asked = ["algorithm=ridge", "evaluator.tuner=tpe", "evaluator.candidates=4", "objective.metric=rmse", *SMALL]
    run = train(*write_table(tmp_path, "regression"), *NESTED, *asked, folder=tmp_path)
    assert run.search_result.tried == 4
    assert len(run.details["search"]["folds"]) == 3


def test_candidates_that_cannot_be_fitted_are_passed_over(tmp_path):
    asked = [*write_table(tmp_path), *NESTED, *KNN, "algorithm.weights=uniform"]
    run = train(*asked, "algorithm.space={n_neighbors: 'choice(5, 70)'}", folder=tmp_path)
    assert run.search_result.values == {"algorithm.n_neighbors": 5}
    with pytest.raises(RunFailedError, match="none of 2 candidates"):
        train(*asked, "algorithm.space={n_neighbors: 'choice(70, 71)'}", folder=tmp_path)


def test_a_grid_is_cut_only_by_request_and_that_is_a_warning(tmp_path, caplog):
    tuners = {"all": Grid(), "some": object()}
    limits = {name: NestedCrossValidation(tuner=name, tuners=tuners).search.candidates for name in tuners}
    assert limits == {"all": math.inf, "some": 20}
    asked = [*write_table(tmp_path), *NESTED, *KNN, "algorithm.weights=uniform"]
    for candidates, warned in ((2, True), (3, False)):
        caplog.clear()
        run = train(*asked, f"evaluator.candidates={candidates}", folder=tmp_path)
        assert run.search_result.tried == candidates
        assert ("the grid has more candidates" in caplog.text) is warned
