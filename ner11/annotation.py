"""The one data model: a text, its labelled character spans, and what its source can speak about."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SEPARATOR = "|"
UNKNOWN = "?"
"""The label on disk of a span whose label is not known: dropped, damaged, or not on token borders."""


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A character span with the set of labels that its source allows for it.

    Attributes:
        start: First character (code points).
        end: One past the last character.
        labels: Allowed labels; one for an ordinary entity, several for an ambiguous one, none for an
            unknown one (anything the source does not cover, or no entity at all).
        origin: The label in the source, for the ledger.
        reason: Why the span is not as it was read; empty if it is.
    """

    start: int
    end: int
    labels: frozenset[str]
    origin: str = ""
    reason: str = ""


@dataclass(slots=True)
class AnnotatedText:
    """A text with its annotation.

    Attributes:
        text: The text.
        spans: Labelled spans, in any order; a reader may give overlapping ones.
        group: The document that the text belongs to; texts of one group never fall into different splits.
        where: File that the text came from, for messages.
        line: Line in that file at which the text begins.
        source: Name of the data set.
        tier: Trust in the source: gold, expert or silver.
        weight: How often an epoch draws the text, in expectation.
        coverage: Labels whose absence outside the spans means something.
    """

    text: str
    spans: list[LabelledSpan] = field(default_factory=list)
    group: str = ""
    where: str = ""
    line: int = 1
    source: str = ""
    tier: str = "gold"
    weight: float = 1.0
    coverage: frozenset[str] = frozenset()

    def place(self, span: LabelledSpan) -> str:
        """Name the file and line of a span, for messages."""
        return f"{self.where}:{self.line + self.text.count(chr(10), 0, span.start)}"


def pack_labels(labels: Iterable[str]) -> str:
    """Write a set of allowed labels as one string: "A", "A|B", or "?" for the empty set."""
    return SEPARATOR.join(sorted(labels)) or UNKNOWN
