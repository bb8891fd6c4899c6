"""From harmonized texts to tokens with tags, with an outcome in the ledger for every span."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from spacy.attrs import IDX, LENGTH, ORTH, SPACY
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ner11.annotation import AnnotatedText, LabelledSpan, pack_labels
from ner11.corpus.shards import Rows, pack, pack_spans
from ner11.ledger import EXAMPLES, Ledger, SpanKey
from ner11.pipeline.scoring import COVERAGE

OVERLAP = "overlaps a longer span"
OFF_BORDERS = "not on token borders"
TO_BORDERS = "by punctuation, to token borders"
NO_TEXT = "no text in its borders"
_MISSING, _INSIDE, _OUTSIDE, _BEGIN = 0, 1, 2, 3  # spaCy's codes of ENT_IOB
_SENTENCE_ENDS = frozenset([".", "!", "?", "。", "！", "？"])


class TokenBorders:
    """First and one past the last character of every token of a document."""

    def __init__(self, doc: Doc) -> None:
        starts, lengths = doc.to_array([IDX, LENGTH]).T
        self.starts: list[int] = starts.tolist()
        self.ends: list[int] = (starts + lengths).tolist()

    def touched(self, span: LabelledSpan) -> tuple[int, int]:
        """Find the tokens that a character span touches: first, one past the last; equal if there is none."""
        return bisect_right(self.ends, span.start), bisect_left(self.starts, span.end)

    def outside(self, text: str, span: LabelledSpan, first: int, last: int) -> str:
        """Give the characters of the touched tokens that lie outside the span; "" if its borders are theirs."""
        return text[self.starts[first] : span.start] + text[span.end : self.ends[last - 1]]


@dataclass(slots=True)
class TaggedDoc:
    """A tokenized text and what stands on its tokens; cheaper than a `Doc` with entities, see `to_rows`.

    Attributes:
        text: What it was made from.
        words: ORTH and SPACY of every token: (tokens, 2), uint64.
        vocab: Knows the tokens.
        entities: Fully known entities: first token, one past the last, label.
        unclear: Ambiguous and unknown spans: first token, one past the last, first character, one past the last, label.
        spans: For the ledger: (key, first token, one past the last) of every span read.
    """

    text: AnnotatedText
    words: np.ndarray
    vocab: Vocab
    entities: list[tuple[int, int, str]] = field(default_factory=list)
    unclear: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    spans: list[tuple[SpanKey, int, int]] = field(default_factory=list)


def tag(doc: Doc, text: AnnotatedText, *, split: str, ledger: Ledger) -> TaggedDoc:
    """Put the annotation of a harmonized text on its tokens.

    Of overlapping spans the longer one stays, for it says more; ties go to the earlier one, then to the reader's order.

    Args:
        doc: The tokenized text.
        text: The text, its spans with sets of active labels.
        split: Split that the text belongs to, for the ledger.
        ledger: Takes the outcome of every span.
    """
    made = TaggedDoc(text, doc.to_array([ORTH, SPACY]), doc.vocab)
    if text.spans:
        _tag_spans(made, TokenBorders(doc), split, ledger)
    return made


def _tag_spans(made: TaggedDoc, borders: TokenBorders, split: str, ledger: Ledger) -> None:
    text, content = made.text, made.text.text
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
                made.entities.append((first, last, label))
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
    made.unclear = [(first, last, borders.starts[first], borders.ends[last - 1], label) for first, last, label in unclear]


def _positions(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """List the positions in ranges, one range after the other."""
    lengths = last - first
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - lengths), lengths)


def to_rows(docs: Sequence[TaggedDoc]) -> Rows:
    """Give documents as rows of a DocBin; there must be at least one.

    The tokens of ambiguous and unknown spans have missing annotation, and so has everything outside of the spans of a
    source that covers nothing.
    """
    strings = docs[0].vocab.strings
    lengths = np.array([len(doc.words) for doc in docs], dtype=np.int32)
    begins = (np.cumsum(lengths) - lengths).tolist()
    words = np.concatenate([doc.words for doc in docs])
    tokens = np.zeros((len(words), 3), dtype=np.uint64)
    tokens[:, 0] = words[:, 0]
    tokens[:, 1] = np.repeat([_OUTSIDE if doc.text.coverage else _MISSING for doc in docs], lengths)
    unclear = [(begin + span[0], begin + span[1]) for begin, doc in zip(begins, docs, strict=True) for span in doc.unclear]
    if unclear:
        tokens[_positions(*np.array(unclear).T), 1] = _MISSING
    entities = [(begin + a, begin + b, label) for begin, doc in zip(begins, docs, strict=True) for a, b, label in doc.entities]
    if entities:
        first, last = (np.array(column) for column in list(zip(*entities, strict=True))[:2])
        inside = _positions(first, last)
        ids = np.array([strings.add(label) for _, _, label in entities], dtype=np.uint64)
        tokens[inside, 1], tokens[first, 1] = _INSIDE, _BEGIN
        tokens[inside, 2] = np.repeat(ids, last - first)
    rows = Rows(
        lengths,
        tokens,
        words[:, 1].astype(bool),
        [pack_spans(doc.unclear) if doc.unclear else b"" for doc in docs],
        [_pack_user_data(doc.text) for doc in docs],
    )
    rows.strings = {strings[hash_] for hash_ in np.unique(tokens[:, [0, 2]]).tolist() if hash_}
    rows.strings.update(span[-1] for doc in docs for span in doc.unclear)
    return rows


def _pack_user_data(text: AnnotatedText) -> bytes:
    data = {"source": text.source, "tier": text.tier, "weight": text.weight, "group": text.group}
    return pack({**data, COVERAGE: sorted(text.coverage)})


def find_pieces(doc: Doc, spans: Iterable[tuple[int, int]], max_tokens: int) -> list[int]:
    """Find where the pieces of a long text begin: at line breaks and sentence ends that lie in no span.

    Args:
        doc: The tokenized text.
        spans: First token and the one after the last of each span.
        max_tokens: Tokens that a piece may have; one that has no place to cut is longer.

    Returns:
        The first token of each piece; 0 is the first of them.
    """
    inside = np.zeros(len(doc) + 1, dtype=bool)
    for first, last in spans:
        inside[first + 1 : last] = True
    # A line break is a token of blanks, or at the edge of one.
    ends_line = ["\n" in token.text for token in doc]
    ends = [token.text in _SENTENCE_ENDS for token in doc]
    begins, last_cut = [0], 0
    for cut in range(1, len(doc) + 1):
        if cut < len(doc) and (inside[cut] or not (ends[cut - 1] or ends_line[cut - 1] or ends_line[cut])):
            continue
        if cut - begins[-1] > max_tokens and last_cut > begins[-1]:
            begins.append(last_cut)
        last_cut = cut
    return begins


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
    begins = find_pieces(doc, (borders.touched(span) for span in text.spans if span.outcome != "dropped"), max_tokens)
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
    text: AnnotatedText, *, split: str, make_doc: Callable[[str], Doc], max_tokens: int, long_texts: str, ledger: Ledger
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
