"""What surrounds requests: metrics and logs."""

import io
import json
import logging

import pytest

from ner11.serving.logs import set_up_logging

TEXT = "Turla saw a fnord"


@pytest.fixture
def log():
    """What is written into the log, in lines."""
    stream, root, own = io.StringIO(), logging.getLogger(), logging.getLogger("ner11")
    before = root.handlers[:], root.level, own.level

    def start(**options):
        set_up_logging(stream=stream, **options)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield start
    root.handlers[:], root.level, own.level = before


def metrics(client):
    return dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")


def test_requests_texts_and_entities_are_counted(client):
    for _ in range(2):
        client.post("/v1/extract", json={"texts": ["Turla one two", "Kazuar"]})
    client.get("/no/such/route")
    client.post("/v1/extract", content=b"{")
    found = metrics(client)
    assert found['ner11_request_seconds_count{method="POST",route="/v1/extract",status="200"}'] == "2.0"
    assert found['ner11_request_seconds_count{method="POST",route="/v1/extract",status="422"}'] == "1.0"
    assert found['ner11_request_seconds_count{method="GET",route="other",status="404"}'] == "1.0"
    assert (found["ner11_texts_total"], found["ner11_words_total"], found["ner11_batch_texts_sum"]) == ("4.0", "8.0", "4.0")
    assert found['ner11_entities_total{label="MALWARE"}'] == "2.0"
    assert found['ner11_confidence_bucket{label="MALWARE",le="0.5"}'] == "0.0"
    assert found['ner11_confidence_bucket{label="MALWARE",le="0.7"}'] == "2.0"
    assert found["ner11_waiting_texts"] == "0.0"
    assert found['ner11_model_info{kind="onnx",model_version="en_toy-1.0.0",name="en_toy"}'] == "1.0"


def test_what_clients_send_does_not_become_a_label(client, runtime):
    before = len(metrics(client))
    client.request("BREW", "/coffee")
    runtime.labels = ("ACTOR",)
    client.post("/v1/extract", json={"text": "Kazuar"})
    found = metrics(client)
    assert found['ner11_request_seconds_count{method="other",route="other",status="404"}'] == "1.0"
    assert found['ner11_entities_total{label="other"}'] == "1.0" and "BREW" not in str(found) and len(found) > before


def test_a_request_is_one_line_without_its_texts(log, client):
    lines = log()
    answer = client.post("/v1/extract", json={"text": TEXT}, headers={"X-Request-ID": "abc-1"})
    assert answer.headers["X-Request-ID"] == "abc-1"
    (line,) = lines()
    assert "fnord" not in str(line)
    assert {key: line[key] for key in ("level", "method", "route", "status", "texts", "characters", "request_id")} == {
        "level": "INFO",
        "method": "POST",
        "route": "/v1/extract",
        "status": 200,
        "texts": 1,
        "characters": len(TEXT),
        "request_id": "abc-1",
    }
    assert line["model_version"] == "en_toy-1.0.0" and line["ms"] > 0 and "time" in line


def test_a_secret_in_an_address_is_not_told(log, serve):
    lines, client = log(), serve(webhook_secret="fnord")
    for secret in ("fnord", "wrong"):
        client.get(f"/label-studio/{secret}/health")
    client.get("/label-studio/health")
    told = [(line["route"], line["status"]) for line in lines() if line["message"] == "request"]
    path = "/label-studio/{secret}/health"
    assert told == [(path, 200), (path, 404), ("/label-studio/health", 200)]
    assert "fnord" not in str(metrics(client)) + str(lines())


def test_probes_are_logged_only_when_they_fail(log, client, runtime):
    lines = log()
    for path in ("/health", "/ready", "/metrics"):
        assert client.get(path).status_code == 200
    runtime.check = runtime.find
    assert client.get("/ready").status_code == 500
    assert [line["route"] for line in lines() if line["message"] == "request"] == ["/ready"]


def test_texts_are_logged_if_that_is_wished(log, serve):
    lines, client = log(log_texts=True), serve(log_texts=True)
    client.post("/v1/extract", json={"text": TEXT})
    assert lines()[-1]["content"] == [TEXT]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"}\n{"', "ä"])
def test_an_odd_request_id_is_replaced(client, given):
    answer = client.get("/health", headers={"X-Request-ID": given.encode()})
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("log_texts", [False, True])
def test_a_defect_is_logged_with_its_place_and_without_the_text(log, serve, log_texts):
    lines, client = log(log_texts=log_texts), serve(log_texts=log_texts)
    answer = client.post("/v1/extract", json={"text": "fail: fnord"})
    (line,) = [line for line in lines() if line["level"] == "ERROR"]
    assert "RuntimeError" in line["exc_info"] and "conftest.py" in line["exc_info"]
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert ("fnord" in str(lines())) == log_texts
