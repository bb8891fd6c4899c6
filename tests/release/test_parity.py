import copy

import numpy as np
import pytest
import spacy

from ner11.errors import Ner11Error
from ner11.evaluation.texts import TestText
from ner11.pipeline.transformer import EncoderShim
from ner11.release.onnx_export import build_onnx_pipeline, export_onnx
from ner11.release.parity import check_fp32, check_int8, compare_predictions, full_precision
from tests.pipeline.test_softmax_ner import LONG, TEXTS, build, make_examples, train


@pytest.fixture(scope="module")
def pair(toy_bert, tmp_path_factory):
    nlp = build(toy_bert)
    train(nlp, make_examples(nlp))
    folder = export_onnx(nlp, tmp_path_factory.mktemp("parity") / "component", precision="fp32")
    return nlp, build_onnx_pipeline(nlp, folder)


def test_an_export_of_the_same_weights_passes(pair):
    result = check_fp32(*pair, iter([*TEXTS, LONG]))
    assert (result["texts"], result["entities"] > 4) == (len(TEXTS) + 1, True)
    assert 0 < result["logits"] < 1e-4 and result["confidence"] < 1e-5
    assert result["native"]["logits"] == 0


def test_an_export_of_other_weights_is_refused(pair):
    nlp, exported = pair
    other = copy.deepcopy(nlp)
    linear = other.get_pipe("ner").model.get_ref("linear")
    linear.set_param("W", linear.get_param("W") * 1.01)
    with pytest.raises(Ner11Error, match=r"the fp32 graph differs from the model: logits by up to .* entities in \d+ of 7 texts"):
        check_fp32(other, exported, [*TEXTS, LONG])


def test_an_export_with_other_entities_is_refused(pair):
    nlp, exported = pair
    exported = spacy.util.load_model_from_config(exported.config).from_bytes(exported.to_bytes())
    exported.get_pipe("ner").cfg["labels"] = ["PERSON", "LOCATION"]
    with pytest.raises(Ner11Error, match="entities in 2 of 6 texts"):
        check_fp32(nlp, exported, TEXTS)


@pytest.mark.parametrize(
    ("broken", "said"),
    [(0, "the model gives logits that are no numbers"), (1, r"logits by up to inf .* entities in 0 of 1 texts")],
)
def test_logits_that_are_no_numbers_are_refused(pair, monkeypatch, broken, said):
    nlp, exported = pair
    if broken == 0:
        nlp = copy.deepcopy(nlp)
        linear = nlp.get_pipe("ner").model.get_ref("linear")
        linear.set_param("b", linear.get_param("b") * np.nan)
    else:
        pipe = exported.get_pipe("ner")
        predict = pipe.predict

        def spoil(docs):
            logits = predict(docs)
            logits[-1, 1] = np.nan
            return logits

        monkeypatch.setattr(pipe, "predict", spoil)
        monkeypatch.setattr(pipe, "set_annotations", lambda *_: None)
    with pytest.raises(Ner11Error, match=said):
        check_fp32(nlp, exported, ["nothing"])


def test_parity_is_to_fp32_and_the_model_keeps_its_precision(pair, toy_bert, monkeypatch):
    import torch

    nlp, exported = copy.deepcopy(pair[0]), pair[1]
    (shim,) = (s for node in nlp.get_pipe("transformer").model.walk() for s in node.shims if isinstance(s, EncoderShim))
    shim.dtype = torch.bfloat16
    result = check_fp32(nlp, exported, [*TEXTS, LONG])
    assert result["logits"] < 1e-4 < result["native"]["logits"]
    assert shim.dtype is torch.bfloat16
    with pytest.raises(RuntimeError), full_precision(nlp):
        assert shim.dtype is None
        raise RuntimeError
    assert shim.dtype is torch.bfloat16


def text(gold, predicted):
    return TestText(
        text="a b c d",
        source="gold",
        tier="gold",
        document="1",
        gold=gold,
        coverage=None,
        token_starts=np.arange(0, 8, 2, dtype=np.int32),
        token_ends=np.arange(1, 9, 2, dtype=np.int32),
        predicted=[span[:3] for span in predicted],
        confidences=[span[3] for span in predicted],
    )


GOLD = [(0, 1, "A"), (2, 3, "B"), (4, 5, "A")]
RIGHT = [(0, 1, "A", 0.9), (2, 3, "B", 0.8), (4, 5, "A", 0.7)]


def test_predictions_are_compared_span_by_span():
    expected = [text(GOLD, RIGHT), text(GOLD, RIGHT)]
    found = [text(GOLD, [(0, 1, "A", 0.85), (2, 3, "A", 0.3), (4, 5, "A", 0.7)]), text(GOLD, RIGHT)]
    result = compare_predictions(expected, found)
    assert (result["texts"], result["changed_texts"], result["common_entities"]) == (2, 1, 5)
    assert (result["expected_f1"], result["f1"]) == (1.0, pytest.approx(5 / 6))
    assert (result["confidence"], result["mean_confidence"]) == (pytest.approx(0.05), pytest.approx(0.01))


@pytest.mark.parametrize(("lost", "passes"), [(0, True), (2, True), (3, False)])
def test_int8_may_lose_so_many_points_and_no_more(lost, passes):
    spans = [(2 * i, 2 * i + 1, "A") for i in range(400)]
    sure = [(*span, 1.0) for span in spans]
    expected, found = [text(spans, sure)], [text(spans, sure[lost:])]
    if passes:
        assert check_int8(expected, found)["f1"] >= 0.997
    else:
        with pytest.raises(Ner11Error, match=r"int8 loses 0\.38 points of F1 on 1 test texts, 0\.3 are allowed. Ship fp32"):
            check_int8(expected, found)


def test_int8_that_is_better_or_texts_without_any_span_pass():
    assert check_int8([text(GOLD, [])], [text(GOLD, RIGHT)])["f1"] == 1
    assert check_int8([text([], [])], [text([], [])])["confidence"] == 0
