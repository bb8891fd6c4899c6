"""From annotated texts to spaCy documents, with an outcome in the ledger for every span."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from spacy.tokens import Doc, Span

from ner11.annotation import AnnotatedText, LabelledSpan, pack_labels
from ner11.harmonize import RESERVED
from ner11.ledger import Ledger
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE

OVERLAP = "overlaps a longer span"
OFF_BORDERS = "not on token borders"
NO_TEXT = "no text in its borders"


def tokens_of(doc: Doc, span: LabelledSpan) -> tuple[Span | None, str]:
    """Find the tokens that a character span touches, and the characters of them that lie outside it.

    Returns:
        The tokens, None where there are none; and the characters, "" where the borders are those of the tokens.
    """
    tokens = doc.char_span(span.start, span.end, alignment_mode="expand")
    if tokens is None:
        return None, ""
    text = doc.text
    return tokens, text[tokens.start_char : span.start] + text[span.end : tokens.end_char]


def _runs(doc: Doc, tokens: Iterable[int]) -> list[Span]:
    """Join neighboring token positions to spans."""
    runs = groupby(enumerate(sorted(tokens)), key=lambda pair: pair[1] - pair[0])
    groups = ([token for _, token in run] for _, run in runs)
    return [Span(doc, group[0], group[-1] + 1) for group in groups]


def annotate(doc: Doc, text: AnnotatedText, *, split: str, ledger: Ledger) -> Doc:
    """Put the annotation of a harmonized text on its tokens.

    Args:
        doc: The tokenized text; annotated in place.
        text: The text, its spans with sets of active labels.
        split: Split that the text belongs to, for the ledger.
        ledger: Takes the outcome of every span.

    Returns:
        The document with fully known entities in `doc.ents`, ambiguous and unknown ones in `doc.spans["ambiguous"]`,
        their tokens marked as missing, and source, tier, weight, group and coverage in `doc.user_data`.
    """
    known: list[Span] = []
    unclear: list[Span] = []
    taken: set[int] = set()
    seen: set[tuple[int, int, frozenset[str]]] = set()

    def note(span: LabelledSpan, outcome: str, reason: str = "") -> None:
        ledger.spans[text.source, split, span.origin, outcome, reason] += 1

    # Of two overlapping spans the longer one says more; ties go to the earlier one, then to the reader's order.
    for span in sorted(text.spans, key=lambda s: (s.start - s.end, s.start)):
        ledger.read[text.source, split, span.origin] += 1
        tokens, outside = tokens_of(doc, span)
        key = (span.start, span.end, span.labels)
        if span.reason == RESERVED:
            note(span, "outside", RESERVED)
        elif tokens is None or not text.text[span.start : span.end].strip():
            note(span, "dropped", NO_TEXT)
        elif span.labels and key in seen:
            note(span, "duplicate")
        elif not span.labels or any(character.isalnum() for character in outside):
            unclear.append(Span(doc, tokens.start, tokens.end, label=pack_labels(())))
            note(span, "unknown", OFF_BORDERS if span.labels else span.reason)
        elif not taken.isdisjoint(range(tokens.start, tokens.end)):
            unclear.append(Span(doc, tokens.start, tokens.end, label=pack_labels(())))
            note(span, "unknown", OVERLAP)
        else:
            seen.add(key)
            taken.update(range(tokens.start, tokens.end))
            labelled = Span(doc, tokens.start, tokens.end, label=pack_labels(span.labels))
            (known if len(span.labels) == 1 else unclear).append(labelled)
            if len(span.labels) > 1:
                note(span, "ambiguous", pack_labels(span.labels))
            elif outside:
                note(span, "widened", f"by {outside.strip()[:10]!r}")
            else:
                note(span, "trimmed" if span.reason else "kept", span.reason)

    in_ents = {token for span in known for token in range(span.start, span.end)}
    missing = {token for span in unclear for token in range(span.start, span.end)} - in_ents
    doc.set_ents(known, missing=_runs(doc, missing), default="outside")
    doc.spans[AMBIGUOUS] = unclear
    doc.user_data.update(
        source=text.source, tier=text.tier, weight=text.weight, group=text.group, **{COVERAGE: sorted(text.coverage)}
    )
    return doc


def to_docs(
    texts: Iterable[AnnotatedText], *, split: str, make_doc: Callable[[str], Doc], max_tokens: int, ledger: Ledger
) -> Iterator[Doc]:
    """Turn harmonized texts into documents; empty and over-long texts go to the ledger.

    Args:
        texts: Harmonized texts.
        split: Split that they belong to.
        make_doc: The tokenizer of the pipeline to be trained.
        max_tokens: Longer texts are left out, in every split but test.
        ledger: Takes the outcome of every span and text.
    """
    for text in texts:
        doc = make_doc(text.text)
        reason = ""
        if not text.text.strip():
            reason = "empty text"
        elif split != "test" and len(doc) > max_tokens:
            reason = f"text over {max_tokens} tokens"
        ledger.texts[text.source, split, "dropped" if reason else "kept", reason] += 1
        if not reason:
            yield annotate(doc, text, split=split, ledger=ledger)
            continue
        for span in text.spans:
            ledger.read[text.source, split, span.origin] += 1
            ledger.spans[text.source, split, span.origin, "dropped", reason] += 1
