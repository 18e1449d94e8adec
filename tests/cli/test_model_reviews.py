"""People look at what a model has answered: its answers are overridden, in files and databases, sealed or not."""

import json

import pytest

from registered_runs import write_run
from runtree.records.model_log import AuditFolder, read_log
from runtree.records.prediction_reader import count_log, read_prediction_log
from runtree.records.sealed import KEY_VARIABLE, parse_key
from runtree.serving.prediction_log import LoggedPrediction, LogOptions, PredictionLog

WHY = ["--reason", "the customer has called", "--by", "anna"]


def answer(request, row=0, prediction="yes", model="churn", version="1", route="primary", p=0.9):
    outputs = {"prediction": prediction, "probabilities": {"no": 1 - p, "yes": p}} if prediction else {"error": "age"}
    time = "2026-11-29T10:00:00.500+00:00"
    return LoggedPrediction(request, time, model, version, {"age": 41, "city": "Ulm"}, outputs, 0.004, route, row)


def write_log(place, *entries, key=None, **options):
    log = PredictionLog.open(LogOptions(to=str(place), **options), key)
    for entry in entries:
        log.append(entry)
    log.close()


def labels(place):
    rows = [row for batch in read_prediction_log(place) for row in batch.to_pylist()]
    return {(row["request_id"], row["row"]): (row["label"], row["label_source"]) for row in rows}


@pytest.fixture
def answered(runtree, folder):
    """A registered model, and a log of its answers: to one row, to three, and one that failed; and the shadow's."""
    record = write_run(folder / "r1")
    assert runtree("models", "register", str(record.folder), "churn", "--by", "anna").code == 0
    entries = [answer("q1"), *(answer("q2", row, "no") for row in range(3)), answer("q2", 3, None)]
    write_log("predictions", *entries, answer("q1", prediction="no", version="2", route="shadow"))
    return runtree


def test_an_answer_is_overridden_once_and_the_last_value_counts(answered, folder):
    said = answered("models", "override", "q1", "--value", "no", *WHY)
    assert (said.code, "q1/0 of churn/1 is no now, instead of yes" in said.out) == (0, True), said
    assert "runtree monitor models:/churn/1" in said.out
    assert labels("predictions")["q1", 0] == ("no", "override")
    again = answered("models", "override", "q1/0", "models:/churn", "--value", "no", *WHY)
    assert (again.code, "no stands there already" in again.out) == (0, True)
    other = answered("models", "override", "q1", "churn/1", "--value", "yes", *WHY)
    assert "is yes now, which confirms the prediction, and of the no decided before" in other.out
    assert labels("predictions")["q1", 0] == ("yes", "override")
    entries, faults = read_log(AuditFolder(folder / "registry"))
    acts = [entry for entry in entries if entry["act"] == "override"]
    assert not faults and [entry["value"] for entry in acts] == ["no", "yes"]
    assert (acts[0]["by"], acts[0]["predicted"], acts[0]["reason"]) == ("anna", "yes", WHY[1])
    assert (acts[0]["model"], acts[0]["version"], acts[0]["request"], acts[0]["row"]) == ("churn", "1", "q1", 0)
    assert answered("models", "verify").code == 0
    file = folder / "registry/audit.jsonl"
    file.write_text(file.read_text().replace('"value":"no"', '"value":"yes"'))
    assert answered("models", "verify").code == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["q9", "--value", "no", *WHY], 5, "predictions: no answer to the request 'q9'"),
        (["q2", "--value", "no", *WHY], 2, "the request 'q2' had 3 rows\nname one: q2/0, q2/1, q2/2"),
        (["q2/3", "--value", "no", *WHY], 5, "no answer to row 3 of 'q2'\nthere are answers to rows 0 to 2"),
        (["q1", "--value", "ye", *WHY], 2, "unknown class at --value: 'ye'\ndid you mean: yes?"),
        (["q1", "--value", "maybe", *WHY], 2, "possible: no, yes"),
        (["q1", "--value", "no"], 2, "override: a reason is needed"),
        (["q1", "churn/2", "--value", "no", *WHY], 5, "no answer of churn/2 to the request 'q1'"),
        (["q1", "churn@champion", "--value", "no", *WHY], 5, "unknown alias of churn 'champion'"),
        (["q1", "--value", "no", *WHY, "--log", "elsewhere"], 5, "elsewhere: there is no prediction log"),
        (["q1", "--value", "no", *WHY, "--registry", "other"], 5, "no registered models in other"),
    ],
)
def test_what_cannot_be_overridden_is_told(answered, words, code, message):
    said = answered("models", "override", *words)
    plain = "\n".join(line.strip().removeprefix("error: ").removeprefix("hint: ") for line in said.err.splitlines())
    assert (said.code, message in plain) == (code, True), said.err
    assert len(said.err.splitlines()) <= 5
    assert {source for _, source in labels("predictions").values()} == {None}


def test_a_database_and_a_sealed_log_keep_overrides_too(answered, folder, monkeypatch):
    pytest.importorskip("sqlalchemy", reason="a database needs the extra sql")
    write_log("sqlite:///log.db", answer("q1"), answer("q2"), spool="spool")
    place = ["--log", "sqlite:///log.db"]
    assert answered("models", "override", "q1", "--value", "no", *WHY, *place).code == 0
    assert answered("models", "override", "q3", "--value", "no", *WHY, *place).code == 5
    assert labels("sqlite:///log.db") == {("q1", 0): ("no", "override"), ("q2", 0): (None, None)}
    assert "stands there already" in answered("models", "override", "q1", "--value", "no", *WHY, *place).out
    assert count_log("sqlite:///log.db").received == 2
    pytest.importorskip("cryptography", reason="sealing needs the extra encryption")
    monkeypatch.setenv(KEY_VARIABLE, "5" * 64)
    write_log("sealed", answer("q1"), key=parse_key("5" * 64, "key", KEY_VARIABLE))
    assert answered("models", "override", "q1", "--value", "no", *WHY, "--log", "sealed").code == 0
    assert labels("sealed") == {("q1", 0): ("no", "override")}
    assert [file.read_bytes()[:10] for file in (folder / "sealed/labels").iterdir()] == [b'{"sealed":']


def test_a_truth_wins_over_what_a_person_decided(answered):
    assert answered("models", "override", "q1", "--value", "no", *WHY).code == 0
    log = PredictionLog.open(LogOptions())
    log.add_labels([{"request_id": "q1", "label": "yes"}])
    log.close()
    [row] = [row for batch in read_prediction_log("predictions", request_ids=["q1"]) for row in batch.to_pylist()][:1]
    assert (row["label"], row["label_source"], row["override"]) == ("yes", "truth", "no")


def test_numbers_are_overridden_by_numbers(answered, folder):
    from runtree.contract.errors import RequestError
    from runtree.lifecycle.override import read_value

    assert (read_value("2.5", ()), read_value("1", (0, 1)), read_value(True, (False, True))) == (2.5, 1, True)
    for word in ("two", "nan", "inf"):
        with pytest.raises(RequestError, match="is no number"):
            read_value(word, ())
    write_log("numbers", answer("q1", prediction=1.5), answer("q2", prediction="yes", version="run", model="r1"))
    assert json.loads(json.dumps(labels("numbers")["q1", 0])) == [None, None]
    assert answered("models", "override", "q2", "--value", "no", *WHY, "--log", "numbers", "--outputs", ".").code == 0


def test_answers_to_look_at_are_listed_for_people_and_programs(answered):
    words = ["models", "review", "models:/churn", "--rows", "2"]
    said = answered(*words)
    assert said.out.startswith("4 answers of churn/1 without a label\n") and "--value" in said.out, said
    found = json.loads(answered(*words, "--json").out)
    assert (found["model"], found["answers"], len(found["rows"])) == ("churn/1", 4, 2)
    assert [(row["chosen"], row["weight"]) for row in found["rows"]] == [("uncertain", 1.0), ("random", 3.0)]
    heading, *lines = answered(*words, "--csv").out.splitlines()
    assert heading == "request,time,prediction,chosen,weight,p_no,p_yes,age,city" and len(lines) == 2
    first = found["rows"][0]["request"]
    assert answered("models", "override", first, "--value", "no", *WHY).code == 0
    again = answered("models", "review", "churn/1")
    assert "3 answers of churn/1 without a label, 1 has one already" in again.out and f"{first} " not in again.out
    for wrong, code, message in (
        (["churn/1", "--since", "soon"], 2, "--since soon is not a date"),
        (["churn/2"], 5, "churn has no version 2"),
        (["churn", "--log", "elsewhere"], 5, "there is no prediction log"),
        (["churn", "--rows", "0"], 2, "--rows"),
    ):
        said = answered("models", "review", *wrong)
        assert (said.code, message in said.err) == (code, True), said
