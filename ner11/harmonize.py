"""From the labels of a source to sets of active labels of the schema, with coverage."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.schema import Schema

DROP = "drop"
RESERVED = "reserved label"
MAPPED_TO_DROP = "mapped to drop"
MAYBE_RESERVED = "may be of a reserved label"


class LabelMap:
    """The label map of one data set, checked against a schema.

    Attributes:
        coverage: Active labels whose absence in this source means something.
    """

    def __init__(self, dataset: Dataset, schema: Schema) -> None:
        self._name, self._schema, self._labels = dataset.name, schema, dataset.labels
        if isinstance(self._labels, str):
            self.coverage = frozenset(schema.active)
        else:
            nodes = {node for label in self._labels for node in self._nodes(label)}
            self.coverage = frozenset().union(*(self._allowed(node) for node in nodes))
        self.coverage -= frozenset().union(*(self._allowed(node) for node in dataset.partial))

    def _nodes(self, label: str) -> list[str]:
        """Give the schema nodes that a label of the source stands for; none if it is dropped."""
        if isinstance(self._labels, str):
            return [label]
        target = self._labels[label]
        if target == DROP:
            return []
        nodes = [target] if isinstance(target, str) else target
        if not nodes or DROP in nodes:
            raise Ner11Error(
                f"'{label}' maps to {nodes}", where=f"data set {self._name}", fix="Map it to nodes, or to drop alone"
            )
        return nodes

    def _allowed(self, node: str) -> frozenset[str]:
        try:
            return self._schema.allowed(node)
        except Ner11Error as e:
            raise Ner11Error(e.what, where=f"data set {self._name}", fix=e.fix) from e

    def __contains__(self, label: str) -> bool:
        return label in self._schema if isinstance(self._labels, str) else label in self._labels

    def translate(self, span: LabelledSpan) -> LabelledSpan:
        """Give a span of the source the set of active labels that it may have."""
        sets = [self._allowed(node) for node in self._nodes(span.origin)]
        if sets and all(sets):
            return replace(span, labels=frozenset().union(*sets))
        reason = MAPPED_TO_DROP if not sets else MAYBE_RESERVED if any(sets) else RESERVED
        return replace(span, labels=frozenset(), reason=reason)


def _trim(span: LabelledSpan, text: str) -> LabelledSpan:
    surface = text[span.start : span.end]
    start = span.start + len(surface) - len(surface.lstrip())
    end = span.end - len(surface) + len(surface.rstrip())
    if (start, end) == (span.start, span.end) or start >= end:
        return span
    return replace(span, start=start, end=end, reason="blank edges")


def harmonize(texts: Iterable[AnnotatedText], dataset: Dataset, schema: Schema) -> Iterator[AnnotatedText]:
    """Put the texts of a data set into the labels of the schema.

    Args:
        texts: Texts with the labels of their source.
        dataset: The data set that they come from.
        schema: The label tree.

    Yields:
        The texts with sets of active labels, source, tier, weight and coverage.

    Raises:
        Ner11Error: After the last text, if labels were seen that the map does not have; the message lists them with
            counts and the first place.
    """
    label_map = LabelMap(dataset, schema)
    unmapped: Counter[str] = Counter()
    first_seen: dict[str, str] = {}
    for text in texts:
        spans = []
        for span in text.spans:
            if span.origin in label_map:
                spans.append(label_map.translate(_trim(span, text.text)))
            else:
                unmapped[span.origin] += 1
                first_seen.setdefault(span.origin, text.place(span))
        assert dataset.weight is not None
        yield replace(
            text,
            spans=spans,
            source=dataset.name,
            tier=dataset.tier,
            weight=dataset.weight,
            coverage=label_map.coverage,
        )
    if unmapped:
        seen = ", ".join(f"{label} ({count} spans, first in {first_seen[label]})" for label, count in unmapped.most_common())
        raise Ner11Error(
            f"labels without a place in the schema: {seen}",
            where=f"data set {dataset.name}",
            fix="Correct them, or map them under 'labels' in datasets.yml (to a node, a list of nodes, or drop)",
        )
