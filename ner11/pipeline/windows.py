"""Windows over a document, counted in word pieces.

Hashes, URLs and base64 have dozens of pieces a token: windows counted in tokens are cut off at the encoder's limit
without a word, and pad their neighbors to it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IDX
from spacy.tokens import Doc, Span

if TYPE_CHECKING:
    from spacy_transformers.layers import TransformerModel
    from transformers import PreTrainedTokenizerBase


def piece_counts(tokenizer: "PreTrainedTokenizerBase", docs: Sequence[Doc]) -> list[NDArray[np.int64]]:
    """Count the word pieces of every token, special pieces left out.

    Args:
        tokenizer: A fast Hugging Face tokenizer (slow ones give no offsets).
        docs: Tokenized documents.

    Returns:
        One array of shape (tokens,) a document. A piece counts for the token that it starts in.
    """
    if not docs:
        return []
    encoded = tokenizer([doc.text for doc in docs], add_special_tokens=False, return_attention_mask=False, verbose=False)
    counts = []
    for doc, encoding in zip(docs, encoded.encodings, strict=True):
        starts = np.fromiter((start for start, _ in encoding.offsets), dtype=np.int64, count=len(encoding))
        owners = np.searchsorted(doc.to_array(IDX).astype(np.int64), starts, side="right") - 1
        counts.append(np.bincount(owners.clip(0), minlength=len(doc))[: len(doc)])
    return counts


def cut_windows(counts: NDArray[np.int64], *, max_pieces: int, overlap: int) -> list[tuple[int, int]]:
    """Cut a document into overlapping windows that never cut a token.

    Args:
        counts: Word pieces of every token, shape (tokens,).
        max_pieces: Most pieces in a window; only a token that is longer by itself makes a longer one.
        overlap: Most pieces that a window shares with the one before it.

    Returns:
        Token ranges (start, end) that together cover the document; none for an empty document.
    """
    total = np.concatenate(([0], np.cumsum(counts)))

    def fit(start: int) -> int:
        end = int(np.searchsorted(total, total[start] + max_pieces, side="right")) - 1
        return max(end, start + 1)

    windows: list[tuple[int, int]] = []
    start, size = 0, len(counts)
    while start < size:
        end = fit(start)
        windows.append((start, end))
        if end >= size:
            break
        back = int(np.searchsorted(total, total[end] - overlap, side="left"))
        # An overlap that leaves no room for the next token would repeat the window without moving on.
        start = back if start < back < end and fit(back) > end else end
    return windows


class PieceWindows:
    """A span getter that asks the model's own tokenizer how many pieces a token has.

    Args:
        model: The transformer model that holds the tokenizer once it is initialized or loaded.
        max_pieces: As in `cut_windows`.
        overlap: As in `cut_windows`.
    """

    def __init__(self, model: "TransformerModel", *, max_pieces: int, overlap: int) -> None:
        self.model, self.max_pieces, self.overlap = model, max_pieces, overlap

    def __call__(self, docs: Iterable[Doc]) -> list[list[Span]]:
        docs = list(docs)
        return [
            [doc[start:end] for start, end in cut_windows(counts, max_pieces=self.max_pieces, overlap=self.overlap)]
            for doc, counts in zip(docs, piece_counts(self.model.tokenizer, docs), strict=True)
        ]
