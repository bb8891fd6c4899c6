"""A labelled pool and a test set that is never picked from, with the labels of their source."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import filter_spans

from ner11.annotation import AnnotatedText
from ner11.corpus.duplicates import SIMILARITY
from ner11.corpus.index import sign, text_key
from ner11.datasets import Dataset, load_datasets
from ner11.errors import Ner11Error
from ner11.evaluation.texts import find_blocks
from ner11.pipeline.allowed import Annotation, allowed_tags
from ner11.pipeline.scoring import SpanKey
from ner11.pipeline.tags import TagScheme
from ner11.readers import readers

SPLITS = {"cyner": ("train.txt", "test.txt"), "annoctr": ("ner_bio/train.bio", "ner_bio/dev.bio")}
"""The file of the pool and that of the test texts; AnnoCTR has no test file with all layers, so its dev stands for it."""
MAX_TOKENS = 128
"""Longer texts are images, archives and tables of indicators; they leave the pool, not the test set."""


@dataclass
class PoolText:
    """A text with its annotation.

    Attributes:
        doc: The tokens, entities in `doc.ents`.
        document: Name of the document that it belongs to: what is resampled.
        unknown: Tokens whose annotation is damaged, shape (tokens,).
    """

    doc: Doc
    document: str
    unknown: NDArray[np.bool_]

    @property
    def gold(self) -> list[SpanKey]:
        """The annotated spans by tokens."""
        return [(ent.start, ent.end, ent.label_) for ent in self.doc.ents]

    def allowed(self, scheme: TagScheme) -> NDArray[np.bool_]:
        """Give the tags that each token may have, shape (tokens, tags)."""
        known = ~self.unknown
        spans = [(start, end, (label,)) for start, end, label in self.gold if label in scheme.labels]
        return allowed_tags(Annotation(known, spans, None), scheme)


@dataclass
class Data:
    """A pool, a test set, the labels of both, and how many texts of the pool were read and removed by reason."""

    pool: list[PoolText]
    test: list[PoolText]
    labels: tuple[str, ...]
    removed: dict[str, int]


def _read(dataset: Dataset, ending: str) -> list[AnnotatedText]:
    folder = Path(dataset.path)
    paths = sorted(path for path in folder.rglob("*") if path.as_posix().endswith(ending))
    if len(paths) != 1:
        raise Ner11Error(f"no {ending}", where=folder, fix="Fetch the data set: 'spacy project run fetch'")
    return [text for text in readers.get(dataset.format)(paths[0], **dataset.options) if not text.damage]


def _to_pool(texts: Sequence[AnnotatedText], dataset: Dataset, nlp: spacy.Language) -> list[PoolText]:
    names = find_blocks([(dataset.name, dataset.tier, text.group) for text in texts])
    made = []
    for text, name in zip(texts, names, strict=True):
        doc = nlp.make_doc(text.text)
        unknown = np.zeros(len(doc), dtype=bool)
        spans = []
        for span in text.spans:
            found = doc.char_span(span.start, span.end, label=span.origin, alignment_mode="expand")
            if found is None or dataset.labels == "schema" or dataset.labels.get(span.origin) == "drop":
                continue
            if span.outcome == "unknown":
                unknown[found.start : found.end] = True
            elif span.outcome != "dropped":
                spans.append(found)
        doc.ents = filter_spans(spans)
        if len(doc):
            made.append(PoolText(doc, name, unknown))
    return made


def _signatures(texts: Sequence[PoolText]) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
    tokens = [text.doc.to_array("ORTH") for text in texts]
    return sign(np.concatenate(tokens), np.array([len(own) for own in tokens]), texts[0].doc.vocab.strings)


def load_data(root: Path, name: str) -> Data:
    """Read a pool and its test set; copies within the pool and texts that are in the test set, exactly or nearly, leave the pool.

    Raises:
        Ner11Error: If the data set is not there.
    """
    if name not in SPLITS:
        raise Ner11Error(f"'{name}' is no pool of this simulation", fix=f"Choose from {', '.join(SPLITS)}")
    dataset = next(one for one in load_datasets(root / "configs/domains/cyber/datasets.yml") if one.name == name)
    dataset = dataset.model_copy(update={"path": root / dataset.path})
    nlp = spacy.blank("en")
    raw, test = (_to_pool(_read(dataset, ending), dataset, nlp) for ending in SPLITS[name])
    removed = {"read": len(raw), "long": 0, "copies": 0, "leaks": 0, "near": 0}
    seen = {text_key(text.doc.text) for text in test}
    leaks = set(seen)
    pool = []
    for text in raw:
        key = text_key(text.doc.text)
        if len(text.doc) > MAX_TOKENS:
            removed["long"] += 1
        elif key in seen:
            removed["leaks" if key in leaks else "copies"] += 1
        else:
            seen.add(key)
            pool.append(text)
    signatures, bands = _signatures([*test, *pool])
    kept: list[int] = []
    for i in range(len(test), len(signatures)):
        others = np.concatenate((np.arange(len(test)), np.array(kept, dtype=np.int64)))
        near = bool(bands[i, 0]) and bool(((signatures[others] == signatures[i]).mean(axis=1) >= SIMILARITY).any())
        removed["near"] += near
        kept += [] if near else [i]
    pool = [pool[i - len(test)] for i in kept]
    labels = tuple(sorted({label for text in [*pool, *test] for _, _, label in text.gold}))
    return Data(pool, test, labels, removed)
