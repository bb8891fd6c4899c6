"""Word pieces of documents, and the tokens that they belong to; the same code whatever runs the encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc
from tokenizers import Tokenizer

Ints = NDArray[np.int64]


class Encoding(Protocol):
    """Word pieces of a text: vocabulary ids, and first and one past the last character of each."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def offsets(self) -> list[tuple[int, int]]: ...


Encode = Callable[[Sequence[str]], Sequence[Encoding]]


def load_tokenizer(tokenizer: str) -> Tokenizer:
    """Load a tokenizer from its JSON, as in a `tokenizer.json`, to give all pieces of a text and no others."""
    loaded = Tokenizer.from_str(tokenizer)
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def make_encode(tokenizer: str) -> Encode:
    """Make the function that splits texts into word pieces, without special ones, from the JSON of a tokenizer."""
    loaded = load_tokenizer(tokenizer)

    def encode(texts: Sequence[str]) -> list[Encoding]:
        # Not `encode_batch`: its threads do not survive a fork, and it is the encoder that takes the time.
        return [loaded.encode(text, add_special_tokens=False) for text in texts]

    return encode


@dataclass(frozen=True)
class Pieces:
    """The word pieces of documents, one document after the other.

    Attributes:
        ids: Vocabulary ids, shape (pieces,).
        sizes: Pieces of every document, shape (documents,).
        counts: How many pieces start in every token, shape (tokens,).
        lengths: Tokens of every document, shape (documents,).
        linked: Pieces that share a character with a token, in order, shape (links,).
        tokens: The token of each link, shape (links,).
    """

    ids: Ints
    sizes: Ints
    counts: Ints
    lengths: Ints
    linked: Ints
    tokens: Ints

    def counts_by_document(self) -> list[Ints]:
        """Give the pieces of every token, one array a document."""
        return np.split(self.counts, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []


def split_pieces(encode: Encode, docs: Sequence[Doc]) -> Pieces:
    """Split documents into word pieces.

    Args:
        encode: Splits texts, as `make_encode` gives it.
        docs: Tokenized documents.
    """
    texts = [doc.text for doc in docs]
    encodings = encode(texts)
    ids = [encoding.ids for encoding in encodings]
    sizes = np.fromiter(map(len, ids), dtype=np.int64, count=len(docs))
    lengths = np.fromiter(map(len, docs), dtype=np.int64, count=len(docs))
    # Characters are counted through all texts, with one between them that is nobody's.
    widths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(docs))
    shifts = np.cumsum(widths) - widths
    offsets = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
    starts, ends = np.fromiter(offsets, dtype=np.int64, count=2 * sizes.sum()).reshape(-1, 2).T + np.repeat(shifts, sizes)
    places = [doc.to_array([IDX, LENGTH]).astype(np.int64).reshape(-1, 2) for doc in docs]
    token_starts, token_widths = np.concatenate([np.zeros((0, 2), dtype=np.int64), *places]).T
    token_starts = token_starts + np.repeat(shifts, lengths)
    first = np.searchsorted(token_starts + token_widths, starts, side="right")
    last = np.searchsorted(token_starts, ends, side="left") - 1
    linked, tokens = spread(first, np.maximum(last + 1, first))  # none for a piece of nothing but the space between two tokens
    last_tokens = np.repeat(np.cumsum(lengths) - 1, sizes)
    counts = np.bincount(np.minimum(first, last_tokens), minlength=len(token_starts))
    return Pieces(
        np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=len(starts)), sizes, counts, lengths, linked, tokens
    )


def split_tokens(tokenizer: Tokenizer, docs: Sequence[Doc], *, before: Sequence[int], after: Sequence[int]) -> Pieces:
    """Split every token by itself, with the space before it, as spacy-curated-transformers does; blank ones have no piece.

    Args:
        tokenizer: Splits a token.
        docs: Tokenized documents.
        before: Special pieces in front of each document; they belong to no token.
        after: Likewise, at its end.
    """
    ids, sizes, linked, tokens = [], [], [], []
    first_piece = first_token = 0
    for doc in docs:
        spaces = ["", *(token.whitespace_ for token in doc)]
        words = ["" if token.is_space else space + token.text for space, token in zip(spaces, doc, strict=False)]
        encoding = tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
        ids += [*before, *encoding.ids, *after]
        sizes.append(len(before) + len(encoding.ids) + len(after))
        linked.append(np.arange(len(encoding.ids)) + first_piece + len(before))
        tokens.append(np.array(encoding.word_ids, dtype=np.int64) + first_token)
        first_piece, first_token = first_piece + sizes[-1], first_token + len(doc)
    none = np.zeros(0, dtype=np.int64)
    of_tokens = np.concatenate([none, *tokens])
    return Pieces(
        ids=np.array(ids, dtype=np.int64),
        sizes=np.array(sizes, dtype=np.int64),
        counts=np.bincount(of_tokens, minlength=first_token),
        lengths=np.fromiter(map(len, docs), dtype=np.int64, count=len(docs)),
        linked=np.concatenate([none, *linked]),
        tokens=of_tokens,
    )


def spread(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Write ranges out.

    Returns:
        The range that each number is of, and the numbers.
    """
    sizes = ends - starts
    ranges = np.repeat(np.arange(len(sizes)), sizes)
    return ranges, np.arange(len(ranges)) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
