"""Allowed sets: which tags of each token agree with what its source says."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ORTH
from spacy.tokens import Doc
from spacy.training import Example

from .scoring import AMBIGUOUS, COVERAGE
from .tags import OUTSIDE, TagScheme

UNKNOWN = "?"
"""Label of a span of which nothing is known but that something stands there."""
SEPARATOR = "|"
"""Stands between the labels of a span that may have several."""
_MISSING = 0  # spaCy's code of ENT_IOB for a token without annotation


@dataclass(frozen=True)
class Annotation:
    """What is known about the tokens of a text.

    Attributes:
        known: Which tokens are annotated at all, shape (tokens,).
        spans: First token, one past the last, the labels that are allowed.
        coverage: The labels whose absence means something; None if all do.
    """

    known: NDArray[np.bool_]
    spans: Sequence[tuple[int, int, tuple[str, ...]]]
    coverage: frozenset[str] | None


def _labelled_spans(doc: Doc) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    for span in (*doc.ents, *doc.spans.get(AMBIGUOUS, ())):
        yield span.start, span.end, () if span.label_ == UNKNOWN else tuple(span.label_.split(SEPARATOR))


def read_annotation(example: Example) -> Annotation:
    """Read what the reference says about the tokens of the predicted document.

    A span whose borders are no token borders of the predicted document makes its tokens unknown.

    Raises:
        ValueError: If the coverage is no list of labels.
    """
    reference, predicted = example.reference, example.predicted
    coverage = reference.user_data.get(COVERAGE)
    if coverage is not None and (isinstance(coverage, str) or not all(isinstance(label, str) for label in coverage)):
        raise ValueError(f"softmax_ner: {COVERAGE} is {coverage!r}, no list of labels, in the text '{reference.text[:60]}'")
    covered = None if coverage is None else frozenset(coverage)
    known = reference.to_array(ENT_IOB) != _MISSING
    spans = []
    for first, last, labels in _labelled_spans(reference):
        if labels:
            spans.append((first, last, labels))
        else:
            known[first:last] = False
    if np.array_equal(reference.to_array(ORTH), predicted.to_array(ORTH)):
        return Annotation(known, spans, covered)
    alignment = example.alignment
    here, there = (
        np.split(side.data, np.cumsum(side.lengths)[:-1]) if len(side.lengths) else [] for side in (alignment.x2y, alignment.y2x)
    )
    known = np.array([bool(known[tokens].all()) for tokens in here], dtype=bool)
    fitting = []
    for first, last, labels in spans:
        tokens = np.unique(np.concatenate(there[first:last]))
        if all(first <= other < last for token in tokens for other in here[token]) and len(tokens):
            fitting.append((int(tokens[0]), int(tokens[-1]) + 1, labels))
        else:
            known[tokens] = False
    return Annotation(known, fitting, covered)


def forget_unknown_labels(annotation: Annotation, scheme: TagScheme) -> Annotation:
    """Make unknown the spans of labels that the model does not have."""
    known, spans = annotation.known.copy(), []
    for first, last, labels in annotation.spans:
        if set(labels) & set(scheme.labels):
            spans.append((first, last, labels))
        else:
            known[first:last] = False
    return Annotation(known, spans, annotation.coverage)


@cache
def _outside_row(scheme: TagScheme, coverage: frozenset[str] | None) -> NDArray[np.bool_]:
    """Give the tags that a token outside of all spans may have: O, or any tag of a label that is not covered."""
    row = np.zeros(len(scheme), dtype=bool)
    row[0] = True
    if coverage is not None:
        free = [i for i, label in enumerate(scheme.labels) if label not in coverage]
        for position in range(len(scheme.positions)):
            row[scheme.ids(position, free)] = True
    return row


def allowed_tags(annotation: Annotation, scheme: TagScheme) -> NDArray[np.bool_]:
    """Give the tags that each token may have.

    A span with a label has that label's tags; one with several, any of theirs, which the chain of tags makes agree; a token
    outside of all spans is O, or has any tag of a label that its source does not cover; a token of which nothing is
    known may have every tag.

    Args:
        annotation: What is known.
        scheme: The tags.

    Returns:
        Shape (tokens, tags).

    Raises:
        ValueError: If a span has no label that the model knows.
    """
    numbers = {label: i for i, label in enumerate(scheme.labels)}
    allowed = np.where(annotation.known[:, None], _outside_row(scheme, annotation.coverage), True)
    taken = np.zeros(len(allowed), dtype=bool)
    for first, last, _ in annotation.spans:
        taken[first:last] = True
    for first, last, names in annotation.spans:
        labels = [numbers[name] for name in names if name in numbers]
        if not labels:
            raise ValueError(
                f"softmax_ner: the data has the label {SEPARATOR.join(names)}, which the model does not know ("
                f"{', '.join(scheme.labels)}); initialize the model on this data, or map the label"
            )
        for token, position in enumerate(scheme.span_positions(last - first), start=first):
            allowed[token] = False
            allowed[token, scheme.ids(position, labels)] = True
        # Where these labels are not covered, a neighbor could have one, and make the span longer than it is.
        longer = [last] if scheme.open else [first - 1, last]
        inner = range(scheme.starts if scheme.open else 0, len(scheme.positions))
        for token in longer:
            if 0 <= token < len(allowed) and not taken[token]:
                for position in inner:
                    allowed[token, scheme.ids(position, labels)] = False
    return allowed


def token_classes(annotation: Annotation) -> list[str]:
    """Name what each token is: a label, several (`A|B`), O, or "" if nothing is known."""
    names = [OUTSIDE if known else "" for known in annotation.known]
    for first, last, labels in annotation.spans:
        names[first:last] = [SEPARATOR.join(labels)] * (last - first)
    return names


def count_classes(annotations: Sequence[Annotation]) -> Counter[str]:
    """Count tokens by label, and O; a token of a span with several labels counts for each by an equal share."""
    counts: Counter[str] = Counter()
    for annotation in annotations:
        spent = 0
        for first, last, labels in annotation.spans:
            spent += int(annotation.known[first:last].sum())
            for label in labels:
                counts[label] += (last - first) / len(labels)  # type: ignore[assignment]
        counts[OUTSIDE] += int(annotation.known.sum()) - spent
    return counts
