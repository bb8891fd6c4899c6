import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from transformers import AutoTokenizer

from ner11.pipeline.pieces import split_pieces, spread
from ner11.pipeline.transformer import read_with


@pytest.fixture(scope="module")
def encode(toy_bert):
    return read_with(AutoTokenizer.from_pretrained(toy_bert))[0]


def test_counts_pieces_of_every_token(encode):
    doc = spacy.blank("en")("a hash: d41d8cd9 ok")
    assert split_pieces(encode, [doc]).counts.tolist() == [1, 4, 1, 8, 2]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", " a  b "])
def test_counts_one_number_a_token_for_odd_texts(encode, text):
    doc = spacy.blank("en")(text)
    counts = split_pieces(encode, [doc]).counts
    assert len(counts) == len(doc)
    assert counts.sum() == sum(len(token.text.strip()) for token in doc)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_nothing_has_no_pieces(encode, texts):
    pieces = split_pieces(encode, [*map(spacy.blank("en"), texts)])
    assert len(pieces.ids) == len(pieces.counts) == len(pieces.linked) == 0
    assert pieces.sizes.tolist() == pieces.lengths.tolist() == [0] * len(texts)
    assert [counts.tolist() for counts in pieces.counts_by_document()] == [[]] * len(texts)


def test_documents_are_split_together_as_they_are_alone(encode):
    nlp = spacy.blank("en")
    docs = [*map(nlp, ["ab  c ", "", " d41d8cd9", "\n", "x🙂y é", "a\x00b", "", "end \t"])]
    together, alone = split_pieces(encode, docs), [split_pieces(encode, [doc]) for doc in docs]
    first_pieces = np.cumsum([0, *(len(pieces.ids) for pieces in alone)])
    first_tokens = np.cumsum([0, *map(len, docs)])
    assert together.ids.tolist() == [id_ for pieces in alone for id_ in pieces.ids]
    assert [counts.tolist() for counts in together.counts_by_document()] == [pieces.counts.tolist() for pieces in alone]
    for name, shifts in (("linked", first_pieces), ("tokens", first_tokens)):
        expected = [getattr(pieces, name) + shift for pieces, shift in zip(alone, shifts, strict=False)]
        assert getattr(together, name).tolist() == np.concatenate(expected).tolist()


def test_a_text_is_never_cut_off_or_filled_up(encode):
    assert [
        pieces.tolist() for pieces in split_pieces(encode, [*map(spacy.blank("en"), ["a " * 500, "a"])]).counts_by_document()
    ] == [
        [1] * 500,
        [1],
    ]


def test_ranges_are_written_out():
    rows, numbers = spread(np.array([3, 7, 7, 0]), np.array([5, 7, 8, 2]))
    assert rows.tolist() == [0, 0, 2, 3, 3] and numbers.tolist() == [3, 4, 7, 0, 1]


def test_a_piece_belongs_to_every_token_that_it_shares_a_character_with():
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c"], spaces=[False, False, False])
    pieces = split_pieces(lambda texts: [Encoded([(0, 2), (2, 3)])], [doc])
    assert pieces.counts.tolist() == [1, 0, 1]
    assert list(zip(pieces.linked.tolist(), pieces.tokens.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 2)]


def test_a_piece_with_the_space_before_it_belongs_to_the_token_after_it():
    doc = Doc(spacy.blank("en").vocab, words=["ab", "cd"], spaces=[True, True])
    pieces = split_pieces(lambda texts: [Encoded([(0, 2), (2, 5), (5, 6)])], [doc])
    assert list(zip(pieces.linked.tolist(), pieces.tokens.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert pieces.counts.sum() == 3


class Encoded:
    """What a tokenizer gives for one text, with borders of our choice."""

    def __init__(self, offsets):
        self.offsets, self.ids = offsets, [5] * len(offsets)
