"""What was last watched of the served model: its page and result at `/monitor`, and gauges for Prometheus.

Both are read from the files of `runtree monitor`, which may run on this machine at any time.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from msgspec.json import encode
from prometheus_client.core import GaugeMetricFamily

from runtree.contract.commands import command
from runtree.contract.files import read_regular
from runtree.records.layout import MonitorFolder
from runtree.records.reader import read_json
from runtree.serving.openapi import get
from runtree.serving.routes import Api, BadRequest
from runtree.serving.served_model import ServedModel

MAX_FIGURES = 50  # of a model, as gauges: Prometheus keeps a series for each
NEWEST = 20  # windows that are read to find one with enough rows to be tested
# the document of the page forbids itself the same
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
FORMATS = ("html", "json")


@dataclass(frozen=True)
class WatchedModel:
    """The results of monitoring for the model that a service answers with now.

    Attributes
    ----------
    model
        Returns that model.
    place
        The folder in which each model has one.
    """

    model: Callable[[], ServedModel]
    place: Path

    @property
    def folder(self) -> MonitorFolder:
        """The folder of the model."""
        return MonitorFolder(self.place / self.model().name.replace("/", "-"))

    def last(self) -> dict[str, Any]:
        """Return the window that was written last, of those with enough rows if there is one; empty: none."""
        try:
            windows = sorted(self.folder.windows(), key=lambda one: one.result.stat().st_mtime_ns, reverse=True)
        except OSError:  # a window was removed in this moment
            return {}
        found = [content for one in windows[:NEWEST] if "state" in (content := read_json(one.result)[0])]
        return next((content for content in found if content["state"] != "small"), found[0] if found else {})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges: alarm, time and figures of that window; a figure that is not known is left out."""
        last, name = self.last(), self.model().name
        if not last:
            return
        alarm = GaugeMetricFamily("runtree_monitor_alarm", "Whether the window raised an alarm.", labels=["model"])
        alarm.add_metric([name], float(last["state"] == "alarm"))
        yield alarm
        try:
            moment = datetime.fromisoformat(str(last.get("checked"))).timestamp()
        except ValueError:
            moment = math.nan
        if math.isfinite(moment):
            looked = "runtree_monitor_checked_timestamp_seconds"
            family = GaugeMetricFamily(looked, "When the window was looked at.", labels=["model"])
            family.add_metric([name], moment)
            yield family
        figures = last.get("figures")
        family = GaugeMetricFamily(
            "runtree_monitor_figure",
            "A figure of the window: drift, quality, KPIs.",
            labels=["model", "figure"],
        )
        for figure, value in list(figures.items() if isinstance(figures, Mapping) else ())[:MAX_FIGURES]:
            if isinstance(value, (int, float)):
                family.add_metric([name, str(figure)], float(value))
        yield family


def add_watched_route(app: FastAPI, api: Api, place: Path) -> None:
    """Add `/monitor`, and the gauges to `/metrics`."""
    watched = WatchedModel(lambda: api.service.model, place)
    api.service.telemetry.collectors.append(watched)
    described = get("What was last watched of the model", "404", "422", kinds=("application/json", "text/html"))
    asked = {"name": "format", "in": "query", "schema": {"enum": list(FORMATS)}}
    api.paths["/monitor"] = {"get": described | {"parameters": [asked]}}

    @app.get("/monitor")
    def monitor(request: Request) -> Response:  # in a thread of FastAPI: it reads files
        asked = request.query_params.get("format")
        is_json = asked == "json" if asked else "text/html" not in request.headers.get("accept", "*/*")
        status, headers = 200, {"vary": "accept", "cache-control": "no-store"}
        try:
            if asked not in (None, *FORMATS):
                raise BadRequest(422, f"format: '{asked[:20]}' is not possible", f"possible: {', '.join(FORMATS)}")
            content: Any = watched.last()
            if not content:
                raise _never_watched(api.service.model)
            if not is_json:
                page = read_regular(watched.folder.report)
                kind = {"content-security-policy": POLICY, "content-type": "text/html; charset=utf-8"}
                return Response(page, status, headers | kind)
        except BadRequest as error:
            status, content = error.status, error.body
        except OSError:  # there are results, but the page is not written yet
            missing = _never_watched(api.service.model)
            status, content = missing.status, missing.body
        return Response(encode(content), status, headers, "application/json")


def _never_watched(model: ServedModel) -> BadRequest:
    words = command("monitor", model.reference)
    return BadRequest(404, f"{model.name} was not watched yet", f"type: {words}", "results elsewhere: serve.monitor")
