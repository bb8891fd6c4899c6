"""Putting shifted offsets right, where what the source says stands in a span proves the true place."""

import re
from collections import Counter
from collections.abc import Iterator

from ner11.annotation import AnnotatedText, LabelledSpan

NEAR = 50
"""Characters that a surface may stand away from its stated place."""
OUTSIDE = "offsets outside the text"
ELSEWHERE = "another surface there"
UTF16 = "offsets counted in UTF-16 units"
LINE_ENDS = "offsets counted with other line ends"
SHIFTED = "shifted like the rest of its text"
NEARBY = "surface found nearby"
_QUOTES = str.maketrans(dict.fromkeys('"`´‘’‚“”„′″', "'"))


def repair_offsets(text: AnnotatedText) -> None:
    """Move spans whose surface stands elsewhere; blanks, line breaks and kinds of quotes may differ.

    Tried in this order: offsets counted in UTF-16 units or with other line ends, a shift that spans of the text share,
    the nearest occurrence of the surface. A span proved by none becomes unknown if it lies inside the text, else dropped.
    Of a span without a surface only the bounds are checked. A span that is unknown already gets its true place and stays so.

    Args:
        text: The text; its spans are changed in place.
    """
    content = text.text
    length = len(content)
    wrong = []
    for span in text.spans:
        inside = 0 <= span.start < span.end <= length
        surface = span.surface
        if (inside and (surface is None or content[span.start : span.end] == surface)) or span.outcome == "dropped":
            continue
        if surface is not None and surface.strip():
            if not (inside and _same(content[span.start : span.end], surface)):
                wrong.append(span)
        elif not inside:
            span.outcome, span.reason = "dropped", OUTSIDE
    if wrong:
        _repair(content, wrong)


def _repair(content: str, wrong: list[LabelledSpan]) -> None:
    tables = list(_tables(content))
    plain = content.translate(_QUOTES)
    found = [_occurrences(plain, span) for span in wrong]
    shift = _shared_shift(wrong, found)
    for span, shifts in zip(wrong, found, strict=True):
        known = span.outcome == "unknown"
        for start, end, reason in _candidates(content, span, tables, shift, shifts):
            if 0 <= start < end <= len(content) and _same(content[start:end], span.surface or ""):
                span.start, span.end = start, end
                if not known:
                    span.outcome, span.reason = "repaired", reason
                break
        else:
            if not 0 <= span.start < span.end <= len(content):
                span.outcome, span.reason = "dropped", OUTSIDE
            elif not known:
                span.outcome, span.reason = "unknown", ELSEWHERE


def _same(left: str, right: str) -> bool:
    return left.translate(_QUOTES).split() == right.translate(_QUOTES).split()


def _tables(content: str) -> Iterator[tuple[list[int], str]]:
    """For each other way of counting that makes a difference here: the character at every offset, and its name."""
    if not content.isascii() and max(content) > "\uffff":
        yield [i for i, c in enumerate(content) for _ in range(1 + (c > "\uffff"))], UTF16
    if "\r\n" in content:
        yield [i for i, c in enumerate(content) if not (c == "\r" and content[i + 1 : i + 2] == "\n")], LINE_ENDS
    elif "\n" in content:
        yield [i for i, c in enumerate(content) for _ in range(1 + (c == "\n"))], LINE_ENDS


def _occurrences(content: str, span: LabelledSpan) -> dict[int, tuple[int, int]]:
    """Find the surface near the stated place, never as a part of a word: its start and end by how far it is shifted."""
    surface = (span.surface or "").translate(_QUOTES)
    start = min(max(span.start, 0), len(content)) + len(surface) - len(surface.lstrip())
    pattern = re.compile(r"(?=(" + r"\s+".join(map(re.escape, surface.split())) + "))")
    matches = pattern.finditer(content, max(start - NEAR, 0), start + NEAR + 2 * len(surface))
    places = [match.span(1) for match in matches if not any(_cuts_word(content, at) for at in match.span(1))]
    return {place[0] - start: place for place in places if abs(place[0] - start) <= NEAR}


def _cuts_word(content: str, at: int) -> bool:
    # Scripts without cases may write words without blanks, so there any border is one.
    return 0 < at < len(content) and all(c.isdecimal() or c.lower() != c.upper() for c in content[at - 1 : at + 1])


def _shared_shift(wrong: list[LabelledSpan], found: list[dict[int, tuple[int, int]]]) -> int:
    """Find the shift that most spans agree on; 0 if no two do, or two shifts are equally good."""
    votes: Counter[int] = Counter()
    seen = set()
    for span, shifts in zip(wrong, found, strict=True):
        if (span.start, span.surface) not in seen:
            seen.add((span.start, span.surface))
            votes.update(shifts.keys())
    (best, count), (_, second) = [*votes.most_common(2), (0, 0), (0, 0)][:2]
    return best if count > max(second, 1) else 0


def _candidates(
    content: str, span: LabelledSpan, tables: list[tuple[list[int], str]], shift: int, shifts: dict[int, tuple[int, int]]
) -> Iterator[tuple[int, int, str]]:
    for table, reason in tables:
        if 0 <= span.start < span.end <= len(table):
            yield table[span.start], table[span.end - 1] + 1, reason
    if shift:
        yield span.start + shift, span.end + shift, SHIFTED
    near = sorted(shifts, key=abs)
    if near and (len(near) == 1 or abs(near[0]) < abs(near[1])):
        yield *shifts[near[0]], NEARBY
