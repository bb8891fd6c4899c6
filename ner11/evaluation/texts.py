"""Test texts with what a model found in them: all that scores, slices and comparisons of models are made from."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
from spacy.language import Language
from spacy.tokens import Doc, Span

from ner11.pipeline.scoring import COVERAGE, Comparison, SpanKey, compare_spans, entity_keys, gold_keys

BATCH_SIZE = 64
BLOCK = 20
"""Consecutive sentences that stand for a document where a source marks none."""


@dataclass
class TestText:
    """A text, its annotation, and what a model found in it. Nothing of a `Doc` is kept: tensors would fill the memory.

    Attributes:
        text: The text.
        source: Name of the data set.
        tier: Trust in the data set: gold, expert or silver.
        document: The document that the text belongs to: what is resampled for intervals.
        gold: Annotated spans (first character, end, label); the label is `A|B` where several are allowed, "?" if unknown.
        coverage: Labels whose absence means something; None if all do.
        token_starts, token_ends: First and one past the last character of every token, shape (tokens,).
        predicted: Found spans.
        confidences: Probability of each found span; None from a head that has none.
    """

    __test__ = False  # for pytest, which collects names that begin with Test

    text: str
    source: str
    tier: str
    document: str
    gold: list[SpanKey]
    coverage: frozenset[str] | None
    token_starts: NDArray[np.int32]
    token_ends: NDArray[np.int32]
    predicted: list[SpanKey]
    confidences: list[float | None]

    @property
    def words(self) -> int:
        """Number of tokens."""
        return len(self.token_starts)

    @cached_property
    def comparison(self) -> Comparison:
        """What became of the spans."""
        return compare_spans(self.gold, self.predicted, self.coverage)

    def count_tokens(self, start: int, end: int) -> int:
        """Count the tokens that a character span touches."""
        return int(np.searchsorted(self.token_starts, end, "left") - np.searchsorted(self.token_ends, start, "right"))

    def confidence_of(self) -> dict[tuple[int, int], float | None]:
        """Give the confidence of each found span by its borders."""
        return {(start, end): value for (start, end, _), value in zip(self.predicted, self.confidences, strict=True)}


def token_borders(doc: Doc) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give first and one past the last character of every token, shape (tokens,) each."""
    starts, lengths = doc.to_array([IDX, LENGTH]).astype(np.int32).reshape(-1, 2).T
    return starts, starts + lengths


def from_reference(doc: Doc) -> TestText:
    """Take the annotation of a document over; nothing is predicted yet."""
    starts, ends = token_borders(doc)
    coverage = doc.user_data.get(COVERAGE)
    return TestText(
        text=doc.text,
        source=doc.user_data.get("source", ""),
        tier=doc.user_data.get("tier", ""),
        document=doc.user_data.get("group", ""),
        gold=gold_keys(doc),
        coverage=None if coverage is None else frozenset(coverage),
        token_starts=starts,
        token_ends=ends,
        predicted=[],
        confidences=[],
    )


def set_predictions(text: TestText, doc: Doc) -> TestText:
    """Take what a pipeline found over."""
    text.predicted = entity_keys(doc)
    has_confidence = Span.has_extension("confidence")
    text.confidences = [ent._.confidence if has_confidence else None for ent in doc.ents]
    return text


def predict(nlp: Language, references: Iterable[Doc]) -> list[TestText]:
    """Run a pipeline over raw texts, as a stream.

    Args:
        nlp: A trained pipeline.
        references: Annotated documents; only their text is given to the pipeline.

    Returns:
        The texts, in order, each with its document named (see `name_documents`).
    """
    return name_documents(_run(nlp, map(from_reference, references)))


def predict_again(nlp: Language, texts: Iterable[TestText]) -> list[TestText]:
    """Run a pipeline over texts anew, as a stream; the given ones stay as they are."""
    return _run(nlp, (replace(text, predicted=[], confidences=[]) for text in texts))


def _run(nlp: Language, texts: Iterable[TestText]) -> list[TestText]:
    pairs = ((text.text, text) for text in texts)
    return [set_predictions(text, doc) for doc, text in nlp.pipe(pairs, as_tuples=True, batch_size=BATCH_SIZE)]


def find_blocks(groups: Sequence[tuple[str, str, str]]) -> list[str]:
    """Name the document that each text belongs to, for resampling.

    The group, where the source marks documents, and for texts of a gold set, each written for itself. Where groups are
    single sentences, named by their line, blocks of consecutive ones: the sentences of an article are no
    independent draws.

    Args:
        groups: Source, tier and group of each text.
    """
    names = [group for _, _, group in groups]
    lines: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for i, (source, tier, group) in enumerate(groups):
        match = re.fullmatch(r"(.*):(\d+)", group)
        if match and tier != "gold":
            lines[source, match[1]].append((int(match[2]), i))
    for (_, file), places in lines.items():
        for rank, (_, i) in enumerate(sorted(places)):
            names[i] = f"{file}/{rank // BLOCK}"
    return names


def name_documents(texts: list[TestText]) -> list[TestText]:
    """Name the document of each text, with its source in front; texts without any name stand alone."""
    names = find_blocks([(text.source, text.tier, text.document) for text in texts])
    for i, (text, name) in enumerate(zip(texts, names, strict=True)):
        text.document = f"{text.source}/{name or i}"
    return texts
