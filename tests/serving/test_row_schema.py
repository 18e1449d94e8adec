"""The schema of a row: types, and the policy for what training has not seen."""

import math

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import pandas as pd

from runtree.contract.errors import ConfigError
from runtree.serving.row_schema import RowError
from runtree.serving.settings import PolicyOptions
from serving_models import customers, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}


@pytest.fixture(scope="module")
def lenient():
    return served(policy=PolicyOptions("warn", "warn", "warn")).schema


@pytest.fixture(scope="module")
def imputing():
    return served(policy=PolicyOptions("impute", "impute", "impute")).schema


@pytest.fixture(scope="module")
def strict():
    return served(policy=PolicyOptions("refuse", "refuse", "refuse")).schema


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"income": "2500"}, "field 'income': a number is expected, not the text '2500'"),
        ({"income": True}, "field 'income': a number is expected, not true"),
        ({"income": [1]}, "field 'income': a number is expected, not a list"),
        ({"income": math.inf}, "field 'income': a finite number is expected"),
        ({"income": math.nan}, "field 'income': a finite number is expected"),
        ({"income": 10**400}, "field 'income': a finite number is expected"),
        ({"member": 1}, "field 'member': true or false is expected, not a number"),
        ({"city": 5}, "field 'city': a text is expected, not a number"),
        ({"city": "x" * 100_001}, "field 'city': a text of at most 100,000 characters is expected, not of 100,001"),
    ],
)
def test_another_type_is_refused_whatever_the_policy(lenient, changes, says):
    with pytest.raises(RowError) as told:
        lenient.check(GOOD | changes)
    assert told.value.message == says


CASES = {
    "missing": ({"city": None}, "field 'city' is missing, and never was in training"),
    "unseen": ({"city": "Trier"}, "field 'city': 'Trier' is a category that training has not seen"),
    "range": ({"income": 1e6}, "field 'income': 1000000.0 is outside of the range of training, "),
}


@pytest.mark.parametrize("case", CASES)
def test_what_training_has_not_seen_is_refused_told_or_replaced(strict, lenient, imputing, case):
    changes, says = CASES[case]
    with pytest.raises(RowError, match=says.replace("(", "\\(")):
        strict.check(GOOD | changes)
    [name] = changes
    place = list(GOOD).index(name)
    told = lenient.check(GOOD | changes)
    assert told.values[place] == changes[name] and told.warnings[0].startswith(says)
    replaced = imputing.check(GOOD | changes)
    income = customers()[0]["income"]
    assert replaced.values[place] == {"range": income.max()}.get(case, imputing.example()["city"])
    assert replaced.warnings[0].startswith(says) and "is taken instead" in replaced.warnings[0]


def test_a_field_that_was_missing_in_training_may_be_missing(strict):
    without = {name: value for name, value in GOOD.items() if name != "age"}
    assert strict.check(without).values == strict.check(GOOD | {"age": None}).values == [None, 2500.0, "Ulm", True]


def test_the_tags_of_a_version_set_the_policy_and_the_settings_come_first():
    tags = {"serve.range": "refuse", "serve.unseen": "impute", "team": "credit"}
    policy = served(tags=tags, policy=PolicyOptions(unseen="refuse")).schema.policy
    assert policy == PolicyOptions(missing="refuse", unseen="refuse", range="refuse")
    with pytest.raises(ConfigError, match=r"the tag serve\.range of the model: 'drop' is not one"):
        served(tags={"serve.range": "drop"})


def test_the_document_says_what_the_policy_refuses(strict, lenient):
    income = customers()[0]["income"]
    assert strict.document()["properties"]["income"]["maximum"] == income.max()
    assert strict.document()["properties"]["city"]["enum"] == ["Bonn", "Köln", "Ulm"]
    assert strict.document()["required"] == ["income", "city", "member"]
    assert "maximum" not in lenient.document()["properties"]["income"] and lenient.document()["required"] == []
    assert not strict.check(strict.example()).warnings


def test_dates_are_checked_as_the_tables_read_them():
    frame, target = customers()
    days = frame["income"].index.to_series().map(lambda n: f"{1 + n % 28:02d}/{1 + n % 12:02d}/2025")
    model = served(table=(frame.assign(since=days), target), policy=PolicyOptions(range="refuse"))
    assert model.schema.check({**GOOD, "since": "08/12/2025"}).values[-1] == "08/12/2025"
    said = r"^field 'since': 31/01/2026 is outside of the range of training, 01/01/2025 to 24/12/2025"
    with pytest.raises(RowError, match=said):
        model.schema.check({**GOOD, "since": "31/01/2026"})
    with pytest.raises(RowError, match=r"field 'since': a date as %d/%m/%Y is expected, not 'soon'"):
        model.schema.check({**GOOD, "since": "soon"})
    rows = [model.schema.check({**GOOD, "since": day}).values for day in ("05/03/2025", "2025-03-05")]
    assert model.predict(rows)[0] == model.predict(rows)[1]
    real = served(table=(frame.assign(since=pd.to_datetime(days, format="%d/%m/%Y")), target))
    assert (
        real.schema.check({**GOOD, "since": "2035-01-01"})
        .warnings[0]
        .startswith("field 'since': 2035-01-01 is outside of the range of training, 2025-01-01T00:00:00 to 2025-")
    )
    assert not real.schema.check(real.schema.example()).warnings and real.predict(
        [real.schema.check(real.schema.example()).values]
    )
