from itertools import pairwise

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from transformers import AutoTokenizer

from ner11.pipeline.windows import cut_windows, group_by_length, make_windows, pad_windows, split_pieces


@pytest.fixture(scope="module")
def tokenizer(toy_bert):
    return AutoTokenizer.from_pretrained(toy_bert)


def test_counts_pieces_of_every_token(tokenizer):
    doc = spacy.blank("en")("a hash: d41d8cd9 ok")
    assert split_pieces(tokenizer, [doc])[0].counts.tolist() == [1, 4, 1, 8, 2]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", " a  b "])
def test_counts_one_number_a_token_for_odd_texts(tokenizer, text):
    doc = spacy.blank("en")(text)
    counts = split_pieces(tokenizer, [doc])[0].counts
    assert len(counts) == len(doc)
    assert counts.sum() == sum(len(token.text.strip()) for token in doc)


def test_no_documents_give_no_counts(tokenizer):
    assert split_pieces(tokenizer, []) == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([3], [(0, 3)]),
        ([1, 1, 1, 1], [(0, 4)]),
        ([2, 2, 2, 2, 2], [(0, 4), (2, 6), (4, 8), (6, 10)]),
        ([1, 9, 1], [(0, 1), (1, 5), (5, 9), (9, 10), (10, 11)]),
        ([0, 0, 0], []),
    ],
)
def test_cuts_windows_at_tokens_and_inside_those_that_fit_into_none(counts, expected):
    assert cut_windows(np.array(counts, dtype=np.int64), max_pieces=4, overlap=2) == expected


@pytest.mark.parametrize("seed", range(20))
def test_windows_cover_everything_in_order_and_keep_the_limit(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 40, size=rng.integers(1, 200))
    windows = cut_windows(counts, max_pieces=32, overlap=8)
    assert windows[0][0] == 0 and windows[-1][1] == counts.sum()
    for (start, end), (following, _) in pairwise(windows):
        assert start < following <= end
        assert end - following <= 8
    assert all(0 < end - start <= 32 for start, end in windows)
    borders = {0, *np.cumsum(counts).tolist()}
    long = {piece for size, end in zip(counts, np.cumsum(counts), strict=True) if size > 32 for piece in range(end - size, end)}
    assert all(border in borders or border in long for window in windows for border in window)


def test_a_piece_belongs_to_every_token_that_it_shares_a_character_with(tokenizer):
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c"], spaces=[False, False, False])
    (pieces,) = split_pieces(lambda texts, **_: Encoded([(0, 2), (2, 3)]), [doc])
    assert pieces.counts.tolist() == [1, 0, 1]
    assert list(zip(pieces.linked.tolist(), pieces.tokens.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 2)]


def test_a_piece_with_the_space_before_it_belongs_to_the_token_after_it():
    doc = Doc(spacy.blank("en").vocab, words=["ab", "cd"], spaces=[True, True])
    (pieces,) = split_pieces(lambda texts, **_: Encoded([(0, 2), (2, 5), (5, 6)]), [doc])
    assert list(zip(pieces.linked.tolist(), pieces.tokens.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert pieces.counts.sum() == 3


class Encoded:
    """What a tokenizer returns for one text, with borders of our choice."""

    def __init__(self, offsets):
        self.encodings, self.offsets, self.ids = [self], offsets, [5] * len(offsets)


def test_padded_windows_read_like_the_tokenizers_own(tokenizer):
    nlp = spacy.blank("en")
    texts = ["ab c", "", "d41d8cd9 x"]
    padded = pad_windows(tokenizer, make_windows(split_pieces(tokenizer, [*map(nlp, texts)]), max_pieces=16, overlap=4))
    expected = tokenizer([text for text in texts if text], padding=True)
    assert padded.ids.tolist() == expected["input_ids"]
    assert padded.mask.tolist() == expected["attention_mask"]
    assert padded.tokens.tolist() == [0, 0, 1, *[2] * 8, 3]
    assert [tokenizer.convert_ids_to_tokens(int(i)) for i in padded.ids.flatten()[padded.linked]][:3] == ["a", "##b", "c"]


def test_groups_like_lengths_within_the_budget():
    lengths = [9, 1, 5, 1, 40, 5]
    groups = group_by_length(lengths, max_padded=10)
    assert groups == [[1, 3], [2, 5], [0], [4]]
    assert group_by_length([], max_padded=10) == []
