import pytest
import spacy
from spacy.tokens import Doc, Span

from ner11.evaluation.texts import find_blocks, from_reference, predict


@pytest.fixture
def nlp():
    """A pipeline that calls every word of capitals a NAME and is sure of it by the word's length."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "NAME", "pattern": [{"IS_UPPER": True}]}])
    return nlp


def annotated(nlp, text, *, spans=(), **user_data):
    doc = nlp.make_doc(text)
    doc.spans["ambiguous"] = [doc.char_span(*span) for span in spans]
    doc.user_data = {"source": "s", "tier": "expert", "group": "g", **user_data}
    return doc


def test_texts_keep_their_order_and_their_annotation(nlp):
    docs = [annotated(nlp, "IBM is here", spans=[(0, 3, "A|B")], coverage=["A"]), annotated(nlp, ""), annotated(nlp, "in UK")]
    first, empty, last = predict(nlp, iter(docs))
    assert (first.gold, first.coverage, first.predicted) == ([(0, 3, "A|B")], {"A"}, [(0, 3, "NAME")])
    assert (empty.text, empty.words, empty.gold, empty.predicted) == ("", 0, [], [])
    assert (last.predicted, last.coverage, last.words) == ([(3, 5, "NAME")], None, 2)


def test_confidences_stand_beside_the_spans(nlp):
    if not Span.has_extension("confidence"):
        Span.set_extension("confidence", default=None)
    spacy.Language.component("ner11_test_sure", func=set_confidence)
    nlp.add_pipe("ner11_test_sure")
    (text,) = predict(nlp, [annotated(nlp, "IBM and NATO")])
    assert text.confidences == [0.3, 0.4]
    assert text.confidence_of() == {(0, 3): 0.3, (8, 12): 0.4}


def set_confidence(doc):
    for ent in doc.ents:
        ent._.confidence = len(ent.text) / 10
    return doc


def test_nothing_of_a_document_is_kept(nlp):
    (text,) = predict(nlp, [annotated(nlp, "IBM is here")])
    assert not any(isinstance(value, Doc | Span) for value in vars(text).values())


@pytest.mark.parametrize(("start", "end", "tokens"), [(0, 3, 1), (0, 7, 2), (5, 6, 1), (3, 4, 0), (0, 12, 4)])
def test_tokens_of_a_span_are_counted(nlp, start, end, tokens):
    text = from_reference(annotated(nlp, "IBM was big."))
    assert text.count_tokens(start, end) == tokens


def test_sentences_of_a_file_are_blocks_and_gold_texts_stand_alone():
    lines = [("cyner", "expert", f"train.txt:{3 * i}") for i in range(25)]
    names = find_blocks([*lines, ("annoctr", "expert", "dev-3"), ("gold", "gold", "chat:7")])
    assert names == ["train.txt/0"] * 20 + ["train.txt/1"] * 5 + ["dev-3", "chat:7"]


def test_documents_of_two_sources_are_told_apart(nlp):
    texts = predict(
        nlp, [annotated(nlp, "a", source=source, group=group) for source, group in [("x", "1"), ("y", "1"), ("y", "")]]
    )
    assert [text.document for text in texts] == ["x/1", "y/1", "y/2"]
