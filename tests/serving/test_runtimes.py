import subprocess
import sys
from pathlib import Path

import pytest
import spacy

from ner11.errors import Ner11Error
from ner11.release.triton import write_repository
from ner11.release.triton_client import TritonServer
from ner11.schema import Node, Schema
from ner11.serving.runtimes import TritonRuntime, load_runtime
from tests.release.triton import fake
from tests.release.triton.toys import NAME, make_pipeline, make_wheel

WORDS = {"Turla": "ACTOR", "Kazuar": "MALWARE"}
TEXTS = ["🙂 Turla used Kazuar", "", "\ud800 Turla \x00"]
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["spacy_transformers"] = None
from ner11.serving.app import create_app
from ner11.serving.run import serve
"""


@pytest.fixture(scope="module")
def schema():
    root = Node("THREAT", "A.", [], [], False, 1, None)
    root.children = [Node("ACTOR", "A.", [], [], True, 2, root)]
    return Schema("toy", [root])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("pipeline") / "toy", words=WORDS)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("repository")
    write_repository(make_wheel(tmp_path_factory.mktemp("wheel"), version="1.0.0", words=WORDS), path)
    return path


@pytest.fixture
def triton(repository):
    """A server with the model, what it has loaded, and its address."""
    server = fake.FakeTriton(repository)
    with fake.served(server) as url:
        TritonServer(url).load(NAME)
        yield server, url


def check_found(found, *, tree):
    assert [[(e.start, e.end, e.label, e.text) for e in entities] for entities in found] == [
        [(2, 7, "ACTOR", "Turla"), (13, 19, "MALWARE", "Kazuar")],
        [],
        [(2, 7, "ACTOR", "Turla")],
    ]
    assert found[0][0].path == (("THREAT", "ACTOR") if tree else ("ACTOR",))
    assert found[0][1].path == ("MALWARE",)
    assert 0.9 < found[0][0].confidence < 1


def test_a_pipeline_without_torch(folder, schema):
    runtime = load_runtime(str(folder), schema=schema, threads=1)
    check_found(runtime.find(TEXTS), tree=True)
    assert (runtime.kind, runtime.labels) == ("onnx", ("ACTOR", "MALWARE", "PLACE", "TOOL"))
    assert runtime.nlp.get_pipe("ner").threads == 1


def test_a_pipeline_with_another_component_has_no_confidences(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PLACE", "pattern": "Łódź"}])
    nlp.to_disk(tmp_path)
    runtime = load_runtime(str(tmp_path), schema=None, threads=0)
    ((entity,),) = runtime.find(["in Łódź"])
    assert (entity.text, entity.confidence, runtime.kind, runtime.labels) == ("Łódź", None, "torch", ("PLACE",))


def test_a_triton(triton, repository, schema):
    runtime = TritonRuntime(f"{triton[1]}/{NAME}", schema=schema, repository=repository)
    check_found(runtime.find(TEXTS), tree=True)
    assert (runtime.name, runtime.version, runtime.kind) == (f"{NAME}_onnx", "1.0.0", "triton")
    assert len(runtime.find(["Turla"] * 150)) == 150
    runtime.check()
    assert not runtime.is_outdated()


def test_a_triton_that_breaks_its_contract_is_not_served(triton, repository, tmp_path):
    copy = tmp_path / NAME / "1"
    copy.mkdir(parents=True)
    contract = (repository / NAME / "1" / "contract.json").read_text()
    (copy / "contract.json").write_text(contract.replace('"MALWARE"', '"SOFTWARE"'))
    with pytest.raises(Ner11Error, match="breaks its contract: label 2 is MALWARE, the contract says SOFTWARE"):
        TritonRuntime(f"{triton[1]}/{NAME}", repository=tmp_path)


def test_a_triton_that_serves_another_version_is_told(triton, repository):
    server, url = triton
    runtime = TritonRuntime(f"{url}/{NAME}", repository=repository)
    server.loaded[NAME][2] = server.loaded[NAME].pop(1)
    assert runtime.is_outdated()
    with pytest.raises(Ner11Error, match="does not serve version 1 of en_ner11_toy any more"):
        runtime.check()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no_such_package", "no_such_package: no such folder, and no installed package of that name. Run"),
        ("no/such/folder", "no/such/folder: no such folder"),
        ("http://127.0.0.1:9/toy", "http://127.0.0.1:9: cannot be reached"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9: names no model of a Triton"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(model, message):
    with pytest.raises(Ner11Error, match=message) as error:
        load_runtime(model, schema=None, threads=0)
    assert "\n" not in str(error.value)


def test_a_folder_of_folders_names_the_pipeline_in_it(folder):
    with pytest.raises(Ner11Error, match=f"Give {folder}"):
        load_runtime(str(folder.parent), schema=None, threads=0)


def test_a_damaged_pipeline_is_told_in_one_line(folder, tmp_path):
    (tmp_path / "config.cfg").write_text((folder / "config.cfg").read_text().replace("ner11_onnx", "unheard_of"))
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(Ner11Error, match="cannot be loaded") as error:
        load_runtime(str(tmp_path), schema=None, threads=0)
    assert "\n" not in str(error.value)


def test_the_server_needs_no_torch():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_clients_sent_does_not_stay(folder):
    runtime = load_runtime(str(folder), schema=None, threads=1)
    runtime.find(["warm"])
    before = len(runtime.nlp.vocab.strings)
    runtime.find([f"Turla sent word{i}x{i} to host{i}.example.com" for i in range(200)])
    assert len(runtime.nlp.vocab.strings) == before
