from itertools import pairwise

import numpy as np
import pytest
import spacy
from transformers import AutoTokenizer

from ner11.pipeline.windows import PieceWindows, cut_windows, piece_counts


@pytest.fixture(scope="module")
def tokenizer(toy_bert):
    return AutoTokenizer.from_pretrained(toy_bert)


def test_counts_pieces_of_every_token(tokenizer):
    doc = spacy.blank("en")("a hash: d41d8cd9 ok")
    assert piece_counts(tokenizer, [doc])[0].tolist() == [1, 4, 1, 8, 2]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", " a  b "])
def test_counts_one_number_a_token_for_odd_texts(tokenizer, text):
    doc = spacy.blank("en")(text)
    counts = piece_counts(tokenizer, [doc])[0]
    assert len(counts) == len(doc)
    assert counts.sum() == sum(len(token.text.strip()) for token in doc)


def test_no_documents_give_no_counts(tokenizer):
    assert piece_counts(tokenizer, []) == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([3], [(0, 1)]),
        ([1, 1, 1, 1], [(0, 4)]),
        ([2, 2, 2, 2, 2], [(0, 2), (1, 3), (2, 4), (3, 5)]),
        ([1, 50, 1], [(0, 1), (1, 2), (2, 3)]),
        ([0, 0, 0], [(0, 3)]),
    ],
)
def test_cuts_windows_at_tokens(counts, expected):
    assert cut_windows(np.array(counts, dtype=np.int64), max_pieces=4, overlap=2) == expected


@pytest.mark.parametrize("seed", range(20))
def test_windows_cover_everything_in_order_and_keep_the_limit(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 40, size=rng.integers(1, 200))
    windows = cut_windows(counts, max_pieces=32, overlap=8)
    assert windows[0][0] == 0 and windows[-1][1] == len(counts)
    for (start, end), (following, _) in pairwise(windows):
        assert start < following <= end
        assert counts[following:end].sum() <= 8
    for start, end in windows:
        assert counts[start:end].sum() <= 32 or end == start + 1
    assert len(set(windows)) == len(windows)


def test_span_getter_uses_the_tokenizer_of_its_model(tokenizer):
    class Model:
        pass

    model = Model()
    model.tokenizer = tokenizer
    doc = spacy.blank("en")("abcd efgh ijkl")
    spans = PieceWindows(model, max_pieces=8, overlap=4)([doc, spacy.blank("en")("")])
    assert [[span.text for span in row] for row in spans] == [["abcd efgh", "efgh ijkl"], []]
