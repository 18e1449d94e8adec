"""Every step of the evaluation takes figures that are not defined, and leaves out what rests on them, with a reason."""

import json
import logging
import re
from dataclasses import replace

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.contract.errors import DataError
from runtree.evaluation.evaluate import STEPS
from runtree.records.layout import RunFolder

FULL = ("evaluator.diagnose=full", "evaluator.intervals.resamples=200", "evaluator.report=false")


def spoil(context, split, value=np.nan):
    """Return the context with a prediction of a split that is not finite."""
    table = context.run.predictions.copy()
    rows = table.index[table["part"] == split][:3]
    table.loc[rows, "y_pred" if not context.run.data.classes else table.columns[-1]] = value
    context.run.__dict__["predictions"] = table
    return replace(context, results={})


def walk(context, caplog):
    """Return the results of every step; none may be left out because of an error."""
    with caplog.at_level(logging.WARNING, "runtree"):
        for step in STEPS:
            result = step.function(context)
            if result is not None:
                context.results[step.name] = result
    assert not caplog.records, caplog.text
    assert not [finding for finding in context.results["findings"] if re.search(r"\b(nan|inf)\b", finding["says"])]
    return context.results


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    return scored(tmp_path_factory.mktemp("regression"), "data=diabetes", "algorithm=ridge", *FULL)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_not_finite(regression, caplog, split, value):
    before = regression.run.predictions
    try:
        found = walk(spoil(regression, split, value), caplog)
    finally:
        regression.run.__dict__["predictions"] = before
    warned = next(finding for finding in found["findings"] if finding["name"] == "not finite")
    assert (warned["level"], warned["values"]) == ("warning", {"part": split, "rows": 3})
    assert ("intervals" in found) == ("baselines" in found) == (split != "test")


def test_probabilities_that_are_not_finite(folder, caplog):
    context = scored(folder, "algorithm=naive_bayes", *FULL, table=people(200))
    found = walk(spoil(context, "test"), caplog)
    assert "calibration" in found and found["calibration"]["part"] == "validation"


def test_a_class_that_is_missing_on_test(folder, caplog):
    """Ranked by an area under the ROC curve, which has no value on test: neither have gains and importance there."""
    table = people(300)
    table["when"] = np.arange(300)
    table.loc[230:, "y"] = "no"
    context = scored(
        folder, "algorithm=naive_bayes", "data.time=when", "objective.metric=roc_auc", "data.validation_size=0.4", *FULL,
        table=table,
    )  # fmt: skip
    assert context.run.undefined["test"]["roc_auc"] == "no row of class 'yes'"
    assert "roc_auc" not in context.run.metrics["test"]
    assert "roc_auc" in context.run.metrics["validation"]
    written = json.loads(RunFolder(context.run.folder).metrics.read_bytes())
    assert written["undefined"] == context.run.undefined
    found = walk(context, caplog)
    assert all(baseline["gain"]["value"] is None for baseline in found["baselines"])
    assert "no row of class 'yes'" in found["baselines"][0]["gain"]["note"]
    assert "undefined metric" in [finding["name"] for finding in found["findings"]]
    limits = found["intervals"]["test"]
    assert limits["accuracy"]["low"] < limits["accuracy"]["high"]


def test_a_metric_that_no_model_can_have_is_refused_before_the_fit(folder):
    table = people(300)
    table["when"] = np.arange(300)
    table.loc[170:, "y"] = "no"
    typed = ("algorithm=naive_bayes", "data.time=when", "data.validation_size=0.2")
    with pytest.raises(DataError, match=r"objective\.metric: roc_auc is not defined on the validation split: no row"):
        scored(folder, *typed, "objective.metric=roc_auc", table=table)


@pytest.mark.parametrize("sites", [1, 2, 8])
def test_few_groups(folder, caplog, sites):
    """One group has no interval and differs from nothing; of eight there is one, with a note."""
    table = people(400)
    table["site"] = np.arange(400) % (3 if sites == 1 else 5 * sites)
    context = scored(folder, "algorithm=naive_bayes", "data.group=site", *FULL, table=table)
    found = walk(context, caplog)
    assert found["intervals"]["groups"] == len(set(context.groups("test"))) == sites
    limits = found["intervals"]["test"]["f1"]
    findings = [finding["name"] for finding in found["findings"]]
    if sites < 5:
        assert "too few to resample" in limits["reason"]
        assert all(baseline["gain"]["low"] is None for baseline in found["baselines"])
        assert "splits" not in findings  # 0.9138 on validation and 0.9262 on test, "± 1.1e-16"
    else:
        assert limits["low"] < limits["high"]
        assert "few groups" in findings
