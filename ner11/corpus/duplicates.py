"""Which texts stay: duplicates and leaks between splits, decided on the index of the corpus alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ner11.corpus.index import read_index
from ner11.corpus.shards import list_shards

PROTECTION = ("test", "dev", "train")
SIMILARITY = 0.9
"""Share of equal MinHash values, an estimate of the Jaccard similarity of words and pairs of words, of near duplicates."""


@dataclass
class Documents:
    """Columns over all documents of the converted corpus, in the order of sources, splits and shards.

    Attributes:
        shards: Files.
        sources: Names of the sources.
        shard: Position in `shards`: (documents,).
        row: Place in the shard: (documents,).
        source: Position in `sources`: (documents,).
        split: Position in `PROTECTION`: (documents,).
        rank: The lower, the more the annotation says: (documents,).
        key: Hash of the text, case folded, without white space: (documents,).
        bands: Band hashes of the MinHash signatures: (documents, 8).
    """

    shards: list[Path]
    sources: list[str]
    shard: np.ndarray
    row: np.ndarray
    source: np.ndarray
    split: np.ndarray
    rank: np.ndarray
    key: np.ndarray
    bands: np.ndarray


def list_documents(converted: Sequence[Path]) -> Documents:
    """Read the index of converted data sets, one folder each with a folder of shards a split."""
    shards: list[Path] = []
    columns: list[list[np.ndarray]] = []
    for source, folder in enumerate(converted):
        for split, name in enumerate(PROTECTION):
            for path in list_shards(folder / name):
                keys, ranks, bands = read_index(path, "keys", "ranks", "bands")
                count = len(keys)
                constant = [np.full(count, value, dtype=np.int32) for value in (len(shards), source, split)]
                columns.append([*constant, np.arange(count, dtype=np.int32), ranks, keys, bands])
                shards.append(path)
    shard, source_, split_, row, rank, key, band = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Documents(shards, [folder.name for folder in converted], shard, row, source_, split_, rank, key, band)


@dataclass
class Decisions:
    """What becomes of each document.

    Attributes:
        into: The document that each is merged into or leaves the corpus for: (documents,), -1 for those that stay.
        merged: Whether it is merged rather than removed: (documents,).
        near: Whether it is only nearly the same text: (documents,).
        leaks: Texts of a test set that are in another split: (source of test, source, split) to their numbers, exact ones
            and near ones.
    """

    into: np.ndarray
    merged: np.ndarray
    near: np.ndarray
    leaks: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)


def decide(docs: Documents) -> Decisions:
    """Decide which texts stay.

    Test sets stay whole. A text that occurs in test, exactly or nearly, leaves dev and train; one that occurs in dev leaves
    train. Within train and dev, equal texts are merged into the one whose annotation says most, and a near duplicate of
    a text of another source leaves for it; near duplicates within a source are its own distribution and stay.

    Returns:
        The decisions. The documents that others are merged into or leave for stay themselves.
    """
    count = len(docs.key)
    made = Decisions(np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool))
    order = np.lexsort((np.arange(count), docs.rank, docs.split, docs.key))
    leader, _ = _runs(docs.key[order])
    first = order[leader]
    leaves = (first != order) & (docs.split[order] != 0)
    made.into[order[leaves]] = first[leaves]
    made.merged = (made.into >= 0) & (docs.split == docs.split[made.into])
    pairs = _near_pairs(docs, made.into < 0)
    for later, earlier in pairs:
        if made.into[later] < 0 and made.into[earlier] < 0:
            made.into[later], made.near[later] = earlier, True
    made.leaks = _count_leaks(docs, pairs)
    return made


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For sorted values: where the run of each begins, and whether it is the first of its run."""
    first = np.ones(len(values), dtype=bool)
    first[1:] = values[1:] != values[:-1]
    return np.maximum.accumulate(np.where(first, np.arange(len(values)), 0)), first


def _near_pairs(docs: Documents, stays: np.ndarray) -> list[tuple[int, int]]:
    """Find near duplicates that matter: (the one that may leave, the one it resembles), the best protected ones first.

    Each document is compared with the first of those that share a band with it and with the one before it, so that a
    corpus of a million variants of one sentence takes no longer than another.
    """
    found: set[tuple[int, int]] = set()
    candidates = np.flatnonzero(stays & (docs.bands[:, 0] != 0))
    for band in range(docs.bands.shape[1]):
        hashes = docs.bands[candidates, band]
        order = np.lexsort((candidates, docs.rank[candidates], docs.split[candidates], hashes))
        ordered = candidates[order]
        leader, first = _runs(hashes[order])
        for earlier in (ordered[leader], np.roll(ordered, 1)):
            matters = ~first & (earlier != ordered)
            matters &= (docs.split[ordered] > docs.split[earlier]) | (
                (docs.split[ordered] != 0) & (docs.source[ordered] != docs.source[earlier])
            )
            found.update(zip(ordered[matters].tolist(), earlier[matters].tolist(), strict=True))
    if not found:
        return []
    pairs = np.array(sorted(found), dtype=np.int64)
    wanted, places = np.unique(pairs, return_inverse=True)
    signatures = _read_signatures(docs, wanted)[places.reshape(pairs.shape)]
    similar = (signatures[:, 0] == signatures[:, 1]).mean(axis=1) >= SIMILARITY
    pairs = pairs[similar]
    order = np.lexsort((pairs[:, 1], docs.rank[pairs[:, 1]], docs.split[pairs[:, 1]], docs.rank[pairs[:, 0]], docs.split[pairs[:, 0]]))
    return [(int(later), int(earlier)) for later, earlier in pairs[order]]


def _read_signatures(docs: Documents, wanted: np.ndarray) -> np.ndarray:
    """Read the signatures of some documents, given in ascending order."""
    parts = []
    shards = docs.shard[wanted]
    for shard in np.unique(shards):
        (signatures,) = read_index(docs.shards[shard], "signatures")
        parts.append(signatures[docs.row[wanted[shards == shard]]])
    return np.concatenate(parts)


def _count_leaks(docs: Documents, pairs: list[tuple[int, int]]) -> dict[tuple[str, str, str], tuple[int, int]]:
    counts: dict[tuple[int, int, int], list[int]] = {}
    present = [(s, p) for s in range(len(docs.sources)) for p in (1, 2)]
    keys = {place: docs.key[(docs.source == place[0]) & (docs.split == place[1])] for place in present}
    for source in range(len(docs.sources)):
        test = docs.key[(docs.source == source) & (docs.split == 0)]
        for place in present if len(test) else ():
            same = int(np.isin(test, keys[place]).sum())
            if same:
                counts[source, *place] = [same, 0]
    resembled: dict[tuple[int, int, int], set[int]] = {}
    for later, earlier in pairs:
        if docs.split[earlier] == 0:
            key = (int(docs.source[earlier]), int(docs.source[later]), int(docs.split[later]))
            resembled.setdefault(key, set()).add(earlier)
    for key, ones in resembled.items():
        counts.setdefault(key, [0, 0])[1] = len(ones)
    return {
        (docs.sources[test], docs.sources[source], PROTECTION[split]): (same, near)
        for (test, source, split), (same, near) in sorted(counts.items())
    }
