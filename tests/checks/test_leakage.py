import numpy as np
import pandas as pd
import pytest

from runtree.checks.leakage import check_leakage, judge_scores


@pytest.mark.parametrize("data", ["iris", "wine", "breast_cancer", "digits", "diabetes", "synthetic_regression"])
def test_tables_without_leakage_pass(make_context, data):
    algorithm = "ridge" if data in ("diabetes", "synthetic_regression") else "logistic"
    assert check_leakage(make_context(data, f"algorithm={algorithm}")).state == "passed"


def numbers(frame, generator):
    return (frame.y == "yes") * 1.0 + generator.normal(scale=0.01, size=len(frame))


def words(frame, generator):
    return np.where(frame.y == "yes", generator.choice(["won", "signed"], 200), generator.choice(["lost", "gone"], 200))


def between(frame, generator):
    """Values in the middle are one class, high and low ones the other."""
    return np.where(frame.y == "yes", 0.0, generator.choice([-1.0, 1.0], 200))


@pytest.mark.parametrize("leak", [numbers, words, between])
def test_a_column_that_predicts_the_class_fails_by_name(make_context, tables, leak):
    frame = tables()
    found = check_leakage(make_context(frame.assign(answer=leak(frame, np.random.default_rng(1)))))
    assert found.state == "failed"
    assert found.message.startswith("'answer' alone reaches balanced accuracy 1.000")
    assert found.advice.endswith("data.drop=[answer]")


@pytest.mark.parametrize("scale", [lambda y: 0.19 * y + 3, np.log, lambda y: -y])
def test_the_target_on_another_scale_fails(make_context, tables, scale):
    price = np.exp(tables().a + np.random.default_rng(1).normal(size=200))
    found = check_leakage(make_context(tables().assign(y=price, tax=scale(price)), "algorithm=ridge"))
    assert (found.state, found.advice[-15:]) == ("failed", "data.drop=[tax]")


def test_a_leak_is_found_among_a_thousand_columns(make_context):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(120, 1000))).add_prefix("f")
    frame["y"] = np.where(np.arange(120) % 2, "yes", "no")
    found = check_leakage(make_context(frame.assign(f777=numbers(frame, generator))))
    assert (found.state, found.advice[-16:]) == ("failed", "data.drop=[f777]")


def test_an_identifier_is_not_a_leak(make_context, tables):
    codes = np.random.default_rng(2).permutation(200)
    assert check_leakage(make_context(tables().assign(number=codes, code=[f"C{n}" for n in codes]))).state == "passed"


def test_an_easy_task_is_a_warning():
    assert judge_scores({"a": 1.0, "b": 0.995, "c": 0.8}, 3, "R²").state == "warned"
    assert judge_scores({"a": 1.0, "b": 0.97, "c": 0.98}, 3, "R²").state == "warned"
    assert judge_scores({"a": 1.0, "b": 0.7, "c": 0.8}, 3, "R²").state == "failed"
    assert judge_scores({"a": 0.98, "b": 0.7}, 2, "R²").state == "passed"
    assert judge_scores({"a": 1.0}, 1, "R²").state == "warned"
