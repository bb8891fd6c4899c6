"""Agreement of two annotations of the same texts, made independently: the ceiling of what a model can score on them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ner11.annotation import AnnotatedText
from ner11.corpus.docs import TokenBorders
from ner11.errors import Ner11Error
from ner11.evaluation.bootstrap import as_interval, percentiles, ratios, resample
from ner11.pipeline.scoring import Counts, total
from ner11.readers.inline import read_inline
from ner11.schema import Schema

OUTSIDE = ""
"""The label of a token in no span."""

Pair = tuple[AnnotatedText, AnnotatedText]
Spans = dict[tuple[int, int], str]


def read_pairs(first: Path, second: Path) -> list[Pair]:
    """Read two annotations of the same documents, matched by the names of their files.

    Args:
        first: Folder of the first annotation, with inline markup.
        second: Folder of the second one.

    Raises:
        Ner11Error: If markup is damaged, a document is in one folder only, or its texts differ; the message names
            the first line that does.
    """
    ours, theirs = ({text.group: text for text in read_inline(folder)} for folder in (first, second))
    for folder, has, other in ((second, theirs, ours), (first, ours, theirs)):
        for name in other.keys() - has.keys():
            where = folder / Path(other[name].where).name
            raise Ner11Error(f"no document '{name}', which the other annotation has", where=where, fix="Annotate or delete it")
    pairs = [(text, theirs[name]) for name, text in ours.items()]
    for a, b in pairs:
        if a.text != b.text:
            lines = zip_longest(a.text.split("\n"), b.text.split("\n"))
            number = next(number for number, (line, other) in enumerate(lines, b.line) if line != other)
            raise Ner11Error(f"not the text of {a.where}", where=f"{b.where}:{number}", fix="Let only the markup differ")
    return pairs


def cohens_kappa(pairs: Counter[tuple[Any, Any]]) -> float | None:
    """Give Cohen's kappa of two raters (1960); None if both used one and the same category only.

    Args:
        pairs: How often the first rater said the one and the second the other.
    """
    count = pairs.total()
    firsts: Counter[Any] = Counter()
    seconds: Counter[Any] = Counter()
    for (a, b), times in pairs.items():
        firsts[a] += times
        seconds[b] += times
    by_chance = sum(firsts[category] * seconds[category] for category in firsts)
    if by_chance == count**2:
        return None
    agreed = sum(times for (a, b), times in pairs.items() if a == b)
    return (agreed * count - by_chance) / (count**2 - by_chance)


def _label_spans(text: AnnotatedText, schema: Schema) -> Spans:
    """Give the label of every span: the active one at or above it, else (reserved, or too coarse) its own."""
    labels = {}
    for span in text.spans:
        try:
            allowed = schema.allowed(span.origin)
        except Ner11Error as e:
            raise Ner11Error(e.what, where=text.place(span), fix=e.fix) from e
        labels[span.start, span.end] = next(iter(allowed)) if len(allowed) == 1 else schema.node(span.origin).name
    return labels


def _label_tokens(doc: Doc, text: AnnotatedText, labels: Spans) -> list[str]:
    """Give the label of every token that is no blank."""
    borders = TokenBorders(doc)
    tags = [OUTSIDE] * len(doc)
    for span in text.spans:
        for i in range(*borders.touched(span)):
            tags[i] = labels[span.start, span.end]
    return [tag for tag, token in zip(tags, doc, strict=True) if not token.is_space]


def _count(ours: Spans, theirs: Spans) -> dict[str, Counts]:
    """Count by label: agreed as true positives, of the first alone as false negatives, of the second as false positives."""
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    for span, label in ours.items():
        agreed = int(theirs.get(span) == label)
        counts[label].add(Counts(tp=agreed, fn=1 - agreed))
    for span, label in theirs.items():
        counts[label].fp += int(ours.get(span) != label)
    return counts


def _disagreements(text: AnnotatedText, ours: Spans, theirs: Spans) -> Iterator[dict[str, Any]]:
    for start, end in sorted(ours.keys() | theirs.keys()):
        first, second = ours.get((start, end)), theirs.get((start, end))
        if first != second:
            line = text.line + text.text.count("\n", 0, start)
            surface = text.text[start:end]
            yield {"document": text.group, "line": line, "surface": surface, "first": first, "second": second}


def _row(counts: Counts) -> dict[str, Any]:
    return {"first": counts.tp + counts.fn, "second": counts.tp + counts.fp, "agreed": counts.tp, "f1": counts.f1}


def _kappa_of(label: str, tokens: Counter[tuple[str, str]]) -> float | None:
    pairs: Counter[tuple[bool, bool]] = Counter()
    for (a, b), times in tokens.items():
        pairs[a == label, b == label] += times
    return cohens_kappa(pairs)


def _interval(documents: Sequence[Counts], *, seed: int) -> list[float] | None:
    """Give the 95% interval of F1 over resampled documents; None if there are no two with spans."""
    counts = np.array([(count.tp, count.fp, count.fn) for count in documents if count.f1 is not None])
    if len(counts) < 2:
        return None
    return as_interval(percentiles(ratios(resample({"all": counts}, seed=seed)["all"])[:, 2]))


def measure_agreement(pairs: Sequence[Pair], *, schema: Schema, make_doc: Callable[[str], Doc], seed: int = 0) -> dict[str, Any]:
    """Measure the agreement of two annotations.

    Args:
        pairs: The two annotations of each document, as `read_pairs` gives them.
        schema: The label tree; a finer label counts as the active one above it.
        make_doc: The tokenizer, for kappa.
        seed: For the interval.

    Returns:
        `overall` (exact borders and label: `first` and `second` spans, `agreed`, `f1`, `interval`; `kappa` over the
        labels of tokens, without begin and inside), `borders` (`agreed`, `f1` whatever the label), `labels` (the same
        by label; kappa of this label against all else), `disagreements` by place (None: not marked), and the sizes.

    Raises:
        Ner11Error: If a label is not in the schema; the message names file and line.
    """
    labels = {label: Counts() for label in schema.active}
    borders = Counts()
    documents: list[Counts] = []
    tokens: Counter[tuple[str, str]] = Counter()
    disagreements: list[dict[str, Any]] = []
    for first, second in pairs:
        ours, theirs = _label_spans(first, schema), _label_spans(second, schema)
        counts = _count(ours, theirs)
        for label, count in counts.items():
            labels.setdefault(label, Counts()).add(count)
        documents.append(total(counts.values()))
        borders.add(total(_count(dict.fromkeys(ours, ""), dict.fromkeys(theirs, "")).values()))
        disagreements += _disagreements(first, ours, theirs)
        doc = make_doc(first.text)
        tokens.update(zip(_label_tokens(doc, first, ours), _label_tokens(doc, second, theirs), strict=True))
    if not any(count.tp + count.fp + count.fn for count in documents):
        raise Ner11Error("neither annotation has a span", where="agreement", fix="Annotate the documents first")
    return {
        "documents": len(documents),
        "tokens": tokens.total(),
        "overall": {
            **_row(total(documents)),
            "interval": _interval(documents, seed=seed),
            "kappa": cohens_kappa(tokens),
        },
        "borders": {"agreed": borders.tp, "f1": borders.f1},
        "labels": {label: {**_row(count), "kappa": _kappa_of(label, tokens)} for label, count in labels.items()},
        "disagreements": disagreements,
    }
