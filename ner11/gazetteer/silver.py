"""Silver labels from gazetteers: for what an annotated text does not cover, and measured on what it does."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ner11.annotation import NO_LABELS, AnnotatedText, LabelledSpan, pack_labels
from ner11.gazetteer.matcher import GazetteerMatcher
from ner11.schema import Schema


def _overlaps(start: int, end: int, spans: Iterable[LabelledSpan]) -> list[LabelledSpan]:
    return [span for span in spans if span.start < end and start < span.end]


def silver_texts(
    texts: Iterable[AnnotatedText], *, matcher: GazetteerMatcher, schema: Schema, name: str
) -> Iterator[AnnotatedText]:
    """Label in annotated texts what their sources do not cover.

    Args:
        texts: Harmonized texts.
        matcher: Finds entities.
        schema: Label tree.
        name: Name of the silver source.

    Yields:
        For each text with such an entity a copy that holds these entities only, as silver and with no coverage. An
        entity counts if its source covers none of its labels and no annotated span overlaps it.
    """
    for text in texts:
        spans = []
        for start, end, node in matcher.match(matcher.tokenizer(text.text)):
            labels = schema.allowed(node)
            if labels and not labels & text.coverage and not _overlaps(start, end, text.spans):
                spans.append(LabelledSpan(start, end, node, labels))
        if spans:
            yield replace(text, spans=spans, source=name, tier="silver", coverage=NO_LABELS, problems=[])


class PrecisionRow(NamedTuple):
    """How the finds of a label compare with the annotation of a source.

    Attributes:
        label: Active label, or several as `pack_labels` writes them.
        source: Name of the annotated source.
        exact: Finds with the borders of an annotated span that allows the label.
        border: Finds that overlap an annotated span that allows the label, with other borders.
        other: Finds that overlap spans of other labels only.
        none: Finds where nothing is annotated.
    """

    label: str
    source: str
    exact: int
    border: int
    other: int
    none: int

    @property
    def matches(self) -> int:
        """All finds."""
        return self.exact + self.border + self.other + self.none

    @property
    def precision(self) -> float:
        """Exact finds in all finds."""
        return self.exact / self.matches


def precision(texts: Iterable[AnnotatedText], *, matcher: GazetteerMatcher, schema: Schema) -> list[PrecisionRow]:
    """Measure an entity list against annotated texts, for the labels that their sources cover.

    Args:
        texts: Harmonized texts. A find that overlaps an unknown span only cannot be judged and is not counted.
        matcher: Finds entities.
        schema: Label tree.

    Returns:
        A row for each label and source with finds, in this order.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for text in texts:
        for start, end, node in matcher.match(matcher.tokenizer(text.text)):
            labels = schema.allowed(node)
            if labels and labels <= text.coverage and (verdict := _judge(start, end, labels, text.spans)):
                counts[pack_labels(labels), text.source, verdict] += 1
    keys = sorted({key[:2] for key in counts})
    return [PrecisionRow(*key, *(counts[*key, verdict] for verdict in PrecisionRow._fields[2:])) for key in keys]


def _judge(start: int, end: int, labels: frozenset[str], spans: Iterable[LabelledSpan]) -> str:
    near = _overlaps(start, end, spans)
    fitting = [span for span in near if span.labels & labels]
    if any((span.start, span.end) == (start, end) for span in fitting):
        return "exact"
    if fitting:
        return "border"
    if any(span.labels or span.outcome == "outside" for span in near):
        return "other"
    return "" if near else "none"
