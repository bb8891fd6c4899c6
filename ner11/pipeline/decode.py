"""From logits to the entities of documents; the same code whatever computed the logits."""

from collections.abc import Iterator, Sequence

import numpy as np
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc, Span, Token

from .chain import Array
from .confidence import FoundSpan, find_spans, token_entropies
from .tags import TagScheme

ENTROPIES = "token_entropies"
"""Key in `doc.user_data` of the tokens' entropies."""
DECODED_TOKENS = 16_384
"""Tokens that are decoded at once: bounds the memory, as the chain keeps several numbers for each tag of each token."""

if not Span.has_extension("confidence"):
    Span.set_extension("confidence", default=None)
if not Token.has_extension("entropy"):
    Token.set_extension("entropy", getter=lambda token: token.doc.user_data.get(ENTROPIES, {}).get(token.i))


def split_runs(lengths: Sequence[int], *, most: int) -> Iterator[tuple[int, int]]:
    """Split a sequence of things into runs of consecutive ones that are so long at most; a longer one is alone.

    Yields:
        First thing of a run and one past the last.
    """
    start, size = 0, 0
    for i, length in enumerate(lengths):
        if i > start and size + length > most:
            yield start, i
            start, size = i, 0
        size += length
    if start < len(lengths):
        yield start, len(lengths)


def cut_document(logits: Array, *, most: int) -> list[int]:
    """Cut a document that is too long to be decoded at once, behind tokens that are clearly outside of every span.

    Args:
        logits: Of its tokens, shape (tokens, tags).
        most: Most tokens of a part.

    Returns:
        One past the last token of each part.
    """
    start, ends = 0, []
    while len(logits) - start > most:
        middle = start + most // 2
        block = logits[middle : start + most]
        start = middle + int((block[:, 0] - block[:, 1:].max(axis=1)).argmax()) + 1
        ends.append(start)
    return [*ends, len(logits)]


def set_entities(docs: Sequence[Doc], logits: Array, tags: TagScheme, *, temperature: float, token_entropy: bool) -> None:
    """Set entities, what was there is replaced, and their confidences, `span._.confidence`.

    Args:
        docs: The documents.
        logits: Of all their tokens, one document after the other, shape (tokens, tags).
        tags: The chain of tags.
        temperature: Logits are divided by it for confidences and entropies.
        token_entropy: Also set `token._.entropy`, in nats.
    """
    found: list[list[FoundSpan]] = [[] for _ in docs]
    entropies: list[list[float]] = [[] for _ in docs]
    blank = np.concatenate([np.zeros(0, dtype=bool), *(doc.to_array(IS_SPACE).astype(bool) for doc in docs)])
    parts = list(_parts(docs, logits))
    start = 0
    for first, last in split_runs([end - begin for _, begin, end in parts], most=DECODED_TOKENS):
        run = parts[first:last]
        lengths = [end - begin for _, begin, end in run]
        tokens = slice(start, start + sum(lengths))
        start = tokens.stop
        spans = find_spans(logits[tokens], lengths, tags, temperature=temperature, blank=blank[tokens])
        for (i, begin, _), spans_of_part in zip(run, spans, strict=True):
            found[i] += [FoundSpan(s.start + begin, s.end + begin, s.label, s.confidence) for s in spans_of_part]
        if token_entropy:
            values = token_entropies(logits[tokens], lengths, tags, temperature=temperature)
            for (i, _, _), values_of_part in zip(run, np.split(values, np.cumsum(lengths)[:-1]), strict=True):
                entropies[i] += values_of_part.tolist()
    for doc, spans_of_doc, values_of_doc in zip(docs, found, entropies, strict=True):
        entities = [Span(doc, span.start, span.end, label=span.label) for span in spans_of_doc]
        doc.set_ents(entities, default="outside")
        for entity, span in zip(entities, spans_of_doc, strict=True):
            entity._.confidence = span.confidence
        if token_entropy:
            doc.user_data[ENTROPIES] = dict(enumerate(values_of_doc))


def _parts(docs: Sequence[Doc], logits: Array) -> Iterator[tuple[int, int, int]]:
    """Give the parts that are decoded by themselves: number of the document, first token and one past the last."""
    start = 0
    for i, doc in enumerate(docs):
        begin = 0
        for end in cut_document(logits[start : start + len(doc)], most=DECODED_TOKENS) if len(doc) else ():
            yield i, begin, end
            begin = end
        start += len(doc)
