"""The same text annotated twice: one annotation that both allow."""

from dataclasses import dataclass, field

import numpy as np
from spacy.tokens import Doc

from ner11.annotation import NO_LABELS, SEPARATOR, UNKNOWN, AnnotatedText, LabelledSpan, pack_labels
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE

NO_ENTITY = "O"
INCOMPARABLE = "places cannot be compared"
NOWHERE = -1


@dataclass
class Conflict:
    """A span that the other annotation of the text contradicts.

    Attributes:
        first: First token in the lesser document; -1 if it has no span there.
        last: One past the last.
        surface: What stands there.
        kept: What the better annotation says: labels, or O.
        lost: What the lesser one says.
    """

    first: int
    last: int
    surface: str
    kept: str
    lost: str


@dataclass
class Intersection:
    """What two annotations of one text allow together."""

    text: AnnotatedText
    conflicts: list[Conflict] = field(default_factory=list)


def _unpack(label: str) -> frozenset[str]:
    return NO_LABELS if label == UNKNOWN else frozenset(label.split(SEPARATOR))


def read_annotation(doc: Doc) -> AnnotatedText:
    """Turn a document of the corpus back into a harmonized text."""
    data = doc.user_data
    spans = [LabelledSpan(s.start_char, s.end_char, "", _unpack(s.label_)) for s in (*doc.ents, *doc.spans.get(AMBIGUOUS, ()))]
    return AnnotatedText(
        doc.text,
        spans,
        group=data["group"],
        source=data["source"],
        tier=data["tier"],
        weight=data["weight"],
        coverage=frozenset(data[COVERAGE]),
    )


def _inked(text: str) -> tuple[list[int], list[int]]:
    """Count the characters before each place that are no white space, and find the place of each of those."""
    ink = np.array([not character.isspace() for character in text], dtype=bool)
    return [0, *np.cumsum(ink).tolist()], np.flatnonzero(ink).tolist()


def _labels_last(spans: list[LabelledSpan]) -> list[LabelledSpan]:
    """Sort spans so that of two in one place the one with labels counts."""
    return sorted(spans, key=lambda span: bool(span.labels))


def _conflict(lesser: Doc, span: LabelledSpan, kept: str) -> Conflict:
    tokens = lesser.char_span(span.start, span.end)
    assert tokens is not None, "spans of the corpus are on token borders"
    return Conflict(tokens.start, tokens.end, tokens.text, kept, pack_labels(span.labels))


def intersect(better: Doc, lesser: Doc) -> Intersection:
    """Intersect the allowed labels of two annotations of the same text; where nothing is left, the better one counts.

    Args:
        better: The document that stays.
        lesser: One with the same `text_key`.

    Returns:
        The better text with the annotation of both and the labels that either covers; and the conflicts.
    """
    base, other = read_annotation(better), read_annotation(lesser)
    before, places = _inked(base.text)
    other_before, other_places = _inked(other.text)
    result = Intersection(base)
    if len(places) != len(other_places):  # case folding changed the length: places cannot be compared
        result.conflicts = [_conflict(lesser, span, INCOMPARABLE) for span in other.spans if span.labels]
        return result
    spans = {(before[span.start], before[span.end]): span for span in _labels_last(base.spans)}
    theirs = {(other_before[span.start], other_before[span.end]): span for span in _labels_last(other.spans)}
    for (start, end), span in theirs.items():
        mine = spans.get((start, end))
        overlaps = mine is None and any(a < end and start < b for a, b in spans)
        if mine is not None:
            left = mine.labels & span.labels if mine.labels and span.labels else mine.labels | span.labels
            if left or not span.labels:
                mine.labels = left
                continue
        elif overlaps:
            mine = next(one for (a, b), one in spans.items() if a < end and start < b)
            if any(not any(a <= i < b for a, b in spans) for i in range(start, end)):
                # What sticks out of the better span is something to the lesser one: never a plain O.
                base.spans.append(LabelledSpan(places[start], places[end - 1] + 1, ""))
        else:
            left = span.labels - base.coverage
            if left or not span.labels:
                base.spans.append(LabelledSpan(places[start], places[end - 1] + 1, "", left))
                continue
        kept = pack_labels(mine.labels) if mine is not None else NO_ENTITY
        if span.labels and kept != UNKNOWN:
            result.conflicts.append(_conflict(lesser, span, kept))
    for (start, end), span in spans.items():
        if not span.labels or any(a < end and start < b for a, b in theirs):
            continue
        if span.labels - other.coverage:
            span.labels -= other.coverage
        else:
            surface = base.text[span.start : span.end]
            result.conflicts.append(Conflict(NOWHERE, NOWHERE, surface, pack_labels(span.labels), NO_ENTITY))
    base.coverage |= other.coverage
    return result
