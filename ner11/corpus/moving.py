"""Moving documents from the shards of converted data sets to those of the merged corpus.

Each old shard is cut into pieces, one for each new shard that takes rows of it; each new shard is put together from its
pieces. Both are done by all cores, and no process holds more than one shard.
"""

import pickle
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.vocab import Vocab

from ner11.corpus.docs import tag, to_rows
from ner11.corpus.index import read_index
from ner11.corpus.intersect import intersect
from ner11.corpus.shards import SHARD_SIZE, Rows, shard_path, span_labels
from ner11.corpus.workers import count_workers, start_worker
from ner11.errors import Ner11Error
from ner11.files import clear
from ner11.ledger import Ledger

_PIECES = ".pieces"
_BEGIN = 3  # spaCy's code of ENT_IOB


@dataclass
class Move:
    """What goes from one old shard to new ones.

    Attributes:
        shard: The old shard.
        source: Name of the data set.
        document: Numbers of the documents: (documents,).
        row: Where they stand in the old shard: (documents,).
        place: Where they stand in the new split: (documents,).
        lesser: Whether they are merged into the document that stands there: (documents,).
    """

    shard: Path
    source: str
    document: np.ndarray
    row: np.ndarray
    place: np.ndarray
    lesser: np.ndarray


@dataclass
class Moved:
    """What a new split holds.

    Attributes:
        texts: Texts by source.
        spans: Spans by source and label.
        conflicts: Places where two annotations of one text contradict each other, with the number of the lesser document.
    """

    texts: Counter[str] = field(default_factory=Counter)
    spans: Counter[tuple[str, str]] = field(default_factory=Counter)
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def update(self, other: "Moved") -> None:
        """Add what another new shard holds."""
        self.texts.update(other.texts)
        self.spans.update(other.spans)
        self.conflicts.extend(other.conflicts)


@dataclass
class _Piece:
    source: str
    document: np.ndarray
    place: np.ndarray
    lesser: np.ndarray
    rows: Rows
    labels: set[str]


def move(moves: dict[str, list[Move]], sizes: dict[str, int], out: Path) -> dict[str, Moved]:
    """Write new splits.

    Args:
        moves: For each split what goes into it.
        sizes: Documents of each new split.
        out: Folder to make `<split>/` in.

    Returns:
        What each split holds.

    Raises:
        Ner11Error: If a shard or its index is damaged.
    """
    pieces = out / _PIECES
    pieces.mkdir(parents=True)
    with ProcessPoolExecutor(count_workers(), initializer=start_worker) as pool:
        scattered = [
            pool.submit(_scatter, one, pieces / f"{split}-{number}") for split in moves for number, one in enumerate(moves[split])
        ]
        for done in scattered:
            done.result()
        gathered = []
        for split, size in sizes.items():
            (out / split).mkdir()
            files = [pieces / f"{split}-{number}" for number in range(len(moves[split]))]
            for number in range(-(-size // SHARD_SIZE)):
                future = pool.submit(_gather, files, number, split, shard_path(out / split, number))
                gathered.append((split, future))
        moved = {split: Moved() for split in sizes}
        for split, future in gathered:
            moved[split].update(future.result())
    clear(pieces)
    return moved


def _scatter(one: Move, file: Path) -> None:
    """Cut an old shard into pieces: `file` holds them, `file` with ".offsets" where each begins."""
    rows = Rows.read(one.shard)
    keys, group_labels = read_index(one.shard, "keys", "group_labels")
    if len(keys) != len(rows):
        raise Ner11Error(f"{len(rows)} texts, {len(keys)} in its index", where=one.shard, fix="Run convert again")
    names = {get_string_id(string): string for string in rows.strings}
    labels = {*group_labels.tolist(), *(names[label] for label in np.unique(rows.tokens[:, 2]).tolist() if label)}
    order = np.argsort(one.place, kind="stable")
    place, target = one.place[order], one.place[order] // SHARD_SIZE
    ordered = rows.take(one.row[order])
    unique, word = np.unique(ordered.tokens[:, 0], return_inverse=True)
    words = np.array([names[hash_] for hash_ in unique.tolist()], dtype=object)
    ends = np.concatenate([[0], np.cumsum(ordered.lengths)])
    bounds = [0, *(np.flatnonzero(np.diff(target)) + 1).tolist(), len(order)]
    offsets = {}
    with file.open("wb") as opened:
        for begin, end in pairwise(bounds) if len(order) else ():
            part = ordered.take(np.arange(begin, end))
            part.strings = {*words[np.unique(word[ends[begin] : ends[end]])].tolist(), *labels}
            chosen = order[begin:end]
            piece = _Piece(one.source, one.document[chosen], place[begin:end] % SHARD_SIZE, one.lesser[chosen], part, labels)
            offsets[int(target[begin])] = opened.tell()
            pickle.dump(piece, opened, protocol=5)
    file.with_suffix(".offsets").write_bytes(pickle.dumps(offsets))


def _read_pieces(files: Sequence[Path], number: int) -> list[_Piece]:
    pieces = []
    for file in files:
        offsets = pickle.loads(file.with_suffix(".offsets").read_bytes())
        if number in offsets:
            with file.open("rb") as opened:
                opened.seek(offsets[number])
                pieces.append(pickle.load(opened))
    return pieces


def _gather(files: Sequence[Path], number: int, split: str, path: Path) -> Moved:
    """Put the pieces of a new shard together and write it."""
    pieces = _read_pieces(files, number)
    result = Moved()
    rows = Rows.join([piece.rows for piece in pieces])
    place = np.concatenate([piece.place for piece in pieces])
    lesser = np.concatenate([piece.lesser for piece in pieces])
    source = np.repeat(np.arange(len(pieces)), [len(piece.rows) for piece in pieces])
    found: dict[int, Rows] = {}
    if lesser.any():
        document = np.concatenate([piece.document for piece in pieces])
        found = _merge_rows(rows, place, lesser, document, split, result)
        rows, place = Rows.join([rows, *found.values()]), np.concatenate([place, np.fromiter(found, dtype=np.int64)])
        better = np.array([np.flatnonzero((place[: len(lesser)] == at) & ~lesser)[0] for at in found])
        source = np.concatenate([source, source[better]])
        gone = np.concatenate([lesser, np.zeros(len(found), dtype=bool)])
        gone[better] = True
    else:
        gone = lesser
    stays = np.flatnonzero(~gone)
    order = stays[np.argsort(place[stays])]
    rows = rows.take(order)
    labels = set().union(*(piece.labels for piece in pieces), *(new.strings for new in found.values()))
    _count(rows, labels, [piece.source for piece in pieces], source[order], result)
    rows.write(path)
    return result


def _merge_rows(
    rows: Rows, place: np.ndarray, lesser: np.ndarray, document: np.ndarray, split: str, result: Moved
) -> dict[int, Rows]:
    """Intersect the annotation of each lesser document with that of the one at its place; give the new rows by place."""
    vocab = Vocab(strings=sorted(rows.strings))
    better_row = {int(place[i]): i for i in np.flatnonzero(~lesser & np.isin(place, place[lesser])).tolist()}
    merged: dict[int, Rows] = {}
    for i in sorted(np.flatnonzero(lesser).tolist(), key=lambda i: (place[i], document[i])):
        at = int(place[i])
        better = merged[at].to_doc(0, vocab) if at in merged else rows.to_doc(better_row[at], vocab)
        other = rows.to_doc(i, vocab)
        found = intersect(better, other)
        made = tag(better, found.text, split=split, ledger=Ledger())
        merged[at] = to_rows([made])
        result.conflicts.extend(
            {
                "document": int(document[i]),
                "first": one.first,
                "last": one.last,
                "split": split,
                "text": other.text,
                "surface": one.surface,
                "kept": one.kept,
                "kept_from": better.user_data["source"],
                "lost": one.lost,
                "lost_from": other.user_data["source"],
            }
            for one in found.conflicts
        )
    return merged


def _count(rows: Rows, labels: set[str], sources: list[str], source: np.ndarray, result: Moved) -> None:
    names = {get_string_id(label): label for label in labels}
    for i, count in zip(*np.unique(source, return_counts=True), strict=True):
        result.texts[sources[i]] += int(count)
    begins = np.flatnonzero(rows.tokens[:, 1] == _BEGIN)
    owners = np.repeat(source, rows.lengths)[begins]
    for i in np.unique(owners):
        found, counts = np.unique(rows.tokens[begins[owners == i], 2], return_counts=True)
        for label, count in zip(found.tolist(), counts.tolist(), strict=True):
            result.spans[sources[i], names[label]] += count
    for i, spans in enumerate(rows.spans):
        for label in span_labels(spans) if spans else ():
            result.spans[sources[source[i]], names[label]] += 1
