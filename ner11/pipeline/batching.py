"""Training batches measured in padded word pieces."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from .pieces import Encode, make_encode, split_pieces
from .windows import cut_windows

CHARACTERS_PER_PIECE = 4


@cache
def _encode_with(name: str) -> Encode:
    from transformers import AutoTokenizer

    return make_encode(AutoTokenizer.from_pretrained(name, use_fast=True).backend_tokenizer.to_str())


def _estimated_counts(doc: Doc) -> np.ndarray:
    return np.array([-(-len(token) // CHARACTERS_PER_PIECE) for token in doc], dtype=np.int64)


@registry.batchers("ner11.batch_by_pieces.v1")
def configure_batch_by_pieces(
    max_padded_pieces: int, accumulate: int, max_pieces: int, overlap: int, buffer: int, seed: int, tokenizer: str | None
) -> Callable[[Iterable[Example]], Iterator[list[Example]]]:
    """Make a batcher that puts examples of like length together, up to a budget of padded word pieces.

    Args:
        max_padded_pieces: Budget of a batch: windows times pieces of the longest window. An example that is over
            it by itself makes a batch of its own.
        accumulate: How many parts spaCy splits a batch into (`accumulate_gradient`). It splits by examples, and not at
            all if there are fewer of them, so a batch of fewer stays within one part's budget.
        max_pieces: Window size of the encoder, as in `cut_windows`.
        overlap: Window overlap of the encoder.
        buffer: How many examples are sorted together.
        seed: Seed for the order of the batches.
        tokenizer: Hugging Face name or folder; None estimates one piece per four characters (for encoders that
            carry no Hugging Face tokenizer).

    Returns:
        Function from examples to batches of examples.
    """
    rng = random.Random(seed)

    def shape(counts: np.ndarray) -> tuple[int, int]:
        """Give (windows, pieces of the longest one) of one example."""
        windows = cut_windows(counts, max_pieces=max_pieces, overlap=overlap)
        return len(windows), max((end - start for start, end in windows), default=0)

    def batch_by_pieces(examples: Iterable[Example]) -> Iterator[list[Example]]:
        for chunk in minibatch(examples, buffer):
            docs = [eg.predicted for eg in chunk]
            if tokenizer:
                shapes = [*map(shape, split_pieces(_encode_with(tokenizer), docs).counts_by_document())]
            else:
                shapes = [shape(_estimated_counts(doc)) for doc in docs]
            order = sorted(range(len(chunk)), key=lambda i: (shapes[i][1], shapes[i][0], rng.random()))
            batches: list[list[Example]] = []
            rows = 0
            for i in order:
                windows, width = shapes[i]
                parts = accumulate if batches and len(batches[-1]) + 1 >= accumulate else 1
                if not batches or (rows + windows) * width > max_padded_pieces // accumulate * parts:
                    batches.append([])
                    rows = 0
                batches[-1].append(chunk[i])
                rows += windows
            rng.shuffle(batches)
            yield from batches

    return batch_by_pieces
