"""Windows over word pieces, and batches of them.

Hashes, URLs and base64 have dozens of pieces a token: windows counted in tokens are cut off at the encoder's limit
without a word, and pad their neighbors to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from tokenizers import Tokenizer

from .pieces import Encode, Ints, Pieces, split_pieces, split_tokens, spread

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Specials:
    """What an encoder reads besides the pieces of a text.

    Attributes:
        before: Ids in front of a window.
        after: Ids at its end.
        pad: Id that fills a window up to the length of the longest.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


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


def make_windows(pieces: Pieces, *, max_pieces: int, overlap: int) -> Ints:
    """Cut documents into windows; the arguments are those of `cut_windows`.

    Returns:
        First piece and one past the last of each window, shape (windows, 2).
    """
    ends = np.cumsum(pieces.sizes)
    whole = np.stack((ends - pieces.sizes, ends), axis=1)
    windows, done = [], 0
    counts = pieces.counts_by_document()
    for i in np.flatnonzero(pieces.sizes > max_pieces):
        cut = cut_windows(counts[i], max_pieces=max_pieces, overlap=overlap)
        windows += [whole[done:i], np.array(cut) + whole[i, 0]]
        done = i + 1
    result = np.concatenate([*windows, whole[done:]])
    return result[result[:, 0] < result[:, 1]]


def stride_windows(sizes: Ints, *, max_pieces: int, overlap: int) -> Ints:
    """Cut documents into windows of one size, wherever that is, as spacy-curated-transformers does.

    Args:
        sizes: Pieces of every document, shape (documents,).
        max_pieces: Pieces of a window; the last ones of a document have fewer.
        overlap: Pieces that a window shares with the one before it.

    Returns:
        First piece and one past the last of each window, shape (windows, 2).
    """
    stride = max_pieces - overlap
    documents, numbers = spread(np.zeros_like(sizes), -(-sizes // stride))
    ends = np.cumsum(sizes)
    starts = (ends - sizes)[documents] + numbers * stride
    return np.stack((starts, np.minimum(starts + max_pieces, ends[documents])), axis=1)


@dataclass(frozen=True)
class PaddedWindows:
    """Windows of one batch, with special pieces.

    Attributes:
        ids: Vocabulary ids, shape (windows, longest).
        mask: 1 for pieces, 0 for padding, same shape.
        linked: Places in the flattened batch whose vectors go into a token's, shape (links,).
        tokens: The token of each link, shape (links,).
        shares: How much of the token each link is, relative to its others, shape (links,).
    """

    ids: Ints
    mask: Ints
    linked: Ints
    tokens: Ints
    shares: Floats


@dataclass(frozen=True)
class Reading:
    """Documents as an encoder reads them.

    Attributes:
        pieces: Their word pieces.
        windows: First piece and one past the last of each window, shape (windows, 2).
        specials: What goes around the windows.
        shares: How much of its token a piece is, each time that a window has it, shape (pieces,); None: all the same.
    """

    pieces: Pieces
    windows: Ints
    specials: Specials
    shares: Floats | None = None

    @property
    def lengths(self) -> list[int]:
        """Pieces of each window, with the special ones."""
        return (self.windows[:, 1] - self.windows[:, 0] + len(self.specials)).tolist()

    def pad(self, group: Sequence[int]) -> PaddedWindows:
        """Put some windows between special pieces and pad them to the longest of them."""
        pieces, (starts, ends) = self.pieces, self.windows[group].T
        sizes, before = ends - starts, len(self.specials.before)
        width = int(sizes.max()) + len(self.specials)
        ids = np.full((len(sizes), width), self.specials.pad, dtype=np.int64)
        ids[:, :before] = self.specials.before
        rows, inside = spread(starts, ends)
        ids[rows, inside - starts[rows] + before] = pieces.ids[inside]
        for place, special in enumerate(self.specials.after, before):
            ids[np.arange(len(sizes)), sizes + place] = special
        mask = (np.arange(width) < (sizes + len(self.specials))[:, None]).astype(np.int64)
        rows, links = spread(*np.searchsorted(pieces.linked, (starts, ends)))
        sources = pieces.linked[links]
        shares = np.ones(len(links), dtype=np.float32) if self.shares is None else self.shares[sources]
        return PaddedWindows(ids, mask, sources - starts[rows] + before + rows * width, pieces.tokens[links], shares)


@dataclass(frozen=True)
class TextReader:
    """Reads documents as `ner11.PieceWindowTransformer` does: texts are split whole, windows end between tokens.

    Args:
        encode: Splits texts.
        specials: What goes around a window.
        max_pieces: As in `cut_windows`.
        overlap: Likewise.
    """

    encode: Encode
    specials: Specials
    max_pieces: int
    overlap: int

    def read(self, docs: Sequence[Doc]) -> Reading:
        """Split documents and cut them into windows."""
        pieces = split_pieces(self.encode, docs)
        windows = make_windows(pieces, max_pieces=self.max_pieces, overlap=self.overlap)
        return Reading(pieces, windows, self.specials)


@dataclass(frozen=True)
class TokenReader:
    """Reads documents as spacy-curated-transformers does: tokens are split each by itself, windows are of one size.

    A piece that is in two windows gets the mean of both before it goes into the mean of its token.

    Args:
        tokenizer: Splits a token together with the space before it.
        specials: What goes around a document.
        max_pieces: As in `stride_windows`.
        overlap: Likewise.
    """

    tokenizer: Tokenizer
    specials: Specials
    max_pieces: int
    overlap: int

    def read(self, docs: Sequence[Doc]) -> Reading:
        """Split documents and cut them into windows."""
        pieces = split_tokens(self.tokenizer, docs, before=self.specials.before, after=self.specials.after)
        windows = stride_windows(pieces.sizes, max_pieces=self.max_pieces, overlap=self.overlap)
        _, inside = spread(*windows.T)
        shares = 1 / np.bincount(inside, minlength=len(pieces.ids))
        return Reading(pieces, windows, Specials((), (), self.specials.pad), shares.astype(np.float32))
