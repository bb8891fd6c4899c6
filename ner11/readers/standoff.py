"""What formats share whose annotation stands apart from the text: spans by offsets, and texts in files of their own."""

import re
from pathlib import Path
from typing import Any

from ner11.annotation import SEPARATOR, UNKNOWN, AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers.files import read_utf8

_INTEGER = re.compile(r"\s*-?[0-9]{1,18}\s*", re.ASCII)


def to_integer(value: Any) -> int | None:
    """Read an offset: an integer, a float without a fraction, or digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def to_label(value: Any) -> tuple[str, str]:
    """Read a label; a list counts as one if it holds one. The second string says why it is not known ("" if it is)."""
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(each, str) for each in value):
            return SEPARATOR.join(value), "several labels"
        value = value[0] if len(value) == 1 else (value or None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return UNKNOWN, "no label"
    return (value, "") if isinstance(value, str) else (UNKNOWN, "a label that is no string")


def make_span(start: Any, end: Any, label: Any, surface: Any = None) -> LabelledSpan:
    """Make a span from cells or JSON values, whatever they are; the span says what keeps it from being used."""
    first, last = to_integer(start), to_integer(end)
    origin, unknown = to_label(label)
    if first is None or last is None:
        return lost_span(origin, "an offset that is no integer")
    span = LabelledSpan(first, last, origin, surface=surface if isinstance(surface, str) else None)
    if unknown:
        span.outcome, span.reason = "unknown", unknown
    return span


def lost_span(label: str, reason: str) -> LabelledSpan:
    """Make the span of an annotation whose place is not known."""
    return LabelledSpan(0, 0, label, outcome="dropped", reason=reason)


def read_text(path: Path) -> AnnotatedText:
    """Read a file as a text without spans, its line ends untouched; if it cannot be read, that is its damage."""
    annotated = AnnotatedText("", where=str(path))
    try:
        annotated.text = read_utf8(path)
    except Ner11Error as e:
        annotated.damage = e.what
    if "\0" in annotated.text:
        annotated.damage = "a NUL byte"
    return annotated


def document_of(name: str, pattern: re.Pattern[str] | None) -> str:
    """Name the document that a file belongs to: the first bracket of the pattern in its name, by default the name."""
    found = pattern.search(name) if pattern else None
    return (found[min(1, found.re.groups)] if found else name) or name
