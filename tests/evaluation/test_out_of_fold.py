from collections import Counter

import numpy as np
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import fix_random_seed

from ner11.errors import Ner11Error
from ner11.evaluation.out_of_fold import class_probabilities, deal_folds, read_gold
from tests.corpus.conftest import write_shards


def test_documents_stay_whole_and_folds_are_even():
    documents = [f"d{i % 10}" for i in range(40)]
    folds = deal_folds(documents, 3, seed=0)
    assert len(set(zip(documents, folds, strict=True))) == 10
    assert sorted(Counter(folds).values()) == [12, 12, 16]


def test_a_seed_deals_the_same_folds():
    documents = [f"d{i}" for i in range(40)]
    first, again, other = (deal_folds(documents, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("folds", "message"), [(4, "only 3 documents"), (1, "need texts to learn from")])
def test_folds_that_cannot_be_dealt(folds, message):
    with pytest.raises(Ner11Error, match=message):
        deal_folds(["a", "b", "c", "a"], folds, seed=0)


def annotated(nlp, text, spans=(), **user_data):
    doc = nlp.make_doc(text)
    doc.set_ents([Span(doc, *span) for span in spans], default="outside")
    doc.user_data = {"source": "toy", "tier": "gold", "group": "g", **user_data}
    return doc


def test_texts_of_gold_sets_are_read_from_all_splits(tmp_path):
    nlp = spacy.blank("en")
    for split in ("train", "dev", "test"):
        write_shards([annotated(nlp, f"gold {split}"), annotated(nlp, "other", tier="expert")], tmp_path / split)
    assert [doc.text for doc in read_gold(tmp_path)] == ["gold train", "gold dev", "gold test"]


@pytest.fixture(scope="module")
def nlp():
    """An untrained pipeline with the softmax head, over a small convolution in the place of an encoder."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 16, "depth": 1}
    tok2vec |= {"embed_size": 50, "window_size": 1, "maxout_pieces": 1, "subword_features": False}
    nlp.add_pipe("softmax_ner", name="ner", config={"model": {"@architectures": "ner11.TokenLogits.v1", "tok2vec": tok2vec}})
    docs = [annotated(nlp, "a b c", [(0, 1, "X"), (1, 3, "Y")])] * 2
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    weights = nlp.get_pipe("ner").model.get_ref("linear")
    weights.set_param("W", np.random.default_rng(0).normal(size=weights.get_param("W").shape).astype("float32"))
    return nlp


def test_probabilities_are_of_classes_not_of_tags(nlp):
    (held,) = class_probabilities(nlp, [annotated(nlp, "a b c d", [(0, 2, "X")])])
    assert held.given == ["X", "X", "O", "O"]
    assert held.probabilities.shape == (4, 3)
    np.testing.assert_allclose(held.probabilities.sum(axis=1), 1, atol=1e-6)
    (plain,) = nlp.pipe(["a b c d"])
    likely = held.probabilities.argmax(axis=1)
    assert [["", "X", "Y"][i] for i in likely] == [token.ent_type_ for token in plain]


def test_what_a_source_does_not_cover_counts_as_outside(nlp):
    docs = [annotated(nlp, "a b c d"), annotated(nlp, ""), annotated(nlp, "a b c d", coverage=["Y"])]
    all_known, empty, partial = (held.probabilities for held in class_probabilities(nlp, docs))
    assert empty.shape == (0, 3)
    np.testing.assert_allclose(partial[:, 0], all_known[:, 0] + all_known[:, 1], atol=1e-6)
    assert (partial[:, 1] == 0).all() and (partial[:, 2] == all_known[:, 2]).all()


def test_annotation_is_not_shown_to_the_pipeline(nlp):
    with_spans, without = class_probabilities(nlp, [annotated(nlp, "a b", [(0, 1, "X")]), annotated(nlp, "a b")])
    assert (with_spans.probabilities == without.probabilities).all()
