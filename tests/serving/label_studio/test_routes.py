import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from ner11.errors import Ner11Error
from ner11.label_studio import labeling_config
from ner11.serving.label_studio.routes import make_router
from ner11.serving.served import NotReadyError
from ner11.serving.store import Store
from tests.serving.label_studio.toys import CONFIG, SCHEMA, make_app, make_services, make_tasks, recorded

URL = "/label-studio"
PROJECT = {"id": 3, "title": "ner"}
CREATED = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}, "task": {"id": 1}, "project": PROJECT}
GUARDED = {"user": "ann", "password": "pass:wörd"}


def predict(client, tasks, *, url=URL, **more):
    return client.post(f"{url}/predict", json={"tasks": tasks, "project": "3.17", "label_config": CONFIG, **more})


def test_all_that_a_real_label_studio_sent_is_answered(client, services):
    for request in recorded():
        answer = client.request(request["method"], URL + request["path"], json=request["body"])
        assert answer.is_success, (request["path"], answer.text)
        if request["path"] == "/predict":
            assert len(answer.json()["results"]) == len(request["body"]["tasks"])
    actions = [action for action, _ in services.store.recorded]
    assert actions.count("ANNOTATION_CREATED") == 2 and "ANNOTATIONS_DELETED" in actions
    assert services.store.requested == [(1, "asked for in Label Studio"), (2, "asked for in Label Studio")]


def test_the_recorded_tasks_are_predicted_with_offsets_of_the_text(client):
    request = next(request for request in recorded() if request["path"] == "/predict")
    results = client.post(f"{URL}/predict", json=request["body"]).json()["results"]
    found = [[(region["value"]["text"], region["value"]["labels"]) for region in result["result"]] for result in results]
    assert found == [[("Alice", ["PER"]), ("Acme\r\nCorp", ["ORG"]), ("Bob", ["PER"])], [], [("Carol", ["PER"])]]
    for task, result in zip(request["body"]["tasks"], results, strict=True):
        for region in result["result"]:
            value = region["value"]
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]


@pytest.mark.parametrize("path", ["", "/", "/health"])
def test_health_is_told_while_the_model_is_loaded(client, services, path):
    services.served = SimpleNamespace()
    assert client.get(URL + path).json() == {"status": "UP", "model_class": "ner11"}


def test_setup_names_the_version_of_the_predictions_and_what_is_left_out(client, services):
    services.served.model_version = "en_toy-1.0.0+r1"
    answer = client.post(f"{URL}/setup", json={"project": "3.17", "schema": CONFIG, "extra_params": None}).json()
    assert answer == {"model_version": "en_toy-1.0.0+r1", "left_out": ["LOC", "MALWARE_FAMILY"]}
    (result,) = predict(client, make_tasks("Bob")).json()["results"]
    assert result["model_version"] == answer["model_version"]


def test_a_project_of_categories_has_a_label_for_all_below_them(client):
    config = labeling_config(SCHEMA).replace('"PER"', '"Party"').replace('"ORG"', '"other"')
    left_out = client.post(f"{URL}/setup", json={"schema": config}).json()["left_out"]
    assert left_out == []


def test_setup_health_and_versions_take_milliseconds(client):
    body = {"project": "3.17", "schema": labeling_config(SCHEMA)}
    client.post(f"{URL}/setup", json=body)
    begun = time.perf_counter()
    for _ in range(20):
        client.get(f"{URL}/health")
        client.post(f"{URL}/setup", json=body)
        client.get(f"{URL}/versions")
    assert (time.perf_counter() - begun) / 60 < 0.02


@pytest.mark.parametrize(("path", "key"), [("/setup", "schema"), ("/predict", "label_config"), ("/validate", "config")])
def test_a_wrong_configuration_is_refused_with_the_reason(client, path, key, caplog):
    for _ in range(2):
        answer = client.post(URL + path, json={"tasks": make_tasks("Bob"), key: "<View/>"})
        assert answer.status_code == 400 and "it has no <Text>" in answer.json()["detail"]
    assert caplog.text.count("it has no <Text>") == 1


def test_versions_name_the_one_that_answers_first(client, services):
    services.served.model_version = "en_toy-1.0.0+r1"
    assert client.get(f"{URL}/versions").json() == {"versions": ["en_toy-1.0.0+r1", "en_toy-1.0.0", "en_toy-0.9.0"]}
    services.versions = None
    assert client.get(f"{URL}/versions").json() == {"versions": ["en_toy-1.0.0+r1"]}


def test_labels_that_are_left_out_are_told_once_for_each_version(client, services, caplog):
    for version in ("v1", "v1", "v2"):
        services.served.model_version = version
        predict(client, make_tasks("Paris"))
    assert caplog.text.count("has no label for LOC (1)") == 2


def test_the_interactive_call_answers_around_what_was_drawn(client):
    drawn = {"result": [{"id": "x", "to_name": "words", "value": {"start": 0, "end": 5, "labels": ["PER"]}}]}
    answer = predict(client, make_tasks("Alice and Bob"), params={"login": None, "context": drawn})
    ((region,),) = [result["result"] for result in answer.json()["results"]]
    assert region["value"]["text"] == "Bob"


@pytest.mark.parametrize("context", [None, {}, {"result": None}, {"result": [None]}, [], "x"])
def test_an_odd_context_is_none(client, context):
    answer = predict(client, make_tasks("Bob"), params={"context": context})
    assert len(answer.json()["results"][0]["result"]) == 1


def test_half_a_character_is_answered(client):
    body = json.dumps({"tasks": [{"id": 1, "data": {"body": "\ud800 Zo\ud800"}}], "label_config": CONFIG})
    answer = client.post(f"{URL}/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["results"][0]["result"][0]["value"] == {"start": 2, "end": 5, "text": "Zo\ud800", "labels": ["PER"]}


def test_without_a_model_predictions_wait(client, services):
    def now(self):
        raise NotReadyError("the model is being loaded")

    services.served = type("Loading", (), {"now": property(now)})()
    answers = [client.post(f"{URL}/setup", json={"schema": CONFIG}), predict(client, []), client.get(f"{URL}/versions")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert "being loaded" in answers[0].json()["detail"]


def test_a_model_that_is_gone_is_no_defect_of_ours(client, services):
    services.batcher.errors = [Ner11Error("cannot be reached", where="http://triton")]
    assert predict(client, make_tasks("Bob")).status_code == 503


@pytest.mark.parametrize(
    ("path", "body"),
    [("/predict", {}), ("/predict", {"tasks": None}), ("/predict", []), ("/setup", {"schema": 5}), ("/job_status", {})],
)
def test_malformed_requests_are_refused(client, path, body):
    assert client.post(URL + path, json=body).status_code == 422
    assert client.post(URL + path, content=b'{"tasks": [').status_code == 422


@pytest.mark.parametrize("action", ["LABEL_LINK_CREATED", "PROJECT_UPDATED", "TASKS_CREATED", "SOMETHING_NEW"])
def test_every_action_is_handed_to_the_store_which_knows_what_to_keep(client, services, action):
    body = {"action": action, "project": PROJECT}
    assert client.post(f"{URL}/webhook", json=body).is_success
    assert services.store.recorded == [(action, body)] and not services.store.requested


@pytest.mark.parametrize(
    "body", [{}, {"action": 5, "project": PROJECT}, {"action": "X"}, {"action": "X", "project": {"id": "a"}}]
)
def test_webhooks_of_nothing_are_ignored(client, services, body):
    assert client.post(f"{URL}/webhook", json=body).status_code == 200
    assert not services.store.recorded


def test_the_button_asks_for_a_training_and_its_state_is_told(client):
    job = client.post(f"{URL}/webhook", json={"action": "START_TRAINING", "project": PROJECT}).json()["job"]
    assert client.post(f"{URL}/job_status", json={"job": job}).json()["job_status"] == "queued"
    assert client.post(f"{URL}/job_status", json={"job": "other"}).status_code == 410


def test_the_call_of_old_versions_asks_for_a_training_too(client, services):
    assert client.post(f"{URL}/train", json={"annotations": [], "project": "3.17"}).json() == {"job": "job-1"}
    assert client.post(f"{URL}/train", json={"project": None}).status_code == 422
    assert services.store.requested == [(3, "asked for in Label Studio")]


@pytest.mark.parametrize(("enough", "count", "asked"), [(0, 100, False), (5, 4, False), (5, 5, True)])
def test_enough_annotations_start_a_training(enough, count, asked):
    services = make_services(retrain_after=enough)
    services.store.count = count
    answer = TestClient(make_app(services)).post(f"{URL}/webhook", json=CREATED)
    assert answer.is_success and services.store.requested == ([(3, f"{count} new annotations")] if asked else [])


def test_other_actions_start_no_training():
    services = make_services(retrain_after=1)
    services.store.count = 5
    TestClient(make_app(services)).post(f"{URL}/webhook", json={"action": "TASKS_CREATED", "project": PROJECT})
    assert not services.store.requested


def test_an_annotation_that_cannot_be_kept_is_no_success(client, services, caplog):
    services.store.full = True
    answer = client.post(f"{URL}/webhook", json=CREATED)
    assert answer.status_code == 503 and "no space left" in answer.json()["detail"]
    assert "no space left" in caplog.text


def test_an_annotation_that_cannot_be_read_is_a_mistake_of_the_sender(tmp_path):
    services = make_services()
    services.store = Store(tmp_path / "store.sqlite")
    client = TestClient(make_app(services))
    answer = client.post(f"{URL}/webhook", json={"action": "ANNOTATION_CREATED", "project": PROJECT})
    assert answer.status_code == 422 and "no annotation in it" in answer.json()["detail"]


def test_a_server_that_cannot_train_says_so(client, services):
    services.store = None
    assert client.post(f"{URL}/webhook", json=CREATED).is_success
    assert client.post(f"{URL}/train", json={"project": 3}).status_code == 503
    assert client.post(f"{URL}/job_status", json={"job": "job-1"}).status_code == 410


def test_the_connection_may_come_and_go(client, services):
    for path in ("/delete", "/duplicate_model"):
        assert client.post(URL + path, json={"project": "3.17"}).is_success
    assert client.post(f"{URL}/validate", json={"config": CONFIG}).json() == {}
    assert not services.store.recorded


def test_with_a_password_every_call_needs_it(caplog):
    client = TestClient(make_app(make_services(**GUARDED)))
    for path in ("/health", "/versions"):
        assert client.get(URL + path).status_code == 401
        assert client.get(URL + path, auth=("ann", "pass:wörd".encode())).status_code == 200
    assert not caplog.text
    for _ in range(2):
        assert client.post(f"{URL}/webhook", json=CREATED).status_code == 401
    assert caplog.text.count("set NER11_WEBHOOK_SECRET") == 1
    assert client.post(f"{URL}/webhook", json=CREATED, auth=("ann", "pass:wörd".encode())).status_code == 200


def test_the_secret_in_the_address_opens_all_routes(caplog):
    services = make_services(**GUARDED, webhook_secret="open-sesame")
    client = TestClient(make_app(services))
    url = f"{URL}/open-sesame"
    for request in recorded():
        assert client.request(request["method"], url + request["path"], json=request["body"]).is_success
    assert client.get(url).is_success and client.get(f"{url}/").is_success
    assert predict(client, make_tasks("Bob"), url=url).is_success
    assert client.get(f"{URL}/open-sesam/health").status_code == 404
    assert client.post(f"{URL}/webhook/webhook", json=CREATED).status_code == 404
    assert client.post(f"{URL}/webhook", json=CREATED).status_code == 401
    assert "open-sesame" not in caplog.text


def test_the_secret_is_not_in_the_description():
    app = make_app(make_services(webhook_secret="open-sesame"))
    assert not [path for path in app.openapi()["paths"] if "secret" in path]


def test_a_secret_must_fit_into_an_address():
    with pytest.raises(Ner11Error, match="NER11_WEBHOOK_SECRET: the secret cannot stand in an address"):
        make_router(make_services(webhook_secret="a/b"))


def test_the_backend_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import ner11.serving.label_studio.routes, ner11.serving.label_studio.client"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
