"""Documents on disk: folders of DocBin shards that plain spaCy tools read too, and their rows as columns."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from srsly.msgpack import Packer, unpackb

from ner11.errors import Ner11Error
from ner11.files import replaced_dir
from ner11.pipeline.scoring import AMBIGUOUS

SHARD_SIZE = 5000
ATTRIBUTES = ["ENT_IOB", "ENT_TYPE"]
_COLUMNS = DocBin(attrs=ATTRIBUTES).attrs  # spaCy puts ORTH before them
_FLAGS = {"has_unknown_spaces": False}
# Rows are written twice on their way through convert and merge, and read a few times: a faster level of compression pays.
_COMPRESSION = 1

# srsly looks for extensions among all installed packages whenever it makes a packer: longer than everything else that is
# done to a document. One packer serves them all.
_packer = Packer(use_bin_type=True)


def shard_path(folder: Path, number: int) -> Path:
    """Give the path of a shard: `0000.spacy`, `0001.spacy`, ..."""
    return folder / f"{number:04}.spacy"


def pack(data: dict[str, Any]) -> bytes:
    """Serialize user data as a DocBin does."""
    return bytes(_packer.pack(data))


def unpack(data: bytes) -> dict[Any, Any]:
    """Restore what `pack` serialized."""
    # With a hook of its own srsly looks for no extensions; corpus files need none.
    return dict(unpackb(data, raw=False, use_list=False, object_pairs_hook=dict))


_SPAN = struct.Struct(">QQQllll")


def pack_spans(spans: Iterable[tuple[int, int, int, int, str]]) -> bytes:
    """Serialize ambiguous and unknown spans as `Doc.spans` does, without building a document.

    Args:
        spans: First token, one past the last, first character, one past the last, and label of each.
    """
    packed = [_SPAN.pack(0, 0, get_string_id(label), first, last, start, end) for first, last, start, end, label in spans]
    if not packed:
        return b""
    return bytes(_packer.pack({_packer.pack({"name": AMBIGUOUS, "attrs": {}, "spans": packed}): [AMBIGUOUS]}))


def span_labels(spans: bytes) -> list[int]:
    """Give the hashes of the labels of packed spans."""
    return [_SPAN.unpack(span)[2] for group in (unpack(spans) if spans else ()) for span in unpack(group)["spans"]]


def _damaged(path: Path, error: Exception) -> Ner11Error:
    return Ner11Error(f"damaged corpus file ({type(error).__name__})", where=path, fix="Run convert and merge again")


@dataclass
class Rows:
    """Documents as the columns of a DocBin file: moved by the thousand without building `Doc` objects.

    Attributes:
        lengths: Tokens of each document: (documents,), int32.
        tokens: ORTH, ENT_IOB and ENT_TYPE of all tokens, document after document: (tokens, 3), uint64.
        spaces: Whether a blank follows each token: (tokens,), bool.
        spans: Span groups of each document, as `Doc.spans.to_bytes` gives them; empty if there are none.
        user_data: User data of each document in msgpack.
        strings: Words and labels.
    """

    lengths: np.ndarray
    tokens: np.ndarray
    spaces: np.ndarray
    spans: list[bytes]
    user_data: list[bytes]
    strings: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def _begins(self) -> np.ndarray:
        begins: np.ndarray = np.cumsum(self.lengths) - self.lengths
        return begins

    def take(self, rows: np.ndarray) -> "Rows":
        """Give some documents, in the order of their positions; the strings stay all."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        begins = self._begins[rows]
        picked = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - lengths), lengths)
        positions = rows.tolist()
        spans, user_data = [self.spans[i] for i in positions], [self.user_data[i] for i in positions]
        return Rows(lengths, self.tokens[picked], self.spaces[picked], spans, user_data, self.strings)

    @classmethod
    def join(cls, parts: Sequence["Rows"]) -> "Rows":
        """Put documents after one another; there must be at least one part."""
        return cls(
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.spaces for part in parts]),
            [spans for part in parts for spans in part.spans],
            [data for part in parts for data in part.user_data],
            set().union(*(part.strings for part in parts)),
        )

    def write(self, path: Path) -> None:
        """Write a DocBin file. Raises OSError if the disk is full or the folder cannot be written."""
        content = {
            "version": "0.1",
            "attrs": _COLUMNS,
            "tokens": self.tokens.tobytes(),
            "spaces": self.spaces.tobytes(),
            "lengths": self.lengths.astype(np.int32).tobytes(),
            "strings": sorted(self.strings),
            "cats": [{}] * len(self),
            "flags": [_FLAGS] * len(self),
            "span_groups": self.spans,
            "user_data": self.user_data,
        }
        path.write_bytes(zlib.compress(_packer.pack(content), _COMPRESSION))

    @classmethod
    def read(cls, path: Path) -> "Rows":
        """Read a DocBin file that `write` wrote.

        Raises:
            Ner11Error: If the file is damaged.
        """
        try:
            found = unpack(zlib.decompress(path.read_bytes()))
            return cls(
                np.frombuffer(found["lengths"], dtype=np.int32),
                np.frombuffer(found["tokens"], dtype=np.uint64).reshape(-1, len(_COLUMNS)),
                np.frombuffer(found["spaces"], dtype=bool),
                list(found["span_groups"]),
                list(found["user_data"]),
                set(found["strings"]),
            )
        except Exception as e:
            # zlib, msgpack and numpy each raise their own kind for a damaged file.
            raise _damaged(path, e) from e

    def to_doc(self, row: int, vocab: Vocab) -> Doc:
        """Build one document; the vocabulary must know its strings."""
        one = self.take(np.array([row]))
        bin_ = DocBin(attrs=ATTRIBUTES)
        bin_.tokens, bin_.spaces = [one.tokens], [one.spaces.reshape(-1, 1)]
        bin_.flags, bin_.cats, bin_.span_groups = [_FLAGS], [{}], one.spans
        doc: Doc = next(bin_.get_docs(vocab))
        doc.user_data.update(unpack(one.user_data[0]))
        return doc


def list_shards(folder: Path) -> list[Path]:
    """List the shards of a folder in order."""
    return sorted(folder.glob("*.spacy"), key=lambda path: (len(path.name), path.name))


def read_shard(path: Path, vocab: Vocab) -> list[Doc]:
    """Read the documents of one shard.

    Raises:
        Ner11Error: If the file is damaged.
    """
    try:
        bin_ = DocBin().from_disk(path)
        packed, bin_.user_data = bin_.user_data, []
        docs = list(bin_.get_docs(vocab))
        for doc, user_data in zip(docs, packed, strict=False):
            doc.user_data.update(unpack(user_data or b""))
        return docs
    except Exception as e:
        # zlib, msgpack and spaCy each raise their own kind for a damaged file.
        raise _damaged(path, e) from e


def read_docs(folder: Path, vocab: Vocab) -> Iterator[Doc]:
    """Stream the documents of all shards of a folder in order."""
    for path in list_shards(folder):
        yield from read_shard(path, vocab)


def write_docs(docs: Sequence[Doc], folder: Path) -> None:
    """Write documents as a folder of shards, whole or not at all."""
    with replaced_dir(folder) as out:
        for number, start in enumerate(range(0, len(docs), SHARD_SIZE)):
            shard = DocBin(attrs=ATTRIBUTES, docs=docs[start : start + SHARD_SIZE], store_user_data=True)
            shard.to_disk(shard_path(out, number))
