"""The texts that inference is measured on: public test sets, and short and long ones made from the project's own corpus.

Libraries are imported where they are needed: their memory and the time for them are part of what is measured elsewhere.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ner11.files import read_json, write_json

if TYPE_CHECKING:
    from ner11.datasets import Dataset

PUBLIC = ("wnut17", "cyner")
SHORT, LONG = "short", "long"
SIZES = {SHORT: (10, 15), LONG: (1_800, 2_200)}
"""Fewest and most words of a text that is made."""
REPLACED = 0.1
_WORDS = 30_000


@dataclass(frozen=True)
class TextSet:
    """Texts in the order in which all systems read them.

    Attributes:
        texts: Raw texts.
        words: Tokens of each, as spaCy counts them.
        pieces: Word pieces of each, without special ones.
    """

    texts: list[str]
    words: list[int]
    pieces: list[int]


def make_texts(sources: Sequence[Sequence[str]], size: tuple[int, int], *, seed: int) -> Iterator[str]:
    """Make texts without end: windows of others, a tenth of the words replaced by made-up ones, by Zipf's law.

    Args:
        sources: The words of each text to cut from.
        size: Fewest and most words of a text.
        seed: Of all choices.
    """
    rng = random.Random(seed)
    syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
    made = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(_WORDS)]
    weights = list(itertools.accumulate(1 / (i + 5) for i in range(_WORDS)))
    while True:
        length, words = rng.randint(*size), list[str]()
        while len(words) < length:
            source = rng.choice(sources)
            first = rng.randrange(max(1, len(source) - length + 1))
            words += source[first : first + length - len(words)]
        kept = (word if rng.random() >= REPLACED else rng.choices(made, cum_weights=weights)[0] for word in words)
        yield " ".join(kept)


def read_sources(corpus: Path) -> list[list[str]]:
    """Read the words of the project's dev and test texts."""
    import spacy

    from ner11.corpus.shards import read_docs

    vocab = spacy.blank("en").vocab
    return [words for split in ("dev", "test") for doc in read_docs(corpus / split, vocab) if (words := doc.text.split())]


def write_sets(
    folder: Path, *, public: Sequence["Dataset"], corpus: Path, tokenizer: Path, counts: dict[str, int], seed: int
) -> dict[str, dict[str, int]]:
    """Write every set of texts, in random order, so that whoever reads only the first ones reads the like.

    Args:
        folder: Where to write, one file a set.
        public: Data sets whose test split is a set; their paths are relative to the current folder.
        corpus: The merged corpus that texts are made from.
        tokenizer: Folder of the encoder's tokenizer.
        counts: How many texts of each set; all of a data set that is not named.
        seed: Of all choices.

    Returns:
        `texts`, `words` and `pieces` of each set.
    """
    import spacy
    from transformers import AutoTokenizer

    from ner11.corpus.convert import read_split

    sources = read_sources(corpus)
    sets = {name: list(itertools.islice(make_texts(sources, SIZES[name], seed=seed), counts[name])) for name in (SHORT, LONG)}
    for dataset in public:
        texts = [text.text for text in read_split(dataset, "test", root=Path()) if text.text.strip()]
        sets[dataset.name] = random.Random(seed).sample(texts, min(len(texts), counts.get(dataset.name, len(texts))))
    split, make_doc, sizes = AutoTokenizer.from_pretrained(tokenizer), spacy.blank("en").make_doc, {}
    for name, texts in sets.items():
        encoded = split(texts, add_special_tokens=False, verbose=False)["input_ids"]
        pieces, words = [len(ids) for ids in encoded], [len(make_doc(text)) for text in texts]
        write_json(folder / f"{name}.json", {"texts": texts, "words": words, "pieces": pieces})
        sizes[name] = {"texts": len(texts), "words": sum(words), "pieces": sum(pieces)}
    return sizes


def read_set(folder: Path, name: str) -> TextSet:
    """Read what `write_sets` wrote."""
    return TextSet(**read_json(folder / f"{name}.json"))
