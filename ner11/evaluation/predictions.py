"""What a model found in the test texts, as a file without the texts: what the next release is compared with."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ner11.errors import Ner11Error
from ner11.evaluation.texts import TestText
from ner11.files import write_text
from ner11.readers.files import read_utf8
from ner11.schema import first_problem

FORMAT: Literal[1] = 1
SUFFIX = ".predictions.jsonl"
_REPAIR = "Restore the file, or write it again with 'spacy project run evaluate'"

ScoredSpan = tuple[int, int, str, float | None]
"""First character, end, label, and confidence (None from a head that has none)."""
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Predictions:
    """What a model found.

    Attributes:
        model: Its `name` and `version`.
        spans_by_text: Found spans by `text_key`.
    """

    model: dict[str, str]
    spans_by_text: dict[str, list[ScoredSpan]]


def _is_span(span: ScoredSpan) -> ScoredSpan:
    if not 0 <= span[0] < span[1]:
        raise ValueError(f"no span from {span[0]} to {span[1]}")
    return span


_Confidence = Annotated[float, Field(ge=0, le=1)]
_Span = Annotated[tuple[int, int, str, _Confidence | None], AfterValidator(_is_span)]


class _Named(BaseModel):
    name: str
    version: str


class _Header(BaseModel):
    format: Literal[1]
    model: _Named
    texts: int


class _Row(BaseModel):
    text: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    spans: list[_Span]


def text_key(text: str) -> str:
    """Name a text by the first 32 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:32]


def collect_predictions(texts: Iterable[TestText], *, model: Mapping[str, str]) -> Predictions:
    """Take what a model found out of test texts.

    Args:
        texts: With their predictions; of equal texts the last one counts.
        model: `name` and `version`; what else it holds is left out.
    """
    spans = {
        text_key(text.text): [(*key, value) for key, value in zip(text.predicted, text.confidences, strict=True)]
        for text in texts
    }
    return Predictions({key: model[key] for key in ("name", "version")}, spans)


def write_predictions(path: Path, texts: Iterable[TestText], *, model: Mapping[str, str]) -> None:
    """Write what a model found, whole or not at all; no texts, since not every data set may be passed on.

    The first line holds `format`, `model`, and the number of `texts`; each other one a `text` (see `text_key`) and its `spans`.

    Args:
        path: The file.
        texts: With their predictions.
        model: `name` and `version` of the model.

    Raises:
        OSError: If the disk is full or the folder cannot be written; the old file is untouched.
    """
    found = collect_predictions(texts, model=model)
    rows: list[object] = [{"format": FORMAT, "model": found.model, "texts": len(found.spans_by_text)}]
    rows += [{"text": key, "spans": spans} for key, spans in found.spans_by_text.items()]
    write_text(path, "".join(f"{json.dumps(row)}\n" for row in rows))


def _parse(kind: type[Model], line: str, where: str) -> Model:
    try:
        return kind.model_validate_json(line)
    except ValidationError as e:
        raise Ner11Error(f"no predictions of format {FORMAT} ({first_problem(e)})", where=where, fix=_REPAIR) from e


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        Ner11Error: If the file is missing, damaged, cut off, or of another format; the message names the line.
    """
    first, *lines = read_utf8(path).removesuffix("\n").split("\n")
    header = _parse(_Header, first, f"{path}:1")
    rows = [_parse(_Row, line, f"{path}:{number}") for number, line in enumerate(lines, 2)]
    spans: dict[str, list[ScoredSpan]] = {row.text: row.spans for row in rows}
    if len(spans) != header.texts:
        what = f"{len(spans)} texts, but its first line says {header.texts}"
        raise Ner11Error(what, where=f"{path}:{len(rows) + 1}", fix=_REPAIR)
    return Predictions(header.model.model_dump(), spans)


def attach(texts: Iterable[TestText], predictions: Predictions) -> list[TestText]:
    """Give copies of test texts with these predictions instead of their own; texts that the model never saw are left out."""
    attached = []
    for text in texts:
        spans = predictions.spans_by_text.get(text_key(text.text))
        if spans is not None:
            found = [(start, end, label) for start, end, label, _ in spans]
            attached.append(replace(text, predicted=found, confidences=[confidence for *_, confidence in spans]))
    return attached


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def find_baseline(packages: Path, *, name: str, version: str) -> Path | None:
    """Find the predictions of the release before a version.

    A model whose gates failed is packaged under another name, and so is never found.

    Args:
        packages: Folder of the packages, with `{name}-{version}.predictions.jsonl` beside each.
        name: Name of the package.
        version: The version that is to be compared.

    Returns:
        The file of the highest version below; None if there is none.

    Raises:
        Ner11Error: If `version` is none.
    """
    current = _version(version)
    if current is None:
        raise Ner11Error(f"'{version}' is no version", where="version", fix="Give one like 1.10.0")
    found = []
    for path in packages.glob(f"*{SUFFIX}"):
        own_name, _, own_version = path.name.removesuffix(SUFFIX).partition("-")
        earlier = _version(own_version) if own_name == name else None
        if earlier is not None and earlier < current:
            found.append((earlier, path.name, path))
    return max(found)[-1] if found else None
