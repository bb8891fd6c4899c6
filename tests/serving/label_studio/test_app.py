"""The routes in the whole server, with its queue and its store."""

import pytest

from ner11.serving.trainer import Trainer
from tests.serving.label_studio.toys import make_tasks

URL = "/label-studio"
CONFIG = (
    '<View><Labels name="ner" toName="words"><Label value="Actor"/><Label value="Tier"/></Labels>'
    '<Text name="words" value="$body"/></View>'
)
ANNOTATED = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 1, "task": 1, "result": [], "was_cancelled": False},
    "task": make_tasks("Turla")[0],
    "project": {"id": 3},
}


def predict(client, texts, url=URL):
    body = {"tasks": make_tasks(*texts), "project": "3.17", "label_config": CONFIG}
    return client.post(f"{url}/predict", json=body).json()["results"]


def test_predictions_come_from_the_queue_and_say_the_version_of_the_server(serve):
    client = serve()
    version = client.post(f"{URL}/setup", json={"schema": CONFIG}).json()["model_version"]
    first, second = predict(client, ["🙂 Turla used Kazuar", "nothing"])
    assert first["model_version"] == second["model_version"] == version == client.get("/v1/model").json()["model_version"]
    found = [(region["value"]["text"], region["value"]["labels"]) for region in first["result"]]
    assert found == [("🙂", ["Tier"]), ("Turla", ["Actor"]), ("Kazuar", ["Tier"])]
    assert first["score"] == 0.6 and second["result"] == []


def test_a_text_that_the_model_fails_on_costs_the_others_nothing(serve):
    results = predict(serve(), ["Turla"] * 3 + ["fail"] + ["Kazuar"] * 3)
    assert [len(result["result"]) for result in results] == [1, 1, 1, 0, 1, 1, 1]


def test_more_tasks_than_other_requests_may_have_are_predicted(serve):
    client = serve(max_texts=2, max_waiting=3)
    assert [len(result["result"]) for result in predict(client, ["Turla"] * 50)] == [1] * 50


def test_a_body_over_the_limit_is_refused(serve):
    client = serve(max_body=1000)
    body = {"tasks": make_tasks("Turla " * 1000), "label_config": CONFIG}
    assert client.post(f"{URL}/predict", json=body).status_code == 413


@pytest.mark.parametrize(("url", "status"), [(f"{URL}/open-sesame", 200), (URL, 401), (f"{URL}/guess", 404)])
def test_the_secret_opens_the_routes_of_label_studio(serve, url, status):
    client = serve(token="t", webhook_secret="open-sesame")
    assert client.post(f"{url}/webhook", json=ANNOTATED).status_code == status
    assert client.app.state.services.store.waiting(3) == (status == 200)
    assert client.post("/v1/extract", json={"text": "Turla"}).status_code == 401


@pytest.mark.parametrize(("url", "status"), [(URL, 401), (f"{URL}/guess", 404), (f"{URL}/open-sesame", 422)])
@pytest.mark.parametrize("path", ["webhook", "predict", "setup"])
def test_who_may_not_ask_is_told_so_before_the_body_is_read(serve, url, status, path):
    client = serve(token="t", webhook_secret="open-sesame")
    headers = {"Content-Type": "application/json"}
    assert client.post(f"{url}/{path}", content=b'{"action": ', headers=headers).status_code == status


def test_a_training_that_runs_is_not_followed_by_one_on_what_it_has_read(serve, monkeypatch):
    monkeypatch.setattr(Trainer, "_look", lambda self: None)
    client = serve(retrain_after=2)
    store = client.app.state.services.store

    def annotate(number):
        annotation = {**ANNOTATED["annotation"], "id": number, "task": number}
        client.post(f"{URL}/webhook", json={**ANNOTATED, "annotation": annotation, "task": make_tasks(*"abcd"[:number])[-1]})

    annotate(1)
    annotate(2)
    (job,) = store.jobs()
    store.start(job.id)
    mark = store.mark()
    annotate(3)
    assert len(store.jobs()) == 1
    store.set_trained(3, mark)
    store.end(job.id, "refused", "")
    annotate(4)
    assert [job.state for job in store.jobs()] == ["queued", "refused"]


def test_a_training_that_failed_is_not_tried_again_by_itself(serve, monkeypatch):
    monkeypatch.setattr(Trainer, "_look", lambda self: None)
    client = serve(retrain_after=1)
    store = client.app.state.services.store
    client.post(f"{URL}/webhook", json=ANNOTATED)
    (job,) = store.jobs()
    store.start(job.id)
    store.end(job.id, "failed", "no space left")
    client.post(f"{URL}/webhook", json={**ANNOTATED, "annotation": {**ANNOTATED["annotation"], "id": 77}})
    assert [job.state for job in store.jobs()] == ["failed"]
    client.post(f"{URL}/webhook", json={"action": "START_TRAINING", "project": ANNOTATED["project"]})
    assert [job.state for job in store.jobs()] == ["queued", "failed"]
