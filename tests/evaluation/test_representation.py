"""Groups beside a population: shares with intervals, missing values, labels, and parts without a group."""

from dataclasses import replace

import pandas as pd
import pytest
from scored_runs import people, scored

from runtree.contract.errors import ConfigError, MissingError
from runtree.evaluation.fairness import check_metrics, measure_fairness
from runtree.evaluation.new_rows import evaluate_rows, make_context
from runtree.evaluation.representation import measure_representation, representation_findings
from runtree.training.active_run import ActiveRun


def test_groups_have_the_figures_of_their_rows(folder):
    table = people()
    given = "data.population={sex: {f: 0.6, m: 0.3, x: 0.1}}"
    context = scored(folder, "algorithm=naive_bayes", given, table=table)
    [column] = context.results["representation"] = measure_representation(context)
    groups = {group["group"]: group for group in column["groups"]}
    women = table[table["sex"] == "f"]
    assert groups["f"]["rows"] == len(women) and groups["f"]["share"] == len(women) / len(table)
    assert groups["f"]["low"] < groups["f"]["share"] < groups["f"]["high"] < 0.6
    assert groups["f"]["label_rate"] == pytest.approx((women["y"] == "yes").mean())
    assert groups["f"]["missing"] == pytest.approx(women[["age", "income", "town"]].isna().to_numpy().mean())
    assert sum(groups["f"]["parts"].values()) == len(women)
    assert [group for group in groups if groups[group]["under"]] == ["f", "x"]
    says = [finding.says for finding in representation_findings(context)]
    assert len(says) == 2 and says[0].startswith("sex = f has ") and "60.0% of the population" in says[0]


def test_a_part_without_a_group_is_told(folder):
    table = people(200)
    table["town"] = table["town"].where(table.index > 0, "lone")
    context = scored(folder, "algorithm=naive_bayes", "data.population={town: {north: 0.3}}", table=table)
    context.results["representation"] = measure_representation(context)
    [found] = representation_findings(context)
    assert "is of town = lone, of which the table has 1 rows" in found.says
    assert pd.Series(context.results["representation"][0]["groups"]).map(len).min() > 5


def test_without_metrics_the_shares_need_no_fairlearn(folder, monkeypatch):
    monkeypatch.setattr("runtree.evaluation.fairness.find_spec", lambda name: None)
    words = ["algorithm=naive_bayes", "evaluator.fairness.columns=[sex]"]
    context = scored(folder, *words, "evaluator.fairness.metrics=[]", table=people())
    check_metrics(context.run, context.options.fairness)
    assert measure_fairness(context) is None and measure_representation(context)[0]["column"] == "sex"
    with pytest.raises(MissingError) as error:
        check_metrics(context.run, replace(context.options.fairness, metrics="auto"))
    assert "evaluator.fairness.metrics=[]" in error.value.hints[-1]
    with pytest.raises(ConfigError, match="max_gap: without metrics"):
        check_metrics(context.run, replace(context.options.fairness, max_gap=0.1))


def test_new_rows_have_the_shares_of_their_groups(folder):
    words = ["algorithm=naive_bayes", "data.population={sex: {f: 0.6, m: 0.3, x: 0.1}}"]
    trained = scored(folder, *words, table=people())
    table, y_pred = trained.run.data, trained.predictions["test"]
    rows = trained.run.split.test
    # a file spells its labels otherwise
    other = replace(
        table,
        features=table.features.iloc[rows].reset_index(drop=True),
        target=pd.Series(1, range(len(rows)), name="y"),
    )
    run = ActiveRun(trained.run.config.to_dict(), folder, trained.run.hooks, trained.run.trust, trained.run.catalogue)
    run.model = trained.run.model
    context = make_context(run, other, y_pred)
    found = evaluate_rows(context, None, {}, None)
    groups = {group["group"]: group for group in found["representation"][0]["groups"]}
    women = (other.features["sex"] == "f").to_numpy()
    assert groups["f"]["rows"] == women.sum() and groups["x"]["rows"] == 0
    assert groups["f"]["label_rate"] == pytest.approx((y_pred.y_true[women] == 1).mean())
    assert any("of the population" in note for note in found["notes"])
