"""Rows that wait together are predicted together; a bad row, a full queue and a dead thread have defined ends."""

import asyncio
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from runtree.serving.batcher import Batcher, OverloadedError
from runtree.serving.settings import BatchOptions, ServeSettings
from serving_models import call, running, served

GOOD = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}


def doubling(calls, gate=None):
    """Return a model that doubles numbers, and cannot predict below 0."""

    def predict(rows):
        if gate is not None:
            gate.wait(60)
        calls.append(len(rows))
        if any(row[0] < 0 for row in rows):
            raise SystemExit("no") if rows[0][0] == -9 else ValueError("below 0")
        return [{"prediction": 2 * row[0]} for row in rows]

    return SimpleNamespace(predict=predict, reference="double")


def batched(options, work):
    async def run():
        batcher = Batcher(options)
        batcher.start()
        try:
            return await work(batcher)
        finally:
            batcher.stop()

    return asyncio.run(run())


def test_what_waits_is_predicted_at_once_and_each_gets_its_own():
    calls, gate = [], threading.Event()
    model = doubling(calls, gate)

    async def work(batcher):
        futures = [batcher.submit(model, [[n], [n + 0.5]]) for n in range(20)]
        gate.set()
        return await asyncio.gather(*futures)

    found = batched(BatchOptions(), work)
    assert [[one["prediction"] for one in outputs] for outputs in found] == [[2 * n, 2 * n + 1] for n in range(20)]
    assert len(calls) < 20 and sum(calls) == 40


def test_a_bad_row_fails_alone_also_when_the_model_exits():
    calls = []
    model = doubling(calls)
    found = batched(BatchOptions(), lambda batcher: batcher.submit(model, [[n] for n in (1, -1, 3, -9, 5)]))
    assert [one.get("prediction") for one in found] == [2, None, 6, None, 10]
    assert found[1] == {"error": "the model cannot predict this row: ValueError: below 0"}
    assert "it called sys.exit" in found[3]["error"]


def test_a_full_queue_and_a_long_wait_are_refused_with_retry_after():
    gate = threading.Event()
    slow = replace(served(), score=lambda rows: (gate.wait(60), (["no"] * len(rows), None))[1])
    settings = ServeSettings(reload=0, batch=BatchOptions(queue_rows=2, timeout=0.2))

    async def work():
        async with running(slow, settings) as found:
            late = asyncio.create_task(call(found.app, "/predict", {"rows": [GOOD, GOOD]}))
            await asyncio.sleep(0.05)
            full = await call(found.app, "/predict", {"rows": [GOOD]})
            first = await late
            gate.set()
            return full, first

    full, late = asyncio.run(work())
    assert full.status == late.status == 503
    assert full.headers[b"retry-after"] == b"1" and "2 rows wait already" in full.content["error"]
    assert "no answer within 0.2 s" in late.content["error"]


@pytest.mark.parametrize("stuck", [True, False])
def test_a_dead_or_stuck_thread_makes_the_service_not_ready_and_ends_it(stuck, monkeypatch):
    gate, ended = threading.Event(), []
    monkeypatch.setattr("runtree.serving.service.WATCH_SECONDS", 0.02)
    hanging = replace(served(), score=lambda rows: (gate.wait(60), (["no"] * len(rows), None))[1])

    async def work():
        async with running(hanging, ServeSettings(reload=0, batch=BatchOptions(stuck=0.05, timeout=0.3))) as found:
            found.service.on_fault = lambda: ended.append(found.service.fault)
            before = await call(found.app, "/v2/health/ready")
            if stuck:
                waiting = asyncio.create_task(call(found.app, "/predict", {"rows": [GOOD]}))
            else:
                found.service.batcher.stop()
            for _ in range(3000):
                await asyncio.sleep(0.02)
                if ended:
                    break
            after = await call(found.app, "/v2/health/ready")
            gate.set()
            if stuck:
                await waiting
            return before.status, after.status

    assert asyncio.run(work()) == (200, 503)
    assert ended == ["a batch has taken more than 0.05 s" if stuck else "the thread that predicts has ended"]


def test_the_error_of_a_full_queue_names_what_waits():
    async def work(batcher):
        with pytest.raises(OverloadedError, match="0 rows wait already"):
            batcher.submit(None, [[1]] * 11)

    batched(BatchOptions(queue_rows=10), work)
