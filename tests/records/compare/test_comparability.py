"""Runs that do not compare are refused, with the reason and with which runs."""

import pytest

from runtree.cli.compare import naming_keys, naming_settings
from runtree.contract.errors import RequestError


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "regression"}, r"another task: .*regression \(1 run, e.g. r2\)"),
        (
            {"fingerprints": {"config": "c", "data": "other", "split": "s0"}},
            r"other data: iris d \(1 run, .*iris other",
        ),
        ({"config": {"data.test_size": 0.3}}, r"another split, data.test_size: 0.2 \(1 run.*0.3"),
        ({"config": {"data.group": "customer"}}, "another split, data.group: null.*customer"),
        ({"fingerprints": {"config": "c", "data": "d", "split": "x"}}, "another split of the rows with seed 0"),
        ({"config": {"evaluator.name": "cross_validation"}}, "another evaluator, evaluator.name: holdout"),
        ({"config": {"evaluator.folds": 5}}, "another evaluator, evaluator.folds: null .*5"),
        ({"objective": {"metric": "f1", "direction": "maximize", "part": "validation"}}, "another objective: accuracy"),
        (
            {"objective": {"metric": "accuracy", "direction": "minimize", "part": "validation"}},
            "direction of accuracy: maximize .* minimize",
        ),
    ],
)
def test_what_does_not_compare_is_refused(write, compared, changes, reason):
    write("r1"), write("r2", **changes)
    with pytest.raises(RequestError, match=reason) as caught:
        compared("r1", "r2")
    assert len(str(caught.value).splitlines()) <= 5
    assert "--force" in str(caught.value)
    forced = compared("r1", "r2", force=True)
    assert forced.obstacles


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"evaluator.report": False, "evaluator.metrics": "auto"}},
        {"config": {"compute.threads": 9, "algorithm.name": "lasso"}},
        {"seed": 4},
        {"fingerprints": {"config": "c"}},
        {"task": None},
    ],
)
def test_what_does_compare_is_let_through(write, compared, changes):
    write("r1"), write("r2", **changes)
    assert not compared("e").obstacles


def test_seeds_of_two_versions_of_a_plugin_are_two_configurations(write, compared):
    for seed, version in enumerate(("0.1.0", "0.1.0", "0.2.0")):
        prints = {"config": "c", "data": "d", "split": f"s{seed}", "plugins": f"algorithm: gold {version}"}
        write(f"r{seed}", seed=seed, fingerprints=prints)
    lines = compared("e").lines
    assert sorted(len(line.records) for line in lines) == [1, 2]
    assert naming_keys(lines) == ["plugins"]
    assert {naming_settings(line, ["plugins"])["plugins"] for line in lines} == {
        "algorithm: gold 0.1.0",
        "algorithm: gold 0.2.0",
    }


def test_another_positive_class_matters_to_the_metrics_that_are_about_one_class(write, compared):
    f1 = {
        "metrics": {"validation": {"f1": 0.5, "roc_auc": 0.5}},
        "objective": {"metric": "f1", "direction": "maximize", "part": "validation"},
    }
    write("r1", **f1), write("r2", config={"data.positive": "no"}, **f1)
    assert not compared("e", metric="roc_auc").obstacles
    with pytest.raises(RequestError, match=r"another positive class: null \(1 run, .*no"):
        compared("e")


def test_a_named_metric_compares_runs_of_other_objectives(write, compared):
    write("r1"), write("r2", objective={"metric": "log_loss", "direction": "minimize", "part": "validation"})
    assert compared("e", metric="accuracy").measure.name == "validation.accuracy"


def test_runs_that_failed_are_held_against_none(write, compared):
    write("r1")
    write("r2", state="failed", metrics={}, objective={}, fingerprints={"data": "other"})
    table = compared("e")
    assert (table.runs, table.unfinished, table.obstacles) == (1, 1, ())
