"""Suspected errors of the gold annotation: where models that never saw a text contradict what it says about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.evaluation.mentions import CONTEXT
from ner11.evaluation.out_of_fold import HeldOut
from ner11.evaluation.texts import TestText
from ner11.label_studio import make_region
from ner11.pipeline.scoring import SpanKey

SUGGESTED, DOUBTED = "suggested", "doubted"
"""Names of the two predictions of a Label Studio task, in the place of versions of a model."""

_Run = tuple[int, int, SpanKey]
"""A span with its first token and one past its last one."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A suspected error of the annotation.

    Attributes:
        kind: "missing" (the models see an entity where there is none), "spurious" (they see none where there is one), "label"
            (they see another label) or "boundary" (the same label in other borders).
        start, end: The characters in question: those of the given and of the suggested span.
        given: The annotated span; None if it is missing.
        suggested: What the models see; None if they see nothing.
        quality: Probability that the models give to what is annotated, at the worst token, 0 to 1.
        confidence: Mean probability of what they see instead, 0 to 1.
    """

    kind: str
    start: int
    end: int
    given: SpanKey | None
    suggested: SpanKey | None
    quality: float
    confidence: float


def find_suspicions(held: Sequence[HeldOut], classes: Sequence[str]) -> list[list[Suspicion]]:
    """Find the tokens whose annotation is probably wrong, and join them to spans.

    Tokens are chosen by confident learning (Northcutt et al. 2021, with the probabilities of held-out tokens as in
    Wang and Mueller 2022): from how sure the models are of a class where it is given, it follows how many tokens of each
    class belong to which other one. A token of which not everything is known has no part in it.

    Args:
        held: Texts with out-of-fold probabilities; at least one.
        classes: Names of the columns of the probabilities, O first.

    Returns:
        The suspicions in each text, worst first.
    """
    numbers = {name: i for i, name in enumerate(classes)}
    given = [np.array([numbers.get(name, -1) for name in one.given], dtype=np.int64) for one in held]
    flat = np.concatenate(given)
    known = flat >= 0
    flagged, quality = np.zeros(len(flat), dtype=bool), np.ones(len(flat))
    if len(np.unique(flat[known])) > 1:
        probabilities = np.concatenate([one.probabilities for one in held])[known].astype(np.float64)
        # What both ways of counting choose: of errors planted in the cyber gold set it found 79%, the default 81% with 40%
        # more tokens.
        flagged[known] = find_label_issues(flat[known], probabilities, filter_by="both", n_jobs=1)
        quality[known] = get_label_quality_scores(flat[known], probabilities)
    ends = np.cumsum([len(one) for one in given])[:-1]
    return [
        sorted(_join(one, found, scores, classes), key=lambda suspicion: suspicion.quality)
        for one, found, scores in zip(held, np.split(flagged, ends), np.split(quality, ends), strict=True)
    ]


def _join(one: HeldOut, flagged: NDArray[np.bool_], quality: NDArray[np.floating], classes: Sequence[str]) -> Iterator[Suspicion]:
    """Join the flagged tokens of a text to pairs of a given and a suggested span."""
    given, seen = _given_runs(one.text), list(_seen_runs(one, classes))
    worst: dict[tuple[_Run | None, _Run | None], float] = {}
    for token in np.flatnonzero(flagged).tolist():
        here, there = _at(token, given), _at(token, seen)
        pair = here or (there and _overlapping(there, given)), there or (here and _overlapping(here, seen))
        worst[pair] = min(worst.get(pair, 1.0), float(quality[token]))
    for (here, there), least in worst.items():
        # A token beside a span that is not known may be a part of it.
        if (here or there) and not (here and here[2][2] == UNKNOWN):
            yield _make_suspicion(one, here, there, least, classes)


def _make_suspicion(one: HeldOut, given: _Run | None, seen: _Run | None, quality: float, classes: Sequence[str]) -> Suspicion:
    spans = [run for run in (given, seen) if run]
    if given is None:
        kind = "missing"
    elif seen is None:
        kind = "spurious"
    else:
        kind = "boundary" if seen[2][2] in given[2][2].split(SEPARATOR) else "label"
    first, last, _ = spans[-1]
    column = classes.index(seen[2][2]) if seen else 0
    return Suspicion(
        kind,
        start=min(start for _, _, (start, _, _) in spans),
        end=max(end for _, _, (_, end, _) in spans),
        given=given and given[2],
        suggested=seen and seen[2],
        quality=quality,
        confidence=float(one.probabilities[first:last, column].mean()),
    )


def _given_runs(text: TestText) -> list[_Run]:
    ends, starts = text.token_ends, text.token_starts
    return [(int(np.searchsorted(ends, key[0], "right")), int(np.searchsorted(starts, key[1], "left")), key) for key in text.gold]


def _seen_runs(one: HeldOut, classes: Sequence[str]) -> Iterator[_Run]:
    """Read neighbors of the same most probable label as a span, without the blanks around it."""
    text, likely = one.text, one.probabilities.argmax(axis=1).tolist()
    for number, group in groupby(range(len(likely)), key=likely.__getitem__):
        tokens = list(group)
        first, last = tokens[0], tokens[-1]
        start, end = int(text.token_starts[first]), int(text.token_ends[last])
        surface = text.text[start:end]
        if number and surface.strip():
            start, end = end - len(surface.lstrip()), start + len(surface.rstrip())
            yield first, last + 1, (start, end, classes[number])


def _at(token: int, runs: Sequence[_Run]) -> _Run | None:
    return next((run for run in runs if run[0] <= token < run[1]), None)


def _overlapping(run: _Run, others: Sequence[_Run]) -> _Run | None:
    """Give the one that shares most tokens with a run, if any does."""
    shared = [(min(run[1], other[1]) - max(run[0], other[0]), other) for other in others]
    return max((pair for pair in shared if pair[0] > 0), key=lambda pair: pair[0], default=(0, None))[1]


def to_tasks(held: Sequence[HeldOut], suspicions: Sequence[Sequence[Suspicion]]) -> list[dict[str, Any]]:
    """Write suspicions as tasks that Label Studio imports into a project with our labeling configuration.

    Args:
        held: The texts.
        suspicions: The suspicions in each.

    Returns:
        One task for each text with suspicions, the worst first. What is annotated is its annotation, to be corrected in
        place; beside it stand two predictions, one with the spans that the models see (`suggested`) and one with the given
        spans that they contradict (`doubted`). The score of a prediction is the least quality in the text, so that Label
        Studio's "uncertainty sampling" shows the worst first; `data` holds the suspicions in full.
    """
    tasks = []
    for one, own in zip(held, suspicions, strict=True):
        if not own:
            continue
        text = one.text
        predictions: dict[str, dict[SpanKey, float | None]] = {
            SUGGESTED: {key: found.confidence for found in own if (key := found.suggested)},
            DOUBTED: {key: found.quality for found in reversed(own) if (key := found.given)},
        }
        rows = [to_row(text, found) for found in own]
        tasks.append(
            {
                "data": {"text": text.text, "source": text.source, "document": text.document, "suspicions": rows},
                "annotations": [{"result": _regions(text, dict.fromkeys(text.gold))}],
                "predictions": [
                    {"model_version": name, "score": own[0].quality, "result": _regions(text, spans)}
                    for name, spans in predictions.items()
                    if spans
                ],
            }
        )
    return sorted(tasks, key=lambda task: task["data"]["suspicions"][0]["quality"])


def to_row(text: TestText, found: Suspicion) -> dict[str, Any]:
    """Write a suspicion as JSON, with the text around it."""
    start, end = found.start, found.end
    return {
        **asdict(found),
        "given": _span(text, found.given),
        "suggested": _span(text, found.suggested),
        "before": text.text[max(0, start - CONTEXT) : start],
        "text": text.text[start:end],
        "after": text.text[end : end + CONTEXT],
    }


def _span(text: TestText, key: SpanKey | None) -> dict[str, Any] | None:
    return key and {"start": key[0], "end": key[1], "label": key[2], "text": text.text[key[0] : key[1]]}


def _regions(text: TestText, spans: Mapping[SpanKey, float | None]) -> list[dict[str, Any]]:
    """Write spans as regions, with a score where they have one; a span that is not known has no label."""
    regions = []
    for (start, end, label), score in sorted(spans.items()):
        labels = [] if label == UNKNOWN else label.split(SEPARATOR)
        regions.append(make_region(start, end, labels, text.text, score=score))
    return regions
