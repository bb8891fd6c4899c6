from itertools import pairwise

import numpy as np
import pytest
import spacy
from transformers import AutoTokenizer

from ner11.pipeline.transformer import read_with
from ner11.pipeline.windows import Specials, TextReader, cut_windows, group_by_length, stride_windows


@pytest.fixture(scope="module")
def tokenizer(toy_bert):
    return AutoTokenizer.from_pretrained(toy_bert)


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


def test_padded_windows_read_like_the_tokenizers_own(tokenizer):
    nlp = spacy.blank("en")
    texts = ["ab c", "", "d41d8cd9 x"]
    reading = TextReader(*read_with(tokenizer), max_pieces=16, overlap=4).read([*map(nlp, texts)])
    padded = reading.pad([0, 1])
    expected = tokenizer([text for text in texts if text], padding=True)
    assert padded.ids.tolist() == expected["input_ids"]
    assert padded.mask.tolist() == expected["attention_mask"]
    assert padded.tokens.tolist() == [0, 0, 1, *[2] * 8, 3]
    assert [tokenizer.convert_ids_to_tokens(int(i)) for i in padded.ids.flatten()[padded.linked]][:3] == ["a", "##b", "c"]


def test_long_documents_are_cut_between_short_ones(tokenizer):
    nlp = spacy.blank("en")
    encode, _ = read_with(tokenizer)
    docs = [*map(nlp, ["ab", "", "a b c d e f g", "x", "abcdefghij", ""])]
    reading = TextReader(encode, Specials((7, 8), (9,), 5), max_pieces=4, overlap=1).read(docs)
    assert reading.windows.tolist() == [[0, 2], [2, 6], [5, 9], [9, 10], [10, 14], [14, 18], [18, 20]]
    assert reading.lengths == [5, 7, 7, 4, 7, 7, 5]
    padded = reading.pad([2, 0, 6])
    ids = tokenizer.convert_tokens_to_ids
    assert padded.ids.tolist() == [
        [7, 8, *ids(["d", "e", "f", "g"]), 9],
        [7, 8, *ids(["a", "##b"]), 9, 5, 5],
        [7, 8, *ids(["##i", "##j"]), 9, 5, 5],
    ]
    assert padded.mask.sum(axis=1).tolist() == [7, 5, 5]
    assert padded.linked.tolist() == [2, 3, 4, 5, 9, 10, 16, 17]
    assert padded.tokens.tolist() == [4, 5, 6, 7, 0, 0, 9, 9]
    assert padded.shares.tolist() == [1.0] * 8


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 9, 30])
def test_windows_of_one_size_are_those_of_spacy_curated_transformers(size):
    from spacy_curated_transformers.models.with_strided_spans import _ragged_to_strided_arrays
    from thinc.types import Ragged

    sizes = np.array([size, 1, size + 1])
    windows = stride_windows(sizes, max_pieces=5, overlap=2)
    numbers = [Ragged(np.arange(end - n, end), np.ones(n, dtype="i")) for n, end in zip(sizes, np.cumsum(sizes), strict=True)]
    spans, _ = _ragged_to_strided_arrays(numbers, stride=3, window=5)
    assert [[*range(*window)] for window in windows.tolist()] == [span.tolist() for span in spans]


def test_groups_like_lengths_within_the_budget():
    lengths = [9, 1, 5, 1, 40, 5]
    groups = group_by_length(lengths, max_padded=10)
    assert groups == [[1, 3], [2, 5], [0], [4]]
    assert group_by_length([], max_padded=10) == []
