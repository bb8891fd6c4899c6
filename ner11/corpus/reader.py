"""The registered corpus reader: draws a text `weight` times an epoch."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy import registry
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ner11.corpus.docs import find_pieces
from ner11.corpus.shards import list_shards, read_shard
from ner11.errors import Ner11Error


def split_doc(doc: Doc, max_tokens: int) -> Iterator[Doc]:
    """Cut an annotated document at line breaks and sentence ends that lie in no span.

    Args:
        doc: The document, with entities and span groups.
        max_tokens: Tokens that a piece may have; one that has no place to cut is longer.

    Yields:
        Pieces that together are the document, each with its user data; the document itself if it is short enough.
    """
    if len(doc) <= max_tokens:
        yield doc
        return
    spans = [*doc.ents, *(span for group in doc.spans.values() for span in group)]
    begins = find_pieces(doc, ((span.start, span.end) for span in spans), max_tokens)
    for start, end in zip(begins, [*begins[1:], len(doc)], strict=True):
        piece = doc[start:end].as_doc()
        piece.user_data = dict(doc.user_data)
        for key, group in doc.spans.items():
            inside = [span for span in group if start <= span.start and span.end <= end]
            piece.spans[key] = [Span(piece, span.start - start, span.end - start, label=span.label_) for span in inside]
        yield piece


class WeightedCorpus:
    """A folder of shards as a stream of examples in random order.

    Args:
        path: Folder of shards.
        weighted: Draw a text as often as its weight says, the fraction by chance, anew on every call (an epoch);
            else each text once, and the same order on every call.
        max_words: Stop after about so many tokens, a random sample of the whole; 0 takes all.
        seed: Seed of draws and order.
        max_tokens: Split longer texts, at line breaks and sentence ends, into pieces that are drawn on their own; 0 leaves them
            whole.
    """

    def __init__(self, path: Path, *, weighted: bool, max_words: int, seed: int, max_tokens: int = 0) -> None:
        self.path, self.weighted, self.seed = Path(path), weighted, seed
        self.max_words, self.max_tokens = max_words, max_tokens
        self.epoch = 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        rng = random.Random(f"{self.seed}-{self.epoch}")
        self.epoch += self.weighted
        shards = list_shards(self.path)
        if not shards:
            raise Ner11Error("no .spacy files here", where=self.path, fix="Run convert and merge first")
        rng.shuffle(shards)
        words = 0
        for shard in shards:
            docs = read_shard(shard, nlp.vocab)
            if self.max_tokens:
                docs = [piece for doc in docs for piece in split_doc(doc, self.max_tokens)]
            for doc in self._draw(docs, rng):
                yield Example(nlp.make_doc(doc.text), doc)
                words += len(doc)
                if self.max_words and words >= self.max_words:
                    return

    def _draw(self, docs: list[Doc], rng: random.Random) -> list[Doc]:
        if self.weighted:
            weights = [float(doc.user_data.get("weight", 1.0)) for doc in docs]
            times = [int(weight) + (rng.random() < weight % 1) for weight in weights]
            docs = [doc for doc, count in zip(docs, times, strict=True) for _ in range(count)]
        rng.shuffle(docs)
        return docs


@registry.readers("ner11.WeightedCorpus.v1")
def make_weighted_corpus(
    path: Path, weighted: bool, max_words: int, seed: int, max_tokens: int = 0
) -> Callable[[Language], Iterator[Example]]:
    """Make a `WeightedCorpus` from a training configuration."""
    return WeightedCorpus(path, weighted=weighted, max_words=max_words, max_tokens=max_tokens, seed=seed)
