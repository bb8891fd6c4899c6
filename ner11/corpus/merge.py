"""Converted data sets to one corpus: leaks and duplicates out, rows shuffled between shards, everything removed named.

Documents are moved as rows of DocBins, never built, except where two annotations of one text are intersected; memory holds
the index and one shard a worker, whatever the size of the corpus.
"""

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ner11.corpus.docs import tag
from ner11.corpus.duplicates import PROTECTION, Decisions, Documents, decide, list_documents
from ner11.corpus.index import read_index
from ner11.corpus.intersect import intersect
from ner11.corpus.shards import SHARD_SIZE, Shard, open_shard, pack, pack_spans, shard_path, span_labels, unpack
from ner11.corpus.workers import count_workers, ignore_interrupts
from ner11.errors import Ner11Error
from ner11.files import clear
from ner11.ledger import Ledger, SpanKey
from ner11.pipeline.scoring import COVERAGE

_LOST = ("dropped", "duplicate")
_PIECES = ".pieces"


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
    leaks: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Piece:
    """Rows on their way from one shard to another.

    Attributes:
        document: Their numbers: (rows,).
        place: Where they stand in the new shard: (rows,).
        lesser: Whether they are merged into the row that stands there: (rows,).
        lengths, tokens, spaces: As a DocBin has them, one after the other.
        spans, user_data: As a DocBin has them.
        strings: Words and labels.
    """

    document: np.ndarray
    place: np.ndarray
    lesser: np.ndarray
    lengths: np.ndarray
    tokens: np.ndarray
    spaces: np.ndarray
    spans: list[bytes]
    user_data: list[bytes]
    strings: list[str]


def _place(docs: Documents, into: np.ndarray, merged: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give every row a place in its new split: test in order, train and dev shuffled; -1 for those that leave."""
    place = np.full(len(into), -1, dtype=np.int64)
    sizes = np.zeros(len(PROTECTION), dtype=np.int64)
    for split, name in enumerate(PROTECTION):
        stays = np.flatnonzero((into < 0) & (docs.split == split))
        sizes[split] = len(stays)
        places = np.arange(len(stays))
        place[stays] = places if name == "test" else np.random.default_rng([seed, split]).permutation(places)
    place[merged] = place[into[merged]]
    return place, sizes


def _scatter(path: Path, number: int, document: np.ndarray, row: np.ndarray, place: np.ndarray, lesser: np.ndarray, out: Path) -> None:
    """Cut a shard into pieces, one for each new shard that takes rows of it."""
    bin_ = open_shard(path)
    names = {get_string_id(string): string for string in bin_.strings}
    keys, group_labels = read_index(path, "keys", "group_labels")
    if len(keys) != len(bin_):
        raise Ner11Error(f"{len(bin_)} texts, {len(keys)} in its index", where=path, fix="Run convert again")
    order = np.argsort(place, kind="stable")
    cuts = np.flatnonzero(np.diff(place[order] // SHARD_SIZE)) + 1
    with (out / f"{number}.bin").open("wb") as file:
        offsets = {}
        for part in np.split(order, cuts) if len(order) else ():
            rows = row[part].tolist()
            tokens = np.concatenate([bin_.tokens[i] for i in rows])
            hashes = np.unique(tokens[:, [0, 2]]).tolist()
            piece = _Piece(
                document=document[part],
                place=place[part] % SHARD_SIZE,
                lesser=lesser[part],
                lengths=np.array([len(bin_.tokens[i]) for i in rows], dtype=np.int32),
                tokens=tokens,
                spaces=np.concatenate([bin_.spaces[i] for i in rows]),
                spans=[bin_.span_groups[i] for i in rows],
                user_data=[bin_.user_data[i] or b"" for i in rows],
                strings=[*(names[hash_] for hash_ in hashes if hash_), *group_labels.tolist()],
            )
            offsets[int(place[part[0]] // SHARD_SIZE)] = file.tell()
            pickle.dump(piece, file, protocol=5)
    (out / f"{number}.offsets").write_bytes(pickle.dumps(offsets))


@dataclass
class _Gathered:
    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    spans: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    conflicts: list[dict[str, Any]] = field(default_factory=list)


def _gather(number: int, split: str, pieces: Path, sources: list[int], path: Path) -> _Gathered:
    """Put the pieces of a new shard together and write it."""
    result = _Gathered()
    rows: dict[int, tuple[np.ndarray, np.ndarray, bytes, bytes]] = {}
    lesser: list[tuple[int, int, tuple[np.ndarray, np.ndarray, bytes, bytes]]] = []
    shard = Shard()
    for source in sources:
        offsets = pickle.loads((pieces / f"{source}.offsets").read_bytes())
        if number not in offsets:
            continue
        with (pieces / f"{source}.bin").open("rb") as file:
            file.seek(offsets[number])
            piece: _Piece = pickle.load(file)
        shard.bin.strings.update(piece.strings)
        ends = np.cumsum(piece.lengths)[:-1]
        arrays, spaces = np.split(piece.tokens, ends), np.split(piece.spaces, ends)
        flat = zip(piece.document.tolist(), piece.place.tolist(), piece.lesser.tolist(), strict=True)
        for (document, place, less), *row in zip(flat, arrays, spaces, piece.spans, piece.user_data, strict=True):
            if less:
                lesser.append((place, document, tuple(row)))  # type: ignore[arg-type]
            else:
                rows[place] = tuple(row)  # type: ignore[assignment]
    if lesser:
        _merge_rows(rows, sorted(lesser, key=lambda one: one[:2]), shard.bin, result, split)
    for place in sorted(rows):
        shard.add(*rows[place])
    _count(shard, split, result)
    shard.write(path)
    return result


def _to_doc(row: tuple[np.ndarray, np.ndarray, bytes, bytes], vocab: Vocab) -> Doc:
    """Build the document of a row whose strings the vocabulary knows."""
    shard = Shard(DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True))
    shard.add(row[0], row[1], row[2], b"")
    shard.bin.user_data = []
    doc: Doc = next(shard.bin.get_docs(vocab))
    doc.user_data.update(unpack(row[3]))
    return doc


def _merge_rows(rows: dict[int, Any], lesser: list[tuple[int, int, Any]], bin_: DocBin, result: _Gathered, split: str) -> None:
    vocab = Vocab(strings=bin_.strings)
    for place, document, row in lesser:
        better, other = _to_doc(rows[place], vocab), _to_doc(row, vocab)
        found = intersect(better, other)
        made = tag(better, found.text, split=split, ledger=Ledger())
        data = {**better.user_data, COVERAGE: sorted(found.text.coverage)}
        rows[place] = (made.array, made.spaces, pack_spans(made.unclear), pack(data))
        bin_.strings.update(span[-1] for span in made.unclear)
        result.conflicts.extend(
            {
                "document": document,
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


def _count(shard: Shard, split: str, result: _Gathered) -> None:
    names = {get_string_id(string): string for string in shard.bin.strings}
    for i in range(len(shard)):
        array, _, spans, user_data = shard.row(i)
        source = unpack(user_data)["source"]
        result.texts[split, source] += 1
        begins = array[array[:, 1] == 3, 2]
        for hash_ in begins.tolist():
            result.spans[split, source, names[hash_]] += 1
        for hash_ in span_labels(spans):
            result.spans[split, source, names[hash_]] += 1


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
    for split, size in zip(PROTECTION, sizes, strict=True):
        if not size:
            raise Ner11Error(
                "no texts", where=f"split {split}", fix=f"Choose data sets with a {split} split (vars.datasets, datasets.yml)"
            )
    result = MergeResult(leaks=decisions.leaks)
    try:
        _move(docs, decisions, place, sizes, out, result)
    except BrokenProcessPool as e:
        raise Ner11Error("a worker process died", where=out.name, fix="Free memory and run merge again") from e
    _account(docs, decisions, result, ledger)
    return result


def _move(docs: Documents, decisions: Decisions, place: np.ndarray, sizes: np.ndarray, out: Path, result: MergeResult) -> None:
    pieces = out / _PIECES
    pieces.mkdir(parents=True)
    moves = _split_by_shard(docs, place)
    with ProcessPoolExecutor(count_workers(), initializer=ignore_interrupts) as pool:
        scattered = [
            pool.submit(_scatter, path, number, rows, docs.row[rows], place[rows], decisions.merged[rows], pieces)
            for number, (path, rows) in enumerate(zip(docs.shards, moves, strict=True))
        ]
        for one in scattered:
            one.result()
        split_of = [int(docs.split[rows[0]]) if len(rows) else -1 for rows in moves]
        gathered = []
        for split, name in enumerate(PROTECTION):
            (out / name).mkdir()
            sources = [number for number, of in enumerate(split_of) if of == split]
            for number in range(-(-int(sizes[split]) // SHARD_SIZE)):
                gathered.append(pool.submit(_gather, number, name, pieces, sources, shard_path(out / name, number)))
        for future in gathered:
            part = future.result()
            result.texts.update(part.texts)
            result.spans.update(part.spans)
            result.conflicts.extend(part.conflicts)
    clear(pieces)


def _split_by_shard(docs: Documents, place: np.ndarray) -> list[np.ndarray]:
    """List the rows that move, by shard; the documents stand in the order of the shards."""
    bounds = np.searchsorted(docs.shard, np.arange(len(docs.shards) + 1))
    return [start + np.flatnonzero(place[start:end] >= 0) for start, end in zip(bounds, bounds[1:], strict=False)]


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
