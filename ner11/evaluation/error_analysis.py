"""Every error with its context and the nearest training mention, and the errors that are made most often."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from ner11.evaluation.matching import Kind, match_spans
from ner11.evaluation.mentions import CONTEXT, Mention, Mentions
from ner11.evaluation.texts import TestText
from ner11.pipeline.scoring import SpanKey

KINDS = tuple(kind for kind in get_args(Kind) if kind != "hit")
LEAST_SIMILARITY = 0.4
"""Cosine below which the nearest surface has mostly no more than a syllable in common (Snort, port 23)."""
EXAMPLES = 3
_GRAMS = (2, 4)
_COMMON = 1000, 0.02
"""An n-gram in more surfaces than this number and this share tells none apart, and costs most of the time."""
_CHUNK = 100
"""Surfaces that are compared with all of training at once: with 100,000 of them the cosines take some 10 MiB."""

Row = dict[str, Any]


def cut_context(text: str, start: int, end: int) -> tuple[str, str, str]:
    """Give what stands before, at, and after a place: at most `CONTEXT` characters on each side, without halves of words."""
    low, high = max(0, start - CONTEXT), min(len(text), end + CONTEXT)
    before, after = text[low:start], text[end:high]
    if low and not text[low - 1].isspace():
        before = re.sub(r"\A\S+\s", "", before)
    if high < len(text) and not text[high].isspace():
        after = re.sub(r"\s\S+\Z", "", after)
    return before, text[start:end], after


def find_errors(texts: Iterable[TestText], *, mentions: Mentions) -> list[Row]:
    """List every error of a model.

    Args:
        texts: With their predictions.
        mentions: What the training texts call an entity.

    Returns:
        In the order of texts and places one row an error: `kind` (see `Match`), `source`, `document`; `text`, the characters from
        the annotated to the predicted span, with what stands `before` and `after` it; `gold` and `predicted` (`start` and
        `end`, counted from the start of `before`; `label`, `text`, and of a predicted span its `confidence`), None where there is
        none; and `nearest`, the training mention most like the annotated (else the predicted) surface: `surface`, `label`,
        `before`, `after`, `source`, and `similarity` (1: the same surface in any case), None if none is like it.
    """
    rows = [row for text in texts for row in _errors_of(text)]
    surfaces = [(row["gold"] or row["predicted"])["text"].casefold() for row in rows]
    nearest = find_nearest(surfaces, mentions)
    for row, surface in zip(rows, surfaces, strict=True):
        row["nearest"] = nearest.get(surface)
    return rows


def _errors_of(text: TestText) -> Iterator[Row]:
    matches = [match for match in match_spans(text.comparison) if match.kind != "hit"]
    confidences = text.confidence_of() if matches else {}
    for match in matches:
        spans = [span for span in (match.gold, match.predicted) if span]
        start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        before, covered, after = cut_context(text.text, start, end)
        first = start - len(before)
        predicted = _span(match.predicted, text.text, first)
        if match.predicted and predicted:
            predicted["confidence"] = confidences[match.predicted[:2]]
        yield {
            "kind": match.kind,
            "source": text.source,
            "document": text.document,
            "before": before,
            "text": covered,
            "after": after,
            "gold": _span(match.gold, text.text, first),
            "predicted": predicted,
        }


def _span(span: SpanKey | None, text: str, first: int) -> Row | None:
    if span is None:
        return None
    start, end, label = span
    return {"start": start - first, "end": end - first, "label": label, "text": text[start:end]}


def find_nearest(surfaces: Iterable[str], mentions: Mentions) -> dict[str, Row]:
    """Find the training mention that is most like each surface: the same one, else by the cosine of TF-IDF over n-grams.

    Args:
        surfaces: Case folded.
        mentions: What the training texts call an entity. Of the labels of a surface the most frequent counts, and of
            surfaces that are equally like it the most frequent.

    Returns:
        By surface the fields of the mention and its `similarity`; a surface without any like it is left out.
    """
    labels: dict[str, str] = {}
    for (surface, label), _ in sorted(mentions.counts.items(), key=lambda item: (-item[1], item[0])):
        labels.setdefault(surface, label)
    wanted = sorted(set(surfaces))
    found = {surface: _nearest(mentions.first[surface, labels[surface]], 1.0) for surface in wanted if surface in labels}
    others = [surface for surface in wanted if surface not in found]
    known = list(labels)
    for surface, (place, similarity) in zip(others, _most_similar(others, known), strict=True):
        if similarity >= LEAST_SIMILARITY:
            found[surface] = _nearest(mentions.first[known[place], labels[known[place]]], similarity)
    return found


def _nearest(mention: Mention, similarity: float) -> Row:
    return {
        "surface": mention.surface,
        "label": mention.label,
        "before": mention.before,
        "after": mention.after,
        "source": mention.source,
        "similarity": similarity,
    }


def _most_similar(surfaces: Sequence[str], known: Sequence[str]) -> Iterator[tuple[int, float]]:
    """Give for each surface the place of the first known one that is most like it, and the cosine; 0 if none is."""
    if not surfaces or not known:
        yield from [(0, 0.0)] * len(surfaces)
        return
    number, share = _COMMON
    common = max(number, int(share * len(known)))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=_GRAMS, lowercase=False, max_df=common, dtype=np.float32)
    columns = vectorizer.fit_transform(known).T.tocsr()
    rows = vectorizer.transform(surfaces)
    for start in range(0, len(surfaces), _CHUNK):
        cosines = rows[start : start + _CHUNK] @ columns
        for low, high in zip(cosines.indptr[:-1], cosines.indptr[1:], strict=True):
            values = cosines.data[low:high]
            if not len(values):
                yield 0, 0.0
                continue
            highest = values.max()
            yield int(cosines.indices[low:high][values == highest].min()), float(highest)


def count_kinds(rows: Iterable[Row]) -> dict[str, int]:
    """Count errors by kind, as `find_errors` gives them; every kind is there."""
    counts = Counter(row["kind"] for row in rows)
    return {kind: counts[kind] for kind in KINDS}


def frequent_pairs(rows: Iterable[Row], *, most: int = 30) -> list[Row]:
    """Give the errors that are made most often.

    Args:
        rows: As `find_errors` gives them.
        most: How many to give.

    Returns:
        `kind`, the labels `gold` and `predicted` (None where there is no span), `count`, and up to three `examples`, the
        texts that it is made on most often.
    """
    texts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        gold, predicted = ((row[side] or {}).get("label", "") for side in ("gold", "predicted"))
        texts[row["kind"], gold, predicted][row["text"]] += 1
    ordered = sorted(texts.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        {
            "kind": kind,
            "gold": gold or None,
            "predicted": predicted or None,
            "count": counts.total(),
            "examples": [text for text, _ in counts.most_common(EXAMPLES)],
        }
        for (kind, gold, predicted), counts in ordered[:most]
    ]
