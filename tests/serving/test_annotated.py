from pathlib import Path

import pytest

from ner11.errors import Ner11Error
from ner11.readers.label_studio import read_label_studio
from ner11.serving.annotated import check_export, count_usable, gather, project_file
from ner11.serving.store import FILE, Store

EXPORT = Path(__file__).parents[1] / "fixtures" / "label_studio_export.json"
XML = '<View><Labels name="label" toName="text"><Label value="PER"/></Labels><Text name="text" value="$body"/></View>'
TASK = {"id": 1, "data": {"body": "Alice came.", "title": "A title"}}
ANNOTATION = {"id": 1, "task": 1, "result": [], "updated_at": "2026"}


class LabelStudio:
    def __init__(self, text, xml=XML):
        self.text, self.xml = text, xml

    def export(self, project, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text, encoding="utf8")

    def labeling_config(self, project):
        return self.xml

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / FILE)
    store.record("ANNOTATION_CREATED", {"annotation": ANNOTATION, "task": TASK, "project": {"id": 3, "label_config": XML}})
    return store


def test_the_text_is_found_where_the_labeling_configuration_has_it(store, tmp_path):
    gathered = gather(3, store, folder=tmp_path / "annotated")
    assert gathered.path == tmp_path / "annotated/project-3.json" and gathered.mark == 1
    (text,) = read_label_studio(gathered.path)
    assert (text.text, text.group, text.damage, text.problems) == ("Alice came.", "project-3:task 1", "", [])


def test_an_export_is_pulled_and_what_it_lacks_is_named(store, tmp_path):
    gathered = gather(3, store, folder=tmp_path, label_studio=LabelStudio(EXPORT.read_text(encoding="utf8")))
    assert gathered.lacking == ["annotation 1 of task 1"]
    assert [text.text for text in read_label_studio(gathered.path)] == [text.text for text in read_label_studio(EXPORT)]
    assert count_usable(gathered.path) == 2 and store.waiting(3) == 3
    store.set_trained(3, gathered.mark)
    assert store.waiting(3) == 0
    assert [path.name for path in tmp_path.glob("*.json")] == ["project-3.json"] and not list(tmp_path.glob(".project*"))


def test_a_damaged_export_leaves_the_file_of_the_last_time(store, tmp_path):
    gather(3, store, folder=tmp_path)
    before = project_file(tmp_path, 3).read_bytes()
    with pytest.raises(Ner11Error, match=r"^export of project 3:\d+: damaged .* Export the project again, as JSON.$"):
        gather(3, store, folder=tmp_path, label_studio=LabelStudio(EXPORT.read_text(encoding="utf8")[:-50]))
    assert project_file(tmp_path, 3).read_bytes() == before and store.waiting(3) == 1


def test_a_project_without_annotations_has_no_file(store, tmp_path):
    path = gather(3, store, folder=tmp_path).path
    assert count_usable(path) == 1
    store.record("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}], "project": {"id": 3}})
    assert count_usable(gather(3, store, folder=tmp_path).path) == 0 and not path.exists()


def test_a_whole_export_passes(tmp_path):
    check_export(EXPORT, name="export")
