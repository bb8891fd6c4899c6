import copy
import warnings

import numpy as np
import pytest
import spacy
import torch
from thinc.api import Adam, Config, fix_random_seed

from ner11.pipeline import transformer as encoders
from ner11.pipeline.optimizer import make_torch_adamw

CONFIG = """
[nlp]
lang = "en"
pipeline = ["transformer"]

[components]

[components.transformer]
factory = "transformer"

[components.transformer.model]
@architectures = "ner11.PieceWindowTransformer.v2"
name = "{name}"
max_pieces = 16
overlap = 4
precision = "{precision}"
tokenizer_config = {{"use_fast": true}}
transformer_config = {{}}
grad_scaler_config = {{}}
"""


def build(name, *, precision="fp32", max_pieces=16):
    fix_random_seed(0)
    config = CONFIG.format(name=name, precision=precision).replace("max_pieces = 16", f"max_pieces = {max_pieces}")
    nlp = spacy.blank("en").from_config(Config().from_str(config))
    nlp.initialize()
    return nlp


@pytest.fixture(scope="module")
def nlp(toy_bert):
    return build(toy_bert)


def vectors(doc):
    data = doc._.trf_data
    return data.model_output.last_hidden_state.reshape(-1, data.width)


LONG = "abc def ghi " * 20 + "d41d8cd98f00b204e9800998ecf8427e" * 4


def test_one_vector_a_token_however_long_the_text_or_the_token(nlp):
    doc = nlp(LONG)
    assert vectors(doc).shape == (len(doc), 32)
    assert abs(vectors(doc)).sum(axis=1).min() > 0


def test_a_token_has_the_mean_of_its_pieces(nlp):
    transformer = nlp.get_pipe("transformer").model
    plain = copy.deepcopy(transformer.transformer).eval()
    with torch.no_grad():
        pieces = plain(**transformer.tokenizer("ab c d41d8", return_tensors="pt")).last_hidden_state[0, 1:-1]
    expected = torch.stack([pieces[:2].mean(0), pieces[2], pieces[3:].mean(0)])
    np.testing.assert_allclose(vectors(nlp("ab c d41d8")), expected, atol=1e-6)


def test_a_token_in_two_windows_has_the_mean_of_both(nlp):
    words = [*"abcdefghijklmnopqr"]  # windows of 16 pieces, 4 shared: a to p, m to r
    alone = vectors(nlp(" ".join(words[:16]))), vectors(nlp(" ".join(words[12:])))
    both = vectors(nlp(" ".join(words)))
    np.testing.assert_allclose(both[:12], alone[0][:12], atol=1e-6)
    np.testing.assert_allclose(both[12:16], (alone[0][12:] + alone[1][:4]) / 2, atol=1e-6)


def test_the_same_vectors_whatever_else_is_in_the_batch(nlp):
    texts = ["", "abc", "x1 y2", LONG, "a b c d e f", "  ", LONG[::-1], *(f"text {i}" * (1 + i % 5) for i in range(30))]
    alone = [vectors(doc) if len(doc := nlp(text)) else None for text in texts]
    order = np.random.default_rng(0).permutation(len(texts))
    for size in (1, 3, 100):
        for i, doc in zip(order, nlp.pipe([texts[i] for i in order], batch_size=size), strict=True):
            if len(doc):
                np.testing.assert_allclose(vectors(doc), alone[i], atol=1e-5)


def test_prediction_reads_a_huge_text_in_bounded_batches(nlp, monkeypatch):
    model = nlp.get_pipe("transformer").model.transformer
    shapes = []
    hook = model.register_forward_pre_hook(lambda _, args, kwargs: shapes.append(kwargs["input_ids"].shape), with_kwargs=True)
    monkeypatch.setitem(encoders.PREDICTED_PIECES, "cpu", 64)
    nlp(LONG * 5)
    hook.remove()
    assert len(shapes) > 10
    assert all(rows * width <= 64 for rows, width in shapes)


# Not all equal: the sum of what a LayerNorm gives is constant.
SLOPE = np.linspace(-1, 1, 32, dtype="f") ** 3


def train_step(nlp, text, optimizer):
    model = nlp.get_pipe("transformer").model
    batch, backprop = model.begin_update([nlp.make_doc(text), nlp.make_doc("a")])
    d_output = [[np.broadcast_to(SLOPE, data.tensors[0].shape).copy()] for data in batch.doc_data]
    backprop(batch.unsplit_by_doc(d_output))
    gradients = {name: weight.grad.clone() for name, weight in model.transformer.named_parameters() if weight.grad is not None}
    model.finish_update(optimizer)
    return gradients


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_are_those_of_the_plain_model(toy_bert, precision):
    nlp = build(toy_bert, precision=precision)
    transformer = nlp.get_pipe("transformer").model
    plain = copy.deepcopy(transformer.transformer).train()
    for model in (plain, transformer.transformer):
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            elif hasattr(module, "dropout_prob"):
                module.dropout_prob = 0.0
    encoded = transformer.tokenizer(["ab c ab", "a"], padding=True, return_tensors="pt")
    hidden = plain(**encoded).last_hidden_state
    weights = torch.tensor([[0, 0.5, 0.5, 1, 0.5, 0.5, 0], [0, 1, 0, 0, 0, 0, 0]])
    (hidden * weights[..., None] * torch.tensor(SLOPE)).sum().backward()
    for _ in range(2):  # the second time into what the first has cleared
        gradients = train_step(nlp, "ab c ab", Adam(0.0, L2=0.0))
        assert gradients["embeddings.word_embeddings.weight"].norm() > 0.1
        for name, weight in plain.named_parameters():
            if name in gradients:
                error = (gradients[name] - weight.grad).norm() / (1e-3 + weight.grad.norm())
                assert error < (1e-4 if precision == "fp32" else 0.1), name


@pytest.mark.parametrize("make", [lambda: Adam(0.01), lambda: make_torch_adamw(0.01, 0.9, 0.999, 1e-8, 0.01, 1.0, 10.0)])
def test_an_update_changes_the_weights_and_clears_the_gradients(toy_bert, make):
    nlp = build(toy_bert)
    weight = nlp.get_pipe("transformer").model.transformer.embeddings.word_embeddings.weight
    before = weight.detach().clone()
    train_step(nlp, "abc", make())
    assert not torch.equal(before, weight)
    assert weight.grad is None or not weight.grad.any()


def test_bf16_is_close_to_fp32_and_its_weights_stay_fp32(toy_bert, nlp, tmp_path):
    low = build(toy_bert, precision="bf16")
    shim = low.get_pipe("transformer").model.layers[0].shims[0]
    expected = vectors(nlp(LONG))
    assert vectors(low(LONG)).dtype == np.float32
    np.testing.assert_allclose(vectors(low(LONG)), expected, atol=0.1)
    if shim.dtype is torch.bfloat16:
        assert abs(vectors(low(LONG)) - expected).max() > 1e-5
    assert {weight.dtype for weight in shim._model.state_dict().values() if weight.is_floating_point()} == {torch.float32}
    low.to_disk(tmp_path)
    np.testing.assert_allclose(vectors(spacy.load(tmp_path)(LONG)), vectors(low(LONG)), atol=1e-6)


def test_what_the_device_cannot_do_is_computed_in_fp32_without_a_warning(toy_bert, nlp, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert encoders.supported_dtype("bf16", torch.device("cpu")) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low = build(toy_bert, precision="fp16")
        np.testing.assert_allclose(vectors(low("abc def")), vectors(nlp("abc def")), atol=1e-6)
        train_step(low, "abc", Adam(0.01))


def test_windows_that_pass_the_encoders_limit_are_refused(toy_bert):
    with pytest.raises(ValueError, match="limit of 62; lower max_pieces"):
        build(toy_bert, max_pieces=63)


@pytest.mark.parametrize("text", ["", "   ", "\n", "🙂", "x" * 500])
def test_odd_texts_pass(nlp, text):
    assert nlp(text).text == text


def test_saved_and_loaded_gives_the_same_vectors(nlp, tmp_path):
    text = "abc def ghi jkl mno pqr stu vwx"
    expected = vectors(nlp(text))
    nlp.to_disk(tmp_path)
    np.testing.assert_allclose(vectors(spacy.load(tmp_path)(text)), expected, atol=1e-6)


def test_loading_does_not_need_the_encoder_folder(nlp, tmp_path):
    nlp.config["components"]["transformer"]["model"]["name"] = "no/such/folder"
    nlp.to_disk(tmp_path)
    assert len(spacy.load(tmp_path)("abc def")) == 2


def test_scaled_gradients_of_the_parts_of_a_batch_add_up(toy_bert, monkeypatch):
    """As fp16 does on a GPU, with the scaler's arithmetic on the CPU."""
    from thinc.api import PyTorchGradScaler
    from transformers.modeling_outputs import BaseModelOutput

    monkeypatch.setattr(
        PyTorchGradScaler, "_scale_tensor", lambda self, tensor, _, inplace: tensor.mul_(1024.0) if inplace else tensor * 1024.0
    )
    vocab = spacy.blank("en")

    def gradients(scaled):
        fix_random_seed(0)
        model = encoders.piece_window_transformer(str(toy_bert), 32, 8, {"use_fast": True}, {}, "fp32", {})
        model.initialize()
        shim = model.layers[0].shims[0]
        shim._model.eval()
        shim._model.train = lambda *_: None  # no dropout, which would differ
        if scaled:
            scaler = PyTorchGradScaler(enabled=False)
            scaler._enabled, scaler._scale = True, torch.full((1,), 1024.0)
            shim._grad_scaler = scaler
        for text in ("abc def ghi", "xyz uvw 123 rst"):
            output, backprop = model([vocab(text)], True)
            hidden = output.model_output.last_hidden_state
            ramp = np.linspace(-1, 1, hidden.size, dtype="f").reshape(hidden.shape) ** 2
            output.model_output = BaseModelOutput(last_hidden_state=torch.from_numpy(ramp))
            backprop(output)
        return torch.cat([weight.grad.flatten() for weight in shim._model.parameters() if weight.grad is not None])

    torch.testing.assert_close(gradients(True), gradients(False), rtol=1e-4, atol=1e-5)
