"""Wrong predictions matched with the annotated spans they belong to: kinds of errors, confusions, and partial credit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scipy.optimize import linear_sum_assignment

from ner11.annotation import SEPARATOR
from ner11.pipeline.scoring import Comparison, SpanKey

MISSED = "MISSED"
"""Column of the confusions: no prediction belongs to the annotated span."""
SPURIOUS = "SPURIOUS"
"""Row of the confusions: the predicted span belongs to no annotated one."""

Kind = Literal["hit", "type", "boundary", "both", "missed", "spurious"]
Confusion = dict[str, list[dict[str, Any]]]
Credit = dict[str, dict[str, Any]]

SCHEMES: dict[str, dict[Kind, str]] = {
    "strict": {"hit": "correct", "type": "incorrect", "boundary": "incorrect", "both": "incorrect"},
    "exact": {"hit": "correct", "type": "correct", "boundary": "incorrect", "both": "incorrect"},
    "partial": {"hit": "correct", "type": "correct", "boundary": "partial", "both": "partial"},
    "type": {"hit": "correct", "type": "incorrect", "boundary": "correct", "both": "incorrect"},
}
"""What a pair of spans counts as. Strict: borders and label; exact: borders; partial: overlap; type: label of what overlaps."""
_OUTCOMES = ("correct", "incorrect", "partial", "missed", "spurious")


@dataclass(frozen=True, slots=True)
class Match:
    """An annotated and a predicted span that belong together, or one that stands alone.

    Attributes:
        gold: The annotated span; None if spurious. The label is `A|B` where several are allowed; of a hit, the predicted one.
        predicted: The predicted span; None if missed.
        kind: `hit`; `type`: same borders, wrong label; `boundary`: other borders, label allowed; `both`: other borders, wrong
            label; `missed`; `spurious`.
    """

    gold: SpanKey | None
    predicted: SpanKey | None
    kind: Kind


def match_spans(comparison: Comparison) -> list[Match]:
    """Match wrong predictions with missed spans, one to one.

    Hits stay. Of the others those are paired whose overlaps, in characters, have the largest sum; if several pairings have it,
    the one with most labels right, then the one of earlier spans. The order of the lists does not matter (it does in
    nervaluate, where a prediction takes the first span that it meets). Ignored predictions are left out.

    Args:
        comparison: Of one text.

    Returns:
        Every hit, missed and spurious span in one match, by position.
    """
    matches = [Match(hit, hit, "hit") for hit in comparison.hits]
    for gold, predicted in _split(comparison.missed, comparison.spurious):
        matches += _match(gold, predicted)
    return sorted(matches, key=lambda match: ([key for key in (match.gold, match.predicted) if key], match.kind))


def confusion(matches: Iterable[Match]) -> Confusion:
    """Count which label was predicted for which.

    Args:
        matches: Of all texts.

    Returns:
        `cells`, sorted: `gold` (a label, or SPURIOUS), `predicted` (a label, or MISSED), `exact` (pairs with the same borders,
        and spans that stand alone) and `boundary` (pairs that overlap, with other borders).
    """
    cells: dict[tuple[str, str], Counter[str]] = {}
    for match in matches:
        labels = match.gold[2] if match.gold else SPURIOUS, match.predicted[2] if match.predicted else MISSED
        cells.setdefault(labels, Counter())["boundary" if match.kind in ("boundary", "both") else "exact"] += 1
    return {
        "cells": [
            {"gold": gold, "predicted": predicted, "exact": count["exact"], "boundary": count["boundary"]}
            for (gold, predicted), count in sorted(cells.items())
        ]
    }


def credit(matches: Iterable[Match]) -> Credit:
    """Score with partial credit, after SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013).

    Args:
        matches: Of all texts.

    Returns:
        For each of `SCHEMES` the numbers of `correct`, `incorrect`, `partial`, `missed` and `spurious` spans, and
        `precision`, `recall` and `f1` (0 to 1, None if undefined), where a partial span counts half. F1 of `strict` is that
        of exact matches.
    """
    kinds = Counter(match.kind for match in matches)
    return {scheme: _score(kinds, outcome_of) for scheme, outcome_of in SCHEMES.items()}


def _score(kinds: Counter[Kind], outcome_of: dict[Kind, str]) -> dict[str, Any]:
    counts = dict.fromkeys(_OUTCOMES, 0)
    for kind, count in kinds.items():
        counts[outcome_of.get(kind, kind)] += count
    paired = counts["correct"] + counts["incorrect"] + counts["partial"]
    possible, actual = paired + counts["missed"], paired + counts["spurious"]
    right = counts["correct"] + counts["partial"] / 2
    return {
        **counts,
        "precision": right / actual if actual else None,
        "recall": right / possible if possible else None,
        "f1": 2 * right / (possible + actual) if possible + actual else None,
    }


def _split(missed: Iterable[SpanKey], spurious: Iterable[SpanKey]) -> Iterator[tuple[list[SpanKey], list[SpanKey]]]:
    """Split spans, sorted, into groups that do not overlap each other: pairs are found within a group."""
    gold: list[SpanKey] = []
    predicted: list[SpanKey] = []
    reach = 0
    for key, is_gold in sorted([*((key, True) for key in missed), *((key, False) for key in spurious)]):
        if key[0] >= reach:
            yield gold, predicted
            gold, predicted = [], []
        (gold if is_gold else predicted).append(key)
        reach = max(reach, key[1])
    yield gold, predicted


def _match(gold: Sequence[SpanKey], predicted: Sequence[SpanKey]) -> Iterator[Match]:
    """Match the spans of a group, each side sorted."""
    pairs = _pair(gold, predicted)
    for i, j in pairs:
        yield Match(gold[i], predicted[j], _kind(gold[i], predicted[j]))
    rows, columns = {i for i, _ in pairs}, {j for _, j in pairs}
    yield from (Match(key, None, "missed") for i, key in enumerate(gold) if i not in rows)
    yield from (Match(None, key, "spurious") for j, key in enumerate(predicted) if j not in columns)


def _pair(gold: Sequence[SpanKey], predicted: Sequence[SpanKey]) -> list[tuple[int, int]]:
    """Give the indexes of the spans that belong together (an assignment problem; Crouse 2016)."""
    if not gold or not predicted:
        return []
    height, width = len(gold), len(predicted)
    most = min(height, width)
    # Whole numbers, each unit larger than all that the units below it can add up to: exact in floats.
    for_label = most * (height + width) + 1
    for_overlap = (most + 1) * for_label
    weights = [
        [
            overlap * for_overlap + (other[2] in key[2].split(SEPARATOR)) * for_label + height - i + width - j
            if (overlap := _overlap(key, other)) > 0
            else 0
            for j, other in enumerate(predicted)
        ]
        for i, key in enumerate(gold)
    ]
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if weights[i][j]]


def _overlap(first: SpanKey, second: SpanKey) -> int:
    return min(first[1], second[1]) - max(first[0], second[0])


def _kind(gold: SpanKey, predicted: SpanKey) -> Kind:
    if gold[:2] == predicted[:2]:
        return "type"
    return "boundary" if predicted[2] in gold[2].split(SEPARATOR) else "both"
