import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span
from spacy.vocab import Vocab

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.corpus.docs import OFF_BORDERS, OVERLAP, TO_BORDERS, TokenBorders, split_long, tag, tag_text, to_rows
from ner11.corpus.shards import pack_spans
from ner11.ledger import Ledger
from tests.readers.fuzz import FUZZ

NLP = spacy.blank("en")
A, B, AB, NONE = frozenset("A"), frozenset("B"), frozenset("AB"), frozenset()


def span(text, surface, labels, outcome="kept", reason=""):
    start = text.index(surface)
    return LabelledSpan(start, start + len(surface), "X", labels, outcome=outcome, reason=reason)


def outcomes(ledger):
    counts = Counter()
    for key, count in ledger.spans.items():
        counts[key.outcome, key.reason] += count
    return counts


def to_doc(made):
    """Read a tagged document back as plain spaCy does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.spacy"
        to_rows([made]).write(path)
        (doc,) = DocBin().from_disk(path).get_docs(Vocab())
    return doc


def run(text, *spans, coverage=AB):
    ledger = Ledger()
    read = AnnotatedText(text, list(spans), source="s", coverage=coverage)
    made = tag(NLP.make_doc(text), read, split="train", ledger=ledger)
    ledger.check()
    assert ledger.read == Counter({("s", "train", "X"): len(spans)})
    assert Counter(key for key, _, _ in made.spans) == ledger.spans
    return to_doc(made), outcomes(ledger)


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def unclear(doc):
    return [(one.text, one.label_) for one in doc.spans.get("ambiguous", ())]


def missing(doc):
    return [token.text for token in doc if token.ent_iob == 0]


TEXT = "Sandworm used Kill-Disk v2 against Kyiv."


@pytest.mark.parametrize(
    ("surface", "labels", "fate", "outcome", "in_ents", "in_group", "without"),
    [
        pytest.param("Sandworm", A, (), ("kept", ""), "Sandworm", None, [], id="kept"),
        pytest.param("Sandworm", A, ("trimmed", "blank edges"), ("trimmed", "blank edges"), "Sandworm", None, [], id="trimmed"),
        pytest.param("Sandworm", A, ("repaired", "why"), ("repaired", "why"), "Sandworm", None, [], id="repaired"),
        pytest.param("Kyi", A, (), ("unknown", OFF_BORDERS), None, ("Kyiv", "?"), ["Kyiv"], id="cut inside a token"),
        pytest.param(
            "worm used",
            A,
            (),
            ("unknown", OFF_BORDERS),
            None,
            ("Sandworm used", "?"),
            ["Sandworm", "used"],
            id="cut inside the first token",
        ),
        pytest.param("Kyi", A, ("trimmed", "why"), ("unknown", OFF_BORDERS), None, ("Kyiv", "?"), ["Kyiv"], id="trimmed and cut"),
        pytest.param("used", AB, (), ("ambiguous", "A|B"), None, ("used", "A|B"), ["used"], id="ambiguous"),
        pytest.param(
            "used", AB, ("repaired", "why"), ("ambiguous", "A|B"), None, ("used", "A|B"), ["used"], id="repaired, ambiguous"
        ),
        pytest.param("used", NONE, ("unknown", "why"), ("unknown", "why"), None, ("used", "?"), ["used"], id="unknown"),
        pytest.param("used", NONE, ("dropped", "why"), ("dropped", "why"), None, None, [], id="dropped"),
        pytest.param("used", NONE, ("outside", "why"), ("outside", "why"), None, None, [], id="reserved"),
    ],
)
def test_a_span_has_one_outcome(surface, labels, fate, outcome, in_ents, in_group, without):
    doc, counts = run(TEXT, span(TEXT, surface, labels, *fate))
    assert counts == {outcome: 1}
    assert ents(doc) == ([(in_ents, "A")] if in_ents else [])
    assert unclear(doc) == ([in_group] if in_group else [])
    assert missing(doc) == without


@pytest.mark.parametrize(
    ("text", "surface", "token"),
    [
        ("in the U.S. today", "U.S", "U.S."),
        ("see (https://x.example/) there", "https://x.example", "https://x.example/"),
        ("the -x flag", "x", "-x"),
    ],
)
def test_a_span_grows_over_punctuation_of_its_tokens(text, surface, token):
    doc, counts = run(text, span(text, surface, A))
    assert (ents(doc), missing(doc), counts) == ([(token, "A")], [], {("widened", TO_BORDERS): 1})


@pytest.mark.parametrize(
    ("start", "end"), [(3, 4), (4, 4), (90, 95), (5, 3)], ids=["blank", "empty", "past the end", "backwards"]
)
def test_a_span_without_text_is_dropped(start, end):
    doc, counts = run("Yes . No", LabelledSpan(start, end, "X", A))
    assert (ents(doc), counts) == ([], {("dropped", "no text in its borders"): 1})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("shorter", "rest"), [("Oslo today", "today"), ("the Bank", "the")], ids=["behind", "before"])
def test_of_overlapping_spans_the_longer_wins_and_the_rest_is_missing(shorter, rest, reverse):
    text = "the Bank of Oslo today"
    spans = [span(text, shorter, A), span(text, "Bank of Oslo", B)]
    doc, counts = run(text, *(reversed(spans) if reverse else spans))
    assert counts == {("kept", ""): 1, ("unknown", OVERLAP): 1}
    assert (ents(doc), unclear(doc), missing(doc)) == ([("Bank of Oslo", "B")], [(shorter, "?")], [rest])


def test_of_equally_long_spans_the_earlier_wins():
    doc, _ = run("ab cd ef", span("ab cd ef", "cd ef", B), span("ab cd ef", "ab cd", A))
    assert (ents(doc), missing(doc)) == ([("ab cd", "A")], ["ef"])


@pytest.mark.parametrize("outcome", ["unknown", "outside", "dropped"])
def test_a_span_without_labels_does_not_hide_a_known_one(outcome):
    doc, counts = run("ab cd ef", span("ab cd ef", "ab cd ef", NONE, outcome, "why"), span("ab cd ef", "cd", A))
    assert counts == {("kept", ""): 1, (outcome, "why"): 1}
    assert (ents(doc), missing(doc)) == ([("cd", "A")], ["ab", "ef"] if outcome == "unknown" else [])


@pytest.mark.parametrize(
    ("labels", "first", "entities"),
    [(A, ("kept", ""), [("cd", "A")]), (AB, ("ambiguous", "A|B"), [])],
    ids=["known", "ambiguous"],
)
def test_a_span_twice_is_a_duplicate(labels, first, entities):
    doc, counts = run("ab cd ef", *(span("ab cd ef", "cd", labels) for _ in range(3)))
    assert (ents(doc), counts) == (entities, {first: 1, ("duplicate", ""): 2})


def test_two_labels_on_one_place_are_no_duplicate():
    doc, counts = run("ab cd ef", span("ab cd ef", "cd", A), span("ab cd ef", "cd", B))
    assert (ents(doc), counts) == ([("cd", "A")], {("kept", ""): 1, ("unknown", OVERLAP): 1})


def test_adjacent_spans_stay_apart():
    doc, _ = run("ab cd ef", span("ab cd ef", "ab", A), span("ab cd ef", "cd", A))
    assert ents(doc) == [("ab", "A"), ("cd", "A")]


def test_what_is_known_and_what_is_not_survives_the_disk():
    spans = [span(TEXT, "Sandworm", A), span(TEXT, "used", NONE, "unknown", "why"), span(TEXT, "Kyi", B), span(TEXT, "v2", AB)]
    doc, _ = run(TEXT, *spans)
    assert doc.text == TEXT
    assert (ents(doc), missing(doc)) == ([("Sandworm", "A")], ["used", "v2", "Kyiv"])
    assert set(unclear(doc)) == {("used", "?"), ("Kyiv", "?"), ("v2", "A|B")}
    assert [token.ent_iob_ for token in doc if token.text in ("against", ".")] == ["O", "O"]


@pytest.mark.parametrize("entities", [(), ("Sandworm", "Kyiv")], ids=["nothing", "all known"])
def test_a_fully_known_text_has_no_missing_tokens(entities):
    doc, _ = run(TEXT, *(span(TEXT, surface, A) for surface in entities))
    assert missing(doc) == [] and [ent.text for ent in doc.ents] == list(entities)


def test_a_text_that_covers_nothing_says_nothing_outside_its_spans():
    doc, _ = run("ab cd ef", span("ab cd ef", "cd", A), coverage=NONE)
    assert (ents(doc), missing(doc)) == ([("cd", "A")], ["ab", "ef"])


@FUZZ
@given(
    st.text("ab .\n'é🐍", max_size=20),
    st.lists(st.tuples(st.integers(-3, 25), st.integers(-3, 25), st.sampled_from([A, B, AB, NONE])), max_size=6),
)
def test_the_tags_are_those_of_spacy(text, borders):
    """Packed by hand or set by spaCy: the same entities, the same missing tokens, the same span group."""
    made = tag(
        NLP.make_doc(text),
        AnnotatedText(text, [LabelledSpan(start, end, "X", labels) for start, end, labels in borders], coverage=A),
        split="train",
        ledger=Ledger(),
    )
    doc = to_doc(made)
    assert doc.text == text
    again = NLP.make_doc(text)
    begins = [i for i, token in enumerate(doc) if token.ent_iob == 3]
    known = [Span(again, ent.start, ent.end, ent.label_) for ent in doc.ents]
    assert begins == [ent.start for ent in known]
    gone = [Span(again, token.i, token.i + 1) for token in doc if token.ent_iob == 0]
    again.set_ents(known, missing=gone, default="outside")
    assert [(token.ent_iob, token.ent_type) for token in again] == [(token.ent_iob, token.ent_type) for token in doc]
    again.spans["ambiguous"] = [Span(again, first, last, label=label) for first, last, *_, label in made.unclear]
    assert pack_spans(made.unclear) == (again.spans.to_bytes() if made.unclear else b"")


def tagged(text, *, split="train", max_tokens=3, long_texts="split"):
    ledger = Ledger()
    limits = {"max_tokens": max_tokens, "long_texts": long_texts}
    docs = list(tag_text(text, split=split, make_doc=NLP.make_doc, ledger=ledger, **limits))
    ledger.check()
    return docs, ledger


@pytest.mark.parametrize(
    ("split", "long_texts", "text", "damage", "reason"),
    [
        ("train", "drop", "one two three", "", ""),
        ("train", "drop", "one two three four", "", "over 3 tokens"),
        ("dev", "drop", "one two three four", "", "over 3 tokens"),
        ("test", "drop", "one two three four", "", ""),
        ("train", "split", "one two three four", "", "over 3 tokens without a sentence end"),
        ("test", "split", "one two three four", "", ""),
        ("train", "split", "", "", "empty text"),
        ("test", "drop", " \n ", "", "empty text"),
        ("test", "drop", "one", "line 3: a NUL byte", "line 3: a NUL byte"),
    ],
)
def test_every_text_has_one_outcome(split, long_texts, text, damage, reason):
    spans = [LabelledSpan(0, 3, "X", A), LabelledSpan(0, 3, "Y", B)]
    docs, ledger = tagged(AnnotatedText(text, spans, source="s", damage=damage, coverage=AB), split=split, long_texts=long_texts)
    assert [made.text.text for made in docs] == ([] if reason else [text])
    assert ledger.read == Counter({("s", split, "X"): 1, ("s", split, "Y"): 1})
    assert ledger.texts == Counter({("s", split, "dropped" if reason else "kept", reason): 1})
    if reason:
        assert outcomes(ledger) == {("dropped", reason): 2}


def test_problems_are_counted_with_places():
    text = AnnotatedText("one", source="s", where="f", line=7, problems=["odd", "odd"])
    _, ledger = tagged(text)
    assert ledger.problems == Counter({("s", "train", "odd"): 2})
    assert ledger.examples == {("s", "train", "odd"): ["f:7", "f:7"]}


LONG = "Ann left. Lee St. Clair sat down. Then rain\nfell on Oslo! It ended"


def test_a_long_text_is_cut_at_sentence_ends_and_line_breaks():
    text = AnnotatedText(LONG, [span(LONG, "Oslo", A), span(LONG, "Ann", B)], line=5, group="g", coverage=AB)
    docs, ledger = tagged(text, max_tokens=6)
    assert [made.text.text for made in docs] == [
        "Ann left. ",
        "Lee St. Clair sat down. ",
        "Then rain\n",
        "fell on Oslo! It ended",
    ]
    assert [made.text.line for made in docs] == [5, 5, 5, 6]
    assert {made.text.group for made in docs} == {"g"} and {made.text.coverage for made in docs} == {AB}
    assert [ents(to_doc(made)) for made in docs] == [[("Ann", "B")], [], [], [("Oslo", "A")]]
    assert {key[2:]: count for key, count in ledger.texts.items()} == {("kept", ""): 4, ("split", "over 6 tokens"): 1}


def test_a_long_text_is_never_cut_inside_a_span():
    text = AnnotatedText(LONG, [span(LONG, "left. Lee", A), span(LONG, "rain\nfell", NONE, "unknown", "why")])
    pieces = list(split_long(text, NLP.make_doc(LONG), 3))
    assert [piece.text for piece in pieces] == ["Ann left. Lee St. Clair sat down. ", "Then rain\nfell on Oslo! ", "It ended"]


def test_a_dropped_span_does_not_keep_a_text_whole():
    text = AnnotatedText(LONG, [LabelledSpan(-5, 10**30, "X", outcome="dropped", reason="why")])
    docs, ledger = tagged(text, max_tokens=6)
    assert len(docs) == 4 and outcomes(ledger) == {("dropped", "why"): 1}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("seed", range(20))
def test_pieces_are_the_text_and_hold_every_span(seed, split):
    rng = random.Random(seed)
    words = [rng.choice(["a", "b.", "c\n", "(d)", "e!", " ", "f.g", "🐍"]) for _ in range(40)]
    text = AnnotatedText(" ".join(words), source="s", coverage=AB)
    for _ in range(6):
        start = rng.randrange(-2, len(text.text) + 2)
        outcome = rng.choice(["kept", "unknown", "dropped"])
        end = start + rng.randrange(-1, 9)
        surface = text.text[max(start, 0) : end]
        if not 0 <= start < end <= len(text.text) or surface != surface.strip():  # a harmonized span has no blank edges
            outcome = "dropped"
        text.spans.append(LabelledSpan(start, end, "X", A if outcome == "kept" else NONE, outcome=outcome, reason="r"))
    pieces = list(split_long(text, NLP.make_doc(text.text), 5))
    assert "".join(piece.text for piece in pieces) == text.text
    assert sum(len(piece.spans) for piece in pieces) == len(text.spans)
    inside = [
        piece.text[one.start : one.end] for piece in pieces for one in piece.spans if one.outcome != "dropped" and one.start >= 0
    ]
    assert sorted(inside) == sorted(text.text[one.start : one.end] for one in text.spans if one.outcome != "dropped")
    _, ledger = tagged(text, max_tokens=5, split=split)
    assert ledger.read["s", split, "X"] == 6


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(3, 7, ("Kyiv", "")), (4, 6, ("Kyiv", "Kv")), (1, 5, ("in Kyiv", "iiv")), (2, 3, ("", "")), (50, 60, ("", ""))],
)
def test_tokens_of_a_span(start, end, expected):
    doc = NLP.make_doc("in Kyiv")
    borders, one = TokenBorders(doc), LabelledSpan(start, end, "X", A)
    first, last = borders.touched(one)
    outside = borders.outside(doc.text, one, first, last) if first < last else ""
    assert (doc[first:last].text if first < last else "", outside) == expected
