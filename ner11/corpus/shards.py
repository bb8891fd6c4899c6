"""Documents on disk: folders of DocBin shards that plain spaCy tools read too."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ner11.errors import Ner11Error

SHARD_SIZE = 5000
_ATTRIBUTES = ["ENT_IOB", "ENT_TYPE", "SPACY"]


def write_shards(docs: Iterable[Doc], folder: Path) -> int:
    """Write documents as `0000.spacy`, `0001.spacy`, ... of at most 5,000 documents each.

    Args:
        docs: Documents, consumed as a stream.
        folder: Folder to make; empty if there are no documents.

    Returns:
        The number of documents.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    bin_ = DocBin(attrs=_ATTRIBUTES, store_user_data=True)
    for doc in docs:
        bin_.add(doc)
        count += 1
        if len(bin_) == SHARD_SIZE:
            bin_.to_disk(folder / f"{(count - 1) // SHARD_SIZE:04}.spacy")
            bin_ = DocBin(attrs=_ATTRIBUTES, store_user_data=True)
    if len(bin_):
        bin_.to_disk(folder / f"{(count - 1) // SHARD_SIZE:04}.spacy")
    return count


def list_shards(folder: Path) -> list[Path]:
    """List the shards of a folder in order."""
    return sorted(folder.glob("*.spacy"))


def read_shard(path: Path, vocab: Vocab) -> list[Doc]:
    """Read the documents of one shard.

    Raises:
        Ner11Error: If the file is damaged.
    """
    try:
        return list(DocBin().from_disk(path).get_docs(vocab))
    except Exception as e:
        # zlib, msgpack and spaCy each raise their own kind for a damaged file.
        raise Ner11Error(f"damaged corpus file ({type(e).__name__})", where=path, fix="Run convert and merge again") from e


def read_docs(folder: Path, vocab: Vocab) -> Iterator[Doc]:
    """Stream the documents of all shards of a folder in order."""
    for path in list_shards(folder):
        yield from read_shard(path, vocab)
