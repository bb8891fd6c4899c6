"""Errors drawn with displaCy for the report: what the annotation says above what the model found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup, escape
from spacy import displacy

PAIRS = 8
"""Most frequent pairs of labels that are shown of each kind of error."""
EXAMPLES = 4
"""Examples that are shown of each pair."""
KINDS = {
    "type": "right borders, wrong label",
    "boundary": "overlapping borders, right label",
    "both": "overlapping borders, wrong label",
    "missed": "annotated, nothing found there",
    "spurious": "found, nothing annotated there",
}
_ENTITY = '<mark class="entity">{text}<span class="tag"> {label}</span></mark>'

Row = dict[str, Any]
Pair = tuple[str, str | None, str | None]


def draw_span(text: str, start: int, end: int, label: str) -> Markup:
    """Draw a text with one entity. displaCy escapes the text but not the label, which may be foreign too."""
    entity = {"start": start, "end": end, "label": str(escape(label))}
    shown = {"text": text.replace("\n", " "), "ents": [entity]}
    return Markup(displacy.render(shown, style="ent", manual=True, page=False, jupyter=False, options={"template": _ENTITY}))


def _label(row: Row, side: str) -> str | None:
    return row[side]["label"] if row[side] else None


def _spread(rows: Iterable[Row]) -> list[Row]:
    """Choose examples of a pair: other surfaces before the same again, the surest mistakes first."""
    seen: defaultdict[str, int] = defaultdict(int)

    def rank(row: Row) -> tuple[int, float]:
        surface = row["text"].casefold()
        seen[surface] += 1
        return seen[surface], -((row["predicted"] or {}).get("confidence") or 0)

    ranked = sorted(((rank(row), i, row) for i, row in enumerate(rows)), key=lambda entry: entry[:2])
    return [row for _, _, row in ranked[:EXAMPLES]]


def _draw(row: Row) -> Row:
    text = row["before"] + row["text"] + row["after"]
    drawn = {
        side: draw_span(text, row[side]["start"], row[side]["end"], row[side]["label"]) if row[side] else None
        for side in ("gold", "predicted")
    }
    confidence = row["predicted"]["confidence"] if row["predicted"] else None
    return {**drawn, "source": row["source"], "document": row["document"], "confidence": confidence, "nearest": row["nearest"]}


def draw_examples(errors: Sequence[Row]) -> list[Row]:
    """Draw the most telling errors.

    Args:
        errors: As in `training/report/errors.jsonl`.

    Returns:
        The most frequent pairs of each kind, the most frequent first: `kind`, `gold`, `predicted` (labels or None), `count`, and
        `examples`, each with its place, `confidence`, `nearest`, and drawn as `gold` and `predicted` (None: nothing there).
    """
    pairs: defaultdict[Pair, list[Row]] = defaultdict(list)
    for row in errors:
        pairs[row["kind"], _label(row, "gold"), _label(row, "predicted")].append(row)
    chosen: list[Pair] = []
    for kind in KINDS:
        own = [pair for pair in pairs if pair[0] == kind]
        chosen += sorted(own, key=lambda pair: (-len(pairs[pair]), str(pair)))[:PAIRS]
    chosen.sort(key=lambda pair: (-len(pairs[pair]), str(pair)))
    return [
        {
            "kind": kind,
            "gold": gold,
            "predicted": predicted,
            "count": len(pairs[kind, gold, predicted]),
            "examples": [_draw(row) for row in _spread(pairs[kind, gold, predicted])],
        }
        for kind, gold, predicted in chosen
    ]


def draw_change(flip: Row) -> Markup:
    """Draw a span that an earlier release saw differently, under its gold label, or the wrong one that came or went."""
    text = flip["before"] + flip["text"] + flip["after"]
    start = len(flip["before"])
    return draw_span(text, start, start + len(flip["text"]), flip["gold"] or flip["new"] or flip["old"] or "")
