"""Answers for people to look at: which are chosen, and the page of the service on which they decide."""

import asyncio
import html
import json
import re

import pytest

pytest.importorskip("fastapi", reason="serving needs the extra serve")

from reports.test_in_browser import BROWSER, browse
from runtree.records.model_log import AuditFolder, read_log
from runtree.records.prediction_reader import read_prediction_log
from runtree.serving.keys import KeyStore
from runtree.serving.prediction_log import LogOptions, PredictionLog
from runtree.serving.recording import Recorder, add_record_routes
from runtree.serving.review import add_review_routes
from serving_models import call, customers, listening, running, served

EVIL = '</script><script>document.title="owned"</script>"\'&<b>'
CLICK = b'<script>document.querySelector(".card button.second").click()</script>'
ROW = {"age": 40, "income": 2500.0, "city": "Ulm", "member": True}


@pytest.fixture(scope="module")
def model():
    return served()


class Extension:
    """All that records a service, in a folder."""

    def __init__(self, folder):
        self.folder, self.registry = folder, folder / "registry"
        self.registry.mkdir()

    def __call__(self, app, api):
        recorder = Recorder(
            api.service, PredictionLog.open(LogOptions(to=str(self.folder / "log"))), self.registry, "me"
        )
        recorder.attach()
        add_record_routes(app, api, recorder)
        add_review_routes(app, api, recorder, str(self.folder / "log"))

    def ask(self, model, work):
        """Return what the coroutine `work(app)` returns of a service."""

        async def serve():
            async with running(model) as found:
                self(found.app.app, found.app.api)
                return await work(found.app)

        return asyncio.run(serve())


def test_decisions_are_logged_audited_and_not_shown_again(model, tmp_path):
    service = Extension(tmp_path)

    async def work(app):
        assert (await call(app, "/review")).content["rows"] == []  # nothing was asked yet
        for number in range(6):
            named = [(b"x-request-id", f"q{number}".encode())]
            await call(app, "/predict", {"rows": [ROW | {"age": 20 + 10 * number}]}, headers=named)
        first = (await call(app, "/review")).content
        row = first["rows"][0]
        other = {"yes": "no", "no": "yes"}[row["prediction"]]
        said = [
            (await call(app, "/review", {"request": row["request"], "value": other, "reason": "called"})).content,
            (await call(app, "/review", {"request": row["request"], "value": other})).content,
            (await call(app, "/review")).content,
        ]
        wrong = [
            {"request": "q9", "value": "no"},
            {"request": "q1", "value": "maybe"},
            {"request": "q1"},
            {"request": ["q1"], "value": "no"},
        ]
        return first, said, [await call(app, "/review", document) for document in wrong]

    first, said, refused = service.ask(model, work)
    assert (first["model"], first["classes"], first["answers"], len(first["rows"])) == ("churn/1", ["no", "yes"], 6, 6)
    row = first["rows"][0]
    assert set(row["inputs"]) == {"age", "income", "city", "member"} and row["chosen"] == "uncertain"
    assert min(abs(one["probabilities"]["yes"] - 0.5) for one in first["rows"]) == abs(
        row["probabilities"]["yes"] - 0.5
    )
    assert [one["is_new"] for one in said[:2]] == [True, False]
    assert said[2]["answers"] == 5 and row["request"] not in [one["request"] for one in said[2]["rows"]]
    assert [one.status for one in refused] == [404, 422, 422, 422]
    assert refused[1].content["hints"] == ["possible: no, yes"]
    kept = [one for batch in read_prediction_log(tmp_path / "log") for one in batch.to_pylist() if one["override"]]
    assert [f"{one['request_id']}/{one['row']}" for one in kept] == [row["request"]]
    [entry] = read_log(AuditFolder(service.registry))[0]
    assert (entry["act"], entry["reason"], entry["predicted"]) == ("override", "called", row["prediction"])


def test_the_review_needs_a_key_of_its_role(tmp_path):
    from test_access import ask, control_of

    control = control_of(KeyStore(tmp_path))
    for method in ("GET", "POST"):
        status, document, _ = ask(control, method, "/review")
        assert status == 403 and "runtree serve keys add --role review" in document["error"]
    keys = KeyStore(tmp_path)
    text = {role: keys.add(role, "", "me")[1] for role in ("review", "predict", "read")}
    control = control_of(keys)
    assert ask(control, "GET", "/review", x_api_key=text["review"])[0] == 200
    assert {ask(control, "GET", "/review", x_api_key=text[role])[0] for role in ("predict", "read")} == {403}
    assert {ask(control, "POST", path, x_api_key=text["review"])[0] for path in ("/predict", "/refresh")} == {403}


def test_the_page_escapes_what_clients_sent_and_loads_nothing(tmp_path):
    frame, target = customers()
    service = Extension(tmp_path)

    async def work(app):
        await call(app, "/predict", {"rows": [ROW | {"city": EVIL}]})
        return await call(app, "/review", headers=[(b"accept", b"text/html")])

    said = service.ask(served(table=(frame, target)), work)
    assert said.status == 200 and "<script>document" not in said.content and "<b>" not in said.content
    assert re.findall(r'(?:src|href|action)\s*=\s*"', said.content) == []
    policy = said.headers[b"content-security-policy"].decode()
    assert (
        policy.startswith("default-src 'none'")
        and "unsafe" not in policy
        and said.headers[b"cache-control"] == b"no-store"
    )


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed: apt-get install chromium")
def test_a_browser_shows_the_answers_and_sends_a_decision(model, folder):
    import httpx

    def clicking(app):
        """Let the page click on the first button that decides against the model; its policy would forbid the script."""

        async def answer(scope, receive, send):
            async def changed(message):
                if scope.get("path") == "/review" and scope["method"] == "GET":
                    message["headers"] = [(b"content-type", b"text/html")]
                    message["body"] = message.get("body", b"") + CLICK
                await send(message)

            await app(scope, receive, changed)

        return answer

    with listening(model, extend=Extension(folder), wrap=clicking) as url:
        httpx.post(f"{url}/predict", json={"rows": [ROW, ROW | {"age": 70}]}, headers={"x-request-id": "q1"})
        page = browse(folder, "--dump-dom", "--window-size=390,900", f"{url}/review")
    shown = html.unescape(re.sub(r"<[^>]+>", "|", page.partition('<div id="rows"')[2].partition("<noscript")[0]))
    assert "1 of 2 decided; without a label: 1" in page
    assert shown.count("is right") == 2 and "Ulm" in shown and re.search(r"\(\d+\.\d %\)", shown)
    assert len(re.findall(r"Decided: (yes|no) instead of (yes|no)", shown)) == 1
    [kept] = [one for batch in read_prediction_log(folder / "log") for one in batch.to_pylist() if one["override"]]
    assert kept["override"] != kept["outputs.prediction"]


def write(place, count, labelled=()):
    from runtree.serving.prediction_log import LoggedPrediction

    log = PredictionLog.open(LogOptions(to=str(place)))
    for number in range(count):
        p = (number * 37 % count + 0.5) / count
        outputs = {"prediction": "yes" if p > 0.5 else "no", "probabilities": {"no": 1 - p, "yes": p}}
        time = f"2026-11-29T10:{number // 60:02d}:{number % 60:02d}.000+00:00"
        log.append(LoggedPrediction(f"r{number}", time, "churn", "3", {"p": p}, outputs, 0.004, "primary"))
    log.add_labels({"request_id": name, "label": "yes"} for name in labelled)
    log.close()


def test_half_are_the_nearest_to_the_threshold_and_the_others_stand_for_the_rest(tmp_path):
    from runtree.contract.errors import NotFoundError
    from runtree.records.prediction_review import ReviewedModel, sample_for_review

    write(tmp_path, 400, ["r0"])
    model = ReviewedModel("churn", "3", "run-1", ["no", "yes"], 0.2)
    found = sample_for_review(str(tmp_path), model, 20)
    assert (found.answers, found.labelled, len(found.rows)) == (399, 1, 20)
    uncertain, random = found.rows[:10], found.rows[10:]
    assert all(abs(row.probabilities["yes"] - 0.2) < 0.0126 and row.weight == 1 for row in uncertain)
    assert {(row.chosen, row.weight) for row in random} == {("random", 38.9)}
    assert len({row.request for row in found.rows}) == 20 and "r0/0" not in {row.request for row in found.rows}
    assert sample_for_review(str(tmp_path), model, 20) == found  # the same each time
    other = sample_for_review(str(tmp_path), ReviewedModel("churn", "3", "run-2", ["no", "yes"], 0.2), 20)
    assert other.rows[:10] == uncertain and other.rows[10:] != random
    # over keys, the weighted sum is right on average: of p over all answers
    truth = sum((number * 37 % 400 + 0.5) / 400 for number in range(1, 400))
    sums = []
    for number in range(12):
        rows = sample_for_review(str(tmp_path), ReviewedModel("churn", "3", str(number), ["no", "yes"]), 20).rows
        sums.append(sum(row.weight * row.inputs["p"] for row in rows))
    assert abs(sum(sums) / 12 - truth) < 4 * 399 * 0.29 / (10 * 12) ** 0.5
    with pytest.raises(NotFoundError, match="no answer of churn/4"):
        sample_for_review(str(tmp_path), ReviewedModel("churn", "4", "run-1"), 20)
    numbers = sample_for_review(str(tmp_path), ReviewedModel("churn", "3", "run-1"), 20)  # as of a regression
    assert {row.chosen for row in numbers.rows} == {"random"}
    assert json.dumps([row.weight for row in numbers.rows[:1]]) == "[19.95]"
