import pytest
import spacy
from spacy.tokens import Span

from ner11.corpus.intersect import intersect
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE

NLP = spacy.blank("en")
TEXT = "the Bank of Oslo today"


def doc(annotation, coverage, text=TEXT):
    """Annotate a text: "Oslo=A" (known), "Oslo=A|B" (ambiguous), "Oslo=?" (unknown), separated by commas."""
    made = NLP.make_doc(text)
    spans = []
    for one in annotation.split(",") if annotation else ():
        surface, label = one.split("=")
        start = text.index(surface)
        spans.append(made.char_span(start, start + len(surface), label))
    made.ents = [span for span in spans if len(span.label_) == 1 and span.label_ != "?"]
    made.spans[AMBIGUOUS] = [span for span in spans if span not in made.ents]
    made.user_data = {"group": "g", "source": "s", "tier": "gold", "weight": 1.0, COVERAGE: sorted(coverage)}
    return made


def show(result):
    spans = sorted(result.text.spans, key=lambda span: (span.start, span.end))
    return ",".join(f"{result.text.text[span.start : span.end]}={'|'.join(sorted(span.labels)) or '?'}" for span in spans)


@pytest.mark.parametrize(
    ("better", "covers", "lesser", "lesser_covers", "result", "conflict"),
    [
        # The same place
        pytest.param("Oslo=A", "A", "Oslo=A", "A", "Oslo=A", None, id="same"),
        pytest.param("Oslo=A|B", "AB", "Oslo=A", "A", "Oslo=A", None, id="the lesser one knows better"),
        pytest.param("Oslo=A", "A", "Oslo=A|B", "AB", "Oslo=A", None, id="the better one knows better"),
        pytest.param("Oslo=A|B", "AB", "Oslo=B|C", "BC", "Oslo=B", None, id="two sets"),
        pytest.param("Oslo=A", "A", "Oslo=B", "B", "Oslo=A", ("Oslo", "A", "B"), id="no label in common"),
        pytest.param("Oslo=A|B", "AB", "Oslo=C", "C", "Oslo=A|B", ("Oslo", "A|B", "C"), id="no label in common, sets"),
        pytest.param("Oslo=?", "A", "Oslo=B", "B", "Oslo=B", None, id="unknown to the better one"),
        pytest.param("Oslo=A", "A", "Oslo=?", "B", "Oslo=A", None, id="unknown to the lesser one"),
        pytest.param("Oslo=?", "A", "Oslo=?", "B", "Oslo=?", None, id="unknown to both"),
        # Nothing there in the better one
        pytest.param("", "B", "Oslo=A", "A", "Oslo=A", None, id="not covered by the better one"),
        pytest.param("", "A", "Oslo=A", "A", "", ("Oslo", "O", "A"), id="covered by the better one"),
        pytest.param("", "A", "Oslo=A|B", "AB", "Oslo=B", None, id="half covered by the better one"),
        pytest.param("", "AB", "Oslo=A|B", "AB", "", ("Oslo", "O", "A|B"), id="all covered by the better one"),
        pytest.param("", "A", "Oslo=?", "B", "Oslo=?", None, id="unknown, and nothing"),
        pytest.param("", "", "Oslo=A", "A", "Oslo=A", None, id="the better one covers nothing"),
        # Nothing there in the lesser one
        pytest.param("Oslo=A", "A", "", "A", "Oslo=A", ("Oslo", "A", "O"), id="covered by the lesser one: the better one counts"),
        pytest.param("Oslo=A|B", "AB", "", "A", "Oslo=B", None, id="half covered by the lesser one"),
        pytest.param("Oslo=A|B", "AB", "", "AB", "Oslo=A|B", ("Oslo", "A|B", "O"), id="all covered by the lesser one"),
        pytest.param("Oslo=?", "A", "", "B", "Oslo=?", None, id="nothing, and unknown"),
        # Other borders
        pytest.param("Bank of Oslo=A", "A", "Oslo=B", "B", "Bank of Oslo=A", ("Oslo", "A", "B"), id="inside"),
        pytest.param("Oslo=A", "A", "Bank of Oslo=A", "A", "Bank of Oslo=?,Oslo=A", ("Bank of Oslo", "A", "A"), id="around"),
        pytest.param("Oslo=A|B", "AB", "Oslo today=A", "A", "Oslo=A|B,Oslo today=?", ("Oslo today", "A|B", "A"), id="over a set"),
        pytest.param("Oslo=A|B", "AB", "Bank of Oslo=?", "A", "Bank of Oslo=?,Oslo=A|B", None, id="unknown over a set"),
        pytest.param("Bank of Oslo=?", "A", "Oslo=B", "B", "Bank of Oslo=?", None, id="over an unknown one"),
        pytest.param("Oslo=A", "A", "Bank=B", "B", "Bank=B,Oslo=A", None, id="beside"),
    ],
)
def test_two_annotations_become_what_both_allow(better, covers, lesser, lesser_covers, result, conflict):
    found = intersect(doc(better, covers), doc(lesser, lesser_covers))
    assert show(found) == result
    assert [(one.surface, one.kept, one.lost) for one in found.conflicts] == ([conflict] if conflict else [])
    assert found.text.coverage == {*covers, *lesser_covers}
    for one in found.conflicts:
        assert one.first < 0 or doc("", "")[one.first : one.last].text == one.surface


def test_the_place_counts_without_white_space_and_casing():
    lesser = doc("OSLO  Today=A", "A", text="the bank\nof  OSLO  Today ")
    assert show(intersect(doc("", "B"), lesser)) == "Oslo today=A"
    lesser = doc("OSLO=A", "A", text="the bank\nof  OSLO  Today ")
    found = intersect(doc("", "A"), lesser)
    assert [(lesser[one.first : one.last].text, one.surface) for one in found.conflicts] == [("OSLO", "OSLO")]


def test_text_whose_places_cannot_be_compared_stays_as_the_better_one_has_it():
    found = intersect(doc("Oslo=A", "A", text="Straße, Oslo"), doc("Oslo=B", "B", text="STRASSE, Oslo"))
    assert (show(found), [(one.lost, one.kept) for one in found.conflicts], found.text.coverage) == (
        "Oslo=A",
        [("B", "places cannot be compared")],
        {"A"},
    )


def test_of_two_spans_in_one_place_the_known_one_counts():
    one, other = doc("Oslo=A|B", "AB"), doc("Oslo=A", "A")
    other.spans[AMBIGUOUS] = [Span(other, 3, 4, "?")]
    assert show(intersect(one, other)) == "Oslo=A"
    other = doc("Oslo=C", "C")
    one.spans[AMBIGUOUS] = [*one.spans[AMBIGUOUS], Span(one, 3, 4, "?")]
    assert [(found.kept, found.lost) for found in intersect(one, other).conflicts] == [("A|B", "C")]


def test_the_text_stays_that_of_the_better_one():
    better = doc("Oslo=A", "A")
    better.user_data.update(source="x", tier="expert", weight=0.5, group="h")
    text = intersect(better, doc("", "B")).text
    assert (text.text, text.source, text.tier, text.weight, text.group) == (TEXT, "x", "expert", 0.5, "h")
