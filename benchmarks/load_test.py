"""`runtree load-test` beside wrk: throughput and latency of the same service, in turns.

    python benchmarks/load_test.py                    # starts a service of a model that it trains
    python benchmarks/load_test.py --connections 8 --rounds 9
    python benchmarks/load_test.py --fixed            # a service that answers after 20 ms, whatever the machine does

A figure is the median of rounds in which both take turns. Both share the processors with the service.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import chdir
from pathlib import Path

RUNTREE = str(Path(sys.executable).with_name("runtree"))
QUIET = ["evaluator.report=false", "evaluator.explain=none", "evaluator.baselines=none", "evaluator.diagnose=none"]
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

FIXED = """
import asyncio, json
content = {"application/json": {"example": {"rows": [1]}}}
document = {"paths": {"/predict": {"post": {"requestBody": {"content": content}}}}}
body = json.dumps(document).encode()
answer = b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body
class Service(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""
    def data_received(self, data):
        self.read += data
        head, end, rest = self.read.partition(b"\\r\\n\\r\\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\\r\\n")[0]
        if end and len(rest) >= int(length or 0):
            self.read = b""
            asyncio.get_running_loop().call_later(0.02, self.transport.write, answer)
async def main():
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def by_wrk(url: str, connections: int, seconds: float) -> dict[str, float]:
    example = json.load(urllib.request.urlopen(f"{url}/openapi.json"))["paths"]["/predict"]["post"]
    body = json.dumps(example["requestBody"]["content"]["application/json"]["example"])
    script = f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\nwrk.headers["Content-Type"] = "application/json"\n'
    Path("post.lua").write_text(script)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", "post.lua", f"{url}/predict"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {
        name: float(value) * UNITS[unit] for name, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)
    }
    return {
        "throughput": float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0]),
        "p50": found["50"],
        "p99": found["99"],
    }


def by_runtree(url: str, connections: int, seconds: float) -> dict[str, float]:
    words = [RUNTREE, "load-test", url, "--seconds", f"{seconds:g}", "--connections", str(connections), "--json"]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return {"throughput": found["throughput"], **{name: found["latency_ms"][name] for name in ("p50", "p99")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--fixed", action="store_true", help="a service whose answers take 20 ms")
    options = parser.parse_args()
    tools = {"wrk": by_wrk, "runtree load-test": by_runtree}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        words = [sys.executable, "-c", FIXED]
        if not options.fixed:
            subprocess.run([RUNTREE, "train", "algorithm=logistic", *QUIET], check=True, capture_output=True)
            words = [RUNTREE, "serve", "latest", "--port", "0"]
        service = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            url = next(found[0] for line in service.stdout if (found := re.findall(r"http://[\d.:]+", line)))
            time.sleep(2)
            rounds = {name: [] for name in tools}
            for _ in range(options.rounds):
                for name, tool in tools.items():
                    rounds[name].append(tool(url, options.connections, options.seconds))
        finally:
            service.terminate()
            service.wait(20)
    print("| | answers a second | p50 ms | p99 ms |\n|---|---|---|---|")
    for name, found in rounds.items():
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        print(f"| {name} | {middle['throughput']:,.0f} | {middle['p50']:.2f} | {middle['p99']:.2f} |")
    pairs = zip(rounds["runtree load-test"], rounds["wrk"], strict=True)
    ratio = statistics.median(own["throughput"] / other["throughput"] for own, other in pairs)
    print(f"\nthroughput beside wrk, median of the pairs: {ratio:.3f}")


if __name__ == "__main__":
    main()
