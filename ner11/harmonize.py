"""From the labels of a source to sets of active labels of the schema, with coverage."""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import ftfy

from ner11.annotation import LEFT_OUT, NO_LABELS, UNKNOWN, AnnotatedText, LabelledSpan
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.offsets import ELSEWHERE, repair_offsets
from ner11.schema import Schema

DROP = "drop"
RESERVED = "reserved label"
MAPPED_TO_DROP = "mapped to drop"
MAYBE_RESERVED = "may be of a reserved label"
BLANK_EDGES = "blank edges"


class Unmapped:
    """Labels that were seen and that the map does not have."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def update(self, other: "Unmapped") -> None:
        """Add what another part of the same data set saw later."""
        self.counts.update(other.counts)
        self.first = {**other.first, **self.first}

    def check(self, dataset: Dataset) -> None:
        """Check that there are none.

        Raises:
            Ner11Error: With the list of them, counts and first places.
        """
        if self.counts:
            seen = ", ".join(
                f"{label} ({count} spans, first in {self.first[label]})" for label, count in self.counts.most_common()
            )
            raise Ner11Error(
                f"labels without a place in the schema: {seen}",
                where=dataset.where("labels"),
                fix="Correct them, or map them here (to a node, a list of nodes, or drop)",
            )


class Harmonizer:
    """Puts the texts of one data set into the labels of a schema.

    Args:
        dataset: The data set.
        schema: The label tree.

    Attributes:
        coverage: Active labels whose absence in this source means something, where no group says otherwise.
        unmapped: Labels seen so far that the map does not have.

    Raises:
        Ner11Error: If the map, the coverage or a group names a node that the schema does not have.
    """

    def __init__(self, dataset: Dataset, schema: Schema) -> None:
        self.dataset, self.unmapped = dataset, Unmapped()
        self._schema, self._labels = schema, dataset.labels
        if isinstance(self._labels, str):
            mapped = frozenset(schema.active)
        else:
            mapped = NO_LABELS.union(*(self._active(self._nodes(label), "labels", label) for label in self._labels))
        self.coverage = mapped if dataset.coverage is None else self._active(dataset.coverage, "coverage")
        partial = self._active(dataset.partial, "partial")
        self.coverage -= partial
        self._groups = [
            (re.compile(fnmatch.translate(g.match)), self._active(g.coverage, "groups") - partial) for g in dataset.groups
        ]
        self._skip = re.compile(dataset.skip) if dataset.skip else None
        self._cache: dict[str, tuple[frozenset[str], str, str]] = {}

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
                f"'{label}' maps to {nodes}", where=self.dataset.where("labels", label), fix="Map it to nodes, or to drop alone"
            )
        return nodes

    def _active(self, nodes: Iterable[str], *keys: str) -> frozenset[str]:
        try:
            return NO_LABELS.union(*(self._schema.allowed(node) for node in nodes))
        except Ner11Error as e:
            raise Ner11Error(f"{keys[0]}: {e.what}" if keys else e.what, where=self.dataset.where(*keys), fix=e.fix) from e

    def _translate(self, label: str) -> tuple[frozenset[str], str, str]:
        """Give the active labels that a label of the source may stand for; with none, the outcome and its reason."""
        sets = [self._active([node]) for node in self._nodes(label)]
        if sets and all(sets):
            return NO_LABELS.union(*sets), "", ""
        if not sets:
            return NO_LABELS, "unknown", MAPPED_TO_DROP
        return (NO_LABELS, "unknown", MAYBE_RESERVED) if any(sets) else (NO_LABELS, "outside", RESERVED)

    def __contains__(self, label: str) -> bool:
        return label in self._schema if isinstance(self._labels, str) else label in self._labels

    def __call__(self, text: AnnotatedText) -> AnnotatedText:
        """Harmonize a text in place.

        Repairs wrongly decoded text and shifted offsets, trims blank edges, gives every span its set of active labels,
        and the text its source, tier, weight and coverage. A label that the map does not have goes to `unmapped`.
        """
        dataset = self.dataset
        assert dataset.weight is not None
        text.source, text.tier, text.weight, text.coverage = dataset.name, dataset.tier, dataset.weight, self.coverage
        for pattern, coverage in self._groups:
            if pattern.match(text.group):
                text.coverage = coverage
                break
        if self._skip and not text.damage and self._skip.match(text.text):
            text.damage = f"{LEFT_OUT} 'skip'"
        if dataset.repair and not text.text.isascii():
            repair_text(text)
        repair_offsets(text)
        for span in text.spans:
            surface = text.text[span.start : span.end]
            if surface[:1].isspace() or surface[-1:].isspace():
                _trim(span, surface)
            lost = span.outcome == "dropped" or span.reason == ELSEWHERE
            if text.damage or (span.outcome == "unknown" and not lost):
                continue
            found = self._cache.get(span.origin)
            if found is None:
                if span.origin not in self:
                    if span.origin != UNKNOWN:
                        self.unmapped.counts[span.origin] += 1
                        self.unmapped.first.setdefault(span.origin, text.place(span))
                    elif lost:  # it stands somewhere in the text, and may be anything
                        text.coverage = NO_LABELS
                    continue
                found = self._cache[span.origin] = self._translate(span.origin)
            if lost:
                # It stands somewhere in the text, so the absence of its label elsewhere means nothing here.
                text.coverage -= found[0]
                continue
            span.labels, outcome, reason = found
            if outcome:
                span.outcome, span.reason = outcome, reason
        return text


def _trim(span: LabelledSpan, surface: str) -> None:
    if surface.isspace():
        return
    span.start += len(surface) - len(surface.lstrip())
    span.end -= len(surface) - len(surface.rstrip())
    if span.outcome == "kept":
        span.outcome, span.reason = "trimmed", BLANK_EDGES


def repair_text(text: AnnotatedText) -> None:
    """Put right what was decoded wrongly, piece by piece between the borders of the spans, so that they stay where they were.

    The method is that of `ftfy.fix_encoding`; the pieces are decided one by one, because a text may hold both damaged and
    sound passages.
    """
    borders = sorted(
        {0, len(text.text), *(at for span in text.spans for at in (span.start, span.end) if 0 <= at <= len(text.text))}
    )
    moved = {0: 0}
    pieces: list[str] = []
    for start, end in pairwise(borders):
        pieces.append(ftfy.fix_encoding(text.text[start:end]))
        moved[end] = moved[start] + len(pieces[-1])
    repaired = "".join(pieces)
    if repaired == text.text:
        return
    text.problems.append("mojibake repaired")
    text.text = repaired
    for span in text.spans:
        if span.surface is not None:
            span.surface = ftfy.fix_encoding(span.surface)
        span.start, span.end = moved.get(span.start, span.start), moved.get(span.end, span.end)
