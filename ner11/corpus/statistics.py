"""What the merged corpus is like: how much there is of each label, how new the test set is, how long the texts are."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.tokens import Doc

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.pipeline.scoring import AMBIGUOUS

SAMPLE = 10_000
"""Texts of a split whose word pieces are counted."""
_SHARES = (50, 90, 99, 100)

PieceCounter = Callable[[Sequence[Doc]], list[int]]


@dataclass
class SplitStatistics:
    """Counts of one split.

    Attributes:
        texts, tokens, without_entity: Numbers of texts, tokens, and texts with no span at all.
        entity_tokens: Tokens inside a span.
        spans: Fully known spans by label.
        ambiguous: Ambiguous spans by the labels they may have; "?" are those of no known label.
        surfaces: How often each surface of a label occurs, by the hash of the surface, case folded.
        lengths: Tokens of every text.
        pieces: Word pieces of the texts of a sample.
    """

    texts: int = 0
    tokens: int = 0
    without_entity: int = 0
    entity_tokens: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)
    surfaces: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    lengths: list[int] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)

    def add(self, doc: Doc) -> None:
        """Count a document."""
        unclear = doc.spans.get(AMBIGUOUS, ())
        self.texts += 1
        self.tokens += len(doc)
        self.lengths.append(len(doc))
        self.without_entity += not doc.ents and not unclear
        for span in doc.ents:
            self.entity_tokens += len(span)
            self.spans[span.label_] += 1
            self.surfaces[span.label_][get_string_id(span.text.casefold())] += 1
        for span in unclear:
            self.ambiguous[span.label_] += 1


def collect(docs: Iterable[Doc], *, every: int, count_pieces: PieceCounter | None) -> SplitStatistics:
    """Count the documents of a split.

    Args:
        docs: Documents, consumed as a stream.
        every: Word pieces are counted in one of so many texts.
        count_pieces: Gives the number of word pieces of documents; None leaves them out.
    """
    counts = SplitStatistics()
    waiting: list[Doc] = []
    for i, doc in enumerate(docs):
        counts.add(doc)
        if count_pieces and i % every == 0:
            waiting.append(doc)
            if len(waiting) == 500:
                counts.pieces += count_pieces(waiting)
                waiting = []
    if count_pieces:
        counts.pieces += count_pieces(waiting)
    return counts


def _quantiles(lengths: list[int]) -> dict[str, int]:
    values = np.percentile(lengths, _SHARES, method="nearest").tolist() if lengths else []
    return {f"p{share}" if share < 100 else "max": int(value) for share, value in zip(_SHARES, values, strict=False)}


def _ambiguous_mass(ambiguous: Counter[str], label: str) -> float:
    """Sum the shares of ambiguous spans that may have a label, each label of a span counting the same."""
    sets = [(name.split(SEPARATOR), count) for name, count in ambiguous.items() if name != UNKNOWN]
    return sum(count / len(names) for names, count in sets if label in names)


def summarize(splits: dict[str, SplitStatistics]) -> dict[str, Any]:
    """Give the statistics as JSON: for each split its size, lengths and labels.

    A label's `share` is its part of the fully known spans; `imbalance` is how many times rarer it is than the most
    frequent label; `unseen` is the share of its spans whose surface does not occur in train with that label.
    """
    seen = splits["train"].surfaces if "train" in splits else defaultdict(Counter)
    result: dict[str, Any] = {}
    for split, counts in splits.items():
        total, most = counts.spans.total(), max(counts.spans.values(), default=0)
        labels = {}
        for label in sorted(
            {*counts.spans, *(name for key in counts.ambiguous if key != UNKNOWN for name in key.split(SEPARATOR))}
        ):
            spans = counts.spans[label]
            row: dict[str, Any] = {
                "spans": spans,
                "surfaces": len(counts.surfaces[label]),
                "ambiguous": round(_ambiguous_mass(counts.ambiguous, label), 1),
                "share": spans / total if total else 0.0,
                "imbalance": most / spans if spans else None,
            }
            if split != "train":
                unseen = sum(count for surface, count in counts.surfaces[label].items() if surface not in seen[label])
                row["unseen"] = unseen / spans if spans else None
            labels[label] = row
        result[split] = {
            "texts": counts.texts,
            "tokens": counts.tokens,
            "texts_without_entity": counts.without_entity,
            "entity_tokens": counts.entity_tokens / counts.tokens if counts.tokens else 0.0,
            "ambiguous_spans": sum(count for name, count in counts.ambiguous.items() if name != UNKNOWN),
            "unknown_spans": counts.ambiguous[UNKNOWN],
            "length_in_tokens": _quantiles(counts.lengths),
            "length_in_pieces": _quantiles(counts.pieces),
            "pieces_measured": len(counts.pieces),
            "labels": labels,
        }
    return result
