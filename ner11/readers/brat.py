"""BRAT standoff: a folder of `.txt` files, each with an `.ann` file of annotations."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import validate_call

from ner11.annotation import UNKNOWN, AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.files import Line, read_lines, read_utf8
from ner11.readers.standoff import document_of, lost_span, read_text

_TEXT_BOUND = re.compile(r"T\S*\t(?P<label>\S+) (?P<places>-?[0-9]+ -?[0-9]+(?:;-?[0-9]+ -?[0-9]+)*)(?:\t(?P<surface>.*))?", re.S)
_LABEL = re.compile(r"T\S*\s+(\S+)")
_OTHER = re.compile(r"[REAMN#*]\S*\t")
"""What lines begin with that are no entities: relations, events, attributes, normalizations, notes, equivalences."""


def _blanks(text: str) -> str:
    return re.sub(r"\s", " ", text).rstrip()


def _add_line(annotated: AnnotatedText, line: Line) -> None:
    """Add the span of a line of an `.ann` file to its text, if it is one."""
    if (not line.text.strip() and not line.damage) or _OTHER.match(line.text):
        return
    found = _TEXT_BOUND.fullmatch(line.text)
    if not found:
        reason = line.damage or "a damaged annotation"
        annotated.problems.append(reason)
        label = _LABEL.match(line.text)
        if label or line.text.startswith("T"):
            annotated.spans.append(lost_span(label[1] if label else UNKNOWN, reason))
        return
    places = [int(place) for place in re.split("[ ;]", found["places"])]
    span = LabelledSpan(places[0], places[-1], found["label"])
    annotated.spans.append(span)
    if line.damage or found["surface"] is None:
        # Without its surface a line may be broken off within a number.
        span.outcome, span.reason = "unknown", line.damage or "an annotation without its surface"
        annotated.problems.append(span.reason)
    elif len(places) > 2:
        span.outcome, span.reason = "unknown", "discontinuous"
    else:
        # Where the text has a line break the surface has a blank, or nothing at its end: that proves no shift.
        there, surface = annotated.text[max(span.start, 0) : max(span.end, 0)], found["surface"]
        span.surface = None if there != surface and _blanks(there) == _blanks(surface) else surface


def _read_document(folder: Path, names: list[str]) -> AnnotatedText:
    """Read files with the same text as one text with the spans of all."""
    file = folder / f"{names[0]}.txt"
    annotated = (
        read_text(file) if file.is_file() else AnnotatedText("", where=str(folder / f"{names[0]}.ann"), damage="no .txt file")
    )
    for name in names:
        annotation = folder / f"{name}.ann"
        try:
            for line in read_lines(annotation):
                _add_line(annotated, line)
        except Ner11Error as e:
            annotated.damage = annotated.damage or (f".ann file: {e.what}" if annotation.is_file() else "no .ann file")
    return annotated


def _find_copies(folder: Path, names: list[str]) -> list[list[str]]:
    """Put the names of files with the same text together."""
    copies: dict[object, list[str]] = {}
    for name in names:
        text = read_text(folder / f"{name}.txt")
        same = hashlib.sha256(text.text.encode()).digest() if text.text and not text.damage else name
        copies.setdefault(same, []).append(name)
    return list(copies.values())


def _load_names(path: Path, key: str | None) -> set[str]:
    try:
        listed = json.loads(read_utf8(path))
    except (ValueError, RecursionError) as e:
        raise Ner11Error(f"is no JSON ({e})", where=path, fix="Correct the file, or names in datasets.yml") from e
    if key is not None:
        if not isinstance(listed, dict) or key not in listed:
            known = f"only {', '.join(listed)}" if isinstance(listed, dict) else "no keys at all"
            raise Ner11Error(f"no key '{key}', {known}", where=path, fix="Correct the key in datasets.yml")
        listed = listed[key]
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise Ner11Error("no list of document names", where=path, fix="Give the key of a list in datasets.yml")
    return set(listed)


@readers("brat")
@validate_call
def read_brat(
    path: Path,
    *,
    names: Path | None = None,
    key: str | None = None,
    merge_paragraphs: bool = False,
    group: re.Pattern[str] | None = None,
) -> Iterator[AnnotatedText]:
    """Read a folder of `.txt` and `.ann` files in the order of their names; each document becomes a text.

    Offsets count code points of the file as it is, a CRLF as two. Only text-bound annotations are read.

    Args:
        path: The folder.
        names: JSON file with the names (without suffix) of the documents to read, relative to the folder; by default all
            are read. Listed documents that are not in this folder are ignored: a list may serve several folders.
        key: Key of the list in that file; without one the file is a list.
        merge_paragraphs: Files with the same text are one text with the spans of all: some data sets repeat a paragraph
            once per annotation, and each copy alone would train with most of its spans missing.
        group: Regular expression whose first bracket in a file's name is the document that it belongs to, such as
            `^(.*)-[0-9]+$`; by default each file is a document.

    Yields:
        Texts. A discontinuous span comes out unknown from its first to its last character; a text without its
        annotation, or an annotation without its text, is damage.

    Raises:
        Ner11Error: If the folder is missing or holds neither kind of file, or the list of names cannot be used.
    """
    documents = sorted({file.stem for suffix in ("txt", "ann") for file in path.glob(f"*.{suffix}") if file.is_file()})
    if not documents:
        raise Ner11Error("no *.txt and *.ann files here", where=path, fix="Put them there or correct the path")
    if names is not None:
        wanted = _load_names(path / names, key)
        documents = [name for name in documents if name in wanted]
    for together in _find_copies(path, documents) if merge_paragraphs else ([name] for name in documents):
        annotated = _read_document(path, together)
        annotated.group = document_of(together[0], group)
        if annotated.text or annotated.spans or annotated.damage:
            yield annotated
