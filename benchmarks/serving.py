"""One row over HTTP: `runtree serve` beside bare FastAPI, a raw ASGI app and other servers of the same pipeline.

    python benchmarks/serving.py                      # data=breast_cancer, algorithm=hist_gradient_boosting
    python benchmarks/serving.py --algorithm logistic --seconds 5
    python benchmarks/serving.py --peers /tmp/peers   # an environment with runtree, litserve and mlflow
    python benchmarks/serving.py --mlserver /tmp/ml    # an environment with runtree and mlserver

Every server predicts class probabilities of the same row with the same saved model, in one process, on the loopback.
The answers are compared first. The latency is that of one connection, the throughput that of 32; both are the median of
rounds in which the servers take turns, so that what else the machine does meets all of them.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROUNDS = 5
CONNECTIONS = 32

COMMON = """
import json, os, sys
import pandas as pd
from runtree.app import App
from runtree.records.find import find_run
from pathlib import Path
predictor = App().load_predictor(find_run(Path("outputs"), "latest", needs="model"))
pipeline = predictor.model
"""
FASTAPI = (
    COMMON
    + """
from fastapi import FastAPI
from pydantic import BaseModel, create_model
Row = create_model("Row", **{f"f{n}": (float, ...) for n in range(len(predictor.columns))})
names = list(predictor.columns)
class Body(BaseModel):
    rows: list[Row]
app = FastAPI()
@app.post("/predict")
def predict(body: Body):
    frame = pd.DataFrame([list(row.model_dump().values()) for row in body.rows], columns=names)
    return {"predictions": pipeline.predict(frame).tolist(), "probabilities": pipeline.predict_proba(frame).tolist()}
import uvicorn
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""
)
RAW = (
    COMMON
    + """
import msgspec, uvicorn
names = list(predictor.columns)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    frame = pd.DataFrame([list(row.values()) for row in msgspec.json.decode(body)["rows"]], columns=names)
    found = {"predictions": pipeline.predict(frame).tolist(), "probabilities": pipeline.predict_proba(frame).tolist()}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": msgspec.json.encode(found)})
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""
)
LITSERVE = (
    COMMON
    + """
import litserve
names = list(predictor.columns)
class Api(litserve.LitAPI):
    def setup(self, device): self.pipeline = pipeline
    def decode_request(self, request):
        return pd.DataFrame([list(row.values()) for row in request["rows"]], columns=names)
    def predict(self, frame): return self.pipeline.predict(frame), self.pipeline.predict_proba(frame)
    def encode_response(self, found): return {"predictions": found[0].tolist(), "probabilities": found[1].tolist()}
if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/predict"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
"""
)
MLFLOW = (
    COMMON
    + """
import mlflow, subprocess
import mlflow.sklearn
if not Path("mlflow_model").exists():
    how = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
    mlflow.sklearn.save_model(pipeline, "mlflow_model", **how)
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts uvicorn by its name
words = f"-m mlflow models serve -m mlflow_model -p {sys.argv[1]} --env-manager local --workers 1"
os.execvp(sys.executable, [sys.executable, *words.split()])
"""
)


MLSERVER_MODEL = (
    COMMON
    + """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
names = list(predictor.columns)
class Model(MLModel):
    async def load(self): return True
    async def predict(self, payload):
        frame = pd.DataFrame(NumpyCodec.decode_input(payload.inputs[0]), columns=names)
        found = {"predictions": pipeline.predict(frame), "probabilities": pipeline.predict_proba(frame)}
        outputs = [NumpyCodec.encode_output(name, values) for name, values in found.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""
)
MLSERVER = """
import json, os, sys
from pathlib import Path
place = Path("mlserver_models")
place.mkdir(exist_ok=True)
ports = dict(zip(("http_port", "grpc_port", "metrics_port"), map(int, sys.argv[1:])))
(place / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}))
(place / "model-settings.json").write_text(json.dumps({"name": "m", "implementation": "mlserver_model.Model"}))
os.environ["PYTHONPATH"] = os.getcwd()
os.execv(Path(sys.executable).with_name("mlserver"), ["mlserver", "start", str(place)])
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A server in a process of its own; the seconds until it answers, and its memory."""

    def __init__(self, name, command, path, body, folder, environment=None):
        self.name, self.path, self.body, self.port = name, path, json.dumps(body).encode(), free_port()
        self.latency, self.throughput = [], []
        began = time.perf_counter()
        words = [str(self.port) if word == "PORT" else str(free_port()) if word == "FREE" else word for word in command]
        self.log = (folder / f"{name}.log".replace(" ", "-")).open("w")
        self.process = subprocess.Popen(
            words, cwd=folder, stdout=self.log, stderr=self.log, env=environment, start_new_session=True
        )
        while True:
            try:
                self.answer = self.ask()
                break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - began > 90:
                    raise SystemExit(f"{name} does not start: see {self.log.name}") from None
                time.sleep(0.02)
        self.start = time.perf_counter() - began

    def ask(self):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", self.body, {"content-type": "application/json"}
        )
        return json.loads(urllib.request.urlopen(request, timeout=30).read())

    @property
    def memory(self) -> float:
        """Megabytes of all of its processes."""
        whole = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in [whole, *whole.children(recursive=True)]) / 1e6

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


async def one_connection(server, until, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [f"POST {server.path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    message = "\r\n".join([*lines, f"content-length: {len(server.body)}", "", ""]).encode() + server.body
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(message)
        headers = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in headers.partition(b"\r\n")[0]:
            raise SystemExit(f"{server.name}: {headers[:80]!r}")
        if b"content-length:" in headers:
            await reader.readexactly(int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        else:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readuntil(b"\r\n")
        times.append(time.perf_counter() - began)
    writer.close()


async def load(server, connections, seconds):
    times, until = [], time.perf_counter() + seconds
    await asyncio.gather(*(one_connection(server, until, times) for _ in range(connections)))
    return times


def measure(servers, seconds):
    for server in servers:
        asyncio.run(load(server, 4, 0.5))  # warm
    for _ in range(ROUNDS):
        for server in servers:
            server.latency += asyncio.run(load(server, 1, seconds / ROUNDS))
            times = asyncio.run(load(server, CONNECTIONS, seconds / ROUNDS))
            server.throughput.append(len(times) / (seconds / ROUNDS))


def probabilities(answer, classes):
    """Return the probabilities of the first row, whatever the server calls them."""
    if "outputs" in answer:
        return answer["outputs"][1]["data"][: len(classes)]
    if isinstance(answer.get("predictions", [None])[0], dict):
        return list(answer["predictions"][0]["probabilities"].values())
    return (answer.get("probabilities") or answer["predictions"])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", default="hist_gradient_boosting")
    parser.add_argument("--data", default="breast_cancer")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement, over all rounds")
    parser.add_argument("--peers", type=Path, help="an environment with litserve and mlflow")
    parser.add_argument("--mlserver", type=Path, help="an environment with mlserver")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="serving-"))
    runtree = str(Path(sys.executable).with_name("runtree"))
    quiet = ["evaluator.report=false", "evaluator.explain=none", "evaluator.baselines=none"]
    subprocess.run(
        [runtree, "train", f"data={options.data}", f"algorithm={options.algorithm}", *quiet],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    [run] = folder.glob("outputs/*/*")
    card = json.loads((run / "model" / "model.json").read_text())
    row = {column["name"]: column["typical"] for column in card["columns"]}
    plain = {"rows": [{f"f{n}": value for n, value in enumerate(row.values())}]}
    scripts = {"bare FastAPI": (FASTAPI, sys.executable), "raw ASGI": (RAW, sys.executable)}
    if options.peers:
        scripts |= {
            name: (text, str(options.peers / "bin" / "python"))
            for name, text in (("litserve", LITSERVE), ("mlflow", MLFLOW))
        }
    started = [
        Server("runtree serve", [runtree, "serve", "latest", "--port", "PORT"], "/predict", {"rows": [row]}, folder)
    ]
    for name, (text, python) in scripts.items():
        file = folder / f"app_{name.replace(' ', '_')}.py"
        file.write_text(text)
        path, body = ("/invocations", {"dataframe_records": [row]}) if name == "mlflow" else ("/predict", plain)
        started.append(Server(name, [python, str(file), "PORT"], path, body, folder))
    if options.mlserver:
        (folder / "mlserver_model.py").write_text(MLSERVER_MODEL)
        (folder / "start_mlserver.py").write_text(MLSERVER)
        tensor = {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": list(row.values())}
        command = [str(options.mlserver / "bin" / "python"), "start_mlserver.py", "PORT", "FREE", "FREE"]
        started.append(Server("mlserver", command, "/v2/models/m/infer", {"inputs": [tensor]}, folder))
    try:
        expected = probabilities(started[0].answer, card["classes"])
        for server in started[1:]:
            found = probabilities(server.answer, card["classes"])
            assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) < 1e-12, server.name
        measure(started, options.seconds)
        print(f"{options.algorithm} on {options.data}, one row, {os.cpu_count()} cores shared with the client\n")
        print("| server | p50 ms | p99 ms | rows/s, 32 connections | start s | memory MB |\n|---|---|---|---|---|---|")
        for server in started:
            times = sorted(server.latency)
            print(
                f"| {server.name} | {1e3 * statistics.median(times):.2f} | {1e3 * times[int(0.99 * len(times))]:.2f} "
                f"| {statistics.median(server.throughput):,.0f} | {server.start:.1f} | {server.memory:.0f} |"
            )
        own, bare = started[0], started[1]
        print(
            f"\nbeside bare FastAPI: p50 {statistics.median(own.latency) / statistics.median(bare.latency):.2f} x, "
            f"throughput {statistics.median(own.throughput) / statistics.median(bare.throughput):.2f} x"
        )
    finally:
        for server in started:
            server.stop()


if __name__ == "__main__":
    main()
