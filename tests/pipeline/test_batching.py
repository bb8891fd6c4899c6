import pytest
import spacy
from spacy.training import Example
from spacy.training.loop import subdivide_batch

from ner11.pipeline.batching import configure_batch_by_pieces

SETTINGS = {"max_padded_pieces": 64, "accumulate": 1, "max_pieces": 16, "overlap": 4, "buffer": 100, "seed": 0}
TEXTS = ["ab " * (1 + i % 7) for i in range(60)] + ["d41d8cd98f00b204", "0123456789abcdef" * 4, ""]


@pytest.fixture
def examples():
    nlp = spacy.blank("en")
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]


def test_every_example_comes_exactly_once(examples, toy_bert):
    batches = list(configure_batch_by_pieces(**SETTINGS, tokenizer=str(toy_bert))(examples))
    assert sorted(id(eg) for batch in batches for eg in batch) == sorted(map(id, examples))


def test_batches_keep_the_budget_in_pieces_not_tokens(examples, toy_bert):
    for batch in configure_batch_by_pieces(**SETTINGS, tokenizer=str(toy_bert))(examples):
        width = max(len(eg.text.replace(" ", "")) for eg in batch)
        rows = sum(bool(eg.text) for eg in batch)
        assert rows <= 1 or rows * width <= 64


def test_every_part_that_spacy_splits_a_batch_into_keeps_its_budget(examples, toy_bert):
    settings = {**SETTINGS, "max_padded_pieces": 256, "accumulate": 4}
    for batch in configure_batch_by_pieces(**settings, tokenizer=str(toy_bert))(examples):
        for part in subdivide_batch(batch, 4):
            width = max(len(eg.text.replace(" ", "")) for eg in part)
            rows = sum(bool(eg.text) for eg in part)
            assert rows <= 1 or rows * width <= 64 + 3 * width  # the last part takes what does not divide


def test_one_seed_gives_one_order(examples, toy_bert):
    def texts(seed):
        batcher = configure_batch_by_pieces(**{**SETTINGS, "seed": seed}, tokenizer=str(toy_bert))
        return [[eg.text for eg in batch] for batch in batcher(examples)]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_estimates_pieces_without_a_tokenizer(examples):
    batches = list(configure_batch_by_pieces(**SETTINGS, tokenizer=None)(examples))
    assert sum(map(len, batches)) == len(examples)
    assert len(batches) > 1
