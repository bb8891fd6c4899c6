from itertools import pairwise

import pytest

from ner11.pipeline.tags import TagScheme
from tests.pipeline.enumeration import may_end, may_follow


@pytest.mark.parametrize(
    ("name", "tags"),
    [("BIO", "O B-X B-Y I-X I-Y"), ("BILUO", "O B-X B-Y U-X U-Y I-X I-Y L-X L-Y"), ("IO", "O I-X I-Y")],
)
def test_numbers_tags_by_position_then_label(name, tags):
    scheme = TagScheme(name, ("X", "Y"))
    assert " ".join(scheme.tags) == tags
    assert len(scheme) == len(scheme.tags)


@pytest.mark.parametrize("name", ["BIO", "BILUO", "IO"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_the_tags_of_a_span_are_a_legal_sequence(name, length):
    scheme = TagScheme(name, ("X",))
    tags = ["O", *(scheme.tags[scheme.ids(position, [0])[0]] for position in scheme.span_positions(length))]
    assert all(may_follow(name, a, b) for a, b in pairwise(tags))
    assert may_end(name, tags[-1])


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(ValueError, match="'IOB7' is no tag scheme; choose from BIO, BILUO, IO"):
        TagScheme("IOB7", ())
