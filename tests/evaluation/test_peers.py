"""Exact scores agree with those of seqeval and spaCy where a source covers all labels and each span has one.

`real_predictions.json` holds what a model (the softmax head on MiniLM, trained on the embedded corpus) found in the 125 gold test
texts. It was written from their `TestText`s: `labels`, and for each text the number of its tokens, the annotated and the
predicted spans, each as first token, one past the last one, and index of the label. The scores need no more: no text is kept.
"""

import json
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from ner11.evaluation.bootstrap import count_events, figures, label_events
from ner11.pipeline.scoring import compare

VOCAB = spacy.blank("xx").vocab


@st.composite
def texts(draw):
    """A text as the number of its tokens, and annotated and predicted spans, which touch and overlap often."""
    pieces = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "A", "B", "C"])), min_size=1, max_size=6)
    sides = []
    for part in (draw(pieces), draw(pieces)):
        start, spans = 0, []
        for length, label in part:
            if label:
                spans.append((start, start + length, label))
            start += length
        sides.append((start, spans))
    (length, gold), (other_length, predicted) = sides
    return max(length, other_length), gold, predicted


# With no span on either side each tool says something else: 0, NaN or None.
corpora = st.lists(texts(), min_size=1, max_size=4).filter(lambda made: any(gold or predicted for _, gold, predicted in made))


@pytest.fixture(scope="module")
def real():
    data = json.loads((Path(__file__).parent / "real_predictions.json").read_text(encoding="utf8"))
    labels = data["labels"]
    return [
        (tokens, *([(start, end, labels[i]) for start, end, i in spans] for spans in sides)) for tokens, *sides in data["texts"]
    ]


def make_doc(tokens, spans):
    doc = Doc(VOCAB, words=["word"] * tokens)
    doc.set_ents([Span(doc, start, end, label) for start, end, label in spans], default="outside")
    return doc


def examples(corpus):
    return [Example(make_doc(tokens, predicted), make_doc(tokens, gold)) for tokens, gold, predicted in corpus]


def tags(tokens, spans):
    made = ["O"] * tokens
    for start, end, label in spans:
        made[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return made


def ours(corpus):
    """Give precision, recall and F1 by label, and the micro averages under ""; None as 0, which the others say."""
    events = [("", label_events(compare(eg.reference, eg.predicted))) for eg in examples(corpus)]
    table = count_events(events, documents=[""])
    rows = {name: figures(counts) for name, counts in [*table.sums().items(), *table.total().sums().items()]}
    return {name: [row[key] or 0.0 for key in ("precision", "recall", "f1")] for name, row in rows.items()}


def seqeval(corpus):
    gold, predicted = ([tags(text[0], text[side]) for text in corpus] for side in (1, 2))
    report = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    rows = {name: [row[key] for key in ("precision", "recall", "f1-score")] for name, row in report.items()}
    return {"": rows.pop("micro avg")} | {name: row for name, row in rows.items() if " avg" not in name}


def from_spacy(scores):
    rows = {name: [row[key] for key in "prf"] for name, row in scores["ents_per_type"].items()}
    return {"": [scores[f"ents_{key}"] for key in "prf"]} | rows


def scorer(corpus):
    return from_spacy(Scorer.score_spans(examples(corpus), "ents"))


def ner_scorer(corpus):
    return from_spacy(get_ner_prf(examples(corpus)))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row, rel=0, abs=1e-12), name


PEERS = pytest.mark.parametrize("peer", [seqeval, scorer, ner_scorer], ids=["seqeval", "spaCy's Scorer", "spaCy's NER scorer"])


@PEERS
@given(corpora)
def test_made_spans_score_as_with_the_peers(peer, corpus):
    same(ours(corpus), peer(corpus))


@PEERS
def test_real_predictions_score_as_with_the_peers(peer, real):
    found = ours(real)
    assert len(found) > 60 and 0.5 < found[""][2] < 0.9
    same(found, peer(real))


def test_touching_spans_of_one_label_are_two():
    corpus = [(2, [(0, 1, "A"), (1, 2, "A")], [(0, 2, "A")])]
    assert ours(corpus)["A"] == seqeval(corpus)["A"] == [0, 0, 0]
