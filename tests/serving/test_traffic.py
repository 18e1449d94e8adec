"""Canary, shadow, and the exchange of a model when its alias moves: nothing is lost, and a bad version changes nothing."""

import asyncio
from dataclasses import replace

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.contract.errors import RequestError
from runtree.serving.traffic import CANARY, PRIMARY, SHADOW, Target, Traffic, parse_canary
from serving_models import call, customers, running, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}
ROWS = {"rows": [GOOD]}


@pytest.fixture(scope="module")
def model():
    return served()


class Source:
    """A registry of one alias, whose versions are copies of one model."""

    def __init__(self, model):
        self.model, self.version, self.broken, self.loads = model, "1", set(), []

    def current(self, reference):
        return self.version

    def load(self, reference):
        self.loads.append(self.version)
        if self.version in self.broken:
            raise RequestError("model.skops was changed after it was written")
        return replace(self.model, version=self.version)


def test_requests_during_an_exchange_are_all_answered_by_one_version_or_the_other(model):
    source = Source(model)

    async def work():
        async with running(model, source=source) as found:
            target, seen = found.service.traffic.primary, []
            for number in range(1, 6):
                source.version = str(number)
                answers = asyncio.gather(*(call(found.app, "/predict", ROWS) for _ in range(10)))
                await found.service.traffic.refresh(target)
                seen += await answers
            return seen, target.model.version

    seen, last = asyncio.run(work())
    assert {said.status for said in seen} == {200} and last == "5"
    assert {said.content["version"] for said in seen} <= {"1", "2", "3", "4", "5"}


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_is_not_tried_at_once_again(model, caplog):
    source = Source(model)
    source.version, source.broken = "2", {"2"}

    async def work():
        async with running(model, source=source) as found:
            refresh, target = found.service.traffic.refresh, found.service.traffic.primary
            moved = [await refresh(target), await refresh(target)]
            answered = await call(found.app, "/predict", ROWS)
            source.version = "3"
            moved.append(await refresh(target))
            return moved, answered, await call(found.app, "/predict", ROWS), await call(found.app, "/metrics")

    moved, old, new, metrics = asyncio.run(work())
    assert moved == [False, False, True] and source.loads == ["2", "3"]
    assert old.content["version"] == "1" and new.content["version"] == "3"
    assert "version 1 keeps answering: model.skops was changed" in caplog.text
    assert 'runtree_model_swaps_total{outcome="failed",reference="models:/churn@champion"} 1.0' in metrics.content


def test_a_canary_answers_its_share_and_a_shadow_answers_nobody(model):
    canary = Target(CANARY, "models:/churn@challenger", replace(model, version="2"), 0.25)
    shadow = Target(SHADOW, "models:/churn/3", replace(model, version="3"))
    noticed = []

    async def work():
        async with running(model, canaries=[canary], shadows=[shadow]) as found:
            found.service.listeners.append(lambda answer: noticed.append((answer.route, answer.model.version)))
            named = [(b"x-request-id", b"customer-7")]
            same = {(await call(found.app, "/predict", ROWS, headers=named)).content["version"] for _ in range(5)}
            said = await asyncio.gather(*(call(found.app, "/predict", ROWS) for _ in range(400)))
            return same, [one.content["version"] for one in said]

    same, versions = asyncio.run(work())
    assert len(same) == 1
    assert 60 < versions.count("2") < 140 and set(versions) == {"1", "2"}
    assert noticed.count((SHADOW, "3")) == 405
    assert {route for route, _ in noticed} == {"primary", CANARY, SHADOW}


def test_a_canary_explains_what_it_predicts_and_answers_for_no_version_that_is_asked_for_by_number(model):
    canary = Target(CANARY, "models:/churn@challenger", replace(model, version="2"), 0.5)
    tensors = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in GOOD.items()]

    async def work():
        async with running(model, canaries=[canary]) as found:
            ids = [[(b"x-request-id", f"q{number}".encode())] for number in range(8)]
            asked = [("/predict", ROWS), ("/explain", {"row": GOOD})]
            both = [[(await call(found.app, *one, headers=own)).content["version"] for one in asked] for own in ids]
            infer = "/v2/models/churn/versions/1/infer"
            pinned = [await call(found.app, infer, {"inputs": tensors}, headers=own) for own in ids]
            return both, {one.content["model_version"] for one in pinned}

    both, pinned = asyncio.run(work())
    assert {tuple(versions) for versions in both} == {("1", "1"), ("2", "2")} and pinned == {"1"}


def test_a_canary_with_other_fields_is_refused_at_the_start_and_at_an_exchange(model, caplog):
    frame, target = customers()
    other = served(table=(frame.rename(columns={"income": "salary"}), target), version="2")
    said = r"--canary models:/churn@challenger: requests for models:/churn@champion do not fit its fields"
    with pytest.raises(RequestError, match=said) as refused:
        Traffic(None, Target(PRIMARY, model.reference, model), [Target(CANARY, "models:/churn@challenger", other, 0.5)])
    assert refused.value.hints == ("only one of them has: income, salary",)
    source = Source(other)
    source.version, shadow = "2", Target(SHADOW, "models:/churn@next", model)
    primary = Target(PRIMARY, model.reference, model)
    traffic = Traffic(source, primary, shadows=[shadow])
    assert not asyncio.run(traffic.refresh(shadow)) and "only one" not in caplog.text
    assert "models:/churn@next cannot be exchanged for version 2" in caplog.text
    assert asyncio.run(traffic.refresh(primary)), "clients of the alias must follow it"


@pytest.mark.parametrize("text", ["models:/a@b", "models:/a@b=", "=10%", "a=0%", "a=100%", "a=1", "a=x%", "a=-5%"])
def test_a_canary_needs_a_share(text):
    with pytest.raises(RequestError, match="a reference and a share are needed"):
        parse_canary(text)


def test_a_share_is_a_percentage_or_a_number():
    assert parse_canary("models:/churn@next=10%") == ("models:/churn@next", 0.1)
    assert parse_canary("a=0.25") == ("a", 0.25)
