"""Guesses at spans: which fields of theirs hold the start, the end, the label and the surface, and what offsets count."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from ner11.readers.json_layout import make_get
from ner11.readers.standoff import to_integer

ENOUGH = 0.7
"""Share of spans that must agree with a guess."""
_STARTS = ("start", "begin", "from", "first", "offset", "0")
_ENDS = ("end", "stop", "to", "last", "1")
_LABELS = ("label", "labels", "type", "entity_type", "entity", "tag", "category", "class", "ner")


class Sample(NamedTuple):
    """A span as it stands in the data, with its text and how many tokens that has."""

    span: Any
    text: str | None
    tokens: int | None


def _fields(span: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = span.items() if isinstance(span, dict) else enumerate(span) if isinstance(span, list) else ()
    for key, value in items:
        if "." in str(key):
            continue
        if isinstance(value, dict):
            yield from _fields(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _rank(path: str, names: Sequence[str]) -> int:
    """Give how well a field's name fits, the lower the better."""
    name = path.rpartition(".")[2].lower()
    for i, wanted in enumerate(names):
        if name == wanted:
            return i
    return len(names) if any(wanted in name for wanted in names if len(wanted) > 1) else 2 * len(names)


def _label_text(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def _fits(text: str, start: int, end: int) -> bool:
    """Tell whether words begin and end at the borders of a span."""
    if not 0 <= start < end <= len(text) or text[start].isspace() or text[end - 1].isspace():
        return False
    inside = (text[start - 1 : start] + text[start]).isalnum() and start > 0
    outside = (text[end - 1] + text[end : end + 1]).isalnum() and end < len(text)
    return not inside and not outside


def guess_spans(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """Guess the fields of spans.

    Returns:
        Values for `start`, `end`, `label`, and, where they hold, `surface`, `unit` and `inclusive_end`; None if these are
        no labelled spans.
    """
    fields = [dict(_fields(sample.span)) for sample in samples]
    names = list(dict.fromkeys(name for row in fields for name in row))
    if not samples:
        return None

    def share(test: Any) -> float:
        return sum(map(bool, map(test, fields))) / len(fields)

    whole = [name for name in names if share(lambda row: to_integer(row.get(name)) is not None) > 0.9]  # noqa: B023
    strings = [name for name in names if share(lambda row: _label_text(row.get(name))) > 0.9]  # noqa: B023
    best: tuple[float, dict[str, Any]] | None = None
    for start, end in permutations(whole, 2):
        places = [(to_integer(row.get(start)), to_integer(row.get(end))) for row in fields]
        rank = _rank(start, _STARTS) + _rank(end, _ENDS)
        for guess, score in _guess_unit(samples, fields, places, strings):
            score -= rank / 100
            surface = guess.get("surface")
            label = _guess_label([name for name in strings if name != surface], fields)
            if label is not None and (best is None or score > best[0]):
                best = score, {"start": start, "end": end, "label": label, **guess}
    return best[1] if best else None


def _guess_unit(
    samples: Sequence[Sample], fields: list[dict[str, Any]], places: list[tuple[int | None, int | None]], strings: list[str]
) -> Iterator[tuple[dict[str, Any], float]]:
    """Give what offsets may count, with a score: proved by surfaces, by borders of words, or by the number of tokens."""
    rows = [
        (sample, row, first, last)
        for sample, row, (first, last) in zip(samples, fields, places, strict=True)
        if first is not None and last is not None
    ]
    if not rows:
        return
    texts = [(sample.text, row, first, last) for sample, row, first, last in rows if sample.text is not None]
    for more in (0, 1) if texts else ():
        inclusive = {"inclusive_end": True} if more else {}
        for name in strings:
            same = sum(row.get(name) == text[first : last + more] != "" for text, row, first, last in texts) / len(rows)
            if same >= 0.5:
                yield {"surface": name, **inclusive}, 2 + same
        fit = sum(_fits(text, first, last + more) for text, _, first, last in texts) / len(rows)
        if fit >= ENOUGH:
            yield inclusive, 1 + fit - more / 10
    counted = [(sample.tokens, first, last) for sample, _, first, last in rows if sample.tokens is not None]
    if counted:
        # A span of one token tells whether the end is behind it.
        more = int(any(first == last for _, first, last in counted))
        inside = sum(0 <= first < last + more <= tokens for tokens, first, last in counted) / len(rows)
        if inside >= 0.9:
            yield {"unit": "tokens", **({"inclusive_end": True} if more else {})}, inside


def _guess_label(names: Sequence[str], fields: list[dict[str, Any]]) -> str | None:
    values = {name: [_label_text(row.get(name)) for row in fields] for name in names}
    variety = {name: len(set(found)) / len(found) for name, found in values.items()}
    # An identifier is another one in every span.
    usual = [name for name in names if variety[name] <= 0.5 or _rank(name, _LABELS) < len(_LABELS)]
    return min(usual, key=lambda name: (name.count("."), _rank(name, _LABELS), variety[name]), default=None)


def as_options(guess: dict[str, Any]) -> dict[str, Any]:
    """Write a guess as options of a reader: positions as numbers, what is the default left out."""
    options = {key: int(value) if isinstance(value, str) and value.isdigit() else value for key, value in guess.items()}
    return {key: value for key, value in options.items() if key != value}


def span_label(span: Any, guess: dict[str, Any]) -> str | None:
    """Give the label of a span under a guess."""
    return _label_text(make_get(guess["label"])(span))
