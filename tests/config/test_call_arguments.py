"""Arguments that a file may not give to an allowed class."""

import warnings

import pytest
import yaml
from omegaconf.basecontainer import BaseContainer

from runtree.config.allowlist import AllowList
from runtree.config.calls import locate_risks
from runtree.config.freeze import register_resolvers
from runtree.config.provenance import TypedWords
from runtree.contract.errors import UntrustedError

ARGUMENTS = {
    "{_target_: sklearn.pipeline.Pipeline, steps: [[m, {_target_: sklearn.dummy.DummyClassifier}]], memory: PWNED}": "algorithm.memory",
    "{_target_: sklearn.ensemble.BaggingClassifier, estimator: {_target_: sklearn.pipeline.Pipeline, steps: [], memory: PWNED}}": "algorithm.estimator.memory",
    "{_target_: sklearn.cluster.FeatureAgglomeration, memory: PWNED}": "algorithm.memory",
    "{_target_: sklearn.model_selection.GridSearchCV, estimator: {_target_: sklearn.pipeline.Pipeline, steps: []}, param_grid: {memory: [PWNED]}}": "algorithm.param_grid.memory",
    "{_target_: sklearn.model_selection.GridSearchCV, estimator: {_target_: sklearn.pipeline.Pipeline, steps: []}, param_grid: [{inner__memory: [PWNED]}]}": "algorithm.param_grid.inner__memory",
    "{_target_: sklearn.model_selection.GridSearchCV, estimator: {_target_: sklearn.dummy.DummyClassifier}, param_grid: {}, pre_dispatch: '__import__(1)'}": "algorithm.pre_dispatch",
    "{_target_: sklearn.preprocessing.FunctionTransformer, func: os.system}": "algorithm.func",
    "{_target_: sklearn.preprocessing.FunctionTransformer, _args_: [os.system]}": "algorithm._args_",
    "{_target_: sklearn.compose.TransformedTargetRegressor, inverse_func: {_target_: sklearn.dummy.DummyClassifier, _partial_: true}}": "algorithm.inverse_func",
    "{_target_: sklearn.feature_extraction.text.CountVectorizer, input: filename}": "algorithm.input",
}


@pytest.mark.parametrize("node", ARGUMENTS)
def test_an_allowed_class_is_given_no_path_and_no_function_by_a_file(node):
    call, place = yaml.safe_load(node), ARGUMENTS[node]
    with pytest.raises(UntrustedError, match=rf"^{place}: a file or a record may not set .*\n.*\n.*--trust {place}$"):
        AllowList().authorize(call, "algorithm")
    AllowList(typed=TypedWords(trusted=(place,))).authorize(call, "algorithm")
    AllowList(typed=TypedWords((f"+{place}=typed",))).authorize(call, "algorithm")
    # a reference takes its value from a file
    with pytest.raises(UntrustedError):
        AllowList(typed=TypedWords((f"+{place}=${{evil}}",))).authorize(call, "algorithm")


@pytest.mark.parametrize("value", [None, False, 0])
def test_an_argument_without_a_path_is_allowed(value):
    AllowList().authorize({"_target_": "sklearn.pipeline.Pipeline", "steps": [], "memory": value}, "algorithm")


# parameters of scikit-learn's estimators that take any text, and what it may do at most
HARMLESS = {
    **dict.fromkeys(("constant", "outlier_label", "pos_label", "separator", "token_pattern"), "compared or matched"),
    **dict.fromkeys(("encoding", "metric", "scoring", "refit"), "a name in a registry"),
    "resource": "a parameter of the estimator",  # of the searches that halve, if a test before has enabled them
    **dict.fromkeys(
        ("importance_getter", "threshold", "verbose_feature_names_out"), "an attribute, a number, a format"
    ),
    **dict.fromkeys(("dtype", "fill_value"), "given to numpy"),
}


def test_every_text_that_an_estimator_takes_is_known():
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimators = all_estimators()
    takes_text = {
        name
        for _, estimator in estimators
        for name, rules in getattr(estimator, "_parameter_constraints", {}).items()
        if rules == "no_validation" or str in rules
    }
    call = {"_target_": "x", **dict.fromkeys(takes_text, "any text")}
    refused = {argument for _, argument in locate_risks(call, "algorithm")}
    assert {"memory", "pre_dispatch"} <= refused
    assert takes_text - refused <= set(HARMLESS)


def test_resolvers_run_no_code():
    register_resolvers()
    # what a ${name:…} in a file may call; each returns texts, parts of the config, or variables of the environment
    known = {f"oc.{name}" for name in ("create", "decode", "deprecated", "dict.keys", "dict.values", "env", "select")}
    assert set(BaseContainer._resolvers) - {"now", "hydra", "python_version"} == {
        *known,
        "secret",
        "padded",
        "if_iterates",
    }
