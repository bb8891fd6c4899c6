"""What became of every annotated span, so that nothing is lost silently."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ner11.errors import Ner11Error

OUTCOMES = {
    "kept": "as read",
    "trimmed": "blanks at the edges cut off",
    "repaired": "shifted offsets put right, proved by the surface",
    "widened": "grown to token borders",
    "ambiguous": "kept with several allowed labels",
    "merged": "its text is in another source too; the annotations are intersected",
    "unknown": "place kept, label not known: never a plain O",
    "outside": "its type is reserved, so it is none of the active labels",
    "duplicate": "the same span twice",
    "conflict": "its text is in another source too, which says otherwise and is trusted more",
    "removed": "gone with its text, which occurs in a protected split or another source",
    "dropped": "gone with its text, or no text in its borders",
}
EXAMPLES = 3
"""Examples kept for each source, label, outcome and reason."""


class SpanKey(NamedTuple):
    """What spans are counted by."""

    source: str
    split: str
    label: str
    outcome: str
    reason: str


_FIELDS = {
    "read": SpanKey._fields[:3],
    "spans": SpanKey._fields,
    "texts": ("source", "split", "outcome", "reason"),
    "problems": ("source", "split", "problem"),
}


class Ledger:
    """Counts of spans read and of what became of them, by source, split and label of the source.

    Attributes:
        read: Spans as they came from the reader, by (source, split, label).
        spans: Spans by `SpanKey`.
        texts: Texts by (source, split, outcome, reason).
        problems: What readers noticed and could live with, by (source, split, problem).
        examples: For each of the keys above but `read`, up to three places with what stands there.
    """

    def __init__(self) -> None:
        self.read: Counter[tuple[str, str, str]] = Counter()
        self.spans: Counter[SpanKey] = Counter()
        self.texts: Counter[tuple[str, str, str, str]] = Counter()
        self.problems: Counter[tuple[str, str, str]] = Counter()
        self.examples: dict[tuple[str, ...], list[str]] = {}

    def example(self, key: tuple[str, ...], place: str, what: str = "") -> None:
        """Keep a place as an example of a key, unless there are enough."""
        kept = self.examples.setdefault(key, [])
        if len(kept) < EXAMPLES:
            kept.append(f"{place}: {what}" if what else place)

    def update(self, other: "Ledger") -> None:
        """Add the counts and examples of another ledger."""
        self.read.update(other.read)
        self.spans.update(other.spans)
        self.texts.update(other.texts)
        self.problems.update(other.problems)
        for key, places in other.examples.items():
            kept = self.examples.setdefault(key, [])
            kept.extend(places[: EXAMPLES - len(kept)])

    def move(self, key: SpanKey, outcome: str, reason: str, count: int = 1) -> None:
        """Give spans that a later step lost another outcome."""
        self.spans[key] -= count
        if not self.spans[key]:
            del self.spans[key]
        self.spans[key._replace(outcome=outcome, reason=reason)] += count

    def check(self) -> None:
        """Check that every span read has exactly one outcome.

        Raises:
            Ner11Error: If the sums differ; that is a defect of ner11, not of the data.
        """
        sums: Counter[tuple[str, str, str]] = Counter()
        for key, count in self.spans.items():
            sums[key.source, key.split, key.label] += count
        for read in self.read.keys() | sums.keys():
            if self.read[read] != sums[read] or any(count < 0 for count in self.spans.values()):
                raise Ner11Error(
                    f"read {self.read[read]} spans, accounted for {sums[read]}",
                    where="/".join(read),
                    fix="Report this as a defect of ner11",
                )

    def to_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Give all counts as lists of flat records, sorted, for JSON."""

        def rows(counter: Counter[Any], keys: Iterable[str]) -> list[dict[str, Any]]:
            made = []
            for key, count in sorted(counter.items()):
                row = dict(zip(keys, key, strict=True), count=count)
                if key in self.examples:
                    row["examples"] = self.examples[key]
                made.append(row)
            return made

        return {name: rows(getattr(self, name), fields) for name, fields in _FIELDS.items()}

    @classmethod
    def from_rows(cls, rows: dict[str, list[dict[str, Any]]]) -> "Ledger":
        """Restore a ledger from `to_rows`.

        Raises:
            Ner11Error: If the rows are not those of a ledger, or of another version's.
        """
        ledger = cls()
        try:
            for name, fields in _FIELDS.items():
                counter = getattr(ledger, name)
                for row in rows[name]:
                    key = tuple(row[field] for field in fields)
                    counter[SpanKey(*key) if name == "spans" else key] = row["count"]
                    if "examples" in row:
                        ledger.examples[key] = row["examples"]
        except (KeyError, TypeError) as e:
            raise Ner11Error(
                f"damaged, or of another version ({type(e).__name__}: {e})", where="ledger", fix="Run convert again, with --force"
            ) from e
        return ledger


def by_outcome(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    """Sum span rows of `Ledger.to_rows` over labels and splits: (source, outcome, reason, spans)."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        sums[row["source"], row["outcome"], row["reason"]] += row["count"]
    order = list(OUTCOMES)
    return [(*key, sums[key]) for key in sorted(sums, key=lambda key: (key[0], order.index(key[1]), key[2]))]
