import asyncio
import json
import threading

import pytest

from ner11.errors import Ner11Error
from ner11.serving import limits
from ner11.serving.entities import Entity


def make_scope(app):
    """What a server says of a request to extract."""
    path = "/v1/extract"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http"}
    return {**scope, "headers": [], "query_string": b"", "http_version": "1.1", "app": app}


def extract(client, **body):
    return client.post("/v1/extract", json=body)


def test_entities_of_a_text(client):
    answer = extract(client, text="🙂 Turla and Kazuar")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "entities": [
            {"start": 0, "end": 1, "label": "MOOD", "text": "🙂", "confidence": 0.99, "path": ["TIER", "MOOD"]},
            {"start": 2, "end": 7, "label": "ACTOR", "text": "Turla", "confidence": 0.9, "path": ["TIER", "ACTOR"]},
            {"start": 12, "end": 18, "label": "MALWARE", "text": "Kazuar", "confidence": 0.6, "path": ["TIER", "MALWARE"]},
        ],
        "model_version": "en_toy-1.0.0",
    }


def test_texts_are_answered_in_order(client):
    answer = extract(client, texts=["Turla", "", "Kazuar"]).json()
    assert [[e["text"] for e in row["entities"]] for row in answer["results"]] == [["Turla"], [], ["Kazuar"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["Turla", "Kazuar"]),
        ({"threshold": 0.9}, ["Turla"]),
        ({"threshold": 1}, []),
        ({"thresholds": {"ACTOR": 0.95}}, ["Kazuar"]),
        ({"threshold": 0.8, "thresholds": {"MALWARE": 0.5}}, ["Turla", "Kazuar"]),
    ],
)
def test_thresholds_leave_out_what_is_less_sure(client, options, expected):
    assert [entity["text"] for entity in extract(client, text="Turla Kazuar", **options).json()["entities"]] == expected


def test_an_entity_without_a_confidence_passes_every_threshold(client, runtime):
    runtime.find = lambda texts: [[Entity(0, 1, "ACTOR", "a", None, ("ACTOR",))] for _ in texts]
    assert extract(client, text="a", threshold=1.0).json()["entities"][0]["confidence"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b"null", "Input should be an object"),
        (b"{}", "text: Field required"),
        (b'{"text": null}', "text: Input should be a valid string"),
        (b'{"text": 1}', "text: Input should be a valid string"),
        (b'{"text": "a", "texts": ["b"]}', "text: Extra inputs"),
        (b'{"texts": ["a", 1]}', "texts.1: Input should be a valid string"),
        (b'{"text": "a", "treshold": 1}', "treshold: Extra inputs"),
        (b'{"text": "a", "threshold": 2}', "threshold: Input should be less"),
        (b'{"text": "a", "threshold": NaN}', "threshold: "),
        (b'{"text": "a", "thresholds": {"MALWRE": 0.5}}', "did you mean MALWARE"),
        (b'{"text": "\\ud800"}', "Invalid JSON: unexpected end of hex escape"),
        (b'{"text": "\xff"}', "Invalid JSON"),
        (b'{"text": "a"}' * 2, "Invalid JSON: trailing"),
        (b'{"text":' + b"[" * 100_000, "Invalid JSON: recursion limit"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(client, body, said):
    answer = client.post("/v1/extract", content=body)
    assert answer.status_code == 422 and said in answer.json()["detail"]


@pytest.mark.parametrize("text", ["", " \n", "Turla\x00Kazuar", "\ufeffTurla", "\u202eTurla"])
def test_odd_texts_are_answered(client, text):
    assert extract(client, text=text).status_code == 200


def test_too_much_is_refused(serve):
    client = serve(max_text=10, max_texts=2, max_body=200)
    for body, said in (
        ({"text": "x" * 11}, "11 characters"),
        ({"texts": ["x"] * 3}, "3 texts"),
        ({"text": "x" * 300}, "200 bytes"),
    ):
        answer = extract(client, **body)
        assert answer.status_code == 413 and said in answer.json()["detail"]
    assert extract(client, texts=["x" * 10] * 2).status_code == 200


def test_a_body_without_a_length_is_limited_while_it_is_read(serve):
    client, sent = serve(max_body=1000), []

    def body():
        for _ in range(10_000):
            sent.append(1)
            yield b" " * 100

    answer = client.post("/v1/extract", content=body())
    assert answer.status_code == 413
    answer = client.post("/label-studio/webhook", content=body())
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)

    async def ask():
        sent, messages = [], [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive():
            return messages.pop() if messages else await asyncio.sleep(5)

        async def send(message):
            sent.append(message)

        await client.app(make_scope(client.app), receive, send)
        return sent[0]["status"]

    assert asyncio.run(ask()) == 408


def test_when_too_much_waits_clients_are_told_when_to_come_back(serve, runtime):
    client = serve(max_waiting=1)
    runtime.gate.clear()
    threads = [threading.Thread(target=extract, args=(client,), kwargs={"text": f"Turla {i}"}) for i in range(2)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(runtime.asked) < 1 or client.app.state.services.batcher.waiting < number:
            pass
    answer = extract(client, text="Turla")
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
    runtime.gate.set()
    for thread in threads:
        thread.join()
    assert extract(client, text="Turla").status_code == 200


def test_a_defect_is_answered_without_the_text(client):
    answer = extract(client, text="fail: my secret")
    assert answer.status_code == 500 and "secret" not in answer.text


def test_until_the_model_is_loaded_it_is_up_and_not_ready(serve, runtime):
    loading = threading.Event()
    client = serve(load=lambda _: (loading.wait(5), runtime)[1], ready=False)
    assert client.get("/health").json() == {"status": "up"}
    for answer in (client.get("/ready"), client.get("/v1/model"), extract(client, text="a")):
        assert answer.status_code == 503 and answer.json()["detail"] == "the model is being loaded."
    loading.set()
    while client.get("/ready").status_code != 200:
        pass
    assert client.get("/ready").json() == {"status": "ready", "model_version": "en_toy-1.0.0"}


def test_a_model_whose_server_is_gone_is_not_ready(client, runtime):
    def gone(*_):
        raise Ner11Error("cannot be reached", where="http://triton")

    runtime.check = runtime.find = gone
    for answer in (client.get("/ready"), extract(client, text="a")):
        assert (answer.status_code, answer.json()["detail"]) == (503, "http://triton: cannot be reached.")


def test_the_model_is_described(client, runtime):
    runtime.meta = {"ner11": {"label_scheme": {"ACTOR": "Who does it."}, "thresholds": {"ACTOR": 0.7}}}
    said = client.get("/v1/model").json()
    assert (said["name"], said["version"], said["model_version"], said["kind"]) == ("en_toy", "1.0.0", "en_toy-1.0.0", "onnx")
    assert said["labels"][0] == {"name": "ACTOR", "definition": "Who does it.", "path": ["ACTOR"], "threshold": 0.7}
    malware = said["labels"][1]
    assert malware["path"][-1] == "MALWARE" and len(malware["path"]) > 1 and malware["definition"].endswith(".")
    assert [(row["model_version"], row["serves"]) for row in said["versions"]] == [("en_toy-1.0.0", True)]


def test_the_description_has_the_limits_and_labels_of_this_server(serve):
    document = serve(max_texts=3).get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["ManyTexts"]["properties"]["texts"]["maxItems"] == 3
    assert schemas["OneText"]["properties"]["thresholds"]["propertyNames"] == {"enum": ["ACTOR", "MALWARE", "MOOD"]}
    extract = document["paths"]["/v1/extract"]["post"]
    assert set(extract["responses"]) == {"200", "401", "408", "413", "422", "429", "503"}
    assert extract["requestBody"]["content"]["application/json"]["examples"]


def test_a_client_that_goes_away_leaves_no_work_behind(client, runtime):
    """Asked without a client library: the connection ends while the request waits."""
    runtime.gate.clear()
    services, app = client.app.state.services, client.app
    thread = threading.Thread(target=extract, args=(client,), kwargs={"text": "first"})
    thread.start()
    while not runtime.asked:
        pass

    async def ask():
        messages = [{"type": "http.request", "body": json.dumps({"text": "second"}).encode()}]
        sent = []

        async def receive():
            if messages:
                return messages.pop(0)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await app(make_scope(app), receive, send)
        return sent[0]["status"]

    assert asyncio.run(ask()) == 499
    runtime.gate.set()
    thread.join()
    extract(client, text="third")
    assert runtime.asked == [["first"], ["third"]] and services.batcher.waiting == 0


def test_a_baseline_that_is_gone_is_no_defect_of_ours(client, monkeypatch):
    monkeypatch.setattr(client.app.state.services.versions, "_baseline", "gone")  # a training replaces it
    answers = [client.get("/v1/model"), client.get("/label-studio/versions")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["detail"].startswith("gone: no trained pipeline")
    assert client.post("/v1/extract", json={"text": "Turla"}).status_code == 200
