"""The backend and the client against a real Label Studio."""

import json
from itertools import cycle, islice

import httpx
import pytest

from ner11.errors import Ner11Error
from ner11.label_studio import labeling_config, make_prediction, make_task
from ner11.readers.label_studio import read_label_studio
from ner11.serving.label_studio.client import LabelStudio
from ner11.serving.label_studio.config import parse_config
from ner11.serving.store import Store
from tests.serving.label_studio.real import backend_running, studio_running, wait_until
from tests.serving.label_studio.toys import CONFIG, SCHEMA, WORDS, make_app, make_services

pytestmark = pytest.mark.slow

TEXTS = ["😀 Alice met Bob", "nobody was there", "Acme\r\nCorp hired Carol\nin Paris", "Bob", "Alice: WannaCry 名前 Bob"]
GUARDED = {"user": "ann", "password": "pass"}
BASIC = {"auth_method": "BASIC_AUTH", "basic_auth_user": "ann", "basic_auth_pass": "pass"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with studio_running(tmp_path_factory.mktemp("label-studio")) as running:
        yield running


@pytest.fixture(scope="module")
def client(studio):
    with LabelStudio(studio.url, studio.token) as made:
        yield made


@pytest.fixture
def services(tmp_path):
    made = make_services()
    made.store = Store(tmp_path / "store.sqlite")
    return made


@pytest.fixture
def backend(services):
    with backend_running(make_app(services)) as url:
        yield url


@pytest.fixture
def project(studio, client, backend):
    """A project of five texts that the backend is connected to."""
    made = studio.make_project(CONFIG)
    client.import_tasks(made, [make_task(text, key="body") for text in TEXTS])
    studio.connect(made, backend)
    return made


def predictions(task, version=None):
    return [each for each in task["predictions"] if version in (None, each["model_version"])]


def spans(prediction):
    return [(region["value"]["start"], region["value"]["end"], *region["value"]["labels"]) for region in prediction["result"]]


def annotate(studio, task, regions=(), **more):
    body = {"result": list(regions), "lead_time": 1.0, **more}
    return studio.call("POST", f"/api/tasks/{task['id']}/annotations/", body)["id"]


def test_predictions_of_200_tasks_are_stored_and_right(studio, client, backend, services):
    config = labeling_config(SCHEMA)
    project = studio.make_project(config)
    texts = list(islice(cycle(TEXTS), 200))
    assert len(client.import_tasks(project, [make_task(text) for text in texts])) == 200
    studio.connect(project, backend)
    studio.retrieve_predictions(project)
    tasks = studio.tasks(project)
    parsed = parse_config(client.labeling_config(project))
    assert [task["data"]["text"] for task in tasks] == texts
    for task, text in zip(tasks, texts, strict=True):
        (prediction,) = predictions(task)
        assert prediction["model_version"] == "en_toy-1.0.0"
        found = services.served.runtime.find([text])[0]
        assert spans(prediction) == [(entity.start, entity.end, entity.label) for entity in found]
        for region in prediction["result"]:
            assert (region["from_name"], region["to_name"]) == (parsed.from_name, parsed.to_name)
            assert set(region["value"]["labels"]) <= set(parsed.labels)
            assert region["score"] == WORDS[region["value"]["text"]][1]
        assert prediction["score"] == min((entity.confidence for entity in found), default=None)


def test_a_new_version_replaces_the_predictions_when_they_are_retrieved(studio, services, project):
    studio.retrieve_predictions(project)
    services.served.model_version = "en_toy-1.0.0+r1"
    studio.retrieve_predictions(project)
    for task in studio.tasks(project):
        assert len(predictions(task, "en_toy-1.0.0+r1")) == 1
    asked = len(services.batcher.asked)
    studio.retrieve_predictions(project)
    assert len(services.batcher.asked) == asked


def test_tasks_that_were_not_done_in_time_are_asked_for_again(studio, services, project):
    services.batcher.limit = 2
    studio.retrieve_predictions(project)
    assert [len(predictions(task)) for task in studio.tasks(project)] == [1, 1, 0, 0, 0]
    services.batcher.limit = 100
    studio.retrieve_predictions(project)
    assert [len(predictions(task)) for task in studio.tasks(project)] == [1] * 5


def test_a_task_is_predicted_when_it_is_opened(studio, project):
    first, *_ = studio.tasks(project)
    assert spans(studio.call("GET", f"/api/tasks/{first['id']}/")["predictions"][0]) == [(2, 7, "PER"), (12, 15, "PER")]
    assert [len(predictions(task)) for task in studio.tasks(project)] == [1, 0, 0, 0, 0]


def test_what_annotators_do_arrives_and_is_exported(studio, client, services, project, tmp_path):
    first, second, third, *_ = studio.tasks(project)
    (region,) = make_prediction([(2, 7, "PER", None)], TEXTS[0], model_version="m", from_name="ner", to_name="words")["result"]
    annotate(studio, first, [region])
    annotate(studio, second, was_cancelled=True)
    gone = annotate(studio, third, [])
    studio.call("DELETE", f"/api/annotations/{gone}/")
    store = services.store
    wait_until(lambda: len(list(store.annotated_tasks(project))) == 2)
    (kept,) = [task for task in store.annotated_tasks(project) if task["id"] == first["id"]]
    assert kept["annotations"][0]["result"][0]["value"] == region["value"]
    path = tmp_path / "export.json"
    client.export(project, path)
    exported = {read.text: read for read in read_label_studio(path, text="body")}
    (span,) = exported[TEXTS[0]].spans
    assert (TEXTS[0][span.start : span.end], span.origin) == ("Alice", "PER")
    assert exported[TEXTS[1]].damage == "no annotation"


def test_what_is_deleted_with_its_task_is_gone_here_too(studio, services, project):
    first, second, *_ = studio.tasks(project)
    annotate(studio, first)
    wait_until(lambda: services.store.waiting(project) == 1)
    studio.call(
        "POST", f"/api/dm/actions?id=delete_tasks&project={project}", {"selectedItems": {"all": False, "included": [first["id"]]}}
    )
    wait_until(lambda: not list(services.store.annotated_tasks(project)))
    assert studio.tasks(project)[0]["id"] == second["id"]


def test_the_button_queues_a_training(studio, services, backend, project):
    (connected,) = studio.call("GET", f"/api/ml?project={project}")
    studio.call("POST", f"/api/ml/{connected['id']}/train", {})
    (job,) = services.store.jobs()
    assert (job.project, job.state, job.reason) == (project, "queued", "asked for in Label Studio")


@pytest.mark.parametrize("secret", [False, True])
def test_with_a_password_all_but_webhooks_pass_which_need_the_secret(studio, client, tmp_path, secret, caplog):
    services = make_services(**GUARDED, **({"webhook_secret": "open-sesame"} if secret else {}))
    services.store = Store(tmp_path / "store.sqlite")
    with backend_running(make_app(services)) as url:
        project = studio.make_project(CONFIG)
        client.import_tasks(project, [make_task(text, key="body") for text in TEXTS])
        connected = studio.connect(project, f"{url}/open-sesame" if secret else url, **({} if secret else BASIC))
        studio.retrieve_predictions(project)
        task, *_ = studio.tasks(project)
        assert len(predictions(task)) == 1
        annotate(studio, task)
        studio.call("POST", f"/api/ml/{connected}/train", {})
        assert [job.project for job in services.store.jobs()] == [project]
        if secret:
            wait_until(lambda: services.store.waiting(project) == 1)
        else:
            wait_until(lambda: "set NER11_WEBHOOK_SECRET" in caplog.text)
            assert services.store.waiting(project) == 0


def test_a_wrong_password_is_refused_when_it_is_connected(studio, caplog):
    with backend_running(make_app(make_services(**GUARDED))) as url:
        project = studio.make_project(CONFIG)
        body = {"project": project, "url": url, "title": "ner11", **BASIC, "basic_auth_pass": "wrong"}
        answer = studio.ask("POST", "/api/ml/", body)
        assert answer.status_code == 400 and "authentication parameters were either not provided or are incorrect" in answer.text


def test_a_project_without_labels_for_texts_is_refused_when_it_is_connected(studio, backend, caplog):
    project = studio.make_project("<View><Text name='text' value='$text'/></View>")
    answer = studio.ask("POST", "/api/ml/", {"project": project, "url": backend, "title": "ner11"})
    assert answer.status_code == 400 and "400" in answer.text
    assert "it has no <Labels>" in caplog.text


def test_what_is_drawn_is_completed_interactively(studio, project):
    (connected,) = studio.call("GET", f"/api/ml?project={project}")
    task, *_ = studio.tasks(project)
    drawn = make_prediction([(2, 7, "PER", None)], TEXTS[0], model_version="m", from_name="ner", to_name="words")
    body = {"task": task["id"], "context": {"result": drawn["result"]}}
    answer = studio.call("POST", f"/api/ml/{connected['id']}/interactive-annotating", body)
    assert spans(answer["data"]) == [(12, 15, "PER")]


def test_the_least_sure_task_is_asked_for_first(studio, project):
    studio.retrieve_predictions(project)
    studio.call("PATCH", f"/api/projects/{project}/", {"sampling": "Uncertainty sampling", "model_version": "en_toy-1.0.0"})
    order = []
    for _ in TEXTS:
        task = studio.call("GET", f"/api/projects/{project}/next")
        order.append(task["data"]["body"])
        annotate(studio, task)
    scored = [text for text in order if text != TEXTS[1]]
    least = [
        min(score for word, (_, score) in WORDS.items() if word in text and word not in ("Paris", "WannaCry")) for text in scored
    ]
    assert least == sorted(least)


def test_versions_are_listed_in_the_settings(studio, project):
    (connected,) = studio.call("GET", f"/api/ml?project={project}")
    assert studio.call("GET", f"/api/ml/{connected['id']}/versions") == {"versions": ["en_toy-1.0.0", "en_toy-0.9.0"]}


def test_a_token_that_is_rejected_and_a_project_that_is_not_there(studio, client, tmp_path):
    with LabelStudio(studio.url, "abc") as other, pytest.raises(Ner11Error, match="rejects the token"):
        other.labeling_config(1)
    with pytest.raises(Ner11Error, match="does not know that"):
        client.export(99_999, tmp_path / "export.json")
    assert not list(tmp_path.iterdir())


def test_a_label_studio_that_is_down(tmp_path):
    with LabelStudio("http://127.0.0.1:9", "pat") as down, pytest.raises(Ner11Error, match="cannot be reached"):
        down.export(1, tmp_path / "export.json")


def test_tasks_with_predictions_of_ours_are_imported_whole(studio, client):
    project = studio.make_project(CONFIG)
    found = make_prediction([(2, 7, "PER", 0.9)], TEXTS[0], model_version="m-7", from_name="ner", to_name="words")
    client.import_tasks(project, [make_task(TEXTS[0], predictions=[found], data={"source": "blog"}, key="body")])
    (task,) = studio.tasks(project)
    (prediction,) = predictions(task)
    assert (prediction["model_version"], prediction["score"], prediction["result"]) == ("m-7", 0.9, found["result"])


def test_the_answer_is_what_label_studio_asked_for(backend):
    answer = httpx.post(f"{backend}/predict", json={"tasks": [], "label_config": CONFIG})
    assert json.loads(answer.content) == {"results": []}
