"""What a model found in the test texts, as a file without the texts: what the next release is compared with."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ner11.errors import Ner11Error
from ner11.evaluation.texts import TestText
from ner11.files import write_json, write_text
from ner11.readers.files import read_utf8
from ner11.schema import first_problem

FORMAT: Literal[1] = 1
SUFFIX = ".predictions.jsonl"
RELEASES = "releases.json"
"""In the folder of the packages."""
_RESTORE = "Restore the file from the version control"
_REPAIR = "Restore the file, or write it again with 'spacy project run evaluate'"

ScoredSpan = tuple[int, int, str, float | None]
"""First character, end, label, and confidence (None from a head that has none)."""
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Release:
    """A released model.

    Attributes:
        name: Name of its package.
        version: Its version.
        predictions: What it found in the test texts; the file may be missing.
    """

    name: str
    version: str
    predictions: Path


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


def _are_apart(spans: list[ScoredSpan]) -> list[ScoredSpan]:
    for (_, end), (start, _) in pairwise(sorted(span[:2] for span in spans)):
        if start < end:
            raise ValueError(f"two spans overlap at {start}")
    return spans


def _is_version(text: str) -> str:
    Version(text)  # InvalidVersion is a ValueError
    return text


_Confidence = Annotated[float, Field(ge=0, le=1)]
_Label = Annotated[str, Field(min_length=1)]
_Span = Annotated[tuple[int, int, _Label, _Confidence | None], AfterValidator(_is_span)]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Named(BaseModel):
    name: str
    version: str


class _Header(BaseModel):
    format: Literal[1]
    model: _Named
    texts: int


class _Row(BaseModel):
    text: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    spans: Annotated[list[_Span], AfterValidator(_are_apart)]


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="forbid")

    wheel: _Hash
    predictions: _Hash
    date: str


_Releases = TypeAdapter(dict[str, dict[Annotated[str, AfterValidator(_is_version)], _Recorded]])


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
    """Give copies of test texts with these predictions instead of their own; texts that the model never saw are left out.

    Raises:
        Ner11Error: If a span ends beyond its text.
    """
    attached = []
    for text in texts:
        spans = predictions.spans_by_text.get(text_key(text.text))
        if spans is not None:
            found = [(start, end, label) for start, end, label, _ in spans]
            if (last := max((end for _, end, _ in found), default=0)) > len(text.text):
                where = f"predictions of {predictions.model['name']} {predictions.model['version']}"
                what = f"a span ends at {last} in a text of {len(text.text)} characters"
                raise Ner11Error(what, where=where, fix=_REPAIR)
            attached.append(replace(text, predicted=found, confidences=[confidence for *_, confidence in spans]))
    return attached


def _read_releases(path: Path) -> dict[str, dict[str, _Recorded]]:
    if not path.is_file():
        return {}
    try:
        return _Releases.validate_json(read_utf8(path))
    except ValidationError as e:
        raise Ner11Error(f"damaged ({first_problem(e)})", where=path, fix=_RESTORE) from e


def find_release(packages: Path, *, name: str, version: str) -> Release | None:
    """Find the last release up to a version: what that version is compared with, or the release of it.

    A model whose gates failed is packaged under another name, and so is never found.

    Args:
        packages: Folder of the packages, with `releases.json` (see `record_release`).
        name: Name of the package.
        version: The version that is to be compared.

    Returns:
        The highest recorded version that is not above `version`; None if there is none.

    Raises:
        Ner11Error: If `version` is none, `releases.json` is damaged, or the predictions are others than it records.
    """
    try:
        current = Version(version)
    except InvalidVersion as e:
        raise Ner11Error(f"'{version}' is no version", where="version", fix="Give one like 1.10.0") from e
    path = packages / RELEASES
    recorded = _read_releases(path).get(name, {})
    last = max((found for found in recorded if Version(found) <= current), key=Version, default=None)
    if last is None:
        return None
    release = Release(name, last, packages / f"{name}-{last}{SUFFIX}")
    content = release.predictions.read_bytes() if release.predictions.is_file() else None
    if content is not None and hashlib.sha256(content).hexdigest() != recorded[last].predictions:
        raise Ner11Error(f"not the predictions that {path} records", where=release.predictions, fix=_RESTORE)
    return release


def record_release(packages: Path, *, name: str, version: str, wheel_sha256: str, predictions_sha256: str, date: str) -> None:
    """Record a release in `releases.json`: by name and version the SHA-256 of its files and its date.

    The same content again changes nothing.

    Args:
        packages: Folder of the packages.
        name: Name of the package.
        version: Its version.
        wheel_sha256: SHA-256 of the wheel.
        predictions_sha256: SHA-256 of `{name}-{version}.predictions.jsonl`.
        date: ISO 8601.

    Raises:
        Ner11Error: If the version is recorded with other content, or `releases.json` is damaged.
        ValueError: If `version` or a hash is none.
        OSError: If the file cannot be written; the old one is untouched.
    """
    path = packages / RELEASES
    releases = _read_releases(path)
    new = _Recorded(wheel=wheel_sha256, predictions=predictions_sha256, date=date)
    old = releases.setdefault(name, {}).setdefault(_is_version(version), new)
    if (old.wheel, old.predictions) != (new.wheel, new.predictions):
        what = f"{name} {version} is recorded with other content"
        raise Ner11Error(what, where=path, fix="Give a new version with --vars.version")
    if old is new:
        write_json(path, _Releases.dump_python(releases))
