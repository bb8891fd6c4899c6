"""Checks on a gold set that go beyond what reading it needs, and reports for people to judge."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ner11.annotation import AnnotatedText
from ner11.consistency import find_bare, find_conflicts, find_similar
from ner11.corpus.docs import TokenBorders
from ner11.corpus.index import text_key
from ner11.datasets import SPLITS
from ner11.readers.inline import read_inline
from ner11.schema import Schema

DOCUMENT_WORDS, SHORT_WORDS = (150, 400), (3, 15)
"""Fewest and most words of a document, and of a short text."""
ENOUGH_SPANS, ENOUGH_DOCUMENTS = 20, 8
"""Spans and documents that every label should have."""
Texts = dict[str, list[AnnotatedText]]


@dataclass
class GoldReport:
    """What `check_gold` found. The problems are errors; the rest is there to be judged.

    Attributes:
        problems: Each names file and line.
        labels: For every active label its spans in `train`, `dev` and `test`, and the numbers of `documents` and
            `short_texts` that have it.
        sizes: For each split `documents`, `short_texts`, the documents' `words`, and `fewest` and `most` of one, and
            `without_entity`, a share of its short texts; `long_or_short`, the words of texts outside the limits, by place;
            `unseen`, the shares of test's `surfaces` (distinct, case folded) and `spans` that are no entity of train.
        conflicts: See `ner11.consistency.find_conflicts`.
        bare: See `ner11.consistency.find_bare`.
        similar: See `ner11.consistency.find_similar`.
    """

    problems: list[str]
    labels: dict[str, dict[str, int]]
    sizes: dict[str, Any]
    conflicts: list[dict[str, Any]]
    bare: list[dict[str, Any]]
    similar: list[dict[str, Any]]

    @property
    def rare(self) -> list[str]:
        """Labels with fewer than 20 spans or in fewer than 8 documents."""

        def is_rare(count: dict[str, int]) -> bool:
            return sum(count[split] for split in SPLITS) < ENOUGH_SPANS or count["documents"] < ENOUGH_DOCUMENTS

        return [label for label, count in self.labels.items() if is_rare(count)]


def _is_document(text: AnnotatedText) -> bool:
    return Path(text.where).suffix == ".md"


def _name(text: AnnotatedText) -> str:
    return text.where if _is_document(text) else f"{text.where}:{text.line}"


def _surface(text: AnnotatedText, start: int, end: int) -> str:
    return text.text[start:end].casefold()


def _misuse(label: str, schema: Schema) -> str:
    """Say what is wrong with a label of the tree that is not an active one."""
    node, allowed = schema.node(label), schema.allowed(label)
    if not allowed:
        return "is reserved; use an active label or none"
    what = f"is another name of {node.name}" if node.active else schema.state(node)
    return f"{what}; use {'one of them' if len(allowed) > 1 else min(allowed)}"


def _unknown(label: str, schema: Schema) -> str:
    """Say that a label is not of the tree, with the reason if it was left out."""
    reason = schema.left_out.get(label)
    return f"{label} is left out ({reason.rstrip('.')})" if reason else f"unknown label '{label}'"


def _problems(text: AnnotatedText, schema: Schema, make_doc: Callable[[str], Doc]) -> Iterator[str]:
    doc = make_doc(text.text)
    borders = TokenBorders(doc)
    for span in text.spans:
        surface = text.text[span.start : span.end]
        if span.origin not in schema:
            yield f"{text.place(span)}: {_unknown(span.origin, schema)} on '{surface}'"
        elif span.origin not in schema.active:
            yield f"{text.place(span)}: {span.origin} on '{surface}' {_misuse(span.origin, schema)}"
        first, last = borders.touched(span)
        if any(map(str.isalnum, borders.outside(text.text, span, first, last))):
            yield f"{text.place(span)}: '{surface}' ({span.origin}) cuts the token '{doc[first:last]}'"


def _repeated(texts: Sequence[AnnotatedText]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for text in texts:
        first = seen.setdefault(text_key(text.text), _name(text))
        if first != _name(text):
            yield f"{_name(text)}: the same text as {first}"


def _count_labels(texts: Texts, schema: Schema) -> dict[str, dict[str, int]]:
    labels = {label: dict.fromkeys((*SPLITS, "documents", "short_texts"), 0) for label in schema.active}
    for split in SPLITS:
        for text in texts[split]:
            used = [span.origin for span in text.spans if span.origin in labels]
            for label in used:
                labels[label][split] += 1
            for label in set(used):
                labels[label]["documents" if _is_document(text) else "short_texts"] += 1
    return labels


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _measure(texts: Texts) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    outside: dict[str, int] = {}
    surfaces: dict[str, list[str]] = {}
    for split in SPLITS:
        short = [text for text in texts[split] if not _is_document(text)]
        words = {_name(text): len(text.text.split()) for text in texts[split]}
        documents = [words[_name(text)] for text in texts[split] if _is_document(text)]
        sizes[split] = {
            "documents": len(documents),
            "words": sum(documents),
            "fewest": min(documents, default=0),
            "most": max(documents, default=0),
            "short_texts": len(short),
            "without_entity": _share(sum(not text.spans for text in short), len(short)),
        }
        for text in texts[split]:
            fewest, most = DOCUMENT_WORDS if _is_document(text) else SHORT_WORDS
            if not fewest <= words[_name(text)] <= most:
                outside[_name(text)] = words[_name(text)]
        surfaces[split] = [_surface(text, span.start, span.end) for text in texts[split] for span in text.spans]
    known, distinct = set(surfaces["train"]), set(surfaces["test"])
    unseen = sum(surface not in known for surface in surfaces["test"])
    shares = {"surfaces": _share(len(distinct - known), len(distinct)), "spans": _share(unseen, len(surfaces["test"]))}
    return {**sizes, "long_or_short": outside, "unseen": shares}


def check_gold(folder: Path, *, schema: Schema, make_doc: Callable[[str], Doc]) -> GoldReport:
    """Check a gold set.

    Args:
        folder: Folder with `train/`, `dev/` and `test/`, each with documents (`.md`), short texts (`.txt`) or both.
        schema: The label tree.
        make_doc: The tokenizer of the pipeline.

    Returns:
        The problems: labels that are unknown or not active, borders inside a token, a text that stands there twice. And
        what is no error by itself: counts, sizes, and what looks inconsistent.

    Raises:
        Ner11Error: If the markup of a file is damaged, or a split is missing.
    """
    texts: Texts = {split: list(read_inline(folder / split)) for split in SPLITS}
    every = [text for split in SPLITS for text in texts[split]]
    problems = [problem for text in every for problem in _problems(text, schema, make_doc)]
    return GoldReport(
        problems=[*problems, *_repeated(every)],
        labels=_count_labels(texts, schema),
        sizes=_measure(texts),
        conflicts=find_conflicts(every),
        bare=find_bare(every),
        similar=find_similar(every),
    )
