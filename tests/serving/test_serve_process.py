"""`runtree serve` as processes: a killed worker is replaced, an alias that moves is followed, SIGTERM ends in order."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import psutil
import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

import httpx

import runtree as rt
from runtree.app.serve import ModelLoader, ServeRequest
from runtree.records.prediction_reader import count_log, read_prediction_log
from runtree.serving.prediction_log import LogOptions
from runtree.serving.service import Service
from runtree.serving.settings import PolicyOptions, ServeSettings
from runtree.serving.traffic import PRIMARY, Target, Traffic
from runtree.testing.fixtures import UNEXAMINED
from serving_models import listening, served

ROW = {"area": 50, "side": "north"}


def until(found, seconds=120):
    """Wait until a function returns something, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@contextmanager
def serving(*words):
    """Run `runtree serve` in a process, and yield it with its address."""
    command = [
        sys.executable,
        "-m",
        "runtree",
        "serve",
        "models:/price@live",
        "--port",
        "0",
        "serve.reload=0.2",
        *words,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        yield process, next(found[0] for line in lines if (found := re.findall(r"http://[\d.:]+", line)))
    finally:
        process.kill()
        process.communicate()


def ask_at(url):
    try:
        with rt.Client(url, retries=0) as client:
            return client.answer([ROW])
    except rt.api.client.ServiceError:
        return None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_workers_are_replaced_versions_exchanged_and_the_end_is_in_order(runtree, folder):
    rows = [f"{40 + n % 9},{['north', 'south'][n % 2]},{1000 * (40 + n % 9) + n}" for n in range(60)]
    (folder / "prices.csv").write_text("\n".join(["area,side,price", *rows]))
    table = ["data=csv", "data.path=prices.csv", "data.target=price", "data.task=regression", *UNEXAMINED]
    for number, algorithm in enumerate(("ridge", "linear"), 1):
        assert runtree("train", *table, f"algorithm={algorithm}").code == 0
        assert runtree("models", "register", "latest", "price").code == 0
        if number == 1:
            assert runtree("models", "promote", "price@1", "live").code == 0
    with serving("--workers", "2", "serve.grace=6") as (process, url):

        def ask():
            return ask_at(url)

        def health():
            with suppress(httpx.TransportError):
                return httpx.get(f"{url}/v2/health/ready").status_code

        def workers():
            living = []
            for child in psutil.Process(process.pid).children():
                with suppress(psutil.Error):  # it ends just now
                    if "spawn_main" in " ".join(child.cmdline()):
                        living.append(child)
            return living

        assert until(ask)["version"] == "1"
        killed = until(lambda: found if len(found := workers()) == 2 else None)[0]
        # while both exchange the model
        assert runtree("models", "promote", "price@2", "live").code == 0
        killed.kill()
        # the other one answers meanwhile; a connection that the dead one had taken is tried again by a client
        assert until(ask)["predictions"][0]["prediction"] > 0
        until(lambda: len([one for one in workers() if one.pid != killed.pid]) == 2)
        until(lambda: {(ask() or {}).get("version") for _ in range(12)} == {"2"})
        # a version that is half copied is refused, and the present one keeps answering
        whole = folder / "registry/price/versions/1/model"
        whole.rename(folder / "whole")
        whole.mkdir()
        (whole / "model.json").write_bytes((folder / "whole/model.json").read_bytes())
        assert runtree("models", "promote", "price@1", "live").code == 0
        time.sleep(1)
        assert {(ask() or {}).get("version") for _ in range(8)} <= {"2", None}
        process.send_signal(signal.SIGTERM)
        # what passes requests on sees it, and what comes meanwhile is answered
        until(lambda: health() == 503)
        assert ask()["version"] == "2"
        assert process.wait(120) == 0
        assert "version 2 keeps answering" in process.stderr.read()
    shutil.rmtree(whole)
    (folder / "whole").rename(whole)
    a_kill_in_an_exchange_loses_nothing_but_what_is_counted(runtree, folder)


def a_kill_in_an_exchange_loses_nothing_but_what_is_counted(runtree, folder):
    before = count_log(folder / "predictions")
    with serving() as (process, url):
        answered = 0
        assert until(lambda: ask_at(url))["version"] == "1"
        assert runtree("models", "promote", "price@2", "live").code == 0
        end = time.monotonic() + 0.3  # in which it looks at the alias and loads the other version
        while time.monotonic() < end:
            answered += ask_at(url) is not None
        process.kill()
    # what is started again answers with what the alias means, and stores what was left behind
    settings = ServeSettings(log=LogOptions(to=str(folder / "predictions")))
    request = ServeRequest("models:/price@live", ModelLoader("outputs", PolicyOptions()), settings)
    service = request.load()
    assert service.model.version == "2"
    request.open(service)
    until(lambda: not list((folder / "predictions").glob("*.jsonl")) or count_log(folder / "predictions") != before)
    for close in service.closers:
        close()
    counts = count_log(folder / "predictions")
    assert counts.received == counts.written + counts.dropped + counts.lost
    assert counts.received >= before.received + answered + 1
    rows = sum(batch.num_rows for batch in read_prediction_log(folder / "predictions"))
    assert rows == counts.written
    assert runtree("models", "verify").code == 0


def test_who_drips_bytes_holds_no_connection():
    with listening(served(), seconds=1.5) as url:
        host, port = url.removeprefix("http://").split(":")
        heads = [
            b"POST /predict HTTP/1.1\r\nhost: x\r\n",
            b"",
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
        ]
        dripping = [socket.create_connection((host, int(port)), timeout=60) for _ in heads]
        for one, head in zip(dripping, heads, strict=True):
            one.sendall(head)
        with rt.Client(url) as client:
            assert client.is_ready()
        for one in dripping:
            assert one.recv(100).startswith(b"HTTP/1.1 408")
            assert one.recv(100) == b""
            one.close()


def test_what_cannot_be_served_is_told(runtree, folder, monkeypatch):
    assert "no run" in runtree("serve", "latest").err
    assert runtree("serve", "latest", "serve.policy.range=drop").code == 2
    said = runtree("serve", "latest", "--canary", "models:/a@b=120%")
    assert said.code == 2 and "a reference and a share are needed" in said.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = runtree("serve", "latest", "--port", str(taken.getsockname()[1]))
    assert said.code == 2 and "Address already in use" in said.err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = runtree("serve", "latest")
    assert said.code == 4 and "pip install 'runtree[serve]'" in said.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_cannot_be_opened_is_told_before_anything_is_served(runtree, folder, monkeypatch, workers):
    model = served()
    traffic = Traffic(None, Target(PRIMARY, model.reference, model))
    monkeypatch.setattr(ServeRequest, "load", lambda request: Service(request.settings, traffic))
    (folder / "k.key").write_text("0" * 44)
    (folder / "k.key").chmod(0o644)
    said = runtree("serve", "latest", "--port", "0", "--workers", workers, "serve.encrypt.file=k.key")
    assert said.code == 2 and "encrypt.file: others may read k.key" in said.err and "serving" not in said.out


def test_a_process_that_cannot_load_its_model_says_so_and_ends(folder, caplog):
    with pytest.raises(SystemExit) as ended:
        ServeRequest("models:/churn@champion", ModelLoader("outputs", PolicyOptions()), ServeSettings()).make()
    assert ended.value.code == 1 and "this process cannot serve: " in caplog.text


def test_the_settings_of_the_group_are_those_of_the_file(runtree):
    described = runtree("describe", "serve=default").out
    assert "serve.batch.queue_rows = 10000" in described and "runtree serve latest serve=default" in described
    assert json.loads(runtree("list", "serve", "--json").out)["options"][0]["name"] == "default"
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None
