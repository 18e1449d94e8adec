"""What is longer or stranger than MLflow takes is made to fit, and two names stay two."""

import pytest
from mlflow.utils import validation
from runtree_mlflow import limits


@pytest.mark.parametrize(
    "text", ["algorithm.alpha", "größe", "test/accuracy", "a[0]%", "../x", "/x", "a//b", "", ".", "x" * 400, "100 %: ä"]
)
def test_every_name_becomes_one_that_mlflow_takes(text: str) -> None:
    found = limits.name(text)
    validation._validate_param_name(found)
    validation._validate_metric_name(found)
    assert 0 < len(found) <= validation.MAX_ENTITY_KEY_LENGTH


def test_a_name_that_fits_stays_and_others_stay_apart() -> None:
    assert limits.name("data.größe") == "data.größe"
    assert len({limits.name(text) for text in ("a%", "a&", "a_", "x" * 300, "x" * 301)}) == 5


def test_a_long_value_is_cut() -> None:
    found = limits.params({"a": "ä" * 9000, "b": [1, None, "x"], "c": None})
    assert len(found["a"]) == validation.MAX_PARAM_VAL_LENGTH
    assert (found["b"], found["c"]) == ('[1, null, "x"]', "null")


def test_tags_that_hold_nothing_are_left_out() -> None:
    assert limits.tags({"a": "", "b": None, "c": False, "d": 0.5}) == {"c": "false", "d": "0.5"}


@pytest.mark.parametrize(("params", "metrics"), [(0, 0), (250, 0), (3, 2500), (100, 800), (101, 801)])
def test_no_call_is_larger_than_mlflow_allows(params: int, metrics: int) -> None:
    from mlflow.entities import Metric

    given = [Metric(f"m{one}", 0.0, 0, 0) for one in range(metrics)]
    calls = list(limits.batches({f"p{one}": "x" for one in range(params)}, given, {"t": "x"}))
    for call in calls:
        validation._validate_batch_log_limits(**call)
    assert [len(call["tags"]) for call in calls] == [0] * (len(calls) - 1) + [1]
    assert [one.key for call in calls for one in call["params"]] == [f"p{one}" for one in range(params)]
    assert [one for call in calls for one in call["metrics"]] == given
