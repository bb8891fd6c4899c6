"""What merging needs to know of a shard's documents without opening them: kept beside the shard, in a few numbers each."""

import json
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import rensa
from spacy.strings import StringStore, get_string_id

from ner11.corpus.docs import TaggedDoc
from ner11.corpus.shards import Rows
from ner11.datasets import TIERS
from ner11.errors import Ner11Error
from ner11.ledger import SpanKey

PERMUTATIONS, BANDS = 64, 8
MIN_WORDS = 8
"""Texts with fewer words are never near duplicates: one word more or less makes them other texts."""
_ROWS = PERMUTATIONS // BANDS
_SEED = 11
_AT_ONCE = 32  # for many or large sets rensa starts threads, for which a process forked later waits in vain
_DIGITS = str.maketrans("123456789", "000000000")
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")
_MIX_ALL = np.random.default_rng(_SEED).integers(1, 2**63, size=PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
_MIX = _MIX_ALL[:_ROWS]


def text_key(text: str) -> str:
    """Give the form under which two texts count as the same: case folded, white space left out."""
    return "".join(text.casefold().split())


def is_sentence(text: str) -> bool:
    """Tell whether a text has the eight words that it takes to know it by."""
    return len(_WORD.findall(text)) >= MIN_WORDS


def sentence_keys(text: str) -> list[str]:
    """Give the `text_key` of each sentence of eight words or more, if the text has several sentences."""
    sentences = _SENTENCE_END.split(text)
    if len(sentences) == 1:
        return []
    return [text_key(sentence) for sentence in sentences if is_sentence(sentence)]


def normal_word(token: str) -> str:
    """Give what counts of a token for near duplicates: letters and digits, case folded, every digit a 0."""
    return "".join(_WORD.findall(token.casefold().translate(_DIGITS)))


@lru_cache(100_000)
def _hash_word(token: str) -> int:
    word = normal_word(token)
    return int(get_string_id(word)) if word else 0


def _min_hash(items: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Give the MinHash signatures of sets that stand one after the other: (sets, 64), uint32."""
    digests: list[list[int]] = []
    for first in range(0, len(offsets) - 1, _AT_ONCE):
        part = offsets[first : first + _AT_ONCE + 1]
        within = items[int(part[0]) : int(part[-1])]
        digests += rensa.RMinHash.digest_matrix_from_flat_token_hashes(within, part - part[0], PERMUTATIONS, _SEED).to_rows()
    return np.array(digests, dtype=np.uint32).reshape(len(offsets) - 1, PERMUTATIONS)


def sign(tokens: np.ndarray, lengths: np.ndarray, strings: StringStore) -> tuple[np.ndarray, np.ndarray]:
    """Sketch texts by MinHash over their words (`normal_word`) and pairs of neighboring words.

    Args:
        tokens: ORTH of all tokens, text after text: (tokens,), uint64.
        lengths: Tokens of each text: (texts,).
        strings: Knows the tokens.

    Returns:
        The signatures' lower halves: (texts, 64), uint16; and hashes of their 8 bands and of the whole: (texts, 9), uint64,
        0 for a text of fewer than eight words.
    """
    unique, inverse = np.unique(tokens, return_inverse=True)
    words = np.array([_hash_word(strings[hash_]) for hash_ in unique.tolist()], dtype=np.uint64)[inverse]
    owners = np.repeat(np.arange(len(lengths)), lengths)[words != 0]
    words = words[words != 0]
    counts = np.bincount(owners, minlength=len(lengths))
    long = counts >= MIN_WORDS
    neighbors = owners[:-1] == owners[1:]
    pairs = (words[:-1] * _MIX[0] ^ words[1:] * _MIX[1])[neighbors]
    items, owners = np.concatenate([words, pairs]), np.concatenate([owners, owners[:-1][neighbors]])
    order = np.argsort(owners, kind="stable")
    order = order[long[owners[order]]]
    offsets = np.concatenate([[0], np.cumsum(2 * counts[long] - 1)]).astype(np.uint64)
    signatures = np.zeros((len(lengths), PERMUTATIONS), dtype=np.uint32)
    signatures[long] = _min_hash(items[order], offsets)
    banded = signatures.reshape(len(lengths), BANDS, _ROWS).astype(np.uint64)
    bands = (banded * _MIX).sum(axis=2, dtype=np.uint64) ^ np.arange(BANDS, dtype=np.uint64)
    # Texts that differ in digits only have equal signatures, however many share a single band.
    bands = np.column_stack([bands, (banded.reshape(len(lengths), PERMUTATIONS) * _MIX_ALL).sum(axis=1, dtype=np.uint64)])
    bands[~long] = 0
    return signatures.astype(np.uint16), bands


_TIER_RANKS = 10_000
SILVER_RANK = (len(TIERS) - 2) * _TIER_RANKS
"""Ranks above are of silver texts."""


def index_path(shard: Path) -> Path:
    """Give the path of the index that belongs to a shard."""
    return shard.with_suffix(".npz")


def read_index(shard: Path, *names: str) -> list[np.ndarray]:
    """Read columns of the index of a shard.

    Raises:
        Ner11Error: If the index is missing or damaged.
    """
    path = index_path(shard)
    try:
        with np.load(path, allow_pickle=False) as columns:
            return [columns[name] for name in names]
    except Exception as e:
        # numpy and zipfile each raise their own kind for a damaged file.
        raise Ner11Error(f"damaged index ({type(e).__name__})", where=path, fix="Run convert again") from e


def write_index(docs: list[TaggedDoc], rows: Rows, shard: Path) -> None:
    """Write the index of a shard's documents, also given as rows, beside it. Raises OSError if the disk is full.

    Over documents: hash of `text_key`; signature and bands of `sign`; rank (the lower, the more its annotation says); whether
    it is a sentence to know a document by; line and number of the file. Over sentences of texts that have several: document
    and hash of `text_key`. Over spans: document, number of the ledger key, first and one past the last token. Beside them
    the files, the ledger keys (as JSON: an array would give each the room of the longest) and the labels in span groups.
    """
    texts = [doc.text for doc in docs]
    signatures, bands = sign(rows.tokens[:, 0], rows.lengths, docs[0].vocab.strings)
    files: dict[str, int] = {}
    keys: dict[SpanKey, int] = {}
    spans = [(i, keys.setdefault(key, len(keys)), first, last) for i, doc in enumerate(docs) for key, first, last in doc.spans]
    parts = [(i, get_string_id(key)) for i, text in enumerate(texts) for key in sentence_keys(text.text)]
    table = np.array(spans, dtype=np.int32).reshape(len(spans), 4)
    np.savez(
        index_path(shard),
        keys=np.array([get_string_id(text_key(text.text)) for text in texts], dtype=np.uint64),
        signatures=signatures,
        bands=bands,
        ranks=np.array([TIERS.index(text.tier) * _TIER_RANKS - len(text.coverage) for text in texts], dtype=np.int32),
        sentences=np.array([is_sentence(text.text) for text in texts], dtype=bool),
        lines=np.array([text.line for text in texts], dtype=np.int32),
        files=np.array([files.setdefault(text.where, len(files)) for text in texts], dtype=np.int32),
        part_docs=np.array([document for document, _ in parts], dtype=np.int32),
        part_keys=np.array([key for _, key in parts], dtype=np.uint64),
        span_docs=table[:, 0],
        span_keys=table[:, 1],
        span_places=table[:, 2:],
        file_names=np.array(list(files), dtype=np.str_),
        ledger_keys=np.frombuffer(json.dumps(list(keys)).encode(), dtype=np.uint8),
        group_labels=np.array(sorted({span[-1] for doc in docs for span in doc.unclear}), dtype=np.str_),
    )
