"""Each algorithm that can be chosen is explained, or a file says why not; its values add up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtree.app import App
from runtree.config.catalogue import differs_by_task
from runtree.testing import train, write_table
from runtree.testing.fixtures import UNEXAMINED, cases_of
from runtree.testing.suite import read_json

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TREES = {"decision_tree", "random_forest", "extra_trees", "hist_gradient_boosting", "lightgbm"}
LINEAR = {"linear", "ridge", "lasso", "elastic_net", "logistic", "lda", "poisson", "gamma", "huber", "linear_svm"}
QUICK = {
    "gaussian_process": ["algorithm.n_restarts_optimizer=0"],
    "mlp": ["algorithm.max_iter=20"],
    "bagging": ["algorithm.n_estimators=5"],
    "adaboost": ["algorithm.n_estimators=5"],
    "random_forest": ["algorithm.n_estimators=10"],
    "extra_trees": ["algorithm.n_estimators=10"],
    "gradient_boosting": ["algorithm.n_estimators=10"],
    "hist_gradient_boosting": ["algorithm.max_iter=10"],
    "lightgbm": ["algorithm.n_estimators=10"],
    "torch_mlp": ["algorithm.max_epochs=3"],
    "torch_module": ["algorithm.max_epochs=3"],
    "torch_resnet": ["algorithm.max_epochs=3"],
    "torch_cnn": ["algorithm.max_epochs=1", "algorithm.image_shape=[1,1,-1]", "data.drop=[place]"],
    "torch_sequence": ["algorithm.max_epochs=1", "data.drop=[place]"],
}
EXACT, SINGLE = 1e-6, 1e-4  # how well values add up; networks compute with single precision


def choices() -> Iterator[tuple[str, str]]:
    """Yield each algorithm with each kind of target that it serves."""
    for name, option in App().catalogue.groups["algorithm"].items():
        node = option.read()
        if "???" in node.values():  # it names code of one's own
            continue
        target = node.get("_target_")
        tasks = list(target) if differs_by_task(target) else ["classification", "regression"]
        yield from ((name, case) for case in cases_of(tasks) if target is not None)


@pytest.mark.parametrize(("algorithm", "case"), list(choices()))
def test_is_explained(algorithm: str, case: Any, tmp_path: Path) -> None:
    if algorithm.startswith("torch_"):
        pytest.importorskip("torch", reason="networks need the extra torch")
    small = ["+explain=default", "explain.rows=12", "explain.evaluations=1500", "compute=cpu", "compute.threads=1"]
    asked = [*write_table(tmp_path, case), f"algorithm={algorithm}", *small, *QUICK.get(algorithm, [])]
    run = train(*asked, *UNEXAMINED, folder=tmp_path)

    assert not (run.folder / "explain" / "skipped.json").exists()
    told = read_json(run.folder / "explain" / "importance.json")
    values = pd.read_parquet(run.folder / "explain" / "shap_values.parquet")
    assert told["additivity"] < (SINGLE if algorithm.startswith("torch_") else EXACT)
    assert told["rows"] == 12
    assert set(values["row"]) <= set(run.split.test)
    assert len(values) == 12 * (3 if case == "multiclass" else 1)
    assert list(values.columns[3:]) == run.model[:-1].get_feature_names_out().tolist()
    assert np.isfinite(values.iloc[:, 2:].to_numpy()).all()
    if algorithm in TREES:
        assert told["explainer"] == "tree"
    if algorithm in LINEAR:
        assert told["explainer"] == "linear"
