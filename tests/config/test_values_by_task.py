import pytest

from runtree.config.catalogue import differs_by_task, for_task
from runtree.contract.errors import ConfigError

NODE = {
    "name": "forest",
    "_target_": {"classification": "a.Classifier", "regression": "a.Regressor"},
    "max_features": {"classification": "sqrt", "regression": 1.0},
    "class_weight": {"a": 1},
}


def test_values_that_differ_by_task_are_chosen():
    assert for_task(NODE, "regression", "algorithm") == {**NODE, "_target_": "a.Regressor", "max_features": 1.0}


def test_a_key_that_exists_for_the_other_task_alone_is_left_out():
    assert for_task({"_target_": "a.B", "epsilon": {"regression": 0.1}}, "classification", "x") == {"_target_": "a.B"}


def test_a_mapping_with_other_keys_stays():
    assert not differs_by_task({"a": 1})
    assert not differs_by_task({})


def test_a_task_that_is_not_served_is_refused_with_a_way_out():
    node = {"name": "lasso", "_target_": {"regression": "a.Lasso"}}
    with pytest.raises(ConfigError) as caught:
        for_task(node, "classification", "algorithm")
    assert caught.value.message == "algorithm=lasso supports regression, but the task is classification"
    assert "data.task=regression" in str(caught.value)
