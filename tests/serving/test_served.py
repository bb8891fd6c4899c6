from types import SimpleNamespace

import pytest

from ner11.errors import Ner11Error
from ner11.serving.served import NotReadyError, ServedModel
from tests.serving.conftest import StandIn


class Versions:
    id = "en_toy-1"

    def current(self):
        return SimpleNamespace(id=self.id, pipeline=f"folder of {self.id}")


@pytest.fixture
def versions():
    return Versions()


@pytest.fixture
def loaded():
    return []


@pytest.fixture
def served(versions, loaded):
    def load(model):
        loaded.append(model)
        if "odd" in model:
            raise Exception("INVALID_PROTOBUF")  # as ONNX Runtime does
        if "broken" in model:
            raise Ner11Error("cannot be loaded", where=model)
        return StandIn()

    return ServedModel(versions, model="unused", load=load)


def test_there_is_nothing_before_it_is_loaded(served):
    with pytest.raises(NotReadyError, match="being loaded"):
        _ = served.model_version


def test_it_follows_the_version_store(served, versions, loaded):
    assert served.reload() and served.model_version == "en_toy-1"
    first = served.runtime
    assert not served.reload() and served.runtime is first
    versions.id = "en_toy-1+r1"
    assert served.reload() and served.model_version == "en_toy-1+r1" and served.runtime is not first
    assert loaded == ["folder of en_toy-1", "folder of en_toy-1+r1"]


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_is_tried_once(served, versions, loaded, caplog):
    served.reload()
    versions.id = "broken"
    assert not served.reload() and not served.reload()
    assert served.model_version == "en_toy-1" and len(loaded) == 2
    assert [record.reason for record in caplog.records if record.levelname == "ERROR"] == ["folder of broken: cannot be loaded."]
    versions.id = "en_toy-1+r2"
    assert served.reload() and served.error is None


def test_a_model_without_versions_names_itself_and_follows_its_server(loaded):
    runtime = StandIn()
    served = ServedModel(None, model="http://triton/toy", load=lambda model: loaded.append(model) or runtime)
    assert served.reload() and not served.reload() and served.model_version == "en_toy-1.0.0"
    runtime.is_outdated = lambda: True
    assert served.reload() and len(loaded) == 2


def test_whatever_a_load_raises_is_reported_and_the_next_version_is_followed(served, versions, caplog):
    versions.id = "odd"
    assert not served.reload() and not served.reload()
    assert str(served.error).startswith("folder of odd: cannot be loaded (Exception: INVALID_PROTOBUF)")
    versions.id = "en_toy-1"
    assert served.reload() and served.error is None
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["the model cannot be loaded"]


def test_a_store_that_cannot_be_read_is_reported_once(served, versions, monkeypatch, caplog):
    served.reload()

    def current(self):
        raise FileNotFoundError("meta.json")  # a training puts another folder in its place

    with monkeypatch.context() as patch:
        patch.setattr(Versions, "current", current)
        assert not served.reload() and not served.reload()
    assert served.model_version == "en_toy-1"
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert not served.reload() and served.error is None
