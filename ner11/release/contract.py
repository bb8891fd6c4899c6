"""The contract: what a model promises to whoever runs it, and in words what a running one does otherwise.

It travels with the model as `contract.json`. This module imports nothing of ner11, so that an environment with nothing but the
installed package can check it.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from spacy.language import Language
from spacy.tokens import Span

FORMAT = 1
FILE = "contract.json"
TOLERANCE = {"fp32": 0.001, "fp16": 0.05, "bf16": 0.05, "int8": 0.1}
"""How far confidences may lie apart, by precision: what is rounded depends on the processor. In int8 the smallest difference of a
float can be a whole step of an activation: confidences on the golden texts changed by 0.04 at most where the float weights were
changed by one part in 100,000 to 10 million, and not at all with the threads or the texts of a batch."""
GOLDEN = (
    "Sandworm used KillDisk against three substations in Ukraine on 23 December 2015.",
    "CVE-2021-44228 in Apache Log4j 2.14.1 has a CVSS score of 10.0 and is exploited by Lazarus Group.",
    "The PLC at 192.168.10.5 answers on TCP port 502 to Modbus, and its firmware is V3.2.",
    "Ms. Ana Kovač, plant manager of Norddal Water, wrote to soc@norddal.example about the panel HMI-07.",
    r"The dropper C:\Windows\Temp\svch0st.exe has the SHA-256 "
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.",
    "Bearing wear on pump P-101 was found after 1,200 hours; a technician replaced the seal for 380 euros.",
    "Phishing (T1566.001) gave them a VPN account; multi-factor authentication would have stopped it.",
    "The safety relay is certified to IEC 61508, SIL 3, with a failure rate of 0.2 % a year at 80 °C.",
    "🙂 Turla is back 🏭 and https://updates.example/a.php?id=7 serves Kazuar again 🙃",
    "Stir 200 g of flour, two eggs and a pinch of salt, and bake it for half an hour.",
    "0123456789abcdef" * 25,
    " \n\t ",
    "",
)
"""Texts of our own, whose entities a contract holds: many labels, emoji, one token of many word pieces, nothing at all."""
_DYNAMIC = -1
_TYPES = {"tensor(int64)": "int64", "tensor(float)": "float32"}
_OTHER_FILES = {FILE, "meta.json", "README.md"}  # these name the package: they are written after the contract
_SHOWN = 3
"""Differences of one kind that are told."""

Entity = Sequence[Any]
"""First character, end, label, and confidence (None from a head that has none)."""


class Golden(TypedDict):
    """A text and its entities."""

    text: str
    entities: list[list[Any]]


class Contract(TypedDict):
    """What a model promises.

    Attributes:
        format: Of the contract, 1.
        name: Of the package.
        version: Of the package.
        labels: In the order of the model.
        scheme: BIO, BILUO or IO; None for a head without tags.
        tags: In the order of the logits; none for a head without tags.
        precision: What the encoder computes in.
        max_pieces: Most word pieces in a window; None where windows are counted otherwise.
        graph: The `inputs` and `outputs` of the ONNX graph by name: type and shape, -1 where it is free; None without a graph.
        files: SHA-256 of each file of the pipeline's folder, by its path there.
        golden: Texts with the entities to find in them.
        tolerance: How far confidences may lie apart.
    """

    format: int
    name: str
    version: str
    labels: list[str]
    scheme: str | None
    tags: list[str]
    precision: str
    max_pieces: int | None
    graph: dict[str, dict[str, list[Any]]] | None
    files: dict[str, str]
    golden: list[Golden]
    tolerance: float


def _hash_files(folder: Path) -> dict[str, str]:
    hashes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in _OTHER_FILES:
            with path.open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def _read_graph(path: Path) -> dict[str, dict[str, list[Any]]] | None:
    if not path.is_file():
        return None
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; it is on by default
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])

    def describe(tensors: Any) -> dict[str, list[Any]]:
        return {
            tensor.name: [
                _TYPES.get(tensor.type, tensor.type),
                [size if isinstance(size, int) else _DYNAMIC for size in tensor.shape],
            ]
            for tensor in tensors
        }

    return {"inputs": describe(session.get_inputs()), "outputs": describe(session.get_outputs())}


def find_entities(nlp: Language, texts: Sequence[str]) -> list[list[list[Any]]]:
    """Find the entities of texts, each text by itself: first character, end, label and confidence of each entity."""
    confident = Span.has_extension("confidence")
    return [
        [[e.start_char, e.end_char, e.label_, e._.confidence if confident else None] for e in nlp(text).ents] for text in texts
    ]


def make_contract(nlp: Language, *, name: str, version: str, root: Path, golden: Sequence[str] = GOLDEN) -> Contract:
    """Make the contract of a pipeline.

    Args:
        nlp: The pipeline; its entity recognizer is named "ner".
        name: Name of the package.
        version: Version of the package.
        root: The folder that the pipeline was loaded from.
        golden: Texts whose entities the contract holds.
    """
    recognizer: Any = nlp.get_pipe("ner")
    # A component that runs a graph keeps everything in its settings; one that is trained, in the configuration of its encoder.
    settings = getattr(recognizer, "cfg", {})
    encoder = nlp.config["components"].get("transformer", {}).get("model", {})
    tags = getattr(recognizer, "tags", None)
    precision = settings.get("precision") or encoder.get("precision") or "fp32"
    found = find_entities(nlp, golden)
    for entity in (entity for entities in found for entity in entities if entity[3] is not None):
        entity[3] = round(entity[3], 4)
    return Contract(
        format=FORMAT,
        name=name,
        version=version,
        labels=list(recognizer.labels),
        scheme=tags.name if tags else None,
        tags=list(tags.tags) if tags else [],
        precision=precision,
        max_pieces=settings.get("max_pieces") or encoder.get("max_pieces"),
        graph=_read_graph(root / "ner" / "model.onnx"),
        files=_hash_files(root),
        golden=[Golden(text=text, entities=entities) for text, entities in zip(golden, found, strict=True)],
        tolerance=TOLERANCE[precision],
    )


def verify_contract(nlp: Language, contract: Mapping[str, Any], *, root: Path | None = None) -> list[str]:
    """Compare a pipeline with a contract.

    Args:
        nlp: The pipeline.
        contract: As `make_contract` makes it, or as read from `contract.json`.
        root: The folder that the pipeline was loaded from; `nlp.path` if None.

    Returns:
        What differs, a clause each, the cause before what follows from it; nothing if the pipeline keeps the contract.
    """
    if contract.get("format") != FORMAT:
        return [f"the contract is of format {contract.get('format')}, not {FORMAT}"]
    folder = root or nlp.path
    if folder is None:
        raise ValueError("this pipeline was not loaded from a folder; name the one that the contract is about as root")
    texts = [golden["text"] for golden in contract["golden"]]
    found = make_contract(nlp, name=f"{nlp.lang}_{nlp.meta['name']}", version=nlp.meta["version"], root=folder, golden=texts)
    return compare_contracts(found, contract)


def compare_contracts(found: Mapping[str, Any], contract: Mapping[str, Any]) -> list[str]:
    """Name where what is found differs from a contract; see `verify_contract`."""
    differences = [
        f"the {what} is {found[key]}, the contract says {contract[key]}"
        for key, what in (("name", "name"), ("version", "version"), ("scheme", "tag scheme"), ("precision", "precision"))
        if found[key] != contract[key]
    ]
    differences += compare_names(found["labels"], contract["labels"], what="label")
    if len(found["tags"]) == len(contract["tags"]):  # otherwise the labels or the scheme say it
        differences += compare_names(found["tags"], contract["tags"], what="tag") if not differences else []
    if found["max_pieces"] != contract["max_pieces"]:
        differences.append(f"windows have {found['max_pieces']} word pieces, the contract says {contract['max_pieces']}")
    differences += compare_graphs(found["graph"], contract["graph"])
    differences += _compare_files(found["files"], contract["files"])
    answers = [golden["entities"] for golden in found["golden"]]
    return differences + compare_answers(answers, contract["golden"], tolerance=contract["tolerance"])


def compare_names(found: Sequence[str], expected: Sequence[str], *, what: str) -> list[str]:
    """Name the first of the labels or tags that differ: their order is that of the logits.

    Args:
        found: Names, in their order.
        expected: Names of the contract.
        what: "label" or "tag".
    """
    if len(found) != len(expected):
        odd = sorted({*found} - {*expected})[:_SHOWN], sorted({*expected} - {*found})[:_SHOWN]
        told = [f"{word} {', '.join(names)}" for word, names in zip(("new:", "missing:"), odd, strict=True) if names]
        more = f" ({'; '.join(told)})" if told else ""
        return [f"{len(found)} {what}s, the contract says {len(expected)}{more}"]
    pairs = enumerate(zip(found, expected, strict=True), 1)
    return [f"{what} {i} is {one}, the contract says {other}" for i, (one, other) in pairs if one != other][:_SHOWN]


def compare_graphs(found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None) -> list[str]:
    """Name the inputs and outputs of a graph that differ from those of the contract."""
    if found is None or expected is None:
        return [] if found == expected else [f"there is {'no' if found is None else 'a'} graph, the contract says otherwise"]
    differences = []
    for side, what in (("inputs", "input"), ("outputs", "output")):
        for name in sorted({*found[side], *expected[side]}):
            if name not in found[side] or name not in expected[side]:
                state = "is missing" if name in expected[side] else "is not in the contract"
                differences.append(f"the {what} {name} {state}")
            else:
                differences += _compare_tensors(f"the {what} {name}", found[side][name], expected[side][name])
    return differences


def _compare_tensors(what: str, found: Sequence[Any], expected: Sequence[Any]) -> Iterator[str]:
    (kind, shape), (expected_kind, expected_shape) = found, expected
    if kind != expected_kind:
        yield f"{what} is of the type {kind}, the contract says {expected_kind}"
    if list(shape[:-1]) == list(expected_shape[:-1]) and _DYNAMIC not in (shape[-1], expected_shape[-1]):
        if shape[-1] != expected_shape[-1]:
            yield f"the graph gives {shape[-1]} logits a word piece, the contract says {expected_shape[-1]}"
    elif list(shape) != list(expected_shape):
        yield f"{what} has the shape {list(shape)}, the contract says {list(expected_shape)}"


def _compare_files(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    differences = []
    for name in sorted({*found, *expected}):
        if name not in found:
            differences.append(f"the file {name} is missing")
        elif name not in expected:
            differences.append(f"the file {name} is not in the contract")
        elif found[name] != expected[name]:
            differences.append(f"the file {name} has other content")
    return differences


def compare_answers(
    found: Sequence[Sequence[Entity]], golden: Sequence[Mapping[str, Any]], *, tolerance: float, what: str = "golden text"
) -> list[str]:
    """Name the entities of texts that differ.

    An entity whose confidence is within the tolerance of one half may come and go: another one may be as likely.

    Args:
        found: Entities of each text.
        golden: The golden texts of the contract, or other ones of the same form.
        tolerance: How far confidences may lie apart.
        what: What the texts are called.
    """
    differences = []
    for number, (entities, expected) in enumerate(zip(found, golden, strict=True), 1):
        for line in _compare_entities(expected["text"], entities, expected["entities"], tolerance):
            differences.append(f"{what} {number}: {line}")
    return differences


def _compare_entities(text: str, found: Sequence[Entity], expected: Sequence[Entity], tolerance: float) -> Iterator[str]:
    there = {tuple(entity[:3]): entity[3] for entity in found}
    wished = {tuple(entity[:3]): entity[3] for entity in expected}
    for start, end, label in sorted({*there, *wished}):
        one, other = there.get((start, end, label)), wished.get((start, end, label))
        span = f"{label} '{' '.join(text[start:end].split())[:40]}' ({start} to {end})"
        if (start, end, label) in there and (start, end, label) in wished:
            # NaN is neither within nor beyond anything: it differs.
            if (one is None) != (other is None) or (one is not None and other is not None and not abs(one - other) <= tolerance):
                yield f"{span} has the confidence {_number(one)} instead of {_number(other)}"
        elif (start, end, label) in wished and _is_sure(other, tolerance):
            yield f"{span} is not found"
        elif (start, end, label) in there and _is_sure(one, tolerance):
            yield f"{span} is found, which is not expected"


def _is_sure(confidence: float | None, tolerance: float) -> bool:
    return confidence is None or not confidence <= 0.5 + tolerance  # so is what is no number


def _number(confidence: float | None) -> str:
    return "none" if confidence is None else f"{confidence:.3f}"
