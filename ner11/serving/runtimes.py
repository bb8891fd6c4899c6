"""What runs a model: a pipeline in this process, with torch or without it, or a Triton server."""

import importlib.util
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ner11.errors import Ner11Error
from ner11.files import read_object
from ner11.pipeline.onnx_ner import FACTORY as ONNX_FACTORY
from ner11.release.contract import FILE as CONTRACT
from ner11.schema import Schema
from ner11.serving.entities import Entity, label_paths, without_surrogates

TORCH, ONNX, TRITON = "torch", "onnx", "triton"
REPOSITORY = Path("packages/triton")
"""The model repository, whose contracts a Triton is held against."""
_TRITON_TEXTS = 64  # that its model takes at once
_TRITON_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Runtime(Protocol):
    """What finds entities.

    Attributes:
        name: Of the model, with its language.
        version: Of the model.
        labels: What it finds.
        kind: "torch", "onnx" or "triton".
        meta: What its meta.json says; nothing for a Triton.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    kind: str
    meta: dict[str, Any]

    def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Find the entities of texts; a list for each, in order."""
        ...

    def check(self) -> None:
        """Raise a Ner11Error if it does not answer."""
        ...

    def is_outdated(self) -> bool:
        """Tell whether its server serves another version by now."""
        ...


class PipelineRuntime:
    """A pipeline in this process.

    Args:
        nlp: The pipeline.
        schema: The label tree, for the paths of labels.
        threads: Threads to compute with; 0 for what it was saved with, or as many as there are cores.
    """

    def __init__(self, nlp: Language, *, schema: Schema | None = None, threads: int = 0) -> None:
        self.nlp, self.meta = nlp, dict(nlp.meta)
        self.name, self.version = f"{nlp.lang}_{nlp.meta['name']}", nlp.meta["version"]
        self.labels = tuple(dict.fromkeys(label for labels in nlp.pipe_labels.values() for label in labels))
        self.kind = ONNX if ONNX_FACTORY in nlp.pipe_factories.values() else TORCH
        self._paths = label_paths(self.labels, schema)
        self._confident = Span.has_extension("confidence")
        if threads:
            self._set_threads(threads)

    def _set_threads(self, threads: int) -> None:
        for name, factory in self.nlp.pipe_factories.items():
            if factory == ONNX_FACTORY:
                recognizer: Any = self.nlp.get_pipe(name)
                recognizer.threads = threads
        if self.kind == TORCH and importlib.util.find_spec("torch"):
            import torch

            torch.set_num_threads(threads)

    def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Find the entities of texts; a list for each, in order."""
        cleaned = [without_surrogates(text) for text in texts]
        with self.nlp.memory_zone():  # or every new word that clients send stays in the vocabulary
            return [self._entities(text, doc) for text, doc in zip(cleaned, self.nlp.pipe(cleaned), strict=True)]

    def _entities(self, text: str, doc: Doc) -> list[Entity]:
        return [
            Entity(
                span.start_char,
                span.end_char,
                span.label_,
                text[span.start_char : span.end_char],
                span._.confidence if self._confident else None,
                self._paths.get(span.label_, (span.label_,)),
            )
            for span in doc.ents
        ]

    def check(self) -> None:
        """Do nothing: it is there."""

    def is_outdated(self) -> bool:
        """Say no: the version store decides."""
        return False


class TritonRuntime:
    """A model for texts in a Triton server. The version that serves when this is made is asked until another object is made.

    Args:
        url: Like `http://127.0.0.1:8000/en_ner11_cyber`.
        schema: The label tree, for the paths of labels.
        repository: The model repository, for the contract of the version.

    Raises:
        Ner11Error: If the server cannot be reached, or does not serve what the contract says.
    """

    kind = TRITON

    def __init__(self, url: str, *, schema: Schema | None = None, repository: Path = REPOSITORY) -> None:
        from ner11.release.triton_client import TritonServer

        self._address, _, model = url.rstrip("/").rpartition("/")
        if not urlsplit(self._address).hostname or not model:
            raise Ner11Error("names no model of a Triton", where=url, fix="Give one like http://127.0.0.1:8000/en_ner11_cyber")
        self._connect, self._local, self.model = TritonServer, threading.local(), model
        served = self._server.served(model)
        if not served:
            raise Ner11Error(f"does not serve {model}", where=self._address, fix="Deploy it, see docs/triton.md")
        self.number = served[-1]
        _, said = self._server.annotate(model, [""], version=self.number)
        self.name, self.version, self.labels = said["name"], said["version"], tuple(said["labels"])
        self.meta: dict[str, Any] = {}
        self._paths = label_paths(self.labels, schema)
        self._verify(repository / model / str(self.number) / CONTRACT)

    @property
    def _server(self) -> Any:
        # Its client must not change threads.
        if not hasattr(self._local, "server"):
            self._local.server = self._connect(self._address, timeout=_TRITON_SECONDS)
        return self._local.server

    def _verify(self, path: Path) -> None:
        from ner11.release.triton_verify import find_differences

        if not path.is_file():
            logger.warning("no contract to hold the server against", extra={"contract": path.as_posix()})
            return
        contract: Any = read_object(path, "name", "version", "labels", "tags", "golden")
        if differences := find_differences(self._server, self.model, contract, version=self.number):
            fix = "Deploy the version of the contract again, or write its own"
            raise Ner11Error(f"breaks its contract: {differences[0]}", where=f"{self._address}/{self.model}", fix=fix)

    def find(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Find the entities of texts; a list for each, in order."""
        cleaned = [without_surrogates(text) for text in texts]
        found: list[list[dict[str, Any]]] = []
        for start in range(0, len(cleaned), _TRITON_TEXTS):
            rows, _ = self._server.annotate(self.model, cleaned[start : start + _TRITON_TEXTS], version=self.number)
            found += rows
        return [[Entity(**row, path=self._paths.get(row["label"], (row["label"],))) for row in rows] for rows in found]

    def check(self) -> None:
        """Check that the server still serves this version."""
        if self.number not in self._server.served(self.model):
            raise Ner11Error(f"does not serve version {self.number} of {self.model} any more", where=self._address)

    def is_outdated(self) -> bool:
        """Tell whether the server answers with another version by now."""
        return self._server.served(self.model)[-1:] not in ([], [self.number])


def is_triton(model: str) -> bool:
    """Tell whether a model is one of a Triton server."""
    return model.startswith(("http://", "https://"))


def check_model(model: str) -> None:
    """Check, without loading it, that a model is there.

    Raises:
        Ner11Error: If it is not.
    """
    path = Path(model)
    if is_triton(model) or (path / "config.cfg").is_file():
        return
    if path.is_dir():
        below = next((found.parent.as_posix() for found in sorted(path.glob("*/config.cfg"))), None)
        fix = f"Give {below}" if below else "Run 'spacy project run train' first, or give another one"
        raise Ner11Error("no trained pipeline", where=model, fix=fix)
    if not spacy.util.is_package(model):
        fix = "Run 'spacy project run train' first, install the package, or name another model"
        raise Ner11Error("no such folder, and no installed package of that name", where=model, fix=fix)


def load_runtime(model: str, *, schema: Schema | None, threads: int) -> Runtime:
    """Load a model.

    Args:
        model: Folder of a pipeline, an installed package, or `http(s)://HOST:PORT/MODEL` of a Triton.
        schema: The label tree, for the paths of labels.
        threads: Threads to compute with; 0 for as many as there are cores. A Triton has its own.

    Raises:
        Ner11Error: If it cannot be loaded.
    """
    check_model(model)
    if is_triton(model):
        return TritonRuntime(model, schema=schema)
    try:
        runtime = PipelineRuntime(spacy.load(model), schema=schema, threads=threads)
        runtime.find(["Ready?"])  # what is made on demand, like the session of ONNX Runtime, is made now
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as e:  # what the folder or this environment lacks
        reason = " ".join(str(e).split())[:300]
        fix = "Install what it needs, or name another model"
        raise Ner11Error(f"cannot be loaded ({reason})", where=model, fix=fix) from e
    return runtime
