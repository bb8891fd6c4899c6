"""The one data model: a text, its labelled character spans, and what its source can speak about."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

SEPARATOR = "|"
UNKNOWN = "?"
"""The label on disk of a span whose label is not known: dropped, damaged, or not on token borders."""
NO_LABELS: frozenset[str] = frozenset()
LEFT_OUT = "left out by the rule"
"""How the damage of a record begins that is left out because somebody wished so."""


@dataclass(slots=True)
class LabelledSpan:
    """A character span, first with the label of its source, then with the set of schema labels allowed for it.

    Attributes:
        start: First character (code points).
        end: One past the last character.
        origin: The label in the source, also for the ledger.
        labels: Allowed labels, empty until the span is harmonized; one for an ordinary entity, several for an
            ambiguous one, none for an unknown one (anything the source does not cover, or no entity at all).
        outcome: What became of the span so far, a key of `ner11.ledger.OUTCOMES`.
        reason: Why it is not as it was read; empty if it is.
        surface: The characters that the source says stand there, if it says so: the proof for a shifted offset.
    """

    start: int
    end: int
    origin: str
    labels: frozenset[str] = NO_LABELS
    outcome: str = "kept"
    reason: str = ""
    surface: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by position: texts travel between processes by the hundred thousand."""
        return LabelledSpan, (self.start, self.end, self.origin, self.labels, self.outcome, self.reason, self.surface)


@dataclass(slots=True)
class AnnotatedText:
    """A text with its annotation.

    Attributes:
        text: The text.
        spans: Labelled spans, in any order; a reader may give overlapping ones.
        group: The document that the text belongs to; texts of one group never fall into different splits.
        where: File that the text came from, for messages.
        line: Line in that file at which the text begins.
        damage: Why the record cannot be used, if it cannot: its text and spans then only say what is lost.
        problems: What the reader noticed and could live with, one clause each, such as "a token without a tag".
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
    damage: str = ""
    problems: list[str] = field(default_factory=list)
    source: str = ""
    tier: str = "gold"
    weight: float = 1.0
    coverage: frozenset[str] = NO_LABELS

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by position, as `LabelledSpan` does."""
        return AnnotatedText, tuple(getattr(self, name) for name in self.__slots__)

    def place(self, span: LabelledSpan) -> str:
        """Name the file and line of a span, for messages."""
        return f"{self.where}:{self.line + self.text.count(chr(10), 0, max(span.start, 0))}"


def pack_labels(labels: Iterable[str]) -> str:
    """Write a set of allowed labels as one string: "A", "A|B", or "?" for the empty set."""
    return SEPARATOR.join(sorted(labels)) or UNKNOWN
