from collections import Counter

import numpy as np
import pytest
import spacy

from ner11.evaluation.mentions import Mentions
from ner11.evaluation.slices import case_of_span, case_of_text, length_of, measure_slices
from ner11.evaluation.texts import TestText

TIERS = {"ACTOR": "THREAT", "TOOL": "THREAT", "PLACE": "CONTEXT"}
make_doc = spacy.blank("en").make_doc


def make_text(text, gold=(), predicted=(), *, source="s", tier="gold", document="d", coverage=None):
    """A text with spans given as (surface, label), each at the first place where the surface stands."""

    def place(spans):
        return [(text.index(surface), text.index(surface) + len(surface), label) for surface, label in spans]

    doc = make_doc(text)
    starts = np.array([token.idx for token in doc], dtype=np.int32)
    return TestText(
        text=text,
        source=source,
        tier=tier,
        document=document,
        gold=place(gold),
        coverage=coverage,
        token_starts=starts,
        token_ends=starts + np.array([len(token) for token in doc], dtype=np.int32),
        predicted=place(predicted),
        confidences=[None] * len(predicted),
    )


@pytest.fixture
def measure():
    """Gives the counts of the slices of texts by group: (hits, spurious, missed)."""

    def measure(*texts, seen=(), count_pieces=None):
        mentions = Mentions(counts=Counter({(surface.casefold(), label): 1 for surface, label in seen}))
        groups = measure_slices(texts, mentions=mentions, count_pieces=count_pieces, tier_of=TIERS.__getitem__)
        return {group: {name: (row["tp"], row["fp"], row["fn"]) for name, row in rows.items()} for group, rows in groups.items()}

    return measure


TEXT = "Volt Typhoon used mimikatz in KYIV"
GOLD = [("Volt Typhoon", "ACTOR"), ("mimikatz", "TOOL")]
FOUND = [("Volt Typhoon", "ACTOR"), ("KYIV", "PLACE")]


def test_every_span_is_in_one_slice_of_each_group(measure):
    groups = measure(make_text(TEXT, GOLD, FOUND), seen=[("VOLT TYPHOON", "ACTOR")], count_pieces=lambda names: map(len, names))
    assert groups == {
        "text length": {"under 20 tokens": (1, 1, 1)},
        "surface": {"seen": (1, 0, 0), "unseen": (0, 1, 1)},
        "casing of the text": {"mixed case": (1, 1, 1)},
        "casing of the span": {"lower case": (0, 0, 1), "UPPER CASE": (0, 1, 0), "Title Case": (1, 0, 0)},
        "source": {"s": (1, 1, 1)},
        "tier of the source": {"gold": (1, 1, 1)},
        "tier of the label": {"CONTEXT": (0, 1, 0), "THREAT": (1, 0, 1)},
        "tokens in the span": {"1": (0, 1, 1), "2": (1, 0, 0)},
        "word pieces in the span": {"3-5": (0, 1, 0), "6-10": (0, 0, 1), "11 and more": (1, 0, 0)},
    }


def test_figures_have_intervals_over_documents():
    texts = [make_text(TEXT, GOLD, FOUND, document="a"), make_text(TEXT, GOLD, GOLD, document="b")]
    arguments = {"mentions": Mentions(), "count_pieces": None, "tier_of": TIERS.__getitem__}
    row = measure_slices(texts, **arguments)["source"]["s"]
    assert row["precision"] == 0.75 and row["precision_interval"] == [0.5, 1.0]
    assert measure_slices(texts, **arguments, seed=1) == measure_slices(texts, **arguments, seed=1)


def test_slices_of_texts_are_in_a_fixed_order(measure):
    texts = [
        make_text(f"{'x ' * words}Kyiv", [("Kyiv", "PLACE")], source=source, tier=tier)
        for words, source, tier in [(200, "b", "silver"), (0, "a", "expert"), (50, "c", "gold")]
    ]
    groups = measure(*texts)
    assert list(groups["text length"]) == ["under 20 tokens", "20 to 199 tokens", "200 tokens and more"]
    assert list(groups["tier of the source"]) == ["gold", "expert", "silver"]
    assert list(groups["source"]) == ["a", "b", "c"]


def test_what_is_neither_right_nor_wrong_is_in_no_slice(measure):
    ignored = make_text(TEXT, [("mimikatz", "?")], [("mimikatz", "TOOL"), ("KYIV", "PLACE")], coverage=frozenset({"TOOL"}))
    assert measure(ignored) == {}


def test_no_texts_have_no_slices(measure):
    assert measure() == {}


def test_a_hit_counts_by_the_gold_span_and_a_spurious_one_by_its_own(measure):
    gold = [("mimikatz", "PLACE|TOOL"), ("KYIV", "ACTOR")]
    groups = measure(make_text(TEXT, gold, [("mimikatz", "TOOL"), ("KYIV", "PLACE")]), seen=[("KYIV", "PLACE")])
    assert groups["tier of the label"] == {"CONTEXT": (0, 1, 0), "THREAT": (0, 0, 1)}
    assert groups["surface"] == {"seen": (0, 1, 0), "unseen": (1, 0, 1)}


def test_a_label_beside_an_unknown_one_is_the_label(measure):
    groups = measure(make_text(TEXT, [("mimikatz", "TOOL"), ("mimikatz", "?")], [("mimikatz", "TOOL")]))
    assert groups["tier of the label"] == {"THREAT": (1, 0, 0)}


@pytest.mark.parametrize("label", ["TOOL", "PLACE", "PLACE|TOOL"])
def test_a_span_of_several_labels_is_seen_if_any_of_them_is(measure, label):
    assert measure(make_text(TEXT, [("mimikatz", "PLACE|TOOL")]), seen=[("Mimikatz", label)])["surface"] == {"seen": (0, 0, 1)}


def test_labels_of_one_tier_are_not_several(measure):
    assert measure(make_text(TEXT, [("mimikatz", "ACTOR|TOOL")]))["tier of the label"] == {"THREAT": (0, 0, 1)}


def test_word_pieces_of_a_surface_are_counted_once(measure):
    calls = []

    def count_pieces(surfaces):
        calls.append(surfaces)
        return [1] * len(surfaces)

    groups = measure(make_text(TEXT, GOLD), make_text(TEXT, GOLD), count_pieces=count_pieces)
    assert calls == [["Volt Typhoon", "mimikatz"]]
    assert groups["word pieces in the span"] == {"1-2": (0, 0, 4)}


def test_without_a_tokenizer_there_are_no_slices_by_word_pieces(measure):
    assert "word pieces in the span" not in measure(make_text(TEXT, GOLD))


@pytest.mark.parametrize(
    ("span", "name"), [("Kyiv", "1"), ("in Kyiv", "2"), ("was in Kyiv", "3"), ("it was in Kyiv", "4 and more")]
)
def test_tokens_of_spans_are_counted(measure, span, name):
    assert list(measure(make_text("so it was in Kyiv then", [(span, "PLACE")]))["tokens in the span"]) == [name]


@pytest.mark.parametrize(
    ("pieces", "name"),
    [(1, "1-2"), (2, "1-2"), (3, "3-5"), (5, "3-5"), (6, "6-10"), (10, "6-10"), (11, "11 and more")],
)
def test_word_pieces_of_spans_are_counted(measure, pieces, name):
    groups = measure(make_text("Kyiv", [("Kyiv", "PLACE")]), count_pieces=lambda _: [pieces])
    assert list(groups["word pieces in the span"]) == [name]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (0, "under 20 tokens"),
        (19, "under 20 tokens"),
        (20, "20 to 199 tokens"),
        (199, "20 to 199 tokens"),
        (200, "200 tokens and more"),
    ],
)
def test_lengths_of_texts_have_names(words, name):
    assert length_of(words) == name


@pytest.mark.parametrize(
    ("surface", "name"),
    [
        ("log4j 2", "lower case"),
        ("CVE-2021-44228", "UPPER CASE"),
        ("Volt Typhoon", "Title Case"),
        ("Windows 10", "Title Case"),
        ("Zero-day", "Title Case"),
        ("Élysée", "Title Case"),
        ("McAfee", "mixed case"),
        ("University of Kyiv", "mixed case"),
        ("iOS", "mixed case"),
        ("10.0.0.1", "no letters"),
    ],
)
def test_cases_of_spans_have_names(surface, name):
    assert case_of_span(surface) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ok, 2 more", "lower case"),
        ("PUMP 2 FAILED", "UPPER CASE"),
        ("Pump failed", "mixed case"),
        ("10:42 ---", "no letters"),
        ("", "no letters"),
    ],
)
def test_cases_of_texts_have_names(text, name):
    assert case_of_text(text) == name
