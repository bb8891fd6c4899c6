from collections import Counter

import pytest
import spacy
from spacy import registry
from spacy.tokens import Span

from ner11.corpus import shards
from ner11.corpus.reader import WeightedCorpus, split_doc
from ner11.errors import Ner11Error
from tests.corpus.conftest import write_shards

NLP = spacy.blank("en")
ALL = [f"text {i}" for i in range(20)]


def fill(folder, weights):
    docs = []
    for text, weight in weights.items():
        docs.append(NLP.make_doc(text))
        docs[-1].user_data["weight"] = weight
    write_shards(docs, folder)
    return folder


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Makes a corpus of four shards of five texts."""
    monkeypatch.setattr(shards, "SHARD_SIZE", 5)
    fill(tmp_path, dict.fromkeys(ALL, 2.5))

    def corpus(**settings):
        return WeightedCorpus(tmp_path, **{"weighted": True, "max_words": 0, "seed": 0, **settings})

    return corpus


def epoch(corpus):
    return [eg.reference.text for eg in corpus(NLP)]


def test_a_weight_is_drawn_whole_and_its_fraction_by_chance(corpus):
    reader = corpus()
    epochs = [Counter(epoch(reader)) for _ in range(30)]
    assert {count for draws in epochs for count in draws.values()} == {2, 3}
    assert all(set(draws) == set(ALL) for draws in epochs)
    assert sum(draws.total() for draws in epochs) / (30 * 20) == pytest.approx(2.5, abs=0.1)


def test_each_text_has_its_own_weight(tmp_path):
    reader = WeightedCorpus(fill(tmp_path, {"a": 3.0, "b": 1.0, "c": 0.25}), weighted=True, max_words=0, seed=0)
    draws = sum((Counter(epoch(reader)) for _ in range(400)), Counter())
    assert draws["a"] == 1200 and draws["b"] == 400
    assert draws["c"] == pytest.approx(100, abs=30)


def test_a_text_without_a_weight_is_drawn_once(tmp_path):
    write_shards([NLP.make_doc("a")], tmp_path)
    assert epoch(WeightedCorpus(tmp_path, weighted=True, max_words=0, seed=0)) == ["a"]


def test_the_same_seed_gives_the_same_draws(corpus):
    one, two, other = corpus(seed=1), corpus(seed=1), corpus(seed=2)
    assert [epoch(one), epoch(one)] == [epoch(two), epoch(two)]
    assert epoch(other) != epoch(corpus(seed=1))


def test_every_epoch_draws_anew(corpus):
    reader = corpus()
    first, second = epoch(reader), epoch(reader)
    assert first != second and Counter(first) != Counter(second)


def test_unweighted_reads_each_text_once_in_the_same_order(corpus):
    reader = corpus(weighted=False)
    first = epoch(reader)
    assert sorted(first) == sorted(ALL) and first != ALL
    assert epoch(reader) == first and epoch(corpus(weighted=False)) == first


@pytest.mark.parametrize(("max_words", "texts"), [(0, 20), (1, 1), (2, 1), (3, 2), (13, 7), (1000, 20)])
def test_max_words_ends_the_stream(corpus, max_words, texts):
    assert len(epoch(corpus(weighted=False, max_words=max_words))) == texts


def test_the_prediction_starts_from_the_bare_text(tmp_path):
    doc = NLP.make_doc("Kyiv today")
    doc.ents = [Span(doc, 0, 1, "PLACE")]
    write_shards([doc], tmp_path)
    (example,) = WeightedCorpus(tmp_path, weighted=False, max_words=0, seed=0)(NLP)
    assert [ent.text for ent in example.reference.ents] == ["Kyiv"] and not example.predicted.ents


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(Ner11Error) as error:
        epoch(WeightedCorpus(tmp_path, weighted=True, max_words=0, seed=0))
    assert str(error.value) == f"{tmp_path}: no .spacy files here. Run convert and merge first."


def test_a_configuration_finds_the_reader(tmp_path):
    make = registry.readers.get("ner11.WeightedCorpus.v1")
    fill(tmp_path, {"a": 2.0})
    assert epoch(make(path=tmp_path, weighted=True, max_words=0, seed=0)) == ["a", "a"]


@pytest.fixture
def long_doc():
    """Three sentences on two lines; an entity, an ambiguous span with a sentence end inside."""
    doc = NLP.make_doc("Emotet ran. It hit Yahoo ! Inc today.\nNobody knows why .")
    doc.ents = [Span(doc, 0, 1, "MALWARE")]
    doc.spans["ambiguous"] = [Span(doc, 5, 8, "PRODUCT|ORGANIZATION")]
    doc.set_ents(list(doc.ents), missing=[doc[5:8]], default="outside")
    doc.user_data["source"] = "one"
    return doc


def test_a_long_text_is_cut_at_sentence_ends_and_line_breaks(long_doc):
    pieces = list(split_doc(long_doc, 5))
    assert "".join(piece.text_with_ws for piece in pieces) == long_doc.text
    assert [piece.text.strip() for piece in pieces] == ["Emotet ran.", "It hit Yahoo ! Inc today.", "Nobody knows why ."]


def test_a_piece_keeps_what_is_known_of_it(long_doc):
    first, second, third = split_doc(long_doc, 5)
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Emotet", "MALWARE")]
    (span,) = second.spans["ambiguous"]
    assert (span.text, span.label_) == ("Yahoo ! Inc", "PRODUCT|ORGANIZATION")
    assert [token.text for token in second if not token.ent_iob] == ["Yahoo", "!", "Inc"]
    assert third[0].ent_iob_ == "O" and not third.spans["ambiguous"]
    assert {piece.user_data["source"] for piece in (first, second, third)} == {"one"}


def test_a_short_text_stays_whole(long_doc):
    assert list(split_doc(long_doc, len(long_doc))) == [long_doc]


def test_pieces_are_drawn_on_their_own(tmp_path, long_doc):
    long_doc.user_data["weight"] = 2.0
    write_shards([long_doc], tmp_path)
    whole = WeightedCorpus(tmp_path, weighted=True, max_words=0, seed=0)
    assert len(epoch(whole)) == 2
    assert len(epoch(WeightedCorpus(tmp_path, weighted=True, max_words=0, seed=0, max_tokens=5))) == 6
