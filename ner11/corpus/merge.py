"""Converted data sets to one corpus: leaks and duplicates out, rows shuffled between shards, everything removed named.

Documents are moved as rows of DocBins, never built, except where two annotations of one text are intersected; memory holds
the index and one shard a worker, whatever the size of the corpus.
"""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ner11.corpus.duplicates import PROTECTION, Decisions, Documents, decide, list_documents
from ner11.corpus.index import read_index
from ner11.corpus.moving import Move, move
from ner11.errors import Ner11Error
from ner11.ledger import Ledger, SpanKey

_LOST = ("dropped", "duplicate")


@dataclass
class MergeResult:
    """What merging kept and removed.

    Attributes:
        texts: Kept texts by (split, source).
        spans: Kept spans by (split, source, label).
        removed: Texts that left by (split, source, outcome, reason).
        leaks: See `Decisions.leaks`.
        conflicts: Places where two annotations of one text contradict each other.
    """

    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    spans: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    removed: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    leaks: dict[tuple[str, str, str], tuple[int, int, int]] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)


def _place(docs: Documents, into: np.ndarray, merged: np.ndarray, seed: int) -> tuple[np.ndarray, dict[str, int]]:
    """Give every document a place in its new split, -1 if it leaves, and the sizes: test in order, train and dev shuffled."""
    place = np.full(len(into), -1, dtype=np.int64)
    sizes = {}
    for split, name in enumerate(PROTECTION):
        stays = np.flatnonzero((into < 0) & (docs.split == split))
        sizes[name] = len(stays)
        places = np.arange(len(stays))
        place[stays] = places if name == "test" else np.random.default_rng([seed, split]).permutation(places)
    place[merged] = place[into[merged]]
    return place, sizes


def merge(converted: Sequence[Path], out: Path, *, seed: int, ledger: Ledger) -> MergeResult:
    """Merge converted data sets into `train`, `dev` and `test`; see `decide` for what stays.

    Args:
        converted: One folder a data set, with a folder of shards a split.
        out: Folder to write `train/`, `dev/` and `test/` into.
        seed: Seed of the order of the texts in train and dev.
        ledger: The ledger of the conversion; spans and texts that leave get their new outcome here.

    Raises:
        Ner11Error: If a split ends up without texts, a file of the corpus is damaged, or a worker dies.
    """
    docs = list_documents(converted)
    decisions = decide(docs)
    place, sizes = _place(docs, decisions.into, decisions.merged, seed)
    for split, size in sizes.items():
        if not size:
            raise Ner11Error(
                "no texts", where=f"split {split}", fix=f"Choose data sets with a {split} split (vars.datasets, datasets.yml)"
            )
    result = MergeResult(leaks=decisions.leaks)
    try:
        moved = move(_list_moves(docs, decisions, place), sizes, out)
    except BrokenProcessPool as e:
        raise Ner11Error("a worker process died", where=out.name, fix="Free memory and run merge again") from e
    for split, part in moved.items():
        result.texts.update({(split, source): count for source, count in part.texts.items()})
        result.spans.update({(split, *key): count for key, count in part.spans.items()})
        result.conflicts.extend(part.conflicts)
    _account(docs, decisions, result, ledger)
    return result


def _list_moves(docs: Documents, decisions: Decisions, place: np.ndarray) -> dict[str, list[Move]]:
    """List what goes from each old shard into each split; the documents stand in the order of the shards."""
    moves: dict[str, list[Move]] = {split: [] for split in PROTECTION}
    bounds = np.searchsorted(docs.shard, np.arange(len(docs.shards) + 1))
    for shard, start, end in zip(docs.shards, bounds, bounds[1:], strict=False):
        document = start + np.flatnonzero(place[start:end] >= 0)
        if len(document):
            source, split = docs.sources[docs.source[start]], PROTECTION[docs.split[start]]
            moves[split].append(Move(shard, source, document, docs.row[document], place[document], decisions.merged[document]))
    return moves


def _reason(docs: Documents, decisions: Decisions, document: int) -> tuple[str, str]:
    into = decisions.into[document]
    source, split = docs.sources[docs.source[into]], PROTECTION[docs.split[into]]
    if decisions.merged[document]:
        return "merged", f"same text in {source}"
    how = "nearly " if decisions.near[document] else "a sentence of it " if decisions.part[document] else ""
    return "removed", f"{how}in {split} of {source}"


def _account(docs: Documents, decisions: Decisions, result: MergeResult, ledger: Ledger) -> None:
    conflicts: dict[int, set[tuple[int, int]]] = {}
    for one in result.conflicts:
        conflicts.setdefault(one.pop("document"), set()).add((one.pop("first"), one.pop("last")))
    leaving = np.flatnonzero(decisions.into >= 0)
    for shard in np.unique(docs.shard[leaving]):
        lines, files, file_names, span_docs, span_keys, places, table = read_index(
            docs.shards[shard], "lines", "files", "file_names", "span_docs", "span_keys", "span_places", "ledger_keys"
        )
        keys = [SpanKey(*key) for key in json.loads(table.tobytes())]
        starts = np.searchsorted(span_docs, np.arange(len(lines) + 1))
        for document in leaving[docs.shard[leaving] == shard].tolist():
            row = int(docs.row[document])
            source, split = docs.sources[docs.source[document]], PROTECTION[docs.split[document]]
            outcome, reason = _reason(docs, decisions, document)
            result.removed[split, source, outcome, reason] += 1
            ledger.texts[source, split, "kept", ""] -= 1
            ledger.texts[source, split, outcome, reason] += 1
            ledger.example((source, split, outcome, reason), f"{file_names[files[row]]}:{lines[row]}")
            for i in range(starts[row], starts[row + 1]):
                key = keys[span_keys[i]]
                if key.outcome in _LOST:
                    continue
                lost = tuple(places[i].tolist()) in conflicts.get(document, ())
                ledger.move(key, "conflict" if lost else outcome, reason)
    ledger.texts = +ledger.texts
    ledger.check()
