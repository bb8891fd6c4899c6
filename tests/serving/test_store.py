import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ner11.errors import Ner11Error
from ner11.readers.label_studio import read_label_studio
from ner11.serving.store import Store

REQUESTS = Path(__file__).parents[1] / "fixtures" / "label_studio_requests.jsonl"
PROJECT = {"id": 1, "label_config": "<View/>"}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "annotations.sqlite")


def annotate(store, number, *, task=None, labels=("MALWARE",), at="2026-01-01T00:00:00Z", action="ANNOTATION_CREATED", **rest):
    value = {"start": 0, "end": 5, "text": "Turla", "labels": list(labels)}
    result = [{"id": "r", "from_name": "label", "to_name": "text", "type": "labels", "value": value}] if labels else []
    annotation = {"id": number, "task": task or number, "result": result, "was_cancelled": False, "updated_at": at, **rest}
    body = {"id": task or number, "data": {"text": f"Turla again, {number}."}, "predictions": [{"id": 9, "result": []}]}
    store.record(action, {"action": action, "annotation": annotation, "task": body, "project": PROJECT})


def read(store, tmp_path, project=1):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(list(store.annotated_tasks(project))))
    return [(text.text, [span.origin for span in text.spans], text.damage) for text in read_label_studio(path)]


def test_recorded_webhooks_become_what_the_reader_takes(store, tmp_path):
    for line in REQUESTS.read_text(encoding="utf8").splitlines():
        request = json.loads(line)
        if request["path"] == "/webhook" and request["body"]["action"] != "ANNOTATIONS_DELETED":
            store.record(request["body"]["action"], request["body"])
    (first, second) = read(store, tmp_path)
    assert first == ("Alice works at Acme\r\nCorp in Paris. 😀 Bob too.", ["PER"], "")
    assert second == ("Nothing here at all.", [], "no annotation")
    assert store.waiting(1) == 1 and store.projects() == [1]
    assert '<Label value="PER"/>' in store.labeling_config(1)


def test_deletions_end_annotations_and_tasks(store, tmp_path):
    for number in (1, 2, 3):
        annotate(store, number)
    store.record("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}], "project": PROJECT})
    store.record("TASKS_DELETED", {"tasks": [{"id": 2}], "project": PROJECT})
    assert [text for text, *_ in read(store, tmp_path)] == ["Turla again, 3."]
    assert store.waiting(1) == 1


def test_a_deletion_that_comes_before_its_creation_counts(store):
    store.record("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}], "project": PROJECT})
    annotate(store, 1)
    assert list(store.annotated_tasks(1)) == [] and store.waiting(1) == 0


def test_the_newest_state_counts_in_whatever_order_it_comes(store, tmp_path):
    annotate(store, 1, labels=["TOOL"], at="2026-01-01T00:00:02Z", action="ANNOTATION_UPDATED")
    annotate(store, 1, labels=["MALWARE"], at="2026-01-01T00:00:01Z")
    assert read(store, tmp_path) == [("Turla again, 1.", ["TOOL"], "")]


def test_bulk_lists_are_taken_whole(store, tmp_path):
    annotations = [{"id": n, "task": n, "result": [], "updated_at": "2026"} for n in (1, 2)]
    tasks = [{"id": n, "data": {"text": f"Text {n}"}} for n in (1, 2)]
    store.record("ANNOTATIONS_CREATED", {"annotation": annotations, "task": tasks, "project": PROJECT})
    assert [text for text, *_ in read(store, tmp_path)] == ["Text 1", "Text 2"]


@pytest.mark.parametrize(
    "action", ["PROJECT_UPDATED", "TASKS_CREATED", "LABEL_LINK_CREATED", "ANNOTATION_DELETED", "", "nonsense"]
)
def test_other_actions_are_ignored(store, action):
    store.record(action, {"annotation": {"id": 1}, "project": "?"})
    assert store.projects() == []


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("ANNOTATION_CREATED", {"annotation": {"id": 1, "task": 1}}),
        ("ANNOTATION_CREATED", {"project": PROJECT}),
        ("ANNOTATION_CREATED", {"project": PROJECT, "annotation": {"id": "1", "task": 1}}),
        ("ANNOTATION_CREATED", {"project": PROJECT, "annotation": {"id": 2**70, "task": 1}}),
        ("ANNOTATIONS_CREATED", {"project": PROJECT, "annotation": [{"id": 1, "task": 1}, {"id": None, "task": 2}]}),
        ("ANNOTATIONS_DELETED", {"project": PROJECT, "annotations": 7.5}),
    ],
)
def test_a_damaged_webhook_is_an_error_and_changes_nothing(store, action, body):
    with pytest.raises(Ner11Error, match=r"with an id|no annotation in it"):
        store.record(action, body)
    assert store.projects() == []


def test_half_a_character_is_kept(store, tmp_path):
    annotate(store, 1, at="\ud83d", note="\ud83d")
    assert len(read(store, tmp_path)) == 1


def test_what_comes_after_a_training_has_read_stays_waiting(store):
    annotate(store, 1)
    annotate(store, 2)
    mark = store.mark()
    annotate(store, 3)
    annotate(store, 1, labels=["TOOL"], at="2026-01-02")
    store.set_trained(1, mark)
    assert store.waiting(1) == 2
    store.set_trained(1, store.mark())
    assert store.waiting(1) == 0
    annotate(store, 1, labels=["TOOL"], at="2026-01-03")
    assert store.waiting(1) == 0, "saved again, but it says the same"
    store.record("ANNOTATIONS_DELETED", {"annotations": [{"id": 2}], "project": PROJECT})
    annotate(store, 4, was_cancelled=True)
    assert store.waiting(1) == 1, "a deletion is a change, a skipped task is none"


def test_an_export_is_the_truth_about_what_is_not_newer(store, tmp_path):
    annotate(store, 1)
    annotate(store, 2)
    export = list(store.annotated_tasks(1))
    export[0]["annotations"][0]["prediction"] = {}  # an export has more than a webhook
    store.set_trained(1, store.mark())
    annotate(store, 5)
    mark = store.mark()
    annotate(store, 6)
    assert store.reconcile(1, export, mark=mark, config="<View>2</View>") == (["annotation 5 of task 5"], mark)
    assert [text for text, *_ in read(store, tmp_path)] == ["Turla again, 1.", "Turla again, 2.", "Turla again, 6."]
    assert store.waiting(1) == 1 and store.labeling_config(1) == "<View>2</View>"


def test_what_only_an_export_told_of_is_read_with_it(store):
    told, export = Store(store.path.with_name("other.sqlite")), []
    for number in (1, 2):
        annotate(told, number)
        export = list(told.annotated_tasks(1))
    lacking, mark = store.reconcile(1, export, mark=store.mark())
    assert lacking == [] and store.waiting(1) == 2
    store.set_trained(1, mark)
    assert store.waiting(1) == 0


def test_webhooks_get_in_while_an_export_is_taken_in(store, tmp_path):
    annotate(store, 1)
    export, mark = list(store.annotated_tasks(1)), store.mark()

    def read_slowly():
        yield from export
        annotate(store, 2)

    assert store.reconcile(1, read_slowly(), mark=mark) == ([], mark)
    store.set_trained(1, mark)
    assert store.waiting(1) == 1 and len(read(store, tmp_path)) == 2


def test_what_an_export_still_has_was_not_deleted(store, tmp_path):
    for number in (1, 2):
        annotate(store, number)
    export = list(store.annotated_tasks(1))
    store.reconcile(1, [], mark=store.mark())  # Label Studio was set up anew, and counts from 1 again
    store.record("TASKS_DELETED", {"tasks": [{"id": 2}], "project": PROJECT})
    store.set_trained(1, store.mark())
    mark = store.mark()
    store.record("ANNOTATIONS_DELETED", {"annotations": [{"id": 7}], "project": PROJECT})  # while the export is made
    seventh = {**export[0], "id": 7, "annotations": [{**export[0]["annotations"][0], "id": 7, "task": 7}]}
    store.reconcile(1, [*export, seventh], mark=mark)
    assert [text for text, *_ in read(store, tmp_path)] == ["Turla again, 1.", "Turla again, 2."]
    assert store.waiting(1) == 2


def test_a_training_is_known_until_it_has_ended(store):
    job = store.request_training(1, reason="button").id
    assert store.is_training(1) and not store.is_training(2)
    assert store.job(job) and store.job("\ud800") is None
    store.start(job)
    assert store.is_training(1)
    store.end(job, "refused", "")
    assert not store.is_training(1)


def test_a_damaged_database_is_kept_aside(tmp_path, caplog):
    path = tmp_path / "annotations.sqlite"
    path.write_bytes(b"no database, " * 1000)
    store = Store(path)
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"no database")
    assert aside.name in caplog.text
    annotate(store, 1)
    assert Store(path).waiting(1) == 1


def test_a_full_disk_is_an_error_and_leaves_what_was_there(store, monkeypatch):
    annotate(store, 1)
    connect = store._connect

    def connect_to_a_full_disk():
        database = connect()
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    monkeypatch.setattr(store, "_connect", connect_to_a_full_disk)
    with pytest.raises(Ner11Error, match=r"annotations\.sqlite: cannot be used \(database or disk is full"):
        annotate(store, 2, note="x" * 100_000)
    monkeypatch.undo()
    assert [task["id"] for task in store.annotated_tasks(1)] == [1]


def test_a_database_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "annotations.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(Ner11Error, match="format 9, but this version of ner11 writes 1"):
        Store(path)


def test_many_threads_lose_nothing(store, tmp_path):
    def work(first):
        own = Store(tmp_path / "annotations.sqlite")
        for number in range(first, first + 10):
            annotate(own, number)

    threads = [threading.Thread(target=work, args=[1 + 10 * i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.waiting(1) == store.mark() == 40


def test_two_requests_give_one_job_and_one_more_while_it_runs(store):
    first = store.request_training(1, reason="button")
    assert store.request_training(1, reason="button").id == first.id
    assert store.request_training(2, reason="button").id != first.id
    assert store.start(first.id) and not store.start(first.id)
    second = store.request_training(1, reason="button")
    assert second.id != first.id and store.request_training(1, reason="50 new annotations").id == second.id
    assert [job.state for job in store.jobs()] == ["queued", "queued", "started"]


def test_a_job_whose_process_is_gone_is_started_once_more(store):
    job = store.request_training(1, reason="button").id
    for state in ("queued", "failed"):
        assert store.start(job)
        store.recover()
        assert store.job(job).state == state
    assert "ended 2 times without a word" in store.job(job).said


def test_a_job_that_is_put_back_has_lost_no_start(store):
    job = store.request_training(1, reason="button").id
    for _ in range(3):
        store.start(job)
        store.put_back(job)
    store.start(job)
    store.recover()
    assert store.job(job).state == "queued"
    store.put_back(job)
    store.start(job)
    store.end(job, "finished", "done", version="v+r1")
    store.put_back(job)
    assert (store.job(job).state, store.job(job).version) == ("finished", "v+r1")
