import pytest
import spacy
from spacy.tokens import Span

from ner11.errors import Ner11Error
from ner11.evaluation.predictions import collect_predictions
from ner11.evaluation.run import measure_pipeline, take_words, unknown_labels
from ner11.evaluation.texts import predict
from ner11.schema import Schema
from tests.trees import node

SCHEMA = Schema("toy", [node("CYBER", node("ACTOR", active=True), node("TOOL", active=True)), node("PLACE", active=True)])
PATTERNS = {"Sandworm": "ACTOR", "Turla": "ACTOR", "Kyiv": "PLACE", "KillDisk": "PLACE"}


def make_pipeline(patterns=PATTERNS):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": label, "pattern": word} for word, label in patterns.items()])
    return nlp


def annotated(nlp, text, entities, group="d"):
    doc = nlp.make_doc(text)
    doc.ents = [Span(doc, i, i + 1, label) for i, label in entities.items()]
    doc.user_data = {"source": "toy", "tier": "gold", "group": group}
    return doc


def corpus(nlp):
    test = [
        annotated(nlp, "Sandworm used KillDisk", {0: "ACTOR", 2: "TOOL"}, "a"),
        annotated(nlp, "Turla hit Kyiv and Poland", {0: "ACTOR", 2: "PLACE", 4: "PLACE"}, "b"),
    ]
    return {"test": test, "dev": test[:1], "train": [annotated(nlp, "Sandworm again", {0: "ACTOR"})]}


def measure(nlp, **changes):
    return measure_pipeline(nlp, **{**corpus(nlp), "schema": SCHEMA, **changes})


def test_all_parts_are_measured():
    metrics, texts, errors = measure(make_pipeline(), count_pieces=lambda surfaces: [len(surface) for surface in surfaces])
    assert (metrics["overall"]["micro"]["tp"], metrics["overall"]["micro"]["fp"], metrics["overall"]["micro"]["fn"]) == (3, 1, 2)
    assert list(metrics["sources"]) == ["toy"]
    assert {"gold": "TOOL", "predicted": "PLACE", "exact": 1, "boundary": 0} in metrics["confusion"]["cells"]
    assert metrics["slices"]["surface"]["seen"]["support"] == 1
    assert "word pieces in the span" in metrics["slices"]
    assert metrics["robustness"]["perturbations"]["lower case"]["recall"] == 0  # the ruler looks for capitals
    assert metrics["errors"]["counts"]["missed"] == 1 and metrics["errors"]["counts"]["type"] == 1
    assert len(errors) == 2 and [len(text.predicted) for text in texts] == [2, 2]
    assert metrics["calibration"] is None and metrics["thresholds"] is None  # the ruler is never unsure
    assert metrics["comparison"] is None


def test_confidences_are_measured_where_the_head_has_them():
    from ner11.pipeline import softmax_ner  # noqa: F401  (registers span._.confidence)

    nlp = make_pipeline()
    spacy.Language.component("ner11_test_half_sure", func=half_sure)
    nlp.add_pipe("ner11_test_half_sure")
    metrics, _, _ = measure(nlp)
    assert metrics["calibration"]["after"]["spans"] == 4
    assert metrics["calibration"]["after"]["ece"] == pytest.approx(0.25)
    assert metrics["calibration"]["before"] is None  # there is no temperature to take away
    assert metrics["thresholds"]["wished"] == 0.9


def half_sure(doc):
    for ent in doc.ents:
        ent._.confidence = 0.5
    return doc


def test_a_model_that_predicts_nothing_is_measured_too():
    metrics, _, errors = measure(make_pipeline({"nowhere": "ACTOR"}))
    assert metrics["overall"]["micro"]["precision"] is None and metrics["overall"]["micro"]["f1"] == 0
    assert len(errors) == 5


def test_the_last_release_is_compared_with():
    nlp = make_pipeline()
    texts = predict(nlp, corpus(nlp)["test"])
    last = collect_predictions(texts, model={"name": "en_toy", "version": "1.0.0"})
    metrics, _, _ = measure(nlp, baseline=last)
    assert metrics["comparison"]["overall"]["difference"] == 0 and metrics["comparison"]["flips"] == []


def test_no_test_texts_are_one_clear_line():
    with pytest.raises(Ner11Error, match=r"no texts in it\. Give a data set a test split"):
        measure(make_pipeline(), test=[])


def test_labels_that_the_model_does_not_have_are_counted():
    nlp = make_pipeline()
    texts = predict(nlp, corpus(nlp)["test"])
    assert unknown_labels(texts, ["ACTOR", "PLACE"]) == {"TOOL": 1}
    assert unknown_labels(texts, ["ACTOR", "PLACE", "TOOL"]) == {}


def test_a_test_set_of_another_domain_is_one_clear_line():
    nlp = make_pipeline({"Sandworm": "VESSEL"})
    with pytest.raises(Ner11Error, match=r"none of the test set's labels \(ACTOR, PLACE, TOOL"):
        measure(nlp)


def test_documents_are_taken_until_there_are_enough_words():
    nlp = spacy.blank("en")
    docs = (nlp(text) for text in ("a b", "c d", "e f"))
    assert [doc.text for doc in take_words(docs, 3)] == ["a b", "c d"]
    assert [doc.text for doc in docs] == ["e f"]
