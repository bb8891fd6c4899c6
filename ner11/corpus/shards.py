"""Documents on disk: folders of DocBin shards that plain spaCy tools read too."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from spacy.strings import StringStore, get_string_id
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from srsly.msgpack import Packer, unpackb

from ner11.errors import Ner11Error
from ner11.pipeline.scoring import AMBIGUOUS

SHARD_SIZE = 5000
ATTRIBUTES = ["ENT_IOB", "ENT_TYPE"]

# srsly looks for extensions among all installed packages whenever it makes a packer: longer than everything else that is
# done to a document. One packer serves them all.
_packer = Packer(use_bin_type=True)


def shard_path(folder: Path, number: int) -> Path:
    """Give the path of a shard: `0000.spacy`, `0001.spacy`, ..."""
    return folder / f"{number:04}.spacy"


class Shard:
    """Documents of one DocBin file, as rows that can be moved without building `Doc` objects.

    Args:
        bin_: An opened file; empty for a shard to be filled.
    """

    def __init__(self, bin_: DocBin | None = None) -> None:
        self.bin = bin_ or DocBin(attrs=ATTRIBUTES, store_user_data=True)

    def __len__(self) -> int:
        return len(self.bin)

    def add(self, array: np.ndarray, spaces: np.ndarray, spans: bytes, user_data: bytes) -> None:
        """Add a document.

        Args:
            array: ORTH, ENT_IOB and ENT_TYPE of every token: (tokens, 3), uint64.
            spaces: Whether a blank follows each token: (tokens, 1), bool.
            spans: Span groups, as `Doc.spans.to_bytes` gives them; empty if there are none.
            user_data: The document's user data in msgpack.
        """
        self.bin.tokens.append(array)
        self.bin.spaces.append(spaces)
        self.bin.flags.append({"has_unknown_spaces": False})
        self.bin.cats.append({})
        self.bin.span_groups.append(spans)
        self.bin.user_data.append(user_data)

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray, bytes, bytes]:
        """Give what `add` takes of document `i`."""
        return self.bin.tokens[i], self.bin.spaces[i], self.bin.span_groups[i], self.bin.user_data[i]

    def add_strings(self, strings: StringStore, labels: Iterable[str] = ()) -> None:
        """Put the words and labels of all documents into the shard, looked up by their hashes.

        Args:
            strings: Knows them all.
            labels: Labels that stand in span groups only.
        """
        hashes = np.unique(np.concatenate([array[:, [0, 2]] for array in self.bin.tokens])) if self.bin.tokens else []
        self.bin.strings.update(strings[int(hash_)] for hash_ in hashes if hash_)
        self.bin.strings.update(labels)

    def write(self, path: Path) -> None:
        """Write the file. Raises OSError if the disk is full or the folder cannot be written."""
        path.write_bytes(self.bin.to_bytes())


def pack(data: dict[str, Any]) -> bytes:
    """Serialize user data as a DocBin does."""
    return bytes(_packer.pack(data))


def unpack(data: bytes) -> dict[Any, Any]:
    """Restore what `pack` serialized."""
    # With a hook of its own srsly looks for no extensions; user data needs none.
    return unpackb(data, raw=False, use_list=False, object_pairs_hook=dict)  # type: ignore[no-any-return]


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


def write_shards(docs: Iterable[Doc], folder: Path) -> int:
    """Write documents as shards of at most 5,000 each, consumed as a stream.

    Returns:
        The number of documents.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    bin_ = DocBin(attrs=ATTRIBUTES, store_user_data=True)
    for doc in docs:
        bin_.add(doc)
        count += 1
        if len(bin_) == SHARD_SIZE:
            bin_.to_disk(shard_path(folder, count // SHARD_SIZE - 1))
            bin_ = DocBin(attrs=ATTRIBUTES, store_user_data=True)
    if len(bin_):
        bin_.to_disk(shard_path(folder, count // SHARD_SIZE))
    return count


def list_shards(folder: Path) -> list[Path]:
    """List the shards of a folder in order."""
    return sorted(folder.glob("*.spacy"), key=lambda path: (len(path.name), path.name))


def open_shard(path: Path) -> DocBin:
    """Open a shard.

    Raises:
        Ner11Error: If the file is damaged.
    """
    try:
        return DocBin().from_disk(path)
    except Exception as e:
        # zlib, msgpack and spaCy each raise their own kind for a damaged file.
        raise Ner11Error(f"damaged corpus file ({type(e).__name__})", where=path, fix="Run convert and merge again") from e


def read_shard(path: Path, vocab: Vocab) -> list[Doc]:
    """Read the documents of one shard.

    Raises:
        Ner11Error: If the file is damaged.
    """
    bin_ = open_shard(path)
    try:
        packed, bin_.user_data = bin_.user_data, []
        docs = list(bin_.get_docs(vocab))
        for doc, user_data in zip(docs, packed, strict=False):
            doc.user_data.update(unpack(user_data))
        return docs
    except Exception as e:
        raise Ner11Error(f"damaged corpus file ({type(e).__name__})", where=path, fix="Run convert and merge again") from e


def read_docs(folder: Path, vocab: Vocab) -> Iterator[Doc]:
    """Stream the documents of all shards of a folder in order."""
    for path in list_shards(folder):
        yield from read_shard(path, vocab)
