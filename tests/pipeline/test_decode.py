import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from ner11.pipeline import decode
from ner11.pipeline.decode import cut_document, set_entities, split_runs
from ner11.pipeline.tags import TagScheme

TAGS = TagScheme("BIO", ("PERSON", "PLACE"))
NLP = spacy.blank("en")


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([0, 0], [(0, 2)]),
        ([2, 3, 4, 1], [(0, 2), (2, 4)]),
        ([9, 1], [(0, 1), (1, 2)]),
        ([1, 9, 0, 5], [(0, 1), (1, 2), (2, 4)]),
        ([0, 9], [(0, 1), (1, 2)]),
    ],
)
def test_runs_are_consecutive_and_short(lengths, expected):
    assert list(split_runs(lengths, most=5)) == expected


def make(words, seed=0):
    """A document of many tokens, mostly outside, and logits for it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(words, len(TAGS))).astype(np.float32)
    logits[:, 0] += 4 * (rng.random(words) < 0.9)
    return Doc(NLP.vocab, words=["x"] * words), logits


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_long_documents_are_cut_where_they_are_clearly_outside():
    _, logits = make(100)
    ends = cut_document(logits, most=20)
    assert ends[-1] == 100
    for start, end in zip([0, *ends], ends, strict=False):
        assert 0 < end - start <= 20
    for end in ends[:-1]:
        assert logits[end - 1, 0] - logits[end - 1, 1:].max() > 3
    assert cut_document(logits, most=100) == [100]


def test_a_cut_changes_no_entity_and_hardly_a_confidence(monkeypatch):
    docs, logits = zip(*(make(words, seed) for seed, words in enumerate([30, 0, 400, 1, 25])), strict=True)
    logits = 2 * np.concatenate(logits)
    runs = {}
    for most in (10_000, 50):
        monkeypatch.setattr(decode, "DECODED_TOKENS", most)
        set_entities(docs, logits, TAGS, temperature=1.0, token_entropy=True)
        runs[most] = [(entities(doc), [ent._.confidence for ent in doc.ents], [token._.entropy for token in doc]) for doc in docs]
    for whole, cut in zip(runs[10_000], runs[50], strict=True):
        assert whole[0] == cut[0]
        np.testing.assert_allclose(whole[1], cut[1], atol=1e-3)
        np.testing.assert_allclose(whole[2], cut[2], atol=0.05)
    assert len(runs[50][2][0]) > 20


def test_entities_that_were_there_are_replaced():
    doc, logits = make(3)
    doc.ents = [doc.char_span(0, 1, label="OLD")]
    logits[:] = 0
    logits[:, 0] = 9
    set_entities([doc], logits, TAGS, temperature=1.0, token_entropy=False)
    assert doc.ents == () and doc.has_annotation("ENT_IOB")
    assert doc[0]._.entropy is None


@pytest.mark.parametrize("docs", [[], [""], ["", ""]])
def test_nothing_has_no_entities(docs):
    docs = [*map(NLP, docs)]
    set_entities(docs, np.zeros((0, len(TAGS)), dtype=np.float32), TAGS, temperature=1.0, token_entropy=True)
    assert all(doc.ents == () for doc in docs)


def test_a_softmax_head_without_any_document_gives_no_width(monkeypatch):
    """What thinc makes of no arrays at all has neither rows nor columns."""
    set_entities([], np.zeros((0, 0), dtype=np.float32), TAGS, temperature=1.0, token_entropy=True)
