"""The registered corpus reader: draws a text `weight` times an epoch."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy import registry
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ner11.corpus.shards import list_shards, read_shard
from ner11.errors import Ner11Error


class WeightedCorpus:
    """A folder of shards as a stream of examples in random order.

    Args:
        path: Folder of shards.
        weighted: Draw a text as often as its weight says, the fraction by chance, anew on every call (an epoch);
            else each text once, and the same order on every call.
        max_words: Stop after about so many tokens, a random sample of the whole; 0 takes all.
        seed: Seed of draws and order.
    """

    def __init__(self, path: Path, *, weighted: bool, max_words: int, seed: int) -> None:
        self.path, self.weighted, self.max_words, self.seed = Path(path), weighted, max_words, seed
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
            for doc in self._draw(read_shard(shard, nlp.vocab), rng):
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
def make_weighted_corpus(path: Path, weighted: bool, max_words: int, seed: int) -> Callable[[Language], Iterator[Example]]:
    """Make a `WeightedCorpus` from a training configuration."""
    return WeightedCorpus(path, weighted=weighted, max_words=max_words, seed=seed)
