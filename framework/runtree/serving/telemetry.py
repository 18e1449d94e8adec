"""What the service counts, as Prometheus reads it; of several processes together."""

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # set before the processes start, where there are several
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def shared_file(name: str) -> Path | None:
    """Return the place of a file that the processes of this service have in common; None where there is one process."""
    return Path(os.environ[FOLDER_VARIABLE], name) if FOLDER_VARIABLE in os.environ else None


class Telemetry:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "runtree"}
        self.requests = Counter("requests", "Requests by path and status.", ["path", "status"], **own)
        self.seconds = Histogram("request_seconds", "Seconds of a request.", ["path"], buckets=SECONDS, **own)
        self.rows = Counter("rows", "Rows by model and outcome.", ["model", "version", "route", "outcome"], **own)
        self.batch_rows = Histogram("batch_rows", "Rows that are predicted at once.", buckets=ROWS, **own)
        self.waiting = Gauge("waiting_rows", "Rows that wait.", multiprocess_mode="livesum", **own)
        self.ready = Gauge("ready", "Processes that take requests.", multiprocess_mode="livesum", **own)
        self.swaps = Counter("model_swaps", "Exchanges of a model.", ["reference", "outcome"], **own)
        self.collectors: list[Any] = []  # of what is read when it is asked for, once for all processes
        self._known: dict[tuple[str, int], tuple[Any, Any]] = {}

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        found = self._known.get((path, status))
        if found is None:
            found = self.requests.labels(path, str(status)), self.seconds.labels(path)
            self._known[path, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def expose(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        together, more = self.registry, CollectorRegistry()
        if FOLDER_VARIABLE in os.environ:
            _forget_dead(Path(os.environ[FOLDER_VARIABLE]))
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        for collector in self.collectors:
            more.register(collector)
        return bytes(generate_latest(together)) + bytes(generate_latest(more))

    def close(self) -> None:
        """Take this process out of the gauges."""
        if FOLDER_VARIABLE in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def _forget_dead(folder: Path) -> None:
    """Take processes that were killed out of the gauges."""
    for file in folder.glob("gauge_live*_*.db"):
        if not Path("/proc", pid := file.stem.rpartition("_")[2]).exists():
            mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
