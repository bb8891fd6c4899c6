"""What merging needs to know of a shard's documents without opening them: kept beside the shard, in a few numbers each."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import rensa
from spacy.strings import hash_string

from ner11.annotation import AnnotatedText
from ner11.corpus.docs import TaggedDoc
from ner11.errors import Ner11Error
from ner11.ledger import SpanKey

PERMUTATIONS, BANDS = 64, 8
MIN_WORDS = 8
"""Texts with fewer words are never near duplicates: one word more or less makes them other texts."""
_ROWS = PERMUTATIONS // BANDS
_SEED = 11
_DIGITS = str.maketrans("123456789", "000000000")
_WORD = re.compile(r"\w+")
_MIX = np.random.default_rng(_SEED).integers(1, 2**63, size=_ROWS, dtype=np.uint64) | np.uint64(1)


def text_key(text: str) -> str:
    """Give the form under which two texts count as the same: case folded, white space left out."""
    return "".join(text.casefold().split())


def shingles(text: str) -> list[str]:
    """Give the words and pairs of words of a text, case folded and with every digit a 0; [] for a short text."""
    words = _WORD.findall(text.casefold().translate(_DIGITS))
    if len(words) < MIN_WORDS:
        return []
    return [*words, *map(" ".join, zip(words, words[1:], strict=False))]


def sign(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sketch texts by MinHash over `shingles`.

    Returns:
        The signatures' lower halves: (texts, 64), uint16; and hashes of their bands: (texts, 8), uint64, 0 for a short text.
    """
    sets = [shingles(text) for text in texts]
    digests = rensa.RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, _SEED).to_rows()
    signatures = np.array(digests, dtype=np.uint32).reshape(len(texts), PERMUTATIONS)
    banded = signatures.reshape(len(texts), BANDS, _ROWS).astype(np.uint64)
    bands = (banded * _MIX).sum(axis=2, dtype=np.uint64) ^ np.arange(BANDS, dtype=np.uint64)
    bands[[not one for one in sets]] = 0
    return signatures.astype(np.uint16), bands


@dataclass
class Index:
    """Columns over the documents of a shard, and over their spans.

    Attributes:
        keys: Hash of `text_key`: (documents,), uint64.
        signatures: See `sign`.
        bands: See `sign`.
        lines: Line in the file where the text begins: (documents,).
        files: Position in `file_names`: (documents,).
        covered: Number of covered labels: (documents,).
        span_docs: Document of each span: (spans,).
        span_keys: Position of its ledger key in `ledger_keys`: (spans,).
        span_places: First and one past the last token: (spans, 2).
        file_names: Files.
        ledger_keys: Ledger keys: (keys, 5).
    """

    keys: np.ndarray
    signatures: np.ndarray
    bands: np.ndarray
    lines: np.ndarray
    files: np.ndarray
    covered: np.ndarray
    span_docs: np.ndarray
    span_keys: np.ndarray
    span_places: np.ndarray
    file_names: np.ndarray
    ledger_keys: np.ndarray

    def write(self, path: Path) -> None:
        """Write the index as `.npz`."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Read an index.

        Raises:
            Ner11Error: If the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as columns:
                return cls(**{field.name: columns[field.name] for field in fields(cls)})
        except Exception as e:
            # numpy and zipfile each raise their own kind for a damaged file.
            raise Ner11Error(f"damaged index ({type(e).__name__})", where=path, fix="Run convert again") from e


def index_path(shard: Path) -> Path:
    """Give the path of the index that belongs to a shard."""
    return shard.with_suffix(".npz")


def _number(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names))


def build_index(docs: list[TaggedDoc]) -> Index:
    """Index the documents of a shard."""
    texts: list[AnnotatedText] = [doc.text for doc in docs]
    signatures, bands = sign([text.text for text in texts])
    files: dict[str, int] = {}
    numbers: dict[SpanKey, int] = {}
    spans = [(i, numbers.setdefault(key, len(numbers)), first, last) for i, doc in enumerate(docs) for key, first, last in doc.spans]
    table = np.array(spans, dtype=np.int32).reshape(len(spans), 4)
    return Index(
        keys=np.array([hash_string(text_key(text.text)) for text in texts], dtype=np.uint64),
        signatures=signatures,
        bands=bands,
        lines=np.array([text.line for text in texts], dtype=np.int32),
        files=np.array([_number(files, text.where) for text in texts], dtype=np.int32),
        covered=np.array([len(text.coverage) for text in texts], dtype=np.int32),
        span_docs=table[:, 0],
        span_keys=table[:, 1],
        span_places=table[:, 2:],
        file_names=np.array(list(files), dtype=np.str_),
        ledger_keys=np.array(list(numbers), dtype=np.str_).reshape(len(numbers), 5),
    )
