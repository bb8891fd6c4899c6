import json
import shutil
import threading
from pathlib import Path

import pytest
import spacy

from ner11.errors import Ner11Error
from ner11.serving.versions import KEPT, VersionStore


def make_pipeline(folder, version="1.0.0"):
    spacy.blank("en", meta={"name": "ner11_cyber", "version": version}).to_disk(folder)
    return folder


@pytest.fixture
def pipeline(tmp_path):
    return make_pipeline(tmp_path / "model")


@pytest.fixture
def versions(tmp_path, pipeline):
    return VersionStore(tmp_path / "state", str(pipeline))


def add(versions, pipeline, **rest):
    version = versions.add(pipeline, **rest)
    versions.activate(version.id)
    return version.id


def ids(versions):
    return [version.id.partition("-")[2] for version in versions.history()]


def test_the_baseline_answers_until_something_is_retrained(versions, pipeline):
    current = versions.current()
    assert (current.id, current.pipeline, current.parent) == ("en_ner11_cyber-1.0.0", str(pipeline), None)
    assert versions.history() == [current]


def test_two_trainings_that_were_never_packaged_are_told_apart(tmp_path):
    ids = set()
    for word in ("first", "second"):
        nlp = spacy.blank("en")
        nlp.vocab.strings.add(word)
        nlp.to_disk(tmp_path / "model")
        ids.add(VersionStore(tmp_path / "state", str(tmp_path / "model")).current().id)
    assert len(ids) == 2 and all(id_.startswith("en_pipeline-0.0.0+") for id_ in ids)


def test_a_version_answers_once_it_is_activated(versions, pipeline, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("page")
    assert versions.next_id() == "en_ner11_cyber-1.0.0+r1"
    version = versions.add(
        pipeline, annotations=7, f1=0.5, beside={"report": tmp_path / "report", "a.log": pipeline / "meta.json"}
    )
    assert versions.current().id == "en_ner11_cyber-1.0.0"
    versions.activate(version.id)
    assert versions.current() == version == VersionStore(tmp_path / "state", str(pipeline)).current()
    assert (version.id, version.parent, version.annotations, version.f1) == (
        "en_ner11_cyber-1.0.0+r1",
        "en_ner11_cyber-1.0.0",
        7,
        0.5,
    )
    meta = spacy.load(version.pipeline).meta
    assert f"{meta['lang']}_{meta['name']}-{meta['version']}" == version.id
    assert sorted(path.name for path in versions.path(version.id).iterdir()) == ["a.log", "pipeline", "report", "version.json"]


def test_a_rollback_goes_back_step_by_step_and_numbers_are_never_used_again(versions, pipeline):
    add(versions, pipeline)
    add(versions, pipeline)
    assert versions.rollback().id == "en_ner11_cyber-1.0.0+r1"
    assert add(versions, pipeline) == "en_ner11_cyber-1.0.0+r3"
    assert versions.current().parent == "en_ner11_cyber-1.0.0+r1"
    assert [versions.rollback().id for _ in range(2)] == ["en_ner11_cyber-1.0.0+r1", "en_ner11_cyber-1.0.0"]
    assert ids(versions) == ["1.0.0+r3", "1.0.0+r2", "1.0.0+r1", "1.0.0"]
    with pytest.raises(Ner11Error, match=r"en_ner11_cyber-1.0.0 answers, and no other one did before it"):
        versions.rollback()


def test_the_baseline_can_be_activated_too(versions, pipeline):
    add(versions, pipeline)
    versions.activate("en_ner11_cyber-1.0.0")
    assert versions.current().id == "en_ner11_cyber-1.0.0"
    assert versions.rollback().id == "en_ner11_cyber-1.0.0+r1"
    with pytest.raises(Ner11Error, match=r"there is no version nonsense. Choose from en_ner11_cyber-1.0.0\+r1, "):
        versions.activate("nonsense")


def test_old_versions_are_deleted_but_never_the_one_that_answers_nor_its_parent(versions, pipeline):
    for _ in range(2):
        add(versions, pipeline)
    for _ in range(KEPT):
        versions.add(pipeline)
    assert versions.prune() == []
    versions.add(pipeline)
    assert versions.prune() == ["en_ner11_cyber-1.0.0+r3"]
    assert ids(versions) == [f"1.0.0+r{n}" for n in (8, 7, 6, 5, 4, 2, 1)] + ["1.0.0"]
    assert versions.next_id().endswith("+r9")


def test_what_a_kill_left_of_a_version_is_deleted(versions, pipeline, tmp_path):
    version = add(versions, pipeline)
    left = tmp_path / "state/versions/.en_ner11_cyber-1.0.0+r9.partial"
    shutil.copytree(versions.path(version), left)
    assert versions.prune() == [] and not left.exists() and versions.current().id == version


def test_a_new_baseline_begins_a_history_of_its_own(versions, pipeline, tmp_path):
    add(versions, pipeline)
    newer = VersionStore(tmp_path / "state", str(make_pipeline(tmp_path / "newer", "1.1.0")))
    assert newer.current().id == "en_ner11_cyber-1.1.0" and ids(newer) == ["1.1.0"]
    assert add(newer, pipeline) == "en_ner11_cyber-1.1.0+r2"
    assert versions.current().id == "en_ner11_cyber-1.0.0+r1"


def test_a_version_that_is_gone_does_not_answer(versions, pipeline):
    add(versions, pipeline)
    path = versions.path(add(versions, pipeline))
    (path / "version.json").unlink()
    assert versions.current().id == "en_ner11_cyber-1.0.0+r1"


def test_a_full_disk_leaves_nothing_of_a_version(versions, pipeline, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ner11.serving.versions.shutil.copytree", fail)
    with pytest.raises(OSError, match="No space left"):
        versions.add(pipeline)
    assert list(versions.path("x").parent.iterdir()) == [] and ids(versions) == ["1.0.0"]
    monkeypatch.undo()
    assert add(versions, pipeline) == "en_ner11_cyber-1.0.0+r2"


def test_an_installed_package_can_be_the_baseline(tmp_path, monkeypatch):
    make_pipeline(tmp_path / "en_toy_package", "2.0.0")
    (tmp_path / "en_toy_package/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert VersionStore(tmp_path / "state", "en_toy_package").current().id == "en_ner11_cyber-2.0.0"


@pytest.mark.parametrize("baseline", ["nowhere", "no/where", "json", ""])
def test_a_baseline_that_is_not_there_is_one_line(tmp_path, baseline):
    with pytest.raises(Ner11Error, match=r"no trained pipeline\. Train or install one"):
        VersionStore(tmp_path, baseline).current()


def test_versions_added_at_once_have_different_names(versions, pipeline):
    threads = [threading.Thread(target=versions.add, args=[pipeline]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids(versions) == [f"1.0.0+r{n}" for n in (4, 3, 2, 1)] + ["1.0.0"]


def test_a_damaged_pointer_is_one_line(versions, pipeline, tmp_path):
    add(versions, pipeline)
    Path(tmp_path / "state/versions.json").write_text(json.dumps({"last": 1})[:-3])
    with pytest.raises(Ner11Error, match=r"versions\.json: damaged"):
        versions.current()


def test_a_damaged_version_does_not_take_the_others_with_it(versions, pipeline, caplog):
    first, second = add(versions, pipeline), add(versions, pipeline)
    (versions.path(first) / "version.json").write_text("")
    assert versions.current().id == second and ids(versions) == ["1.0.0+r2", "1.0.0"]
    assert caplog.text.count("this version is left out") == 1


def test_a_version_is_not_activated_instead_of_one_that_it_was_not_held_against(versions, pipeline):
    first = add(versions, pipeline)
    second = versions.add(pipeline).id
    versions.rollback()  # while the second was trained
    message = f"en_ner11_cyber-1.0.0 answers by now, but {second} was held against {first}"
    with pytest.raises(Ner11Error, match=message.replace("+", "[+]")):
        versions.activate(second, instead_of=first)
    assert versions.current().id == "en_ner11_cyber-1.0.0"
