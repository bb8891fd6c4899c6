"""Long texts in parts, so that one of them does not hold all others for long, and its memory stays bounded.

A part is read with some text before and after it, as the windows of the encoder overlap; an entity belongs to the part that it
starts in. Where parts begin is looked for at the end of a paragraph, else of a line, else of a sentence, else at a blank.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ner11.serving.entities import Entity

MOST = 8_000
"""Characters of a part, some 2,000 word pieces."""
CONTEXT = 400
"""Characters read before and after a part: more than a sentence."""
_BORDERS = ("\n\n", "\n", ". ", " ")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text.

    Attributes:
        text: What is read: the part and what stands around it.
        offset: First character of it in the whole text.
        start: First character of the part itself in the whole text.
        end: One past its last.
    """

    text: str
    offset: int
    start: int
    end: int


def cut(text: str, *, most: int = MOST, context: int = CONTEXT) -> Iterator[Part]:
    """Cut a text into parts of at most so many characters; a text that is not longer is one part, as it is."""
    start = 0
    while len(text) - start > most:
        end = _find_border(text, start + most // 2, start + most)
        yield _part(text, start, end, context)
        start = end
    yield _part(text, start, len(text), context)


def _part(text: str, start: int, end: int, context: int) -> Part:
    offset = max(0, start - context)
    return Part(text[offset : end + context], offset, start, end)


def _find_border(text: str, least: int, most: int) -> int:
    for border in _BORDERS:
        found = text.rfind(border, least, most)
        if found >= 0:
            return found + len(border)
    return most


def join(found: Sequence[tuple[Part, list[Entity]]]) -> list[Entity]:
    """Put the entities of all parts of a text together, in order and without overlaps."""
    if len(found) == 1:
        return found[0][1]
    entities: list[Entity] = []
    for part, of_part in found:
        for entity in of_part:
            start, end = entity.start + part.offset, entity.end + part.offset
            if part.start <= start < part.end and (not entities or entities[-1].end <= start):
                entities.append(replace(entity, start=start, end=end))
    return entities
