"""Converted data sets to one corpus: leaks and duplicates out, everything removed named."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ner11.corpus.shards import read_docs, write_shards
from ner11.errors import Ner11Error
from ner11.pipeline.scoring import AMBIGUOUS

_TIERS = ("gold", "expert", "silver")
_PROTECTION = ("test", "dev", "train")


@dataclass
class MergeResult:
    """What merging kept and removed.

    Attributes:
        texts: Kept texts by (split, source).
        spans: Kept spans by (split, source, label).
        removed: Removed texts by (split, source, reason).
        removed_spans: Removed spans by (split, source, reason).
    """

    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    spans: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    removed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    removed_spans: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def text_key(text: str) -> str:
    """Give the form under which two texts count as the same: case folded, white space left out."""
    return "".join(text.casefold().split())


def _annotation(doc: Doc) -> set[tuple[int, int, str]]:
    return {(span.start_char, span.end_char, span.label_) for span in (*doc.ents, *doc.spans[AMBIGUOUS])}


def _same_text(removed: Doc, kept: Doc) -> str:
    other = "" if _annotation(removed) == _annotation(kept) else ", with other labels,"
    return f"same text{other} in {kept.user_data['source']}"


def _rank(doc: Doc) -> tuple[int, int]:
    """Order texts by how much their annotation says: the better tier first, then the wider coverage."""
    return _TIERS.index(doc.user_data["tier"]), -len(doc.user_data["coverage"])


def merge(converted: Sequence[Path], out: Path, *, vocab: Vocab, seed: int) -> MergeResult:
    """Merge converted data sets into `train`, `dev` and `test`.

    Test sets stay whole. A text that occurs in test leaves dev and train, one that occurs in dev leaves train; of
    equal texts in train or dev the one of the best tier and widest coverage stays.

    Args:
        converted: One folder a data set, with a folder of shards a split.
        out: Folder to write `train/`, `dev/` and `test/` into.
        vocab: A vocabulary to read with.
        seed: Seed of the order of the texts in train and dev.

    Raises:
        Ner11Error: If a split ends up without texts.
    """
    result = MergeResult()
    owners: dict[str, str] = {}
    for split in _PROTECTION:
        best: dict[str, Doc] = {}
        docs = [doc for folder in converted for doc in read_docs(folder / split, vocab)]
        kept: list[Doc] = []

        def remove(doc: Doc, reason: str, split: str = split) -> None:
            key = split, doc.user_data["source"], reason
            result.removed[key] += 1
            result.removed_spans[key] += len(doc.ents) + len(doc.spans[AMBIGUOUS])

        for doc in docs:
            key = text_key(doc.text)
            if split == "test":
                owners.setdefault(key, f"test of {doc.user_data['source']}")
                kept.append(doc)
            elif key in owners:
                remove(doc, f"also in {owners[key]}")
            elif key not in best or _rank(doc) < _rank(best[key]):
                if key in best:
                    remove(best[key], _same_text(best[key], doc))
                best[key] = doc
            else:
                remove(doc, _same_text(doc, best[key]))
        kept.extend(best.values())
        owners.update({key: f"{split} of {doc.user_data['source']}" for key, doc in best.items()})
        if not kept:
            raise Ner11Error(
                "no texts", where=f"split {split}", fix=f"Choose data sets with a {split} split (vars.datasets, datasets.yml)"
            )
        if split != "test":
            random.Random(seed).shuffle(kept)
        write_shards(kept, out / split)
        for doc in kept:
            source = doc.user_data["source"]
            result.texts[split, source] += 1
            for span in (*doc.ents, *doc.spans[AMBIGUOUS]):
                result.spans[split, source, span.label_] += 1
    return result
