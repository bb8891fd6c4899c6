"""Which texts stay: duplicates and leaks between splits, decided on the index of the corpus alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ner11.corpus.index import SILVER_RANK, read_index
from ner11.corpus.shards import list_shards

PROTECTION = ("test", "dev", "train")
_AT_ONCE = 200_000  # pairs whose signatures are in memory
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
        bands: Hashes of the bands of the MinHash signatures, and of the whole: (documents, 9).
        sentence: Whether the text has words enough to know a document by: (documents,).
        part_doc: Document of each sentence of a text that has several: (sentences,).
        part_key: Hash of the sentence, as `key`: (sentences,).
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
    sentence: np.ndarray
    part_doc: np.ndarray
    part_key: np.ndarray

    @property
    def silver(self) -> np.ndarray:
        """Whether the annotation is of the lowest tier: (documents,), uint64."""
        return (self.rank > SILVER_RANK).astype(np.uint64)


def list_documents(converted: Sequence[Path]) -> Documents:
    """Read the index of converted data sets, one folder each with a folder of shards a split."""
    shards: list[Path] = []
    columns: list[list[np.ndarray]] = []
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    total = 0
    for source, folder in enumerate(converted):
        for split, name in enumerate(PROTECTION):
            for path in list_shards(folder / name):
                keys, ranks, bands, sentences = read_index(path, "keys", "ranks", "bands", "sentences")
                part_docs, part_keys = read_index(path, "part_docs", "part_keys")
                count = len(keys)
                parts.append((part_docs + total, part_keys))
                total += count
                constant = [np.full(count, value, dtype=np.int32) for value in (len(shards), source, split)]
                columns.append([*constant, np.arange(count, dtype=np.int32), ranks, keys, bands, sentences])
                shards.append(path)
    shard, source_, split_, row, rank, key, band, sentence = (np.concatenate(column) for column in zip(*columns, strict=True))
    sources = [folder.name for folder in converted]
    part_doc, part_key = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Documents(shards, sources, shard, row, source_, split_, rank, key, band, sentence, part_doc, part_key)


@dataclass
class Decisions:
    """What becomes of each document.

    Attributes:
        into: The document that each is merged into or leaves the corpus for: (documents,), -1 for those that stay.
        merged: Whether it is merged rather than removed: (documents,).
        near: Whether it is only nearly the same text: (documents,).
        part: Whether it only shares a sentence: (documents,).
        leaks: Texts of a test set that are in another split: (source of test, source, split) to their numbers: exact ones,
            near ones, and those of which a sentence is there.
    """

    into: np.ndarray
    merged: np.ndarray
    near: np.ndarray
    part: np.ndarray
    leaks: dict[tuple[str, str, str], tuple[int, int, int]] = field(default_factory=dict)


def decide(docs: Documents) -> Decisions:
    """Decide which texts stay.

    Test sets stay whole. A text that occurs in test, exactly or nearly, or shares a sentence with it, leaves dev and train;
    one that does with dev leaves train. Within train and dev, equal texts are merged into the one whose annotation says
    most, and a near duplicate of a text of another source leaves for it; near duplicates within a source are its own
    distribution and stay.

    Silver texts are compared with each other, and with protected ones.

    Returns:
        The decisions. The documents that others are merged into or leave for stay themselves.
    """
    count = len(docs.key)
    merged, near, part = (np.zeros(count, dtype=bool) for _ in range(3))
    made = Decisions(np.full(count, -1, dtype=np.int64), merged, near, part)
    leaves = _follow_first(docs, np.ones(count, dtype=bool), docs.key)
    protected = (leaves >= 0) & (docs.split[leaves] != docs.split)
    made.into[protected] = leaves[protected]
    _find_shared_sentences(docs, made)
    # A silver text stays beside its original, or its labels would be drawn as often as that.
    stays = (made.into < 0) & (docs.split != 0)
    same = _follow_first(docs, stays, docs.key ^ docs.silver)
    made.into[same >= 0] = same[same >= 0]
    made.merged = (made.into >= 0) & (docs.split == docs.split[made.into])
    original = _follow_first(docs, made.into < 0, docs.key)
    pairs = _near_pairs(docs, made.into < 0)
    for later, earlier in pairs:
        if made.into[later] < 0 and made.into[earlier] < 0:
            made.into[later], made.near[later] = earlier, True
    leaks = (made.into < 0) & (original >= 0) & (made.into[original] >= 0)  # the silver copy of a text that leaked
    leaks &= docs.split[made.into[original]] < docs.split
    made.into[leaks], made.near[leaks] = made.into[original[leaks]], True
    # Who was to be merged into a text that now leaves, or left for it, leaves for the same one and the same reason.
    while (moved := (made.into >= 0) & (made.into[made.into] >= 0)).any():
        followed = made.into[moved]
        made.near[moved], made.part[moved], made.merged[moved] = made.near[followed], made.part[followed], False
        made.into[moved] = made.into[followed]
    made.leaks = _count_leaks(docs, made, pairs)
    return made


def _find_shared_sentences(docs: Documents, made: Decisions) -> None:
    """Let documents go that hold a sentence of a better protected split, or are one."""
    whole = np.flatnonzero(docs.sentence)
    owner, keys = np.concatenate([whole, docs.part_doc]), np.concatenate([docs.key[whole], docs.part_key])
    for split in (0, 1):  # a document of dev that leaves for test protects nothing
        stays = made.into[owner] < 0
        owner, keys = owner[stays], keys[stays]
        order = np.lexsort((owner, docs.split[owner], keys))
        leader, _ = _runs(keys[order])
        later, earlier = owner[order], owner[order][leader]
        leaks = (docs.split[later] > docs.split[earlier]) & (docs.split[earlier] == split)
        made.into[later[leaks]], made.part[later[leaks]] = earlier[leaks], True


def _follow_first(docs: Documents, among: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """For each document give the best protected and best annotated one of the same key, -1 if that is itself."""
    chosen = np.flatnonzero(among)
    order = chosen[np.lexsort((chosen, docs.rank[chosen], docs.split[chosen], keys[chosen]))]
    leader, first = _runs(keys[order])
    followed = np.full(len(keys), -1, dtype=np.int64)
    followed[order[~first]] = order[leader][~first]
    return followed


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
    found: list[np.ndarray] = []
    count = len(docs.key)
    candidates = np.flatnonzero(stays & (docs.bands[:, 0] != 0))
    for band in range(docs.bands.shape[1]):
        hashes = docs.bands[candidates, band]
        order = np.lexsort((candidates, docs.rank[candidates], docs.split[candidates], hashes))
        ordered = candidates[order]
        leader, first = _runs(hashes[order])
        for earlier in (ordered[leader], np.roll(ordered, 1)):
            matters = ~first & (earlier != ordered)
            matters &= (docs.split[ordered] > docs.split[earlier]) | (
                (docs.split[ordered] != 0)
                & (docs.source[ordered] != docs.source[earlier])
                & (docs.silver[ordered] == docs.silver[earlier])
            )
            found.append(ordered[matters].astype(np.int64) * count + earlier[matters])
        found = [np.unique(np.concatenate(found))]
    if not found or not len(found[0]):
        return []
    pairs = np.column_stack([found[0] // count, found[0] % count])
    similar = np.concatenate([_are_similar(docs, pairs[i : i + _AT_ONCE]) for i in range(0, len(pairs), _AT_ONCE)])
    pairs = pairs[similar]
    order = np.lexsort(
        (pairs[:, 1], docs.rank[pairs[:, 1]], docs.split[pairs[:, 1]], docs.rank[pairs[:, 0]], docs.split[pairs[:, 0]])
    )
    return [(int(later), int(earlier)) for later, earlier in pairs[order]]


def _are_similar(docs: Documents, pairs: np.ndarray) -> np.ndarray:
    """Tell of pairs of documents whether their signatures are equal in enough places: (pairs,), bool."""
    wanted, places = np.unique(pairs, return_inverse=True)
    signatures = _read_signatures(docs, wanted)[places.reshape(pairs.shape)]
    similar: np.ndarray = (signatures[:, 0] == signatures[:, 1]).mean(axis=1) >= SIMILARITY
    return similar


def _read_signatures(docs: Documents, wanted: np.ndarray) -> np.ndarray:
    """Read the signatures of some documents, given in ascending order."""
    parts = []
    shards = docs.shard[wanted]
    for shard in np.unique(shards):
        (signatures,) = read_index(docs.shards[shard], "signatures")
        parts.append(signatures[docs.row[wanted[shards == shard]]])
    return np.concatenate(parts)


def _count_leaks(
    docs: Documents, made: Decisions, pairs: list[tuple[int, int]]
) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    counts: dict[tuple[int, int, int], list[int]] = {}
    present = [(s, p) for s in range(len(docs.sources)) for p in (1, 2)]
    keys = {place: docs.key[(docs.source == place[0]) & (docs.split == place[1])] for place in present}
    for source in range(len(docs.sources)):
        test = docs.key[(docs.source == source) & (docs.split == 0)]
        for place in present if len(test) else ():
            same = int(np.isin(test, keys[place]).sum())
            if same:
                counts[source, *place] = [same, 0, 0]
    exact = {place: set(values.tolist()) for place, values in keys.items()}
    shared = np.flatnonzero(made.part & (docs.split[made.into] == 0)).tolist()
    for column, found in ((1, pairs), (2, [(later, int(made.into[later])) for later in shared])):
        ones: dict[tuple[int, int, int], set[int]] = {}
        for later, earlier in found:
            if docs.split[earlier] == 0:
                key = (int(docs.source[earlier]), int(docs.source[later]), int(docs.split[later]))
                if int(docs.key[earlier]) not in exact[key[1:]]:
                    ones.setdefault(key, set()).add(earlier)
        for key, texts in ones.items():
            counts.setdefault(key, [0, 0, 0])[column] = len(texts)
    return {
        (docs.sources[test], docs.sources[source], PROTECTION[split]): (same, near, part)
        for (test, source, split), (same, near, part) in sorted(counts.items())
    }
