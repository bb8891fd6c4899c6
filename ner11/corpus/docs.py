"""From harmonized texts to tokens with tags, with an outcome in the ledger for every span."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from spacy.attrs import IDX, LENGTH, ORTH, SPACY
from spacy.tokens import Doc

from ner11.annotation import AnnotatedText, LabelledSpan, pack_labels
from ner11.ledger import EXAMPLES, Ledger, SpanKey

Tokenizer = Callable[[str], Doc]

OVERLAP = "overlaps a longer span"
OFF_BORDERS = "not on token borders"
TO_BORDERS = "by punctuation, to token borders"
NO_TEXT = "no text in its borders"
_MISSING, _INSIDE, _OUTSIDE, _BEGIN = 0, 1, 2, 3  # spaCy's codes of ENT_IOB
_SENTENCE_ENDS = frozenset([".", "!", "?", "。", "！", "？"])


class TokenBorders:
    """First and one past the last character of every token of a document."""

    def __init__(self, doc: Doc) -> None:
        places = doc.to_array([IDX, LENGTH])
        self.starts: list[int] = places[:, 0].tolist()
        self.ends: list[int] = places.sum(axis=1).tolist()

    def touched(self, span: LabelledSpan) -> tuple[int, int]:
        """Find the tokens that a character span touches: first, one past the last; equal if there is none."""
        return bisect_right(self.ends, span.start), bisect_left(self.starts, span.end)

    def outside(self, text: str, span: LabelledSpan, first: int, last: int) -> str:
        """Give the characters of the touched tokens that lie outside the span; "" if its borders are theirs."""
        return text[self.starts[first] : span.start] + text[span.end : self.ends[last - 1]]


@dataclass(slots=True)
class TaggedDoc:
    """A document as a DocBin keeps it, without the cost of `Doc.ents`.

    Attributes:
        text: What it was made from.
        doc: The tokens.
        array: ORTH, ENT_IOB and ENT_TYPE of every token: (tokens, 3), uint64.
        spaces: Whether a blank follows: (tokens, 1), bool.
        unclear: Ambiguous and unknown spans: first token, one past the last, first character, one past the last, label.
        spans: For the ledger: (key, first token, one past the last) of every span read.
    """

    text: AnnotatedText
    doc: Doc
    array: np.ndarray
    spaces: np.ndarray
    unclear: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    spans: list[tuple[SpanKey, int, int]] = field(default_factory=list)


def tag(doc: Doc, text: AnnotatedText, *, split: str, ledger: Ledger) -> TaggedDoc:
    """Put the annotation of a harmonized text on its tokens.

    Fully known entities become tags; the tokens of ambiguous and unknown ones are marked as missing. Of overlapping spans
    the longer one stays, for it says more; ties go to the earlier one, then to the reader's order.

    Args:
        doc: The tokenized text.
        text: The text, its spans with sets of active labels.
        split: Split that the text belongs to, for the ledger.
        ledger: Takes the outcome of every span.
    """
    words = doc.to_array([ORTH, SPACY])
    array = np.empty((len(words), 3), dtype=np.uint64)
    array[:, 0] = words[:, 0]
    # A source that covers nothing says nothing outside its spans either.
    array[:, 1] = _OUTSIDE if text.coverage else _MISSING
    array[:, 2] = 0
    made = TaggedDoc(text, doc, array, words[:, 1:].astype(bool))
    if text.spans:
        _tag_spans(made, split, ledger)
    return made


def _tag_spans(made: TaggedDoc, split: str, ledger: Ledger) -> None:
    text, content, strings = made.text, made.text.text, made.doc.vocab.strings
    borders = TokenBorders(made.doc)
    array = made.array
    taken: set[int] = set()
    seen: set[tuple[int, int, frozenset[str]]] = set()
    spans = sorted(text.spans, key=lambda s: (s.start - s.end, s.start)) if len(text.spans) > 1 else text.spans
    unclear: list[tuple[int, int, str]] = []
    for span in spans:
        first, last = borders.touched(span)
        outside = borders.outside(content, span, first, last) if first < last else ""
        ledger.read[text.source, split, span.origin] += 1
        outcome, reason = span.outcome, span.reason
        if outcome == "dropped":
            pass
        elif first >= last or not content[span.start : span.end].strip():
            outcome, reason = "dropped", NO_TEXT
        elif outcome == "outside":
            pass
        elif not span.labels:
            unclear.append((first, last, pack_labels(())))
        elif (span.start, span.end, span.labels) in seen:
            outcome, reason = "duplicate", ""
        elif outside and any(map(str.isalnum, outside)):
            outcome, reason = "unknown", OFF_BORDERS
            unclear.append((first, last, pack_labels(())))
        elif not taken.isdisjoint(range(first, last)):
            outcome, reason = "unknown", OVERLAP
            unclear.append((first, last, pack_labels(())))
        else:
            seen.add((span.start, span.end, span.labels))
            taken.update(range(first, last))
            if len(span.labels) == 1:
                (label,) = span.labels
                array[first:last, 1] = _INSIDE
                array[first, 1] = _BEGIN
                array[first:last, 2] = strings.add(label)
            else:
                outcome, reason = "ambiguous", pack_labels(span.labels)
                unclear.append((first, last, reason))
            if outside and outcome != "ambiguous":
                outcome, reason = "widened", TO_BORDERS
        key = SpanKey(text.source, split, span.origin, outcome, reason)
        ledger.spans[key] += 1
        if outcome != "kept" and len(ledger.examples.get(key, ())) < EXAMPLES:
            ledger.example(key, text.place(span), content[max(span.start, 0) : span.end][:60])
        made.spans.append((key, first, last))
    for first, last, _ in unclear:
        for token in range(first, last):
            if not array[token, 2]:
                array[token, 1] = _MISSING
    made.unclear = [(first, last, borders.starts[first], borders.ends[last - 1], label) for first, last, label in unclear]


def split_long(text: AnnotatedText, doc: Doc, max_tokens: int) -> Iterator[AnnotatedText]:
    """Cut a long text at line breaks and sentence ends that lie in no span, into pieces of at most `max_tokens`.

    Args:
        text: The text, with spans.
        doc: The tokenized text.
        max_tokens: Tokens that a piece may have.

    Yields:
        Pieces that together are the text; one that has no place to cut is longer than `max_tokens`.
    """
    content, borders = text.text, TokenBorders(doc)
    inside = np.zeros(len(doc) + 1, dtype=bool)
    for span in text.spans:
        if span.outcome != "dropped":
            first, last = borders.touched(span)
            inside[first + 1 : last] = True
    cuts = [
        i
        for i in range(1, len(doc))
        if not inside[i] and (doc[i - 1].text in _SENTENCE_ENDS or "\n" in content[borders.ends[i - 1] - 1 : borders.starts[i] + 1])
    ]
    begins, last_cut = [0], 0
    for cut in [*cuts, len(doc)]:
        if cut - begins[-1] > max_tokens and last_cut > begins[-1]:
            begins.append(last_cut)
        last_cut = cut
    ends = [*(borders.starts[i] for i in begins[1:]), len(content)]
    for start, end in zip([0, *ends], ends, strict=False):
        piece = replace(text, text=content[start:end], line=text.line + content.count("\n", 0, start), spans=[], problems=[])
        # What reaches past the end of the text belongs to the last piece, where it is dropped with its reason.
        piece.spans = [
            replace(span, start=span.start - start, end=span.end - start)
            for span in text.spans
            if start <= span.start < end or (end == len(content) and span.start >= end) or (start == 0 and span.start < 0)
        ]
        yield piece


def tag_text(
    text: AnnotatedText, *, split: str, make_doc: Tokenizer, max_tokens: int, long_texts: str, ledger: Ledger
) -> Iterator[TaggedDoc]:
    """Turn a harmonized text into tagged documents: one, several if it is split, none if it is left out.

    Args:
        text: The harmonized text.
        split: Split that it belongs to.
        make_doc: The tokenizer of the pipeline to be trained.
        max_tokens: Longer texts are split or dropped.
        long_texts: "split" or "drop". In test, nothing is dropped.
        ledger: Takes the outcome of every span and text.
    """
    for problem in text.problems:
        key = (text.source, split, problem)
        ledger.problems[key] += 1
        ledger.example(key, f"{text.where}:{text.line}")
    if text.damage:
        _lose(text, text.damage, split, ledger)
        return
    doc = make_doc(text.text)
    pieces = [(text, doc)]
    if len(doc) > max_tokens and long_texts == "split":
        pieces = [(piece, make_doc(piece.text)) for piece in split_long(text, doc, max_tokens)]
        if len(pieces) > 1:
            ledger.texts[text.source, split, "split", f"over {max_tokens} tokens"] += 1
    for piece, doc in pieces:
        if not piece.text or piece.text.isspace():
            _lose(piece, "empty text", split, ledger)
        elif len(doc) > max_tokens and split != "test":
            ending = " without a sentence end" if long_texts == "split" else ""
            _lose(piece, f"over {max_tokens} tokens{ending}", split, ledger)
        else:
            ledger.texts[text.source, split, "kept", ""] += 1
            yield tag(doc, piece, split=split, ledger=ledger)


def _lose(text: AnnotatedText, reason: str, split: str, ledger: Ledger) -> None:
    ledger.texts[text.source, split, "dropped", reason] += 1
    ledger.example((text.source, split, "dropped", reason), f"{text.where}:{text.line}", text.text[:60])
    for span in text.spans:
        ledger.read[text.source, split, span.origin] += 1
        ledger.spans[SpanKey(text.source, split, span.origin, "dropped", reason)] += 1
