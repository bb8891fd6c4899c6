import copy
import json

import pytest
import spacy

from ner11.release.contract import compare_answers, compare_contracts, compare_graphs, make_contract, verify_contract

GOLDEN = ("aa saw qq qq and zz", "🙂 zz", "", "nothing")


@pytest.fixture(scope="module")
def contracts(pipelines):
    """The contracts of the toy pipelines, as they are read from a file."""
    return {
        name: json.loads(json.dumps(make_contract(spacy.load(path), name="en_toy", version="1.0.0", root=path, golden=GOLDEN)))
        for name, path in pipelines.items()
    }


@pytest.fixture
def contract(contracts):
    return copy.deepcopy(contracts["fp32"])


def load(path):
    nlp = spacy.load(path)
    nlp.meta.update(name="toy", version="1.0.0")
    return nlp


def test_a_contract_says_what_the_model_gives(contracts):
    torch, onnx = contracts["torch"], contracts["int8"]
    assert torch["labels"] == onnx["labels"] == ["LOCATION", "PERSON"]
    assert torch["tags"] == onnx["tags"] == ["O", "B-LOCATION", "B-PERSON", "I-LOCATION", "I-PERSON"]
    assert (torch["precision"], onnx["precision"]) == ("fp32", "int8")
    assert (torch["max_pieces"], onnx["max_pieces"]) == (32, 32)
    assert torch["graph"] is None
    assert onnx["graph"] == {
        "inputs": {name: ["int64", [-1, -1]] for name in ("input_ids", "attention_mask")},
        "outputs": {"logits": ["float32", [-1, -1, 5]]},
    }
    assert {"ner/model.onnx", "config.cfg"} < onnx["files"].keys() and "meta.json" not in onnx["files"]
    assert [entity[:3] for entity in onnx["golden"][0]["entities"]] == [[7, 12, "LOCATION"], [17, 19, "PERSON"]]


@pytest.mark.parametrize("name", ["torch", "fp32", "int8"])
def test_a_model_keeps_its_own_contract(pipelines, contracts, name):
    assert verify_contract(load(pipelines[name]), contracts[name]) == []


def test_an_export_does_not_keep_the_contract_of_another_precision(pipelines, contracts):
    differences = verify_contract(load(pipelines["int8"]), contracts["fp32"])
    assert "the precision is int8, the contract says fp32" in differences
    assert "the file ner/model.onnx has other content" in differences


def test_a_head_without_tags_has_a_contract_too(tmp_path):
    nlp = spacy.blank("en", meta={"name": "toy", "version": "1.0.0"})
    nlp.add_pipe("ner").add_label("PERSON")
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    nlp = load(tmp_path / "model")
    contract = make_contract(nlp, name="en_toy", version="1.0.0", root=nlp.path, golden=GOLDEN)
    assert (contract["labels"], contract["scheme"], contract["tags"], contract["graph"]) == (["PERSON"], None, [], None)
    assert verify_contract(nlp, contract) == []


def change(contract, **changes):
    return {**contract, **changes}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": "en_other"}, "the name is en_other, the contract says en_toy"),
        ({"scheme": "IO"}, "the tag scheme is IO, the contract says BIO"),
        ({"labels": ["PERSON", "LOCATION"]}, "label 1 is PERSON, the contract says LOCATION"),
        ({"labels": ["LOCATION", "PERSON", "TOOL"]}, "3 labels, the contract says 2 (new: TOOL)"),
        ({"labels": ["LOCATION"]}, "1 labels, the contract says 2 (missing: PERSON)"),
        ({"max_pieces": 16}, "windows have 16 word pieces, the contract says 32"),
        ({"graph": None}, "there is no graph, the contract says otherwise"),
        ({"files": {}}, "the file config.cfg is missing"),
    ],
)
def test_a_difference_is_named(contract, changes, line):
    assert compare_contracts(change(contract, **changes), contract)[0] == line


def test_another_number_of_logits_is_named(contract):
    other = copy.deepcopy(contract["graph"])
    other["outputs"]["logits"][1][-1] = 2
    assert compare_graphs(other, contract["graph"]) == ["the graph gives 2 logits a word piece, the contract says 5"]


def test_inputs_of_a_graph_are_named(contract):
    other = copy.deepcopy(contract["graph"])
    other["inputs"]["token_type_ids"] = other["inputs"].pop("attention_mask")
    other["inputs"]["input_ids"] = ["int32", [-1, 128]]
    assert compare_graphs(other, contract["graph"]) == [
        "the input attention_mask is missing",
        "the input input_ids is of the type int32, the contract says int64",
        "the input input_ids has the shape [-1, 128], the contract says [-1, -1]",
        "the input token_type_ids is not in the contract",
    ]


def test_a_contract_of_another_format_is_not_read(pipelines, contract):
    assert verify_contract(load(pipelines["fp32"]), change(contract, format=2)) == ["the contract is of format 2, not 1"]


def answers(*entities, tolerance=0.03):
    """Hold entities against a text with one entity, of the confidence 0.9."""
    golden = [{"text": "", "entities": []}, {"text": "Turla is back", "entities": [[0, 5, "ACTOR", 0.9]]}]
    return compare_answers([[], list(entities)], golden, tolerance=tolerance)


def test_confidences_may_differ_within_the_tolerance():
    assert answers([0, 5, "ACTOR", 0.88]) == []
    assert answers([0, 5, "ACTOR", 0.86]) == ["golden text 2: ACTOR 'Turla' (0 to 5) has the confidence 0.860 instead of 0.900"]
    assert answers([0, 5, "ACTOR", None]) == ["golden text 2: ACTOR 'Turla' (0 to 5) has the confidence none instead of 0.900"]


def test_a_confidence_that_is_no_number_is_named():
    assert len(answers([0, 5, "ACTOR", float("nan")])) == 1
    assert len(answers([0, 5, "ACTOR", 0.9], [6, 8, "TOOL", float("nan")])) == 1


def test_a_difference_is_one_line():
    (line,) = compare_answers([[]], [{"text": "Ana\n Kovac", "entities": [[0, 10, "PERSON", 0.9]]}], tolerance=0.03)
    assert line == "golden text 1: PERSON 'Ana Kovac' (0 to 10) is not found"


def test_int8_is_held_to_what_another_processor_changes(contracts):
    """A wrong model must not pass as rounding: what is surer than 0.6 has to be found."""
    assert contracts["int8"]["tolerance"] == 0.1
    assert len(answers(tolerance=contracts["int8"]["tolerance"])) == 1
    assert len(answers([0, 5, "ACTOR", 0.79], tolerance=contracts["int8"]["tolerance"])) == 1


def test_a_missing_entity_and_a_new_one_are_named():
    assert answers([0, 5, "MALWARE", 0.9]) == [
        "golden text 2: ACTOR 'Turla' (0 to 5) is not found",
        "golden text 2: MALWARE 'Turla' (0 to 5) is found, which is not expected",
    ]


def test_an_entity_of_even_odds_may_come_and_go():
    sure = [0, 5, "ACTOR", 0.9]
    assert answers(sure, [6, 8, "TOOL", 0.52]) == []
    assert len(answers(sure, [6, 8, "TOOL", 0.54])) == 1
    assert len(answers(sure, [6, 8, "TOOL", None])) == 1
