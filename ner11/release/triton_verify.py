"""Does a running Triton serve what the contract says? Each difference is one sentence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy

from ner11.pipeline import onnx_ner
from ner11.release.contract import Contract, compare_answers, compare_names, find_entities
from ner11.release.triton import Tensors, interface
from ner11.release.triton_client import TritonRefusalError, TritonServer

_DATATYPES = {"TYPE_STRING": "BYTES"}


def _datatype(config_type: str) -> str:
    """Give the name that a type of a configuration has in metadata."""
    return _DATATYPES.get(config_type, config_type.removeprefix("TYPE_"))


def _logits(given: int, contract: Contract) -> str:
    return f"the server gives {given} logits a word piece, the contract says {len(contract['tags'])}"


def _compare_tensors(side: str, promised: Tensors, given: Tensors, contract: Contract) -> list[str]:
    differences = []
    for name, (datatype, dims) in promised.items():
        if name not in given:
            found = ", ".join(given) or "none"
            differences.append(f"the server has no {side} {name}, the contract does; its {side}s: {found}")
            continue
        given_type, given_dims = given[name]
        if given_type != datatype:
            differences.append(f"the server's {side} {name} has the type {given_type}, the contract says {datatype}")
        if given_dims == dims:
            continue
        if name == onnx_ner.OUTPUT and given_dims[:-1] == dims[:-1]:
            differences.append(_logits(given_dims[-1], contract))
        else:
            differences.append(f"the server's {side} {name} has the dimensions {given_dims}, the contract says {dims}")
    extra = [name for name in given if name not in promised]
    return differences + [f"the server's {side} {name} is not in the contract" for name in extra]


def compare_metadata(metadata: dict[str, Any], contract: Contract, *, graph: bool) -> list[str]:
    """Compare the tensors that a server names with the contract.

    Args:
        metadata: Of the model, as the server gives it.
        contract: As in `contract.json`.
        graph: Of the model that gives logits.
    """
    differences = []
    for side, promised in zip(("input", "output"), interface(contract, graph=graph), strict=True):
        given = {row["name"]: (row["datatype"], row["shape"]) for row in metadata.get(f"{side}s", [])}
        whole = {name: (_datatype(config_type), [-1, *dims]) for name, (config_type, dims) in promised.items()}
        differences += _compare_tensors(side, whole, given, contract)
    return differences


def compare_config(config: dict[str, Any], *, graph: bool) -> list[str]:
    """Compare how a server runs a model with how the repository says that it should."""
    differences = []
    backend = "onnxruntime" if graph else "python"
    if config.get("backend") != backend:
        differences.append(f"the server runs it in the backend {config.get('backend') or 'none'}, the repository says {backend}")
    if not config.get("max_batch_size"):
        differences.append("the server takes no batches, the repository says that it does")
    return differences


def compare_labels(model: dict[str, Any], contract: Contract) -> list[str]:
    """Compare what a model says of itself with the contract."""
    if model["logits"] != len(contract["tags"]):
        return [_logits(model["logits"], contract)]
    differences = compare_names(model["labels"], contract["labels"], what="label")
    given = {key: (model[key], contract[key]) for key in ("scheme", "precision", "name", "version")}
    return differences + [
        f"the server's {key} is {found}, the contract says {promised}"
        for key, (found, promised) in given.items()
        if found != promised
    ]


class _WrongShapeError(Exception):
    """Another number of logits than the contract says."""


class _RemoteSession:
    """Takes the place of the session of ONNX Runtime, and asks a server instead."""

    def __init__(self, server: TritonServer, name: str, version: int | None, *, tags: int) -> None:
        self.server, self.name, self.version, self.tags = server, name, version, tags

    def run(self, outputs: Sequence[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Give the outputs, as an `InferenceSession` does."""
        inputs = {name: ("INT64", content) for name, content in feeds.items()}
        answer = self.server.infer(self.name, inputs, outputs, version=self.version)
        if answer[outputs[0]].shape[-1] != self.tags:
            raise _WrongShapeError(answer[outputs[0]].shape[-1])
        return [answer[output] for output in outputs]


Ask = Callable[[str], list[list[Any]]]
"""Gives the entities of a text: first character, end, label and confidence."""


def _ask_graph(server: TritonServer, name: str, version: int | None, *, pipeline: Path, tags: int) -> Ask:
    session = _RemoteSession(server, name, version, tags=tags)
    # A piece that every vocabulary has: a wrong model may not know those of the golden texts.
    session.run([onnx_ner.OUTPUT], dict(zip(onnx_ner.INPUTS, (np.zeros((1, 1)), np.ones((1, 1))), strict=True)))
    nlp = spacy.load(pipeline)
    ner: Any = nlp.get_pipe("ner")
    ner._started().session = session
    return lambda text: find_entities(nlp, [text])[0]


def _ask_texts(server: TritonServer, name: str, version: int | None) -> Ask:
    def ask(text: str) -> list[list[Any]]:
        ((rows,), _) = server.annotate(name, [text], version=version)
        return [[row["start"], row["end"], row["label"], row["confidence"]] for row in rows]

    return ask


def find_differences(
    server: TritonServer, name: str, contract: Contract, *, version: int | None = None, pipeline: Path | None = None
) -> list[str]:
    """Compare what a server says of a model, and what it answers, with the contract.

    Args:
        server: The server.
        name: What it calls the model.
        contract: As in `contract.json`.
        version: The version; None for what the server answers with by itself.
        pipeline: Folder of the exported pipeline, for a model that gives logits: its tokenizer and its decoding read them.
            None for a model that takes texts.

    Returns:
        One sentence for each difference, the cause before what follows from it; none if the server keeps the contract.

    Raises:
        Ner11Error: If the server cannot be reached.
    """
    graph = pipeline is not None
    try:
        if differences := compare_metadata(server.metadata(name, version), contract, graph=graph):
            return differences  # its answers could not be read
        settings = compare_config(server.config(name, version), graph=graph)
        if pipeline is None:
            _, model = server.annotate(name, [""], version=version)
            if differences := compare_labels(model, contract):
                return settings + differences
            ask = _ask_texts(server, name, version)
        else:
            ask = _ask_graph(server, name, version, pipeline=pipeline, tags=len(contract["tags"]))
        # One by one, as they were asked for the contract: how much is padded changes what is rounded.
        answers = [ask(golden["text"]) for golden in contract["golden"]]
    except TritonRefusalError as e:
        return [e.what]
    except _WrongShapeError as e:
        return [_logits(e.args[0], contract)]
    return settings + compare_answers(answers, contract["golden"], tolerance=contract["tolerance"])
