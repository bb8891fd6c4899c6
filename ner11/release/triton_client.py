"""A running Triton, asked over HTTP: what it serves, and what it answers."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ner11.errors import Ner11Error

_NUMPY_TYPES = {"INT64": np.int64, "FP32": np.float32}
_READY = "READY"
_ENTITY_KEYS = ("start", "end", "label", "text", "confidence")
_MODEL_KEYS = ("name", "version", "precision", "scheme", "labels", "logits")
_ANOTHER = "Look which model the server has under this name"
_NOT_EXPLICIT, _NOT_FOUND = "explicit model load", "failed to poll from model repository"


class TritonRefusalError(Ner11Error):
    """The server was reached and said no.

    Args:
        what: What it said.
        where: Its address.
        fix: What to do next.
    """


class TritonServer:
    """A running Triton.

    Args:
        url: Address of its HTTP port, like `http://127.0.0.1:8000`.
        timeout: Longest wait for an answer, in seconds. To load a model is one answer.

    Raises:
        Ner11Error: If that is no address, or the Triton client is not installed.
    """

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        try:
            from tritonclient.http import InferenceServerClient
        except ImportError as e:
            fix = "Run pip install -e '.[triton]' -c requirements.txt"
            raise Ner11Error("the Triton client is not installed", where="triton", fix=fix) from e
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Ner11Error("no address of a server", where=url, fix="Give one like http://127.0.0.1:8000")
        self.url, self.timeout = url, timeout
        self._client = InferenceServerClient(
            f"{parts.netloc}{parts.path.rstrip('/')}",
            connection_timeout=timeout,
            network_timeout=timeout,
            ssl=parts.scheme == "https",
        )

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        from tritonclient.utils import InferenceServerException

        try:
            yield self._client
        except TimeoutError as e:
            fix = "Look into its log, or give it more time with --timeout"
            raise Ner11Error(f"no answer within {self.timeout:g} s", where=self.url, fix=fix) from e
        except InferenceServerException as e:
            # The first line; what follows is the server's own traceback.
            said = (str(e.message()).strip() or "nothing more").splitlines()[0]
            raise TritonRefusalError(f"the server says: {said}", where=self.url, fix="Look into its log") from e
        except (OSError, HTTPException, ValueError) as e:  # no connection, or no HTTP (the port of gRPC)
            fix = "Start the server, or give the address of its HTTP port"
            raise Ner11Error(f"cannot be reached ({str(e) or type(e).__name__})", where=self.url, fix=fix) from e

    def check(self) -> None:
        """Check that it is there.

        Raises:
            Ner11Error: If it is not.
        """
        with self._asking() as client:
            live = client.is_server_live()
        if not live:
            raise Ner11Error("not a Triton that is up", where=self.url, fix="Give the address of its HTTP port")

    def metadata(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Give names, types and shapes of a model's tensors, and the versions that are served.

        Raises:
            TritonRefusalError: If it does not serve that.
        """
        with self._asking() as client:
            return client.get_model_metadata(name, _text(version))

    def config(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Give a model's configuration, as the server completed it. Raises as `metadata` does."""
        with self._asking() as client:
            return client.get_model_config(name, _text(version))

    def index(self) -> list[dict[str, str]]:
        """Give name, version and state of all that was loaded."""
        with self._asking() as client:
            return client.get_model_repository_index()

    def served(self, name: str) -> list[int]:
        """Give the versions of a model that are ready, in their order; the last one answers clients that name none."""
        return sorted(int(row["version"]) for row in self.index() if row["name"] == name and row.get("state") == _READY)

    def load(self, name: str) -> None:
        """Make the server read a model's configuration and load what it names.

        Raises:
            TritonRefusalError: If it cannot; what it served before, it serves still.
            Ner11Error: If it does not load on request, or does not see the model's folder.
        """
        try:
            with self._asking() as client:
                client.load_model(name)
        except TritonRefusalError as e:
            if _NOT_EXPLICIT in e.what:
                fix = "Start it with --model-control-mode=explicit"
                raise Ner11Error("loads no model on request", where=self.url, fix=fix) from e
            if _NOT_FOUND in e.what:
                fix = "Start it on this model repository or name its own with --repository, or mend the file; its log says more"
                what = f"finds no {name}: it reads another folder, or {name}/config.pbtxt is damaged"
                raise Ner11Error(what, where=self.url, fix=fix) from e
            raise

    def unload(self, name: str) -> None:
        """Make the server forget a model; it finishes the requests that it has."""
        with self._asking() as client:
            client.unload_model(name)

    def infer(
        self, name: str, inputs: dict[str, tuple[str, np.ndarray]], outputs: Sequence[str], *, version: int | None = None
    ) -> dict[str, np.ndarray]:
        """Ask a model.

        Args:
            name: Name of the model.
            inputs: Type (INT64, FP32, BYTES) and content of each input.
            outputs: Names of the wished outputs.
            version: The version; None for what the server answers with by itself.

        Returns:
            The outputs.

        Raises:
            TritonRefusalError: If the model does not take this, or lacks one of the outputs.
        """
        from tritonclient.http import InferInput, InferRequestedOutput

        given = []
        for tensor, (datatype, content) in inputs.items():
            given.append(InferInput(tensor, list(content.shape), datatype))
            given[-1].set_data_from_numpy(content.astype(_NUMPY_TYPES.get(datatype, np.object_)))
        wished = [InferRequestedOutput(output) for output in outputs]
        with self._asking() as client:
            answer = client.infer(name, given, model_version=_text(version), outputs=wished)
            found = {output: answer.as_numpy(output) for output in outputs}
        if lacking := [output for output, content in found.items() if content is None]:
            raise TritonRefusalError(f"{name} answers without {lacking[0]}", where=self.url, fix=_ANOTHER)
        return found

    def annotate(
        self, name: str, texts: Sequence[str], *, version: int | None = None
    ) -> tuple[list[list[dict[str, Any]]], dict[str, Any]]:
        """Find the entities of texts.

        Args:
            name: Name of a model for texts.
            texts: The texts, as many as the model takes at once (64 as it is written).
            version: The version; None for what the server answers with by itself.

        Returns:
            The entities of each text, and what the model says of itself.
        """
        rows = np.array([text.encode("utf8", "replace") for text in texts], dtype=np.object_).reshape(-1, 1)
        answer = self.infer(name, {"TEXT": ("BYTES", rows)}, ["ENTITIES", "MODEL"], version=version)
        try:
            entities = [json.loads(row) for row in answer["ENTITIES"].reshape(-1)]
            model = json.loads(answer["MODEL"].reshape(-1)[0])
            for one, keys in (*((entity, _ENTITY_KEYS) for row in entities for entity in row), (model, _MODEL_KEYS)):
                if lacking := [key for key in keys if key not in one]:
                    raise ValueError(f"no '{lacking[0]}'")
            if len(entities) != len(texts):
                raise ValueError(f"{len(entities)} rows for {len(texts)} texts")
        except (ValueError, TypeError, IndexError) as e:
            raise TritonRefusalError(f"{name} does not answer as a model of ner11 ({e})", where=self.url, fix=_ANOTHER) from e
        return entities, model


def _text(version: int | None) -> str:
    return "" if version is None else str(version)
