"""Word pieces of documents, and windows over them.

Hashes, URLs and base64 have dozens of pieces a token: windows counted in tokens are cut off at the encoder's limit
without a word, and pad their neighbors to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """The word pieces of a document, special ones left out.

    Attributes:
        ids: Vocabulary ids, shape (pieces,).
        counts: How many pieces start in every token, shape (tokens,); their sum is the number of pieces.
        linked: Pieces that share a character with a token, in order, shape (links,).
        tokens: The token of each link, shape (links,).
    """

    ids: Ints
    counts: Ints
    linked: Ints
    tokens: Ints


def split_pieces(tokenizer: "PreTrainedTokenizerBase", docs: Sequence[Doc]) -> list[Pieces]:
    """Split documents into word pieces.

    Args:
        tokenizer: A fast Hugging Face tokenizer (slow ones give no offsets).
        docs: Tokenized documents.

    Returns:
        The pieces of each document; none for an empty one.
    """
    texts = [doc.text for doc in docs]
    encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False) if texts else None
    encodings = encoded.encodings if encoded else []
    return [_link(doc, encoding.ids, encoding.offsets) for doc, encoding in zip(docs, encodings, strict=True)]


def _link(doc: Doc, ids: list[int], offsets: list[tuple[int, int]]) -> Pieces:
    if not len(doc):
        return Pieces(*(np.zeros(0, dtype=np.int64) for _ in range(4)))
    token_starts, lengths = doc.to_array([IDX, LENGTH]).astype(np.int64).T
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    first = np.searchsorted(token_starts + lengths, starts, side="right")
    last = np.searchsorted(token_starts, ends, side="left") - 1
    widths = (last - first + 1).clip(0)  # 0 for a piece of nothing but the space between two tokens
    pieces = np.repeat(np.arange(len(ids)), widths)
    places = np.arange(len(pieces)) - np.repeat(np.cumsum(widths) - widths, widths)
    counts = np.bincount(first.clip(max=len(doc) - 1), minlength=len(doc))
    return Pieces(np.array(ids, dtype=np.int64), counts, pieces, first[pieces] + places)


def cut_windows(counts: Ints, *, max_pieces: int, overlap: int) -> list[tuple[int, int]]:
    """Cut the pieces of a document into overlapping windows that never cut a token that fits into one.

    Args:
        counts: Word pieces of every token, shape (tokens,).
        max_pieces: Most pieces in a window. A token that has more by itself is cut into several windows.
        overlap: Most pieces that a window shares with the one before it.

    Returns:
        Ranges of pieces (start, end) that together cover the document; none for a document without pieces.
    """
    total = np.concatenate(([0], np.cumsum(counts)))

    def fit(start: int) -> int:
        end = int(np.searchsorted(total, total[start] + max_pieces, side="right")) - 1
        return max(end, start + 1)

    windows: list[tuple[int, int]] = []
    start, size = 0, len(counts)
    while start < size:
        end = fit(start)
        borders = [*range(int(total[start]), int(total[end]), max_pieces), int(total[end])]
        windows.extend(pairwise(borders))
        if end >= size:
            break
        back = int(np.searchsorted(total, total[end] - overlap, side="left"))
        # An overlap that leaves no room for the next token would repeat the window without moving on.
        start = back if start < back < end and fit(back) > end else end
    return windows


def group_by_length(lengths: Sequence[int], *, max_padded: int) -> list[list[int]]:
    """Group sequences of like length.

    Args:
        lengths: Length of each sequence.
        max_padded: Most padded pieces of a group: sequences times the longest; one that is longer is a group by itself.

    Returns:
        Indices of the sequences of each group, shortest first.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or (len(groups[-1]) + 1) * lengths[index] > max_padded:
            groups.append([])
        groups[-1].append(index)
    return groups


@dataclass(frozen=True)
class Window:
    """A window as the encoder reads it.

    Attributes:
        ids: Vocabulary ids without special ones, shape (pieces,).
        linked: Places in the window whose vectors go into a token's, shape (links,).
        tokens: The token of each link, counted through all documents, shape (links,).
    """

    ids: Ints
    linked: Ints
    tokens: Ints


def make_windows(documents: Sequence[Pieces], *, max_pieces: int, overlap: int) -> list[Window]:
    """Cut documents into windows; the arguments are those of `cut_windows`."""
    windows, offset = [], 0
    for pieces in documents:
        for start, end in cut_windows(pieces.counts, max_pieces=max_pieces, overlap=overlap):
            links = slice(*np.searchsorted(pieces.linked, (start, end)))
            windows.append(Window(pieces.ids[start:end], pieces.linked[links] - start, pieces.tokens[links] + offset))
        offset += len(pieces.counts)
    return windows


@dataclass(frozen=True)
class PaddedWindows:
    """Windows of one batch, with special pieces.

    Attributes:
        ids: Vocabulary ids, shape (windows, longest).
        mask: 1 for pieces, 0 for padding, same shape.
        linked: Places in the flattened batch whose vectors go into a token's, shape (links,).
        tokens: The token of each link, shape (links,).
    """

    ids: Ints
    mask: Ints
    linked: Ints
    tokens: Ints


def pad_windows(tokenizer: "PreTrainedTokenizerBase", windows: Sequence[Window]) -> PaddedWindows:
    """Put windows between the tokenizer's special pieces and pad them to the longest.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        windows: At least one window.
    """
    probe = tokenizer("a", return_special_tokens_mask=True)
    inside = np.flatnonzero(np.array(probe["special_tokens_mask"]) == 0)
    before, after = probe["input_ids"][: inside[0]], probe["input_ids"][inside[-1] + 1 :]
    rows = [np.concatenate((before, window.ids, after)) for window in windows]
    width = max(map(len, rows))
    ids = np.full((len(rows), width), tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    linked = [window.linked + i * width + len(before) for i, window in enumerate(windows)]
    return PaddedWindows(ids, mask, np.concatenate(linked), np.concatenate([window.tokens for window in windows]))
