"""What an algorithm cannot take is told of the column that it is about, whatever algorithm and preprocessing.

The rooms are called as the stages do, on forty rows: each shipped algorithm, with each shipped preprocessing.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from conformance.shipped import RUN_CODE
from runtree.app import App
from runtree.config.build import build_algorithm
from runtree.config.catalogue import for_task
from runtree.config.freeze import register_resolvers
from runtree.contract.errors import DataError
from runtree.contract.iteration import UNWATCHED
from runtree.lifecycle.load import to_table
from runtree.lifecycle.table_options import table_options
from runtree.plugins import BUILTIN, make_plugins
from runtree.training.pipeline import fit_algorithm, fit_preprocess

pytestmark = pytest.mark.filterwarnings("ignore")  # of scikit-learn, about two iterations

ROWS = 40
APP = App(make_plugins(found=[]))
PREPROCESSINGS = ("tabular", "standard", "raw", "none")
# torch's are for machines that have it, and some options name code of the user's own
ALGORITHMS = [
    name
    for name, option in APP.catalogue.groups["algorithm"].items()
    if option.provider == BUILTIN and not name.startswith("torch") and name not in RUN_CODE
]
SHORTENED = ("n_estimators", "max_iter")
INFINITY = {
    "tabular": "column 'b' holds infinity",
    "standard": "column 'b' holds infinity",
    "none": "column 'b' holds infinity",
}


def option(group, name):
    root = {"seed": 0, "zoo": "zoo", "compute": {"threads": 1}, "fit": {}, group: APP.catalogue.node(group, name)}
    return OmegaConf.to_container(OmegaConf.create({"algorithm": {}} | root), resolve=True)[group]


def table(task, **changed):
    dice = np.random.default_rng(0)
    frame = pd.DataFrame({"a": dice.normal(size=ROWS), "b": dice.normal(size=ROWS)})
    frame["y"] = np.where(np.arange(ROWS) % 2, "yes", "no") if task == "classification" else frame["a"] + 9
    for column, value in changed.items():
        frame.loc[3, column] = value
    return frame


def fit(algorithm, preprocess, frame, task):
    """Fit as a run does, to the end of its stage fit."""
    register_resolvers()
    node = option("algorithm", algorithm)
    config = {"data": {}, "preprocess": option("preprocess", preprocess), "algorithm": node}
    data = to_table(frame, table_options({"target": "y", "task": task}), "t", 0)
    run = SimpleNamespace(
        config=SimpleNamespace(to_dict=lambda: config, algorithm=node),
        trust=APP.allow_list(),
        data=data,
        plan=SimpleNamespace(stepper=None, steps=False),
        select=lambda split: (data.features, data.target.to_numpy()),
    )
    estimator = build_algorithm(for_task(node, task, "algorithm"), task, run.trust)
    known = estimator.get_params(deep=False)
    estimator.set_params(**{name: 2 for name in SHORTENED if name in known})
    run.estimator = estimator
    fitted, rows = fit_preprocess(run)
    fit_algorithm(run, estimator, fitted, (rows, data.target.to_numpy()), None, UNWATCHED)


def task_of(algorithm):
    target = APP.catalogue.node("algorithm", algorithm)["_target_"]
    return "regression" if isinstance(target, dict) and "classification" not in target else "classification"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_value_that_it_does_not_take_is_told_of_its_column(algorithm):
    task = task_of(algorithm)
    for value, what in ((np.inf, "infinite values"), (np.nan, "missing values")):
        for preprocess in PREPROCESSINGS:
            try:
                fit(algorithm, preprocess, table(task, b=value), task)
            except DataError as error:
                by_preprocess = what == "infinite values" and preprocess != "raw"
                expected = f"algorithm={algorithm} takes no {what}, and column 'b' has them in 1 of 40 rows"
                assert error.message == ("column 'b' holds infinity" if by_preprocess else expected)
                infinite = "to take it as missing, type: data.missing=[auto,inf,-inf]" if by_preprocess else "replace "
                assert error.hints[0].startswith("type: preprocess=tabular" if np.isnan(value) else infinite)
            else:  # it takes them, or the preprocessing fills them
                assert what == "missing values" or preprocess == "raw"


@pytest.mark.parametrize(
    ("algorithm", "preprocess", "frame", "task", "says"),
    [
        ("gamma", "tabular", table("regression", y=-1.0), "regression", "data.target: column 'y' does not suit algorithm=gamma: "),
        ("poisson", "none", table("regression", y=-1.0), "regression", "data.target: column 'y' does not suit algorithm=poisson: "),
        ("decision_tree", "raw", table("classification", b=1e39), "classification", "algorithm=decision_tree takes no values above 3e+38, and column 'b' has them in 1 of 40 rows"),
        ("ridge", "raw", table("regression").assign(c="red"), "regression", "algorithm=ridge takes only numbers, and column 'c' holds other values: "),
        ("ridge", "tabular", table("regression", y=np.inf), "regression", "data.target: column 'y' holds infinity in 1 of 40 rows"),
        ("ridge", "tabular", table("regression", y=np.nan), "regression", "data.target: column 'y' is missing in 1 of 40 rows"),
    ],
)  # fmt: skip
def test_other_values_too(algorithm, preprocess, frame, task, says):
    with pytest.raises(DataError) as refused:
        fit(algorithm, preprocess, frame, task)
    assert refused.value.message.startswith(says)


@pytest.mark.parametrize(("role", "value"), [("group", None), ("time", None), ("time", np.inf)])
def test_roles_are_told_with_their_key(role, value):
    frame = table("classification").assign(r=np.arange(ROWS, dtype=float))
    frame.loc[3, "r"] = value
    with pytest.raises(DataError, match=f"data.{role}: column 'r' (is missing|holds infinity) in 1 of 40 rows"):
        to_table(frame, table_options({"target": "y", role: "r"}), "t", 0)
