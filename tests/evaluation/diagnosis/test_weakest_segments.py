import numpy as np
import pandas as pd
import pytest

from runtree.evaluation.diagnosis.segments import segment_findings, weakest_segments

SIZES = (600, 600)
ROWS = sum(SIZES)


def table(seed, rows=ROWS):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": draw.uniform(18, 80, rows),
            "city": draw.choice(["Bern", "Rome", "Oslo"], rows),
            "income": np.where(draw.random(rows) < 0.15, np.nan, draw.lognormal(size=rows)),
            **{f"x{number}": draw.normal(size=rows) for number in range(4)},
        }
    )


def context_of(context, answers, features, wrong, seed=0, regression=False):
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=len(features)) if regression else draw.integers(0, 2, len(features))
    predicted = truth + wrong * draw.normal(size=len(features)) if regression else np.where(wrong, 1 - truth, truth)
    cut = SIZES[0]
    classes = () if regression else ("no", "yes")
    parts = {
        "validation": answers(truth[:cut], predicted[:cut], classes=classes),
        "test": answers(truth[cut:], predicted[cut:], classes=classes),
    }
    made = context(parts, features)
    made.results["slices"] = weakest_segments(made)
    return made


@pytest.mark.parametrize(
    ("where", "named"),
    [
        (lambda t: t.city == "Bern", "city = Bern"),
        (lambda t: t.income.isna(), "income is missing"),
        (lambda t: t.age > 68, "age > "),
    ],
)
def test_a_weak_segment_is_named(context, answers, where, named):
    features = table(0)
    chance = np.where(where(features), 0.4, 0.1)
    made = context_of(context, answers, features, np.random.default_rng(1).random(len(features)) < chance)
    first = next(segment_findings(made))
    assert first.level == "warning"
    assert named in first.values["where"]
    assert first.values["p"] < 0.05


def test_a_segment_of_two_conditions_is_found_by_the_tree(context, answers):
    features = table(2)
    chance = np.where((features.age > 50) & (features.city == "Oslo"), 0.6, 0.05)
    made = context_of(context, answers, features, np.random.default_rng(3).random(len(features)) < chance)
    first = made.results["slices"][0]
    assert first["source"] == "tree"
    assert first["where"].startswith("age > ")
    assert first["where"].endswith("city = Oslo")
    assert first["low"] < 0.6 < first["high"]


def test_a_segment_of_a_regression_is_found(context, answers):
    features = table(4)
    made = context_of(context, answers, features, np.where(features.city == "Rome", 3.0, 1.0), regression=True)
    assert "city = Rome" in made.results["slices"][0]["where"]
    assert made.results["slices"][0]["metric"] == "mae"


@pytest.mark.parametrize("regression", [False, True])
def test_equal_errors_everywhere_have_few_false_alarms(context, answers, regression):
    alarms = 0
    for seed in range(40):
        features = table(seed)
        wrong = 1.0 if regression else np.random.default_rng(100 + seed).random(len(features)) < 0.2
        made = context_of(context, answers, features, wrong, seed, regression)
        alarms += any(one["p"] < 0.05 for one in made.results["slices"])
    assert alarms <= 6  # 2 are expected


def test_columns_of_objects_are_skipped_with_a_reason(context, answers):
    features = pd.DataFrame({"picture": [np.zeros(4) for _ in range(sum(SIZES))]})
    made = context_of(context, answers, features, np.zeros(len(features), dtype=bool))
    assert made.results["slices"] == []
    told = [finding for finding in segment_findings(made) if finding.values.get("skipped")]
    assert "holds neither text nor numbers" in told[0].says
