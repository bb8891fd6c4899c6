import json

import numpy as np
import pytest

from tests.release.triton.fake import Request, load_model, read_config
from tests.release.triton.toys import NAME


@pytest.fixture
def served(model):
    """The code that Triton's Python backend runs, started."""
    return load_model(model.version(1), read_config(model.folder / "config.pbtxt"))


def ask(*texts):
    return Request(
        {"TEXT": np.array([text if isinstance(text, bytes) else text.encode() for text in texts]).astype(object)[:, None]}
    )


def outputs(response):
    return {tensor.name(): tensor.as_numpy() for tensor in response.tensors}


def found(response):
    return [[entity["text"] for entity in json.loads(row)] for row in outputs(response)["ENTITIES"].reshape(-1)]


def test_the_texts_of_all_requests_are_one_batch(served, monkeypatch):
    batches = []
    ner = served.nlp.get_pipe("ner")
    predict = ner.predict
    monkeypatch.setattr(ner, "predict", lambda docs: batches.append(len(docs)) or predict(docs))
    first, second, third = served.execute([ask("Turla", "nobody"), ask("Kazuar in Ukraine"), ask("KillDisk")])
    assert batches == [4]
    assert found(first) == [["Turla"], []]
    assert found(second) == [["Kazuar", "Ukraine"]]
    assert found(third) == [["KillDisk"]]


def test_outputs_have_a_row_for_each_text(served):
    (response,) = served.execute([ask("Turla", "nobody", "")])
    assert {name: content.shape for name, content in outputs(response).items()} == {"ENTITIES": (3, 1), "MODEL": (3, 1)}


def test_the_model_tells_once_a_request_what_it_is(served):
    (response,) = served.execute([ask("Turla", "nobody")])
    first, second = outputs(response)["MODEL"].reshape(-1)
    assert json.loads(first)["labels"] == ["ACTOR", "MALWARE", "PLACE", "TOOL"]
    assert second == b""


@pytest.mark.parametrize(
    ("text", "said"), [(b"\xff\xfe", "a text is not UTF-8"), ("x" * 1_000_001, "a text has 1000001 characters")]
)
def test_a_request_that_cannot_be_read_fails_alone(served, text, said):
    bad, good = served.execute([ask(text), ask("Turla")])
    assert said in bad.error.message()
    assert found(good) == [["Turla"]]


@pytest.mark.parametrize(("key", "said"), [("labels", "its contract says"), ("tags", "9 logits, its contract says 2")])
def test_a_pipeline_that_is_not_the_one_of_the_contract_is_not_served(model, key, said):
    path = model.version(1) / "contract.json"
    contract = json.loads(path.read_text())
    path.write_text(json.dumps({**contract, key: contract[key][:2]}))
    with pytest.raises(Exception, match=said):
        load_model(model.version(1), read_config(model.folder / "config.pbtxt"))


def test_threads_are_set_in_the_configuration(model):
    path = model.folder / "config.pbtxt"
    path.write_text(path.read_text().replace('string_value: "0"', 'string_value: "3"'))
    assert load_model(model.version(1), read_config(path)).nlp.get_pipe("ner").threads == 3


@pytest.mark.parametrize("threads", ["two", "-1", ""])
def test_threads_that_are_no_number_are_named(model, threads):
    path = model.folder / "config.pbtxt"
    path.write_text(path.read_text().replace('string_value: "0"', f'string_value: "{threads}"'))
    with pytest.raises(Exception, match=f"the parameter threads is '{threads}'"):
        load_model(model.version(1), read_config(path))


def test_what_clients_sent_does_not_stay(served):
    served.execute([ask("Turla")])
    before = len(served.nlp.vocab.strings)
    for number in range(20):
        (response,) = served.execute([ask(f"Kazuar {number:064x} https://example.org/{number}/{number:x}.html")])
        assert found(response) == [["Kazuar"]]
    assert len(served.nlp.vocab.strings) == before


def test_a_lone_surrogate_is_refused_alone(served):
    bad, good = served.execute([ask("Turla \ud800".encode("utf8", "surrogatepass")), ask("Turla")])
    assert "a text is not UTF-8" in bad.error.message()
    assert found(good) == [["Turla"]]


def test_the_code_that_is_served_is_that_of_the_package(served):
    assert type(served.nlp.get_pipe("ner")).__name__ == "OnnxNER"
    assert served.nlp.meta["name"] == f"{NAME.removeprefix('en_')}_onnx"
