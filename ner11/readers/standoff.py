"""What formats share whose annotation stands in another file than its text."""

import re
from pathlib import Path
from typing import Any

from ner11.annotation import UNKNOWN, AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers.files import read_utf8


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


def lost_span(label: str, reason: str) -> LabelledSpan:
    """Give the span of an annotation whose place is not known."""
    return LabelledSpan(0, 0, label, outcome="dropped", reason=reason)


def document_of(name: str, pattern: re.Pattern[str] | None) -> str:
    """Name the document that a file belongs to: the first bracket of the pattern in its name, by default the name."""
    found = pattern.search(name) if pattern else None
    return (found[min(1, found.re.groups)] if found else name) or name


def _offset(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def add_span(annotated: AnnotatedText, start: Any, end: Any, label: Any, surface: Any = None) -> None:
    """Add a span from cells or JSON values, whatever they are; what keeps it from being used is a problem of the text."""
    first, last = _offset(start), _offset(end)
    name = label if isinstance(label, str) and label.strip() and label.isprintable() else UNKNOWN
    if first is None or last is None:
        annotated.spans.append(lost_span(name, "offsets that are no integers"))
    else:
        span = LabelledSpan(first, last, name, surface=surface if isinstance(surface, str) else None)
        if name == UNKNOWN:
            span.outcome, span.reason = "unknown", "a span without a label"
        annotated.spans.append(span)
    if annotated.spans[-1].reason:
        annotated.problems.append(annotated.spans[-1].reason)
