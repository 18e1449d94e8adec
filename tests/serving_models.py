"""Models for tests of the service: fitted in this process on a few rows, and served without a server."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from threading import Thread
from time import sleep
from types import SimpleNamespace

import numpy as np
import pandas as pd

from runtree.lifecycle.predict import ColumnContract, Predictor
from runtree.serving.served_model import make_served
from runtree.serving.settings import PolicyOptions, ServeSettings


def customers(rows=80, seed=0):
    """Return a table of numbers, categories, truth values, dates and missing values, and a target of two classes."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows).astype(float)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(rows) < 0.1, np.nan, age),
            "income": rng.normal(3000, 800, rows).round(2),
            "city": rng.choice(["Bonn", "Köln", "Ulm"], rows),
            "member": rng.random(rows) < 0.5,
        }
    )
    noise = rng.normal(0, 8, rows)
    return frame, pd.Series(np.where(age + noise + 10 * frame["member"] > 50, "yes", "no"), name="churn")


def contracts(frame, preprocess=None):
    """Return the contract of each column, as `model.json` has it."""
    from runtree.lifecycle.save import seen_values

    kinds = preprocess.column_kinds() if hasattr(preprocess, "column_kinds") else {}
    return {
        name: ColumnContract(
            name=name,
            dtype=str(column.dtype),
            missing=float(column.isna().mean()),
            **dict(zip(("kind", "detail"), kinds.get(name, ()), strict=False)),
            **json.loads(json.dumps(seen_values(column, *kinds.get(name, ())), default=float)),
        )
        for name, column in frame.items()
    }


def served(algorithm=None, preprocess=None, table=None, policy=None, tags=None, config=None, **facts):
    """Return a fitted model that answers, as version 1 of ``churn``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    from runtree.preprocess.tabular import Tabular

    frame, target = table or customers()
    model = Pipeline(
        [
            ("preprocess", preprocess or Tabular()),
            ("algorithm", LogisticRegression() if algorithm is None else algorithm),
        ]
    )
    model.fit(frame, target)
    classes = tuple(sorted(target.unique())) if target.dtype.kind not in "f" else ()
    card = {"task": "classification" if classes else "regression", "target": str(target.name)}
    predictor = Predictor(model, contracts(frame, model[0]), classes, card=card)
    record = SimpleNamespace(id="r1", config={"algorithm.name": type(model[-1]).__name__, **(config or {})})
    reference, registered = "models:/churn@champion", ("churn", 1)
    return replace(make_served(record, predictor, reference, policy or PolicyOptions(), registered, tags), **facts)


@asynccontextmanager
async def running(model, settings=None, **parts):
    """Run a service in this event loop, and yield it with its application."""
    from runtree.serving.routes import make_app
    from runtree.serving.service import Service
    from runtree.serving.traffic import PRIMARY, Target, Traffic

    source = parts.pop("source", None)
    traffic = Traffic(source, Target(PRIMARY, model.reference, model), **parts)
    service = Service(settings or ServeSettings(reload=0), traffic, on_fault=lambda: None)
    app = make_app(service)
    await service.start()
    try:
        yield SimpleNamespace(service=service, app=app)
    finally:
        await service.stop()


async def call(app, path, document=None, method=None, headers=(), body=None):
    """Return status, headers and content of what an application answers."""
    content = body if body is not None else b"" if document is None else json.dumps(document).encode()
    sent = []
    given = [(b"content-type", b"application/json"), (b"host", b"localhost"), *headers]
    scope = {
        "type": "http",
        "method": method or ("GET" if document is None and body is None else "POST"),
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": given,
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "root_path": "",
    }
    messages = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive():
        return messages.pop(0) if messages else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    found = b"".join(message.get("body", b"") for message in sent[1:])
    kinds = dict(sent[0]["headers"])
    kind = kinds.get(b"content-type", b"")
    return SimpleNamespace(
        status=sent[0]["status"], headers=kinds, content=json.loads(found) if b"json" in kind else found.decode()
    )


def ask(model, path, document=None, settings=None, **more):
    """Return what a service of a model answers to one request."""

    async def work():
        async with running(model, settings) as found:
            return await call(found.app, path, document, **more)

    return asyncio.run(work())


@contextmanager
def listening(model, settings=None, seconds=30.0, wrap=lambda app: app, extend=lambda app, api: None):
    """Serve a model in a thread behind a free port of the loopback, and yield its address."""
    import uvicorn

    from runtree.serving.routes import make_app
    from runtree.serving.server import PatientProtocol, Place, listen
    from runtree.serving.service import Service
    from runtree.serving.traffic import PRIMARY, Target, Traffic

    traffic = Traffic(None, Target(PRIMARY, model.reference, model))
    app = wrap(make_app(Service(settings or ServeSettings(reload=0), traffic, on_fault=lambda: None), extend))
    listener, place = listen(Place("127.0.0.1", 0))
    protocol = type("Protocol", (PatientProtocol,), {"seconds": seconds})
    server = uvicorn.Server(
        uvicorn.Config(app, http=protocol, log_config=None, access_log=False, ws="none", lifespan="on")
    )
    thread = Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            sleep(0.01)
        yield place.url
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
