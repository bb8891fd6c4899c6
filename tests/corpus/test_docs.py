from collections import Counter

import pytest
import spacy
from spacy.tokens import DocBin

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.corpus.docs import annotate, to_docs, tokens_of
from ner11.ledger import Ledger

NLP = spacy.blank("en")
A, B, AB, NONE = frozenset("A"), frozenset("B"), frozenset("AB"), frozenset()


def span(text, surface, labels, reason="", skip=0):
    start = text.index(surface, skip)
    return LabelledSpan(start, start + len(surface), labels, origin="X", reason=reason)


def outcomes(ledger):
    return {(outcome, reason): count for (_, _, _, outcome, reason), count in ledger.spans.items()}


def run(text, *spans):
    ledger = Ledger()
    doc = annotate(NLP.make_doc(text), AnnotatedText(text, list(spans), source="s"), split="train", ledger=ledger)
    ledger.check()
    assert ledger.read == Counter({("s", "train", "X"): len(spans)})
    return doc, outcomes(ledger)


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def unclear(doc):
    return [(one.text, one.label_) for one in doc.spans["ambiguous"]]


def missing(doc):
    return [token.text for token in doc if token.ent_iob == 0]


def round_trip(doc):
    stored = DocBin(attrs=["ENT_IOB", "ENT_TYPE", "SPACY"], store_user_data=True, docs=[doc]).to_bytes()
    return next(DocBin().from_bytes(stored).get_docs(spacy.blank("en").vocab))


TEXT = "Sandworm used Kill-Disk v2 against Kyiv."


@pytest.mark.parametrize(
    ("surface", "labels", "reason", "outcome", "in_ents", "in_group", "without"),
    [
        pytest.param("Sandworm", A, "", ("kept", ""), "Sandworm", None, [], id="kept"),
        pytest.param("Sandworm", A, "blank edges", ("trimmed", "blank edges"), "Sandworm", None, [], id="trimmed"),
        pytest.param("Kyi", A, "", ("unknown", "not on token borders"), None, ("Kyiv", "?"), ["Kyiv"], id="cut inside a token"),
        pytest.param(
            "worm used",
            A,
            "",
            ("unknown", "not on token borders"),
            None,
            ("Sandworm used", "?"),
            ["Sandworm", "used"],
            id="cut inside the first token",
        ),
        pytest.param("used", AB, "", ("ambiguous", "A|B"), None, ("used", "A|B"), ["used"], id="ambiguous"),
        pytest.param("used", NONE, "mapped to drop", ("unknown", "mapped to drop"), None, ("used", "?"), ["used"], id="dropped"),
        pytest.param("used", NONE, "reserved label", ("outside", "reserved label"), None, None, [], id="reserved"),
    ],
)
def test_a_span_has_one_outcome(surface, labels, reason, outcome, in_ents, in_group, without):
    doc, counts = run(TEXT, span(TEXT, surface, labels, reason))
    assert counts == {outcome: 1}
    assert ents(doc) == ([(in_ents, "A")] if in_ents else [])
    assert unclear(doc) == ([in_group] if in_group else [])
    assert missing(doc) == without


@pytest.mark.parametrize(
    ("text", "surface", "token", "by"),
    [
        ("in the U.S. today", "U.S", "U.S.", "."),
        ("see (https://x.example/) there", "https://x.example", "https://x.example/", "/"),
    ],
)
def test_a_span_grows_over_punctuation_of_its_tokens(text, surface, token, by):
    doc, counts = run(text, span(text, surface, A))
    assert (ents(doc), missing(doc), counts) == ([(token, "A")], [], {("widened", f"by '{by}'"): 1})


@pytest.mark.parametrize(("start", "end"), [(3, 4), (4, 4)], ids=["blank", "empty"])
def test_a_span_without_text_is_dropped(start, end):
    doc, counts = run("Yes . No", LabelledSpan(start, end, A, "X"))
    assert (ents(doc), counts) == ([], {("dropped", "no text in its borders"): 1})


def test_a_trimmed_span_inside_a_token_is_named_for_what_it_is():
    text = " Windows10 here"
    _, counts = run(text, LabelledSpan(1, 8, A, "X", reason="blank edges"))
    assert counts == {("unknown", "not on token borders"): 1}


def test_a_span_outside_its_text_is_accounted_for():
    doc, counts = run(TEXT, LabelledSpan(90, 95, A, "X"))
    assert (ents(doc), counts) == ([], {("dropped", "no text in its borders"): 1})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("shorter", "rest"), [("Oslo today", "today"), ("the Bank", "the")], ids=["behind", "before"])
def test_of_overlapping_spans_the_longer_wins_and_the_rest_is_missing(shorter, rest, reverse):
    text = "the Bank of Oslo today"
    spans = [span(text, shorter, A), span(text, "Bank of Oslo", B)]
    doc, counts = run(text, *(reversed(spans) if reverse else spans))
    assert counts == {("kept", ""): 1, ("unknown", "overlaps a longer span"): 1}
    assert (ents(doc), unclear(doc), missing(doc)) == ([("Bank of Oslo", "B")], [(shorter, "?")], [rest])


def test_of_equally_long_spans_the_earlier_wins():
    doc, _ = run("ab cd ef", span("ab cd ef", "cd ef", B), span("ab cd ef", "ab cd", A))
    assert (ents(doc), missing(doc)) == ([("ab cd", "A")], ["ef"])


def test_an_unknown_span_does_not_hide_a_known_one():
    doc, counts = run("ab cd ef", span("ab cd ef", "ab cd ef", NONE, "mapped to drop"), span("ab cd ef", "cd", A))
    assert counts == {("kept", ""): 1, ("unknown", "mapped to drop"): 1}
    assert (ents(doc), missing(doc)) == ([("cd", "A")], ["ab", "ef"])


@pytest.mark.parametrize(
    ("labels", "first", "entities"),
    [(A, ("kept", ""), [("cd", "A")]), (AB, ("ambiguous", "A|B"), [])],
    ids=["known", "ambiguous"],
)
def test_a_span_twice_is_a_duplicate(labels, first, entities):
    doc, counts = run("ab cd ef", *3 * [span("ab cd ef", "cd", labels)])
    assert (ents(doc), counts) == (entities, {first: 1, ("duplicate", ""): 2})


def test_two_labels_on_one_place_are_no_duplicate():
    doc, counts = run("ab cd ef", span("ab cd ef", "cd", A), span("ab cd ef", "cd", B))
    assert (ents(doc), counts) == ([("cd", "A")], {("kept", ""): 1, ("unknown", "overlaps a longer span"): 1})


def test_adjacent_spans_stay_apart():
    doc, _ = run("ab cd ef", span("ab cd ef", "ab", A), span("ab cd ef", "cd", A))
    assert ents(doc) == [("ab", "A"), ("cd", "A")]


def test_what_is_known_and_what_is_not_survives_the_disk():
    text = AnnotatedText(TEXT, source="s", tier="silver", weight=0.5, group="g", coverage=A | B)
    text.spans = [span(TEXT, "Sandworm", A), span(TEXT, "used", NONE), span(TEXT, "Kyi", B), span(TEXT, "v2", AB)]
    doc = round_trip(annotate(NLP.make_doc(TEXT), text, split="train", ledger=Ledger()))
    assert doc.text == TEXT
    assert (ents(doc), missing(doc)) == ([("Sandworm", "A")], ["used", "v2", "Kyiv"])
    assert set(unclear(doc)) == {("used", "?"), ("Kyiv", "?"), ("v2", "A|B")}
    assert [token.ent_iob_ for token in doc if token.text in ("against", ".")] == ["O", "O"]
    coverage = doc.user_data.pop("coverage")
    assert list(coverage) == ["A", "B"]
    assert doc.user_data == {"source": "s", "tier": "silver", "weight": 0.5, "group": "g"}


@pytest.mark.parametrize("entities", [(), ("Sandworm", "Kyiv")], ids=["nothing", "all known"])
def test_a_fully_known_text_has_no_missing_tokens(entities):
    doc, _ = run(TEXT, *(span(TEXT, surface, A) for surface in entities))
    assert missing(round_trip(doc)) == [] and [ent.text for ent in round_trip(doc).ents] == list(entities)


@pytest.mark.parametrize(
    ("split", "text", "reason"),
    [
        ("train", "one two three", ""),
        ("train", "one two three four", "text over 3 tokens"),
        ("dev", "one two three four", "text over 3 tokens"),
        ("test", "one two three four", ""),
        ("train", "", "empty text"),
        ("test", " \n ", "empty text"),
    ],
)
def test_every_text_has_one_outcome(split, text, reason):
    ledger = Ledger()
    spans = [LabelledSpan(0, 3, A, "X"), LabelledSpan(0, 3, B, "Y")]
    texts = [AnnotatedText(text, spans, source="s"), AnnotatedText("fine", source="s")]
    docs = list(to_docs(texts, split=split, make_doc=NLP.make_doc, max_tokens=3, ledger=ledger))
    ledger.check()
    assert [doc.text for doc in docs] == (["fine"] if reason else [text, "fine"])
    assert ledger.read == Counter({("s", split, "X"): 1, ("s", split, "Y"): 1})
    if reason:
        assert outcomes(ledger) == {("dropped", reason): 1}
        assert ledger.texts == Counter({("s", split, "dropped", reason): 1, ("s", split, "kept", ""): 1})
    else:
        assert ledger.texts == Counter({("s", split, "kept", ""): 2})


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(3, 7, ("Kyiv", "")), (4, 6, ("Kyiv", "Kv")), (1, 5, ("in Kyiv", "iiv")), (50, 60, (None, ""))],
)
def test_tokens_of_a_span(start, end, expected):
    tokens, outside = tokens_of(NLP.make_doc("in Kyiv"), LabelledSpan(start, end, A))
    assert (tokens and tokens.text, outside) == expected
