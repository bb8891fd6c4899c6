"""What serving finds in texts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ner11.schema import Schema

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity in a text.

    Attributes:
        start: First character, in code points.
        end: One past the last character.
        label: Its label.
        text: What it covers.
        confidence: Probability of it, 0 to 1; None from a head without probabilities.
        path: Nodes of the label tree from the tier down to the label; the label alone where the tree is not known.
    """

    start: int
    end: int
    label: str
    text: str
    confidence: float | None
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The entities of texts, a list for each, in order, all of them found by one version of the model."""

    entities: list[list[Entity]]
    model_version: str


def label_paths(labels: Iterable[str], schema: Schema | None) -> dict[str, tuple[str, ...]]:
    """Give for each label the nodes from its tier down to it."""
    known = {label: schema.node(label) for label in labels if label in schema} if schema else {}
    return {label: tuple(n.name for n in [*known[label].ancestors()][::-1]) if label in known else (label,) for label in labels}


def without_surrogates(text: str) -> str:
    """Replace half characters, which no tokenizer reads and no answer can hold, one for one."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
