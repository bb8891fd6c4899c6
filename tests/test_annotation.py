import pickle

import pytest

from ner11.annotation import AnnotatedText, LabelledSpan, pack_labels


@pytest.mark.parametrize(("labels", "packed"), [({"A"}, "A"), ({"B", "A"}, "A|B"), (set(), "?")])
def test_labels_are_packed_in_order(labels, packed):
    assert pack_labels(labels) == packed


@pytest.mark.parametrize(
    ("start", "place"),
    [(-4, "f.md:5"), (0, "f.md:5"), (3, "f.md:5"), (4, "f.md:6"), (5, "f.md:7"), (7, "f.md:7"), (99, "f.md:7")],
)
def test_the_place_of_a_span_counts_lines_from_that_of_its_text(start, place):
    text = AnnotatedText("one\n\ntwo\u2028x", where="f.md", line=5)
    assert text.place(LabelledSpan(start, start + 1, "X")) == place


def test_texts_travel_between_processes_whole():
    span = LabelledSpan(1, 2, "X", frozenset("AB"), outcome="unknown", reason="why", surface="s")
    text = AnnotatedText("t", [span], "g", "f", 3, "damage", ["p"], "s", "silver", 0.5, frozenset("C"))
    assert pickle.loads(pickle.dumps(text)) == text
