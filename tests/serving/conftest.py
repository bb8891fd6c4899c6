"""A server with a stand-in for the model, asked in this process."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import spacy
from fastapi import FastAPI
from starlette.testclient import TestClient

from ner11.schema import Schema, load_schema
from ner11.serving import app
from ner11.serving.entities import Entity
from ner11.serving.settings import Settings

WORDS = {"Turla": ("ACTOR", 0.9), "Kazuar": ("MALWARE", 0.6), "🙂": ("MOOD", 0.99)}


class StandIn:
    """Finds words; a text with "fail" in it makes it raise, and nothing is found while `gate` is closed.

    Attributes:
        asked: The batches that it was asked for.
    """

    name, version, kind, meta = "en_toy", "1.0.0", "onnx", {}
    labels = ("ACTOR", "MALWARE", "MOOD")

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()

    def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        self.asked.append([*texts])
        assert self.gate.wait(5)
        if any("fail" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return [
            [
                Entity(start, start + len(word), label, word, confidence, ("TIER", label))
                for start, word in sorted((text.find(word), word) for word in WORDS if word in text)
                for label, confidence in [WORDS[word]]
            ]
            for text in texts
        ]

    def check(self) -> None:
        pass

    def is_outdated(self) -> bool:
        return False


@pytest.fixture
def runtime() -> StandIn:
    return StandIn()


@pytest.fixture(scope="session")
def baseline(tmp_path_factory) -> Path:
    """The folder of a pipeline that is never loaded."""
    folder = tmp_path_factory.mktemp("baseline")
    nlp = spacy.blank("en")
    nlp.meta |= {"name": "toy", "version": "1.0.0"}
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load_schema(Path(__file__).parents[2] / "configs" / "domains" / "cyber" / "schema.yml")


@pytest.fixture
def make_app(baseline, runtime, schema, tmp_path, monkeypatch):
    """Makes a server with settings."""
    monkeypatch.setattr(app, "find_schema", lambda _: schema)  # it takes a second to read

    def make_app(*, load: Callable[[str], object] = lambda _: runtime, **settings) -> FastAPI:
        return app.create_app(Settings(model=str(baseline), state=tmp_path / "state", **settings), load=load)

    return make_app


@pytest.fixture
def serve(make_app, runtime):
    """Starts a server with settings, and gives a client of it."""
    clients = []

    def serve(*, ready: bool = True, **options) -> TestClient:
        clients.append(TestClient(make_app(**options), raise_server_exceptions=False).__enter__())
        while ready and clients[-1].get("/ready").status_code != 200:
            time.sleep(0.01)
        return clients[-1]

    yield serve
    runtime.gate.set()
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve) -> TestClient:
    return serve()
