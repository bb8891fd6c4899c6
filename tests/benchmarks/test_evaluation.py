import importlib.util
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Span

from ner11.corpus.shards import read_docs
from tests.corpus.conftest import write_shards

# By its path: `evaluation` is also the name of the folder with the tests of ner11.evaluation.
SPEC = importlib.util.spec_from_file_location("benchmark", Path(__file__).parents[2] / "benchmarks" / "evaluation.py")
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)

PIECES = [
    [("Emotet", "MALWARE"), ("hit", ""), ("Acme Corp", "ORGANIZATION"), *[("word", "")] * 60],
    [("TrickBot", "MALWARE"), (".", "")],
]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nlp = spacy.blank("en")
    doc = nlp("Emotet hit Acme Corp again and again, says a report of 12 pages.")
    doc.ents = [Span(doc, 0, 1, "MALWARE"), Span(doc, 2, 4, "ORGANIZATION")]
    for split in ("dev", "test"):
        write_shards([doc], tmp_path / "corpus/merged" / split)
    return tmp_path


def test_a_document_is_cut_into_entities_and_tokens(corpus):
    (doc,) = read_docs(corpus / "corpus/merged/test", spacy.blank("en").vocab)
    pieces = benchmark.split_pieces(doc)
    assert pieces[:4] == [("Emotet", "MALWARE"), ("hit", ""), ("Acme Corp", "ORGANIZATION"), ("again", "")]
    assert len(pieces) == len(doc) - 1


def test_made_texts_have_the_length_the_labels_and_the_variety_that_is_said():
    texts = list(benchmark.make_texts(PIECES, 200, seed=0))
    assert {len(text) for text in texts} == set(range(10, 41))
    pieces = [piece for text in texts for piece in text]
    assert {text for text, label in pieces if label == "MALWARE"} == {"Emotet", "TrickBot"}
    words = [text for text, label in pieces if not label and text.isalpha()]
    assert 0.07 < sum(word not in ("hit", "word") for word in words) / len(words) < 0.13
    assert texts == list(benchmark.make_texts(PIECES, 200, seed=0))


def test_the_texts_are_written_as_a_corpus_of_documents(corpus):
    words = benchmark.write_texts(corpus / "made", 20)
    docs = list(read_docs(corpus / "made", spacy.blank("en").vocab))
    assert len(docs) == 20 and sum(map(len, docs)) == words
    assert {ent.text for doc in docs for ent in doc.ents} <= {"Emotet", "Acme Corp"} and any(doc.ents for doc in docs)
    assert len({doc.user_data["group"] for doc in docs}) == 20
