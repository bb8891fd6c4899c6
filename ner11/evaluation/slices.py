"""Scores of parts of the test set that may hide behind the average: short texts, unseen names, long spans."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from ner11.annotation import SEPARATOR
from ner11.datasets import TIERS
from ner11.evaluation.bootstrap import HIT, MISSED, SPURIOUS, Event, count_events, measure, resample
from ner11.evaluation.mentions import Mentions
from ner11.evaluation.texts import TestText

SEVERAL = "several"
"""In the place of a tier, for a span whose allowed labels are of more than one."""

_TEXT_LENGTHS = ("under 20 tokens", "20 to 199 tokens", "200 tokens and more")
_TOKENS = ("1", "2", "3", "4 and more")
_PIECES = ("1-2", "3-5", "6-10", "11 and more")
_TEXT_CASES = ("lower case", "UPPER CASE", "mixed case", "no letters")
_SPAN_CASES = ("lower case", "UPPER CASE", "Title Case", "mixed case", "no letters")

_ORDER: dict[str, Sequence[str]] = {
    "text length": _TEXT_LENGTHS,
    "surface": ("seen", "unseen"),
    "casing of the text": _TEXT_CASES,
    "casing of the span": _SPAN_CASES,
    "source": (),
    "tier of the source": TIERS,
    "tier of the label": (),
    "tokens in the span": _TOKENS,
    "word pieces in the span": _PIECES,
}
"""Groups and their slices, in the order of the report; slices that are not named here follow by name."""

PieceCounter = Callable[[Sequence[str]], list[int]]
"""Gives the number of word pieces of each string."""
_Span = tuple[int, int, str, int]
"""First character, end, label, and what became of it."""


def _outcomes(text: TestText) -> list[_Span]:
    """Give hits and misses by the gold span, spurious spans by their own."""
    comparison = text.comparison
    return [
        *((start, end, met, HIT) for (start, end, _), met in zip(comparison.hits, comparison.hit_labels, strict=True)),
        *((*span, SPURIOUS) for span in comparison.spurious),
        *((*span, MISSED) for span in comparison.missed),
    ]


def length_of(words: int) -> str:
    """Name the slice of a text by its tokens.

    The gold set has two kinds of texts: single lines, such as headlines, chat and log messages, of up to 17 tokens, and whole
    documents of 323 and more. Sentences and paragraphs of other sources lie between them.
    """
    return _TEXT_LENGTHS[bisect_right((20, 200), words)]


def case_of_text(text: str) -> str:
    """Name the case of a text, of the letters that have one."""
    if text.islower():
        return "lower case"
    if text.isupper():
        return "UPPER CASE"
    return "mixed case" if text.lower() != text.upper() else "no letters"


def case_of_span(surface: str) -> str:
    """Name the case of a span; in title case every word begins with a capital, if with a letter, and goes on in lower case."""
    case = case_of_text(surface)
    if case == "mixed case" and all(word == word.capitalize() for word in surface.split()):
        return "Title Case"
    return case


def _keys(slices: dict[str, str]) -> list[str]:
    return [f"{group}\t{name}" for group, name in slices.items()]


def _regroup(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Sort the rows of a table into their groups, in the order of the report."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for group, order in _ORDER.items():
        own = {key.partition("\t")[2]: row for key, row in rows.items() if key.partition("\t")[0] == group}
        names = [name for name in order if name in own]
        names += sorted(own.keys() - order)
        if names:
            groups[group] = {name: own[name] for name in names}
    return groups


def measure_slices(
    texts: Sequence[TestText],
    *,
    mentions: Mentions,
    count_pieces: PieceCounter | None,
    tier_of: Callable[[str], str],
    seed: int = 0,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Score the test set by what texts and spans are like.

    A hit and a miss count by the gold span, a spurious span by its own surface and label. Where several labels are
    allowed, a surface is seen if training has it with any of them.

    Args:
        texts: With predictions.
        mentions: Of the training texts.
        count_pieces: Counts word pieces of surfaces, called once; None leaves that group out.
        tier_of: Gives the top node of the tree above a label.
        seed: Of the resamples.

    Returns:
        By group and slice what `bootstrap.measure` gives; a slice with neither gold nor predicted spans is left out.
    """
    spans = [_outcomes(text) for text in texts]
    pieces: dict[str, int] = {}
    if count_pieces:
        surfaces = sorted({text.text[start:end] for text, own in zip(texts, spans, strict=True) for start, end, _, _ in own})
        pieces = dict(zip(surfaces, count_pieces(surfaces), strict=True))

    @cache
    def tier(label: str) -> str:
        tiers = {tier_of(name) for name in label.split(SEPARATOR)}
        return tiers.pop() if len(tiers) == 1 else SEVERAL

    @cache
    def describe(surface: str, label: str) -> list[str]:
        seen = any(mentions.seen(surface, name) for name in {label, *label.split(SEPARATOR)})
        slices = {"surface": "seen" if seen else "unseen", "casing of the span": case_of_span(surface)}
        # Nothing is ever predicted as of several tiers, so such a slice would have no false positives.
        if tier(label) != SEVERAL:
            slices["tier of the label"] = tier(label)
        if count_pieces:
            slices["word pieces in the span"] = _PIECES[bisect_right((3, 6, 11), pieces[surface])]
        return _keys(slices)

    def events(text: TestText, own: Sequence[_Span]) -> Iterator[Event]:
        if not own:
            return
        of_text = _keys(
            {
                "text length": length_of(text.words),
                "casing of the text": case_of_text(text.text),
                "source": text.source,
                "tier of the source": text.tier,
            }
        )
        for start, end, label, outcome in own:
            tokens = _TOKENS[bisect_right((2, 3, 4), text.count_tokens(start, end))]
            for key in (*of_text, *describe(text.text[start:end], label), *_keys({"tokens in the span": tokens})):
                yield key, outcome

    found = ((text.document, events(text, own)) for text, own in zip(texts, spans, strict=True))
    table = count_events(found, documents=sorted({text.document for text in texts}))
    return _regroup(measure(table, resample({"": table.counts}, seed=seed)[""]))
