import socket
from threading import Thread

import pytest

from ner11.errors import Ner11Error
from ner11.release.triton import TritonModel
from ner11.release.triton_client import TritonServer
from ner11.release.triton_deploy import deploy
from tests.release.triton import fake


@pytest.fixture
def listener():
    """A socket that takes connections and gives each the next of these answers; after the last, silence."""
    answers = []
    with socket.create_server(("127.0.0.1", 0)) as one:
        kept = []

        def run():
            while True:
                try:
                    connection, _ = one.accept()
                except OSError:
                    return
                kept.append(connection)
                if answers:
                    connection.recv(65536)
                    connection.sendall(answers.pop(0))

        Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{one.getsockname()[1]}", answers
    for connection in kept:
        connection.close()


def test_a_server_that_is_down_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with pytest.raises(Ner11Error, match=rf"http://127.0.0.1:{port}: cannot be reached \(.*refused.*\)\. Start the server"):
        TritonServer(f"http://127.0.0.1:{port}").check()


def test_a_host_that_does_not_exist_is_one_line():
    with pytest.raises(Ner11Error, match="cannot be reached"):
        TritonServer("http://no-such-host.invalid:8000").check()


def test_a_slow_server_is_one_line(listener):
    url, _ = listener
    with pytest.raises(Ner11Error, match=r"no answer within 0\.3 s.*--timeout"):
        TritonServer(url, timeout=0.3).check()


def test_a_port_that_does_not_speak_http_is_one_line(listener):
    url, answers = listener
    answers.append(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00\x40\x00\x00")  # as gRPC's does
    with pytest.raises(Ner11Error, match=r"cannot be reached .*HTTP port") as caught:
        TritonServer(url, timeout=2).check()
    assert "\n" not in str(caught.value)


def test_a_web_server_of_another_kind_is_one_line(listener):
    url, answers = listener
    page = b"<html>Not here</html>"
    answers.append(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
    with pytest.raises(Ner11Error, match="not a Triton that is up"):
        TritonServer(url, timeout=2).check()


@pytest.mark.parametrize("url", ["", "ftp://here", "http://"])
def test_what_is_no_address_is_one_line(url):
    with pytest.raises(Ner11Error, match="no address of a server"):
        TritonServer(url)


def test_a_server_in_polling_mode_is_told_how_to_start(repository, model):
    with (
        fake.served(fake.FakeTriton(repository, mode="poll")) as url,
        pytest.raises(Ner11Error, match="--model-control-mode=explicit"),
    ):
        deploy(TritonServer(url), model, 1)


def test_a_refusal_without_a_word_is_one_line(listener):
    url, answers = listener
    answers.append(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\n{"error": ""}')
    with pytest.raises(Ner11Error, match="the server says: nothing more"):
        TritonServer(url, timeout=2).index()


ENTITY = '{"start": 0, "end": 5, "label": "ACTOR", "text": "Turla", "confidence": 0.9}'


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ("Turla", "Expecting value"),
        ("7", "not iterable"),
        ("[7]", "not iterable"),
        (f"[{ENTITY.replace('start', 'begin')}]", "no 'start'"),
        (f"[{ENTITY}]", "no 'name'"),
        ("", "without ENTITIES"),
    ],
)
def test_a_model_that_answers_otherwise_is_one_line(server, model, entities, said):
    deploy(server, model, 1)
    path = model.version(1) / "model.py"
    answer = f"""
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        pass

    def execute(self, requests):
        rows = [("ENTITIES", {entities.encode()!r}), ("MODEL", b"{{}}")]
        tensors = [pb_utils.Tensor(name, np.array([[row]], dtype=np.object_)) for name, row in rows if row]
        return [pb_utils.InferenceResponse(tensors) for _ in requests]
"""
    path.write_text(answer)
    server.unload(model.name)
    server.load(model.name)
    with pytest.raises(Ner11Error, match=said):
        server.annotate(model.name, ["Turla"])


def test_an_entity_has_the_characters_that_it_covers(server, model):
    deploy(server, model, 1)
    text = "🙂 Turla, Ürümqi"
    ((entity,),), told = server.annotate(model.name, [text])
    assert (text[entity["start"] : entity["end"]], entity["text"], entity["label"]) == ("Turla", "Turla", "ACTOR")
    assert 0.9 < entity["confidence"] <= 1
    assert (told["name"], told["version"], told["logits"]) == ("en_ner11_toy_onnx", "1.0.0", 9)


def test_odd_texts_are_answered(server, model):
    deploy(server, model, 1)
    texts = ["", "🙂" * 3, "a\x00b Turla", "Turla \ud800", "0123456789abcdef" * 700, "Turla " * 20_000, *[" \n"] * 10]
    found, _ = server.annotate(model.name, texts)
    assert [len(entities) for entities in found] == [text.count("Turla") for text in texts]


def test_a_text_that_is_too_long_is_refused_and_others_are_answered(server, model):
    deploy(server, model, 1)
    with pytest.raises(Ner11Error, match="a text has 1000001 characters, and 1000000 is the most"):
        server.annotate(model.name, ["x" * 1_000_001])
    assert server.annotate(model.name, ["Turla"])[0][0]


def test_a_model_without_a_repository_is_named(tmp_path, server):
    with pytest.raises(Ner11Error, match="no such"):
        deploy(server, TritonModel(tmp_path / "nothing"), 1)
