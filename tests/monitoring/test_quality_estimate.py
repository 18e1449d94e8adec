"""Quality with labels and without: the estimate is near the truth, and no better hold-out is needed than a real one."""

from dataclasses import replace

import numpy as np
import pytest

from runtree.contract.predictions import Predictions
from runtree.evaluation.options import IntervalOptions
from runtree.monitoring.quality import QualityReference, estimate_quality, measure_quality, recalibrate, worse_p
from runtree.statistics.metrics import BUILTIN

METRICS = {metric.name: metric for metric in BUILTIN}
NAMES = ("accuracy", "balanced_accuracy", "f1", "roc_auc")


def scored(rng, count, classes=2, moved=0.0, sharpness=1.0):
    """Return predictions whose probabilities are true, or sharper than true ones."""
    logits = rng.normal(size=(count, classes)) * 1.5
    logits[:, -1] += moved
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y_true = (rng.random((count, 1)) > np.cumsum(true, axis=1)[:, :-1]).sum(axis=1)
    said = np.exp(sharpness * logits) / np.exp(sharpness * logits).sum(axis=1, keepdims=True)
    return Predictions(y_true, said.argmax(axis=1), said, tuple(f"c{number}" for number in range(classes)))


def reference(predictions, names=NAMES):
    chosen = [METRICS[name] for name in names]
    scores = predictions.values(chosen)
    return QualityReference(predictions, chosen, chosen[0], "maximize", scores, {}, IntervalOptions(resamples=200))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("moved", [0.0, 1.0])
def test_the_estimate_is_within_two_points_of_the_truth(classes, moved):
    rng = np.random.default_rng(classes)
    held_out, window = scored(rng, 3000, classes), scored(rng, 6000, classes, moved)
    found = estimate_quality(reference(held_out), window)
    truth = window.values([METRICS[name] for name in NAMES])
    assert found["method"] == "CBPE"
    for name in NAMES:
        assert found["metrics"][name] == pytest.approx(truth[name], abs=0.02), name
        assert found["intervals"][name]["low"] <= found["metrics"][name] <= found["intervals"][name]["high"]


def test_probabilities_that_are_too_sure_are_corrected_by_the_hold_out():
    rng = np.random.default_rng(1)
    held_out, window = scored(rng, 3000, sharpness=3.0), scored(rng, 6000, sharpness=3.0)
    found = estimate_quality(reference(held_out), window)["metrics"]["accuracy"]
    truth = window.values([METRICS["accuracy"]])["accuracy"]
    plain = window.score.max(axis=1).mean()
    assert abs(found - truth) < 0.02 < plain - truth
    # a handful of rows changes little
    few = recalibrate(held_out.take(np.arange(3)), window.score)
    assert np.abs(few - window.score).max() < 0.3
    assert few.sum(axis=1) == pytest.approx(1)


def test_a_model_without_probabilities_has_no_estimate():
    plain = Predictions(np.zeros(5), np.ones(5), None, ())
    assert estimate_quality(reference(plain, ["rmse"]), plain) is None


def test_labels_give_metrics_with_intervals_and_their_differences():
    rng = np.random.default_rng(2)
    held_out, same = reference(scored(rng, 600)), scored(rng, 400)
    found = measure_quality(held_out, same, 0.05)
    assert found["rows"] == 400 and set(found["metrics"]) == set(NAMES)
    assert found["intervals"]["f1"]["low"] < found["metrics"]["f1"] < found["intervals"]["f1"]["high"]
    assert found["differences"]["f1"]["value"] == pytest.approx(found["metrics"]["f1"] - held_out.scores["f1"])
    assert found["p"] > 0.05 and not found["alarm"]
    wrong = Predictions(same.y_true, 1 - same.y_pred, same.score[:, ::-1], same.classes)
    assert measure_quality(held_out, wrong, 0.05)["alarm"]
    # better is no alarm, and for a metric of errors less is better
    assert worse_p(wrong, same, METRICS["log_loss"], "minimize") > 0.99


def test_the_quality_of_one_segment_is_tested_and_too_few_rows_are_said_so():
    rng = np.random.default_rng(3)
    held_out, window = reference(scored(rng, 900)), scored(rng, 620)
    cities = np.array(["a"] * 300 + ["b"] * 300 + ["c"] * 10 + ["d"] * 10, dtype=object)
    held_out = replace(held_out, segments={"city": np.array(["a", "b", None] * 300, dtype=object)})
    turned = (cities == "b") & (rng.random(620) < 0.6)
    wrong = replace(window, y_true=np.where(turned, 1 - window.y_true, window.y_true))
    clean, found = (measure_quality(held_out, rows, 0.05, {"city": cities}, 50) for rows in (window, wrong))
    assert not any(part["alarm"] for part in clean["segments"])
    assert {part["segment"] for part in found["segments"] if part["alarm"]} == {"city=b"} and found["alarm"]
    by_name = {part["segment"]: part for part in found["segments"]}
    assert by_name["city=c"]["note"] == "too few rows" and by_name["city=c"]["value"] is None
    assert by_name["city=a"]["low"] < by_name["city=a"]["value"] < by_name["city=a"]["high"]
    other = measure_quality(replace(held_out, segments={}), wrong, 0.05, {"city": cities}, 50)
    assert other["segments"][0]["p"] is None and "not tested" in other["segments"][0]["note"]


def test_a_hold_out_without_an_error_is_not_free_of_chance():
    right = Predictions(np.tile([0, 1], 20), np.tile([0, 1], 20), None, ("a", "b"))
    nearly = Predictions(right.y_true, np.where(np.arange(40) == 3, 0, right.y_pred), None, right.classes)
    assert worse_p(right, nearly, METRICS["accuracy"], "maximize") > 0.05
    assert worse_p(right, right, METRICS["accuracy"], "maximize") == 1.0
