"""Groups beside a population: shares with intervals, missing values, labels, and parts without a group."""

import pandas as pd
import pytest
from scored_runs import people, scored

from runtree.evaluation.representation import measure_representation, representation_findings


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
