import pickle
import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed

from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE

BASE = """
[nlp]
lang = "en"
pipeline = ["transformer","ner"]

[components]

[components.ner]
factory = "softmax_ner"
scheme = "{scheme}"
token_entropy = true

[components.ner.model]
@architectures = "ner11.TokenLogits.v1"
nO = null
"""
BERT = """
[components.transformer]
factory = "transformer"

[components.transformer.set_extra_annotations]
@annotation_setters = "spacy-transformers.null_annotation_setter.v1"

[components.transformer.model]
@architectures = "ner11.PieceWindowTransformer.v2"
name = "{name}"
max_pieces = 32
overlap = 8
precision = "fp32"
tokenizer_config = {{"use_fast": true}}
transformer_config = {{}}
grad_scaler_config = {{}}

[components.ner.model.tok2vec]
@architectures = "spacy-transformers.TransformerListener.v1"
grad_factor = 1.0
upstream = "transformer"
pooling = {{"@layers": "reduce_mean.v1"}}
"""
TRF = """
[components.transformer]
source = "{name}"

[components.ner.model.tok2vec]
@architectures = "spacy-curated-transformers.LastTransformerLayerListener.v1"
width = {width}
upstream = "transformer"
grad_factor = 1.0
pooling = {{"@layers": "reduce_mean.v1"}}
"""
RANDOM = random.Random(0)
TRAIN = [" ".join(RANDOM.choices(["aa", "bb", "saw", "and", "to", "qq", "qq qq", "zz"], k=6)) for _ in range(24)]
TEXTS = ["zz went to qq qq", "qq saw zz", "nothing here", "", "   ", "\n"]
LONG = "aa bb cc dd ee " * 30 + "qq qq " + "aa bb " * 20 + "zz"


def build(name, kind="toy_bert", scheme="BIO", width=32):
    fix_random_seed(0)
    listener = BERT if kind == "toy_bert" else TRF
    config = Config().from_str((BASE + listener).format(name=name, scheme=scheme, width=width))
    return load_model_from_config(config, auto_fill=True)


def annotate(doc, place="LOCATION"):
    """`qq qq` is a place, `zz` a person."""
    spans, start = [], None
    for token in [*doc, None]:
        if start is not None and (token is None or token.text != "qq"):
            spans.append(Span(doc, start, token.i if token is not None else len(doc), place))
            start = None
        if token is not None and token.text == "qq" and start is None:
            start = token.i
        if token is not None and token.text == "zz":
            spans.append(Span(doc, token.i, token.i + 1, "PERSON"))
    doc.ents = spans
    return doc


def make_examples(nlp, texts=(*TRAIN, *TEXTS)):
    return [Example(nlp.make_doc(text), annotate(nlp.make_doc(text))) for text in texts]


def train(nlp, examples, steps=40, rate=0.005):
    nlp.initialize(lambda: examples)
    optimizer = Adam(rate)
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer, drop=0.1)
    return losses


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


@pytest.fixture(scope="module")
def trained(toy_bert):
    nlp = build(toy_bert)
    train(nlp, make_examples(nlp))
    return nlp


@pytest.mark.parametrize("kind", ["toy_bert", "toy_trf"])
@pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
def test_learns_on_either_listener(kind, scheme, request):
    nlp = build(request.getfixturevalue(kind), kind, scheme)
    losses = train(nlp, make_examples(nlp))
    assert losses["ner"] < 0.3
    assert entities(nlp("bb saw qq qq and zz")) == [("qq qq", "LOCATION"), ("zz", "PERSON")]
    assert nlp.get_pipe("ner").labels == ("LOCATION", "PERSON")


@pytest.mark.parametrize("text", ["", " ", "\n\n", "🙂", "x" * 500, "qq " * 500])
def test_odd_texts_pass_alone_and_between_others(trained, text):
    assert trained(text).text == text
    assert entities(list(trained.pipe(["qq", text, "zz"]))[2]) == [("zz", "PERSON")]
    assert trained(text).has_annotation("ENT_IOB") or not len(trained(text))


def test_only_empty_texts_can_be_learned_and_predicted(trained):
    examples = [Example(trained.make_doc(""), trained.make_doc(""))]
    assert trained.get_pipe("ner").update(examples) == {"ner": 0.0}
    assert [len(doc) for doc in trained.pipe(["", ""])] == [0, 0]


def test_the_same_result_whatever_the_batch_size(trained):
    texts = [text * times for times in (1, 3, 9) for text in [*TEXTS, LONG]]

    def run(size):
        return [[(e.start, e.end, e.label_, e._.confidence) for e in doc.ents] for doc in trained.pipe(texts, batch_size=size)]

    one = run(1)
    assert sum(map(len, one)) > 20
    for size in (2, 5, 64):
        for first, second in zip(one, run(size), strict=True):
            assert [span[:3] for span in first] == [span[:3] for span in second]
            np.testing.assert_allclose([s[3] for s in first], [s[3] for s in second], atol=1e-5)


def test_saved_loaded_and_pickled_pipelines_give_the_same(trained, tmp_path):
    trained.get_pipe("ner").cfg["temperature"] = 1.7
    doc = trained("bb saw qq qq and zz")
    trained.to_disk(tmp_path)
    copy = build_like(trained).from_bytes(trained.to_bytes())
    for other in (spacy.load(tmp_path), pickle.loads(pickle.dumps(trained)), copy):
        assert other.get_pipe("ner").temperature == pytest.approx(1.7)
        again = other("bb saw qq qq and zz")
        assert [(e.text, e.label_) for e in again.ents] == [(e.text, e.label_) for e in doc.ents]
        np.testing.assert_allclose([e._.confidence for e in again.ents], [e._.confidence for e in doc.ents], atol=1e-6)
    trained.get_pipe("ner").cfg["temperature"] = 1.0


def build_like(nlp):
    return spacy.blank("en").from_config(nlp.config)


def test_confidence_survives_docbin_json_and_pickle(trained):
    doc = trained("bb saw qq qq and zz")
    confidences = [ent._.confidence for ent in doc.ents]
    assert all(0 < confidence <= 1 for confidence in confidences)
    stored = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (restored,) = DocBin().from_bytes(stored).get_docs(trained.vocab)
    assert [ent._.confidence for ent in restored.ents] == confidences
    assert [ent._.confidence for ent in pickle.loads(pickle.dumps(doc)).ents] == confidences
    json = doc.to_json(underscore=["confidence"])
    assert [entry["value"] for entry in json["underscore_span"]["confidence"]] == confidences
    again = Doc(trained.vocab).from_json(json)
    assert [ent._.confidence for ent in again.ents] == confidences


def test_entropy_of_tokens_is_there_on_request_and_survives(trained):
    doc = trained("bb saw qq")
    assert all(token._.entropy >= 0 for token in doc)
    stored = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (restored,) = DocBin().from_bytes(stored).get_docs(trained.vocab)
    assert [token._.entropy for token in restored] == [token._.entropy for token in doc]
    trained.get_pipe("ner").token_entropy = False
    assert trained("bb saw qq")[0]._.entropy is None
    trained.get_pipe("ner").token_entropy = True


def test_what_was_annotated_before_is_replaced(trained):
    doc = trained.make_doc("bb saw zz")
    doc.ents = [Span(doc, 0, 1, "VESSEL")]
    for _, pipe in trained.pipeline:
        doc = pipe(doc)
    assert entities(doc) == [("zz", "PERSON")]


def test_learns_from_sources_that_annotate_different_labels(toy_bert):
    """Each half annotates one label only; the model finds both. A plain O would teach it to leave either out."""
    nlp = build(toy_bert)
    examples = make_examples(nlp, TRAIN)
    for i, example in enumerate(examples):
        kept = ("PERSON", "LOCATION")[i % 2]
        example.reference.ents = [ent for ent in example.reference.ents if ent.label_ == kept]
        example.reference.user_data[COVERAGE] = [kept]
    train(nlp, examples)
    assert entities(nlp("bb saw qq qq and zz")) == [("qq qq", "LOCATION"), ("zz", "PERSON")]


def test_learns_a_finer_label_from_a_coarse_one(toy_bert):
    """Some texts only say that `qq qq` is a place or a person, others what it is; the span stays whole."""
    nlp = build(toy_bert)
    examples = make_examples(nlp, TRAIN)
    for example in examples[3:]:
        doc = example.reference
        group = [Span(doc, ent.start, ent.end, "LOCATION|PERSON") for ent in doc.ents if ent.label_ == "LOCATION"]
        doc.set_ents([ent for ent in doc.ents if ent.label_ == "PERSON"], missing=group, default="outside")
        doc.spans[AMBIGUOUS] = group
    train(nlp, examples)
    assert entities(nlp("bb saw qq qq and zz")) == [("qq qq", "LOCATION"), ("zz", "PERSON")]


@pytest.mark.parametrize("annotating", [True, False])
def test_learns_on_a_frozen_encoder_that_annotates(toy_bert, annotating):
    nlp = build(toy_bert)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("transformer").model.to_bytes()
    optimizer = Adam(0.01)
    for _ in range(10):
        nlp.update(
            examples,
            sgd=optimizer,
            exclude=["transformer"] if annotating else [],
            annotates=["transformer"] if annotating else [],
        )
    assert (nlp.get_pipe("transformer").model.to_bytes() == before) is annotating


def test_the_first_predictions_are_the_share_of_each_tag(toy_bert):
    nlp = build(toy_bert)
    nlp.initialize(lambda: make_examples(nlp))
    bias = np.exp(nlp.get_pipe("ner").model.get_ref("linear").get_param("b"))
    assert bias.sum() == pytest.approx(1, rel=1e-4)
    assert 0.4 < bias[0] < 0.6 and bias[1] == pytest.approx(bias[3])


def test_temperature_is_fitted_and_kept(trained):
    def examples():
        for example in make_examples(trained):
            example.predicted = trained.get_pipe("transformer")(example.predicted)
            yield example

    pipe = trained.get_pipe("ner")
    assert pipe.fit_temperature(examples()) == pipe.temperature != 1.0
    assert pipe.fit_temperature(iter(())) == pipe.temperature
    pipe.cfg["temperature"] = 1.0


def test_odd_annotation_on_dev_does_not_spoil_the_temperature(trained):
    """A label that only dev has, and spans that contradict each other, after all the training is done."""
    pipe = trained.get_pipe("ner")

    def fit(*more):
        for example in (examples := [*make_examples(trained), *more]):
            example.predicted = trained.get_pipe("transformer")(example.predicted)
        return pipe.fit_temperature(examples)

    unknown, torn = (make_examples(trained, ["bb saw qq qq qq and zz"])[0] for _ in range(2))
    unknown.reference.ents = [Span(unknown.reference, 0, 1, "VESSEL")]
    torn.reference.spans[AMBIGUOUS] = [Span(torn.reference, 3, 4, "PERSON|VESSEL")]
    expected = fit()
    assert fit(torn) == pytest.approx(expected)
    assert 0.1 <= fit(unknown) < 10
    pipe.cfg["temperature"] = 1.0


def test_confidences_follow_the_temperature(trained):
    pipe = trained.get_pipe("ner")
    sharp = trained("bb saw qq qq and zz")
    pipe.cfg["temperature"] = 5.0
    flat = trained("bb saw qq qq and zz")
    pipe.cfg["temperature"] = 1.0
    assert entities(flat) == entities(sharp)
    for before, after in zip(sharp.ents, flat.ents, strict=True):
        assert after._.confidence < before._.confidence


def test_losses_by_label(trained):
    pipe = trained.get_pipe("ner")
    pipe.pop_label_losses()
    trained.update(make_examples(trained, ["qq saw zz"]))
    losses = pipe.pop_label_losses()
    assert {name: count for name, (_, count) in losses.items()} == {"LOCATION": 1, "O": 1, "PERSON": 1}
    assert pipe.pop_label_losses() == {}


def test_a_label_that_the_model_does_not_know_is_named(trained):
    doc = trained.make_doc("bb saw zz")
    doc.ents = [Span(doc, 0, 1, "VESSEL")]
    with pytest.raises(ValueError, match="softmax_ner: the data has the label VESSEL"):
        trained.update([Example(trained.make_doc(doc.text), doc)])
    with pytest.raises(ValueError, match="cannot add the label VESSEL to a trained model"):
        trained.get_pipe("ner").add_label("VESSEL")
    assert trained.get_pipe("ner").add_label("PERSON") == 0


@pytest.mark.parametrize("label", ["O", "?", "A|B"])
def test_what_means_something_else_cannot_be_a_label(toy_bert, label):
    nlp = build(toy_bert)
    with pytest.raises(ValueError, match=r"softmax_ner: '.*' cannot be a label"):
        nlp.get_pipe("ner").add_label(label)


def test_a_label_called_o_in_the_data_is_named(toy_bert):
    nlp = build(toy_bert)
    doc = nlp.make_doc("qq saw zz")
    doc.ents = [Span(doc, 0, 1, "O")]
    with pytest.raises(ValueError, match="softmax_ner: 'O' cannot be a label"):
        nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])


def test_labels_can_be_given_but_the_data_must_not_have_others(toy_bert):
    nlp, examples = build(toy_bert), make_examples(build(toy_bert))
    pipe = nlp.get_pipe("ner")
    with pytest.raises(ValueError, match="labels that are not among those given: PERSON"):
        pipe.initialize(lambda: examples, nlp=nlp, labels=["LOCATION"])
    nlp.config["initialize"]["components"]["ner"] = {"labels": ["LOCATION", "PERSON", "VESSEL"]}
    nlp.initialize(lambda: examples)
    assert pipe.labels == ("LOCATION", "PERSON", "VESSEL")


def test_a_failed_second_initialization_leaves_the_pipe_as_it_was(trained):
    doc = trained.make_doc("bb saw zz")
    doc.ents = [Span(doc, 0, 1, "VESSEL")]
    with pytest.raises(ValueError, match="cannot add the label VESSEL to a trained model"):
        trained.get_pipe("ner").initialize(lambda: [Example(trained.make_doc(doc.text), doc)], nlp=trained)
    assert entities(trained("bb saw zz")) == [("zz", "PERSON")]


def test_a_corpus_without_entities_is_named(toy_bert):
    nlp = build(toy_bert)
    with pytest.raises(ValueError, match="softmax_ner: no entity in the training data"):
        nlp.initialize(lambda: make_examples(nlp, ["nothing here"]))


def test_an_output_that_is_no_number_is_named(toy_bert):
    nlp = build(toy_bert)
    examples = make_examples(nlp, ["qq saw zz"])
    nlp.initialize(lambda: examples)
    nlp.get_pipe("ner").model.get_ref("linear").set_param("b", np.full(5, np.nan, dtype="f"))
    with pytest.raises(ValueError, match="is no number any more, at the text 'qq saw zz'"):
        nlp.update(examples)


def test_a_listener_of_another_width_is_named(toy_trf):
    nlp = build(toy_trf, "toy_trf", width=64)
    with pytest.raises(ValueError, match="vectors of width 32, the head expects 64"):
        train(nlp, make_examples(nlp), steps=1)
