"""What the training texts call an entity: to tell seen from unseen names, and to show the nearest example of an error."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from spacy.tokens import Doc

from ner11.annotation import UNKNOWN
from ner11.pipeline.scoring import gold_keys

CONTEXT = 60
"""Characters that are kept on each side of a mention."""


@dataclass(frozen=True, slots=True)
class Mention:
    """The first place in the training texts where a surface has a label: the text around it, and where it comes from."""

    surface: str
    label: str
    before: str
    after: str
    source: str


@dataclass
class Mentions:
    """Distinct mentions in the training texts.

    Attributes:
        first: First mention of each surface (case folded) and label; `A|B` where several labels are allowed.
        counts: How often each occurs.
    """

    first: dict[tuple[str, str], Mention] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def collect(cls, docs: Iterable[Doc]) -> "Mentions":
        """Read the training texts, as a stream."""
        made = cls()
        for doc in docs:
            text = doc.text
            for start, end, label in gold_keys(doc):
                if label == UNKNOWN:
                    continue
                key = text[start:end].casefold(), label
                made.counts[key] += 1
                if key not in made.first:
                    before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
                    made.first[key] = Mention(text[start:end], label, before, after, doc.user_data.get("source", ""))
        return made

    def seen(self, surface: str, label: str) -> bool:
        """Tell whether a surface occurs in training with a label, in any case of letters."""
        return (surface.casefold(), label) in self.counts
