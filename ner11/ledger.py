"""What became of every annotated span, so that nothing is lost silently."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ner11.errors import Ner11Error

OUTCOMES = {
    "kept": "as read",
    "trimmed": "blanks at the edges cut off",
    "widened": "grown to token borders",
    "ambiguous": "kept with several allowed labels",
    "unknown": "place kept, label not known: never a plain O",
    "outside": "its type is reserved, so it is none of the active labels",
    "duplicate": "the same span twice",
    "dropped": "gone with its text, or no text in its borders",
}

Key = tuple[str, str, str]


class Ledger:
    """Counts of spans read and of what became of them, by source, split and label of the source.

    Attributes:
        read: Spans as they came from the reader, by (source, split, label).
        spans: Spans by (source, split, label, outcome, reason).
        texts: Texts by (source, split, outcome, reason).
    """

    def __init__(self) -> None:
        self.read: Counter[Key] = Counter()
        self.spans: Counter[tuple[str, str, str, str, str]] = Counter()
        self.texts: Counter[tuple[str, str, str, str]] = Counter()

    def check(self) -> None:
        """Check that every span read has exactly one outcome.

        Raises:
            Ner11Error: If the sums differ; that is a defect of ner11, not of the data.
        """
        sums: Counter[Key] = Counter()
        for (source, split, label, _, _), count in self.spans.items():
            sums[source, split, label] += count
        for key in self.read.keys() | sums.keys():
            if self.read[key] != sums[key]:
                raise Ner11Error(
                    f"read {self.read[key]} spans, accounted for {sums[key]}",
                    where="/".join(key),
                    fix="Report this as a defect of ner11",
                )

    def to_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Give all counts as lists of flat records, sorted, for JSON."""
        names = ("source", "split", "label", "outcome", "reason")

        def rows(counter: Counter[Any], keys: Iterable[str]) -> list[dict[str, Any]]:
            return [dict(zip(keys, key, strict=True), count=count) for key, count in sorted(counter.items())]

        return {
            "read": rows(self.read, names[:3]),
            "spans": rows(self.spans, names),
            "texts": rows(self.texts, ("source", "split", "outcome", "reason")),
        }


def by_outcome(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    """Sum span rows of `Ledger.to_rows` over labels and splits: (source, outcome, reason, spans)."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        sums[row["source"], row["outcome"], row["reason"]] += row["count"]
    order = list(OUTCOMES)
    return [(*key, sums[key]) for key in sorted(sums, key=lambda key: (key[0], order.index(key[1]), key[2]))]
