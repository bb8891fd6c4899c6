import pytest

from ner11.release.triton import TritonModel, serving, write_repository
from ner11.release.triton_verify import compare_config, compare_metadata, find_differences
from tests.release.triton.fake import without_onnxruntime
from tests.release.triton.toys import LABELS, NAME, WORDS, make_wheel

WRONG_LOGITS = "the server gives 2 logits a word piece, the contract says 9"


@pytest.fixture
def promised(wheels, tmp_path):
    """The repository of the first release, which the server does not read; by model."""
    write_repository(wheels["first"], tmp_path / "promised")
    return {name: TritonModel(tmp_path / "promised" / name) for name in (NAME, f"{NAME}_graph")}


@pytest.fixture
def serve(repository, server):
    """Makes the server serve a wheel, whatever the contract says; the graph without the ONNX Runtime backend."""

    def serve(wheel):
        for model, (version, _) in write_repository(wheel, repository).items():
            if model.is_graph:
                without_onnxruntime(model, version)
            config, _ = model.config_for(version)
            (model.folder / "config.pbtxt").write_text(serving(config, [version]))
            server.load(model.name)

    return serve


def differences(server, model):
    return find_differences(server, model.name, model.contract(1), pipeline=model.reader(1))


def test_a_server_that_keeps_the_contract_has_no_differences(server, serve, wheels, promised):
    serve(wheels["first"])
    assert differences(server, promised[NAME]) == []


def test_logits_are_read_with_the_pipelines_own_tokenizer_and_decoding(server, serve, wheels, promised):
    serve(wheels["first"])
    (difference,) = differences(server, promised[f"{NAME}_graph"])
    assert difference == "the server runs it in the backend python, the repository says onnxruntime"


@pytest.mark.parametrize("name", [NAME, f"{NAME}_graph"])
def test_two_logits_instead_of_nine_are_named(server, serve, wheels, promised, name):
    serve(wheels["other"])
    assert differences(server, promised[name]) == [WRONG_LOGITS]


def test_two_logits_are_named_where_the_metadata_do_not_tell(server, serve, wheels, promised, repository):
    path = repository / f"{NAME}_graph" / "config.pbtxt"
    serve(wheels["other"])
    path.write_text(path.read_text().replace("dims: [-1, 2]", "dims: [-1, -1]"))
    server.unload(path.parent.name)
    server.load(path.parent.name)
    contract = promised[f"{NAME}_graph"].contract(1)
    contract["graph"]["outputs"]["logits"] = ["float32", [-1, -1, -1]]
    found = find_differences(server, path.parent.name, contract, pipeline=promised[f"{NAME}_graph"].reader(1))
    assert found == [WRONG_LOGITS]


def test_other_labels_are_named(server, serve, tmp_path, promised):
    renamed = {"MALWARE": "SOFTWARE"}
    labels = [renamed.get(label, label) for label in LABELS]
    words = {word: renamed.get(label, label) for word, label in WORDS.items()}
    serve(make_wheel(tmp_path / "wheels", words=words, labels=labels))
    assert differences(server, promised[NAME]) == ["label 2 is SOFTWARE, the contract says MALWARE"]


def test_the_same_labels_with_other_answers_are_named(server, serve, tmp_path, promised):
    serve(make_wheel(tmp_path / "wheels", words={**WORDS, "Turla": "TOOL"}))
    for name in (NAME, f"{NAME}_graph"):
        found = differences(server, promised[name])
        assert "golden text 1: ACTOR 'Turla' (0 to 5) is not found" in found
        assert any(difference.startswith("golden text 1: TOOL 'Turla' (0 to 5) is found") for difference in found)


def test_another_release_of_the_same_model_is_named(server, serve, wheels, promised):
    serve(wheels["second"])
    assert differences(server, promised[NAME]) == ["the server's version is 1.1.0, the contract says 1.0.0"]


def test_a_model_that_is_not_served_is_named(server, promised):
    (difference,) = differences(server, promised[NAME])
    assert "unknown model" in difference


def test_every_difference_of_the_tensors_is_named(promised):
    contract = promised[NAME].contract(1)
    metadata = {
        "inputs": [{"name": "input_ids", "datatype": "INT32", "shape": [-1, -1]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 9]},
            {"name": "scores", "datatype": "FP32", "shape": [-1]},
        ],
    }
    assert compare_metadata(metadata, contract, graph=True) == [
        "the server has no input attention_mask, the contract does; its inputs: input_ids",
        "the server's input input_ids has the type INT32, the contract says INT64",
        "the server's output logits has the dimensions [-1, 9], the contract says [-1, -1, 9]",
        "the server's output scores is not in the contract",
    ]


def test_a_server_that_takes_no_batches_is_named():
    assert compare_config({"backend": "onnxruntime"}, graph=True) == [
        "the server takes no batches, the repository says that it does"
    ]
