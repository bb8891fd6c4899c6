import pytest

from ner11.annotation import AnnotatedText, LabelledSpan, pack_labels


@pytest.mark.parametrize(("labels", "packed"), [({"A"}, "A"), ({"B", "A"}, "A|B"), (set(), "?")])
def test_labels_are_packed_in_order(labels, packed):
    assert pack_labels(labels) == packed


@pytest.mark.parametrize(
    ("start", "place"), [(0, "f.md:5"), (3, "f.md:5"), (4, "f.md:6"), (5, "f.md:7"), (7, "f.md:7")], ids=lambda value: str(value)
)
def test_the_place_of_a_span_counts_lines_from_that_of_its_text(start, place):
    text = AnnotatedText("one\n\ntwo\u2028x", where="f.md", line=5)
    assert text.place(LabelledSpan(start, start + 1, frozenset())) == place
