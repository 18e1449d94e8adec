"""`runtree load-test`: what is sent, what is counted, and that a service that stops does not hide it."""

import asyncio
import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the load test needs the extra serve")

from runtree.packaging.load_client import LoadLog, LoadPlan, send_load
from runtree.packaging.load_report import broken_bounds, draw_load, summarise

MESSAGE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@contextmanager
def answering(answer, pause=lambda number: 0.0):
    """Serve raw answers on a free port: `answer(number)` as bytes, after `pause(number)` seconds in which all stops."""
    loop, ready, count, bodies = asyncio.new_event_loop(), threading.Event(), [0], []

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                bodies.append((head, await reader.readexactly(int(length or 0))))
                count[0] += 1
                number = count[0]
                time.sleep(pause(number))  # blocks every connection, as a service in a garbage collection
                writer.write(answer(number))
                if b"connection: close" in answer(number):
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main():
        tasks = asyncio.all_tasks()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ready.port = server.sockets[0].getsockname()[1]
        loop.stopped = asyncio.Event()
        ready.set()
        await loop.stopped.wait()
        server.close()
        left = asyncio.all_tasks() - tasks
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait()
    ready.bodies = bodies
    try:
        yield ready
    finally:
        loop.call_soon_threadsafe(loop.stopped.set)
        thread.join(60)
        loop.close()


def good(number=0, status=200, body=b"{}", more=b""):
    return b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s" % (status, more, len(body), body)


def test_an_open_loop_counts_from_the_intended_start():
    """A service that stops for 0.3 s: all that came in that time have waited, though few were in flight."""
    with answering(good, lambda number: 0.3 if number == 20 else 0.0) as service:
        plan = LoadPlan("127.0.0.1", service.port, [MESSAGE], 1.0, connections=2, rate=100)
        log = send_load(plan)
    found = summarise(plan, log)
    assert found["requests"] == 100 and found["statuses"] == {"200": 100} and found["error_share"] == 0
    assert sum(latency > 0.1 for latency in log.latencies) >= 15  # a closed loop would have counted two
    assert found["latency_ms"]["max"] > 250


def test_a_closed_loop_sends_as_many_as_are_asked_for():
    with answering(good) as service:
        plan = LoadPlan("127.0.0.1", service.port, [MESSAGE], 30.0, connections=3, requests=50)
        log = send_load(plan)
    assert len(log.statuses) == len(service.bodies) == 50 and log.seconds < 30


def test_errors_are_counted_by_status_and_a_broken_connection_is_replaced():
    def answer(number):
        if number % 4 == 0:
            return b"HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{}"  # cut off
        return good(status=503 if number % 4 == 1 else 200)

    with answering(answer) as service:
        plan = LoadPlan("127.0.0.1", service.port, [MESSAGE], 30.0, connections=2, requests=40)
        found = summarise(plan, send_load(plan))
    assert found["statuses"] == {"200": 20, "503": 10, "no answer": 10} and found["error_share"] == 0.5


def test_answers_in_pieces_and_answers_that_are_none():
    chunked = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with answering(lambda number: chunked if number < 5 else b"SSH-2.0\r\n") as service:
        plan = LoadPlan("127.0.0.1", service.port, [MESSAGE], 30.0, connections=1, requests=6)
        found = summarise(plan, send_load(plan))
    assert found["statuses"] == {"200": 4, "no answer": 2}


def test_requests_that_nothing_answers_are_failures():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        plan = LoadPlan("127.0.0.1", port, [MESSAGE], 0.2, rate=50, connections=2, patience=0.1)
        found = summarise(plan, send_load(plan))
    assert found["statuses"] == {"no answer": 10} and found["error_share"] == 1 and found["throughput"] == 0
    assert broken_bounds(found, 5.0, 0.5) == [
        "--max-p95 5: nothing was answered",
        "--max-errors 0.5: 100.00% of the requests failed",
    ]


def test_bounds_and_the_plot():
    log = LoadLog([n / 50 for n in range(100)], [0.01] * 90 + [0.05] * 10, [200] * 99 + [500], 2.0)
    found = summarise(LoadPlan("x", 1, [b""], 2.0), log)
    assert found["throughput"] == 50 and found["error_share"] == 0.01 and found["latency_ms"]["p99"] == 50
    assert broken_bounds(found, 50.0, 0.01) == [] and len(broken_bounds(found, 49.9, 0.0)) == 2
    _, data = draw_load(log)
    assert data["latency_ms"]["p50"] == [10, 10] and data["rate"]["failed"][-1] > 0
    assert draw_load(LoadLog([0.0], [0.1], [200], 1.0)) is None


class TestAService:
    """A real service on the loopback, one for all."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls):
        pytest.importorskip("fastapi", reason="serving needs the extra serve")
        from serving_models import listening, served

        with listening(served()) as url:
            yield url

    def test_its_own_example_is_sent(self, url, runtree, folder):
        said = runtree("load-test", url, "--requests", "60", "--connections", "3", "--json", "--max-errors", "0")
        found = json.loads(said.out)
        assert said.code == 0 and found["statuses"] == {"200": 60} and found["loop"] == "closed"
        [test] = (folder / "load_tests").iterdir()
        assert {file.name for file in test.iterdir()} == {"load_test.json", "load.svg", "load.json"}
        assert json.loads((test / "load_test.json").read_text())["latency_ms"] == found["latency_ms"]

    def test_the_page_shows_what_it_prints(self, url, runtree):
        page = (Path(__file__).parents[2] / "docs" / "packaging.md").read_text()
        [(line, shown)] = re.findall(
            r"^```text\n\$ runtree (load-test [^\n]*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL
        )
        words = line.replace("http://127.0.0.1:8000", url).replace("--seconds 5", "--seconds 1").split()
        said = runtree(*words)
        without_figures = [re.sub(r"[\d.,]+\d", "0", re.sub(r"\d", "0", text)) for text in (shown, said.out)]
        printed = re.sub(r"load_tests/0[^/]*/", "load_tests/…/", without_figures[1])
        assert (said.code, printed.split()) == (0, without_figures[0].split())

    def test_rows_of_a_file_are_sent_as_the_service_takes_them(self, url, runtree, folder):
        (folder / "rows.csv").write_text("age;income;city;member;extra\n41;3000;Ulm;true;x\n;2500.5;007;false;y\n")
        said = runtree("load-test", url, "--requests", "20", "--rows", "rows.csv", "--max-errors", "0")
        assert said.code == 0 and "2 rows of rows.csv" in said.out and "(200: 20)" in said.out

    def test_a_bound_that_does_not_hold(self, url, runtree):
        said = runtree("load-test", url, "--requests", "20", "--max-p95", "0")
        assert said.code == 3 and "--max-p95 0: p95 is" in said.err and "latency  p50" in said.out

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (["http://example.org"], 2, "if it is yours, add: --anywhere"),
            (["127.0.0.1:8000"], 2, "type: http://127.0.0.1:8000"),
            (["http://127.0.0.1:99999"], 2, "is not the address of a service"),
            (["URL", "--rows", "nosuch.csv"], 2, "nosuch.csv"),
            (["URL", "--rows", "other.csv"], 2, "no column of the service"),
            (["URL/nosuch"], 2, "has no example for /nosuch"),
            (["URL", "--key", "NO_SUCH_KEY"], 2, "is neither a file with a key nor set"),
            (["URL", "--seconds", "0"], 2, "0"),
        ],
    )
    def test_mistakes(self, url, runtree, folder, words, code, says):
        (folder / "other.csv").write_text("size,colour\n1,red\n2,blue\n")
        said = runtree("load-test", *(word.replace("URL", url) for word in words))
        assert said.code == code and says in said.err
        assert not (folder / "load_tests").exists()

    def test_a_service_that_is_not_there(self, runtree):
        with socket.socket() as bound:  # and never listens: nobody else gets this port meanwhile
            bound.bind(("127.0.0.1", 0))
            said = runtree("load-test", f"http://127.0.0.1:{bound.getsockname()[1]}")
        assert said.code == 2 and "cannot be reached" in said.err and "runtree serve latest" in said.err

    def test_a_key_is_sent_and_never_shown(self, runtree, folder, monkeypatch):
        monkeypatch.setenv("CHURN_KEY", "rt_verysecret")
        described = {
            "paths": {"/predict": {"post": {"requestBody": {"content": {"application/json": {"example": {}}}}}}}
        }
        body = json.dumps(described).encode()
        with answering(
            lambda number: good(body=body) if number < 4 else good(status=401, body=b'{"error": "no key"}')
        ) as found:
            url = f"http://127.0.0.1:{found.port}"
            said = runtree("load-test", url, "--requests", "1", "--key", "CHURN_KEY")
            assert said.code == 0 and "rt_verysecret" not in said.out
            assert all(b"Bearer rt_verysecret" in head for head, _ in found.bodies[1:]) and found.bodies[-1][1] == b"{}"
            said = runtree("load-test", url, "--requests", "1", "--key", "CHURN_KEY")
            assert said.code == 2 and "--key NAME" in said.err
