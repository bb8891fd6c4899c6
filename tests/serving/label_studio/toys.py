"""A model that knows a few words, and what the routes need around it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from fastapi import FastAPI

from ner11.errors import Ner11Error
from ner11.schema import Schema
from ner11.serving.auth import make_auth
from ner11.serving.entities import Answer, Entity, label_paths
from ner11.serving.label_studio.routes import make_router
from ner11.serving.settings import Settings
from tests.trees import node

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "fixtures" / "label_studio_requests.jsonl"
SCHEMA = Schema(
    "toy",
    [
        node("PARTY", node("PER", active=True), node("ORG", active=True)),
        node("PLACES", node("LOC", active=True)),
        node("MALWARE_FAMILY", active=True),
    ],
)
WORDS = {
    "Alice": ("PER", 0.9),
    "Bob": ("PER", 0.4),
    "Carol": ("PER", 0.8),
    "Acme\r\nCorp": ("ORG", 0.7),
    "Paris": ("LOC", 0.6),
    "Zo\ud800": ("PER", 0.9),
    "WannaCry": ("MALWARE_FAMILY", 0.5),
}
CONFIG = (
    '<View><Labels name="ner" toName="words"><Label value="PER"/><Label value="ORG"/></Labels>'
    '<Text name="words" value="$body"/></View>'
)
PATHS = label_paths(SCHEMA.active, SCHEMA)


class WordRuntime:
    """Finds words."""

    name, version, kind, meta = "en_toy", "1.0.0", "onnx", {}
    labels = SCHEMA.active

    def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        return [
            [
                Entity(m.start(), m.end(), label, m.group(), confidence, PATHS[label])
                for m in re.finditer("|".join(WORDS), text)
                for label, confidence in [WORDS[m.group()]]
            ]
            for text in texts
        ]

    def check(self) -> None:
        """It is there."""


class ToyModel:
    """A served model whose version a test may change."""

    def __init__(self) -> None:
        self.runtime, self.model_version = WordRuntime(), "en_toy-1.0.0"

    @property
    def now(self) -> tuple[WordRuntime, str]:
        return self.runtime, self.model_version


class ToyBatcher:
    """Answers at once; `limit` texts in all, then nothing is done in time. `errors` are raised first."""

    def __init__(self, served: ToyModel) -> None:
        self.served, self.limit, self.errors, self.asked = served, 10**9, [], []

    async def find(self, texts: Sequence[str], *, deadline: float | None = None) -> Answer:
        if self.errors:
            raise self.errors.pop(0)
        if any("poison" in text for text in texts):
            raise ValueError("no such word")
        self.asked.append(list(texts))
        done, self.limit = texts[: self.limit], max(0, self.limit - len(texts))
        runtime, version = self.served.now
        return Answer(runtime.find(done), version)


class ToyStore:
    """Remembers in memory."""

    def __init__(self) -> None:
        self.recorded, self.requested, self.count, self.full = [], [], 0, False

    def record(self, action, body):
        if self.full:
            raise Ner11Error("no space left on the disk", where="store.sqlite")
        self.recorded.append((action, body))

    def waiting(self, project):
        return self.count

    def is_training(self, project):
        return False

    def jobs(self):
        return []

    def request_training(self, project, *, reason):
        self.requested.append((project, reason))
        return self.job("job-1")

    def job(self, job):
        return SimpleNamespace(id=job, state="queued", said="", version=None) if job == "job-1" else None


def make_services(**settings) -> SimpleNamespace:
    """Stand-ins for all that the routes use."""
    model = ToyModel()
    made = Settings(**settings)
    return SimpleNamespace(
        settings=made,
        schema=SCHEMA,
        served=model,
        batcher=ToyBatcher(model),
        auth=make_auth(made),
        store=ToyStore(),
        versions=SimpleNamespace(history=lambda: [SimpleNamespace(id="en_toy-1.0.0"), SimpleNamespace(id="en_toy-0.9.0")]),
    )


def make_app(services) -> FastAPI:
    """An app with these routes only."""
    app = FastAPI()
    app.include_router(make_router(services))
    return app


def make_tasks(*texts) -> list[dict]:
    """Tasks with these texts under the key of `CONFIG`."""
    return [{"id": i, "data": {"body": text}, "annotations": [], "predictions": []} for i, text in enumerate(texts, 1)]


def recorded() -> list[dict]:
    """What a real Label Studio sent."""
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf8").splitlines()]
