"""The encoder: a Hugging Face model that reads windows of word pieces and gives one vector a token."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

import numpy as np
import srsly
import torch
from spacy import registry
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, HFObjects, TransformerData, WordpieceBatch
from spacy_transformers.layers import TransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.layers.transformer_model import huggingface_from_pretrained, set_pytorch_transformer
from thinc.api import ArgsKwargs, Model, Optimizer, get_torch_default_device, torch2xp, xp2torch
from thinc.types import FloatsXd, Ints1d, Ragged
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from . import fork as _fork  # noqa: F401  (keeps torch usable in forked processes)
from .optimizer import TorchAdamW
from .pieces import Encode, make_encode
from .windows import PaddedWindows, Specials, TextReader, group_by_length

Precision = Literal["fp32", "bf16", "fp16"]
PREDICTED_PIECES = {"cpu": 512, "cuda": 8192}
"""Padded word pieces that go through the encoder at once in prediction: bounds its memory, whatever the documents. On a CPU
larger batches are slower (more padding, less of it in the caches); a GPU needs them to be busy."""


def supported_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """Give the type to compute in; None for fp32, which also stands in for what the device has no instructions for."""
    if precision == "bf16" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if precision == "bf16" and device.type == "cpu" and torch.backends.mkldnn.is_available():
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else None
    return torch.float16 if precision == "fp16" and device.type == "cuda" else None


class EncoderShim(HFShim):
    """A Hugging Face model under autocast, on any device. Its weights, gradients and output stay fp32.

    Args:
        model: The model, or what it is to be loaded with.
        precision: What to compute in, as far as the device does (`supported_dtype`).
        grad_scaler_config: Passed to thinc's `PyTorchGradScaler`, for fp16.
    """

    def __init__(self, model: HFObjects, *, precision: Precision, grad_scaler_config: dict[str, Any]) -> None:
        device = get_torch_default_device()
        self.dtype = supported_dtype(precision, device)
        scaler = grad_scaler_config if self.dtype is torch.float16 else {"enabled": False}
        # Thinc's own autocast knows no type and takes that of the one around it.
        super().__init__(model, mixed_precision=bool(self.dtype and device.type == "cuda"), grad_scaler_config=dict(scaler))

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> tuple[Any, Callable]:
        with self.autocast():
            return super().__call__(inputs, is_train)

    def to_bytes(self) -> bytes:
        """Give model and tokenizer without what differs between two runs: temporary paths, and the order of files on the disk."""
        msg = srsly.msgpack_loads(super().to_bytes())
        msg["config"].pop("_name_or_path", None)
        msg["tokenizer"] = dict(sorted(msg["tokenizer"].items()))
        return srsly.msgpack_dumps(msg)

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the model without dropout, and leave it so: thinc turns dropout on again while other threads still predict."""
        if self._model.training:
            self._model.eval()
        with torch.no_grad():
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable]:
        hook = self._model.get_input_embeddings().register_forward_hook(_look_up)
        try:
            output, backprop = super().begin_update(inputs)
        finally:
            hook.remove()

        def accumulate(grads: ArgsKwargs) -> Any:
            # Thinc unscales all gradients after every backward pass, those of earlier parts of the batch among them.
            earlier = [weight.grad for weight in self._model.parameters() if weight.grad is not None]
            if earlier:
                self._grad_scaler.scale(earlier, inplace=True)
            return backprop(grads)

        return output, accumulate

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights, and drop the gradients but for the vocabulary's, which is added to in place."""
        parameters = [(name, weight) for name, weight in self._model.named_parameters() if weight.grad is not None]
        if self._grad_scaler.found_inf or not parameters:
            pass
        elif isinstance(optimizer, TorchAdamW):
            optimizer.update([((self.id, name), weight.data, weight.grad) for name, weight in parameters])
        else:
            for name, weight in parameters:
                arrays = cast(FloatsXd, torch2xp(weight.data)), cast(FloatsXd, torch2xp(weight.grad))
                updated, _ = optimizer((self.id, name), *arrays)
                weight.data = xp2torch(updated, device=weight.device)
        vocabulary = self._model.get_input_embeddings().weight
        for _, weight in parameters:
            weight.grad = weight.grad.zero_() if weight is vocabulary else None
        self._grad_scaler.update()


class _RowGradient(torch.autograd.Function):
    """A lookup that adds to its rows of `weight.grad` itself.

    Autograd's own makes a new gradient for the whole vocabulary: with 30,000 pieces of width 384 and batches of 256 a
    tenth of a training step on a CPU goes into the memory for it.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(weight, ids)
        return torch.nn.functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[None, None]:
        weight, ids = ctx.saved_tensors
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ids.flatten(), d_output.flatten(0, -2))
        return None, None


def _look_up(embedding: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """Replace the output of a plain embedding in training."""
    plain = type(embedding) is torch.nn.Embedding and embedding.weight.requires_grad
    return _RowGradient.apply(embedding.weight, args[0]) if plain else None


class PieceWindowTransformer(TransformerModel):
    """A `TransformerModel` that splits a document into word pieces once and pools them itself.

    Its output has one row a token, the mean over the token's pieces in all windows; tokens without a piece get zeros.

    Args:
        name: As in `piece_window_transformer`.
        max_pieces: Likewise.
        overlap: Likewise.
        shim: Holds the Hugging Face model.
    """

    def __init__(self, name: str, *, max_pieces: int, overlap: int, shim: EncoderShim) -> None:
        encoder: Model = Model("hf-pytorch", _encode, shims=[shim], dims={"nI": None, "nO": None})
        attrs = {
            "name": name,
            "max_pieces": max_pieces,
            "overlap": overlap,
            "set_transformer": set_pytorch_transformer,
            "has_transformer": False,
        }
        Model.__init__(self, "transformer", _forward, init=_init, layers=[encoder], dims={"nO": None}, attrs=attrs)


@registry.architectures("ner11.PieceWindowTransformer.v2")
def piece_window_transformer(
    name: str,
    max_pieces: int,
    overlap: int,
    tokenizer_config: dict[str, Any],
    transformer_config: dict[str, Any],
    precision: Precision,
    grad_scaler_config: dict[str, Any],
) -> Model[list[Doc], FullTransformerBatch]:
    """Build a pretrained transformer that reads documents in windows of word pieces.

    Args:
        name: Hugging Face name or folder; read when training starts, not when the trained pipeline is loaded.
        max_pieces: Most word pieces in a window, without the special ones.
        overlap: Most word pieces shared by neighboring windows; tokens in both take the mean of their vectors.
        tokenizer_config: Passed to the Hugging Face tokenizer, which must be a fast one.
        transformer_config: Passed to the Hugging Face model.
        precision: "bf16" (autocast on CPU and GPU) and "fp16" (GPU, with a gradient scaler) compute in fp32 where the
            device has no instructions for them; weights are fp32 in any case.
        grad_scaler_config: Passed to thinc's `PyTorchGradScaler`, for fp16.

    Returns:
        Model from documents to `FullTransformerBatch`, for the `transformer` factory of spacy-transformers.
    """
    objects = HFObjects(None, None, None, tokenizer_config, transformer_config)
    shim = EncoderShim(objects, precision=precision, grad_scaler_config=grad_scaler_config)
    return PieceWindowTransformer(name, max_pieces=max_pieces, overlap=overlap, shim=shim)


_READERS: WeakKeyDictionary[Any, tuple[Encode, Specials]] = WeakKeyDictionary()


def read_with(tokenizer: Any) -> tuple[Encode, Specials]:
    """Give what splits texts as a fast Hugging Face tokenizer does, and the special pieces that it adds."""
    if tokenizer not in _READERS:
        probe = tokenizer("a", return_special_tokens_mask=True)
        inside = np.flatnonzero(np.array(probe["special_tokens_mask"]) == 0)
        before, after = probe["input_ids"][: inside[0]], probe["input_ids"][inside[-1] + 1 :]
        specials = Specials(tuple(before), tuple(after), int(tokenizer.pad_token_id))
        _READERS[tokenizer] = make_encode(tokenizer.backend_tokenizer.to_str()), specials
    return _READERS[tokenizer]


def _init(model: PieceWindowTransformer, X: Any = None, Y: Any = None) -> None:  # noqa: N803
    if model.attrs["has_transformer"]:
        return
    name, max_pieces = model.attrs["name"], model.attrs["max_pieces"]
    loaded = huggingface_from_pretrained(name, model._init_tokenizer_config, model._init_transformer_config)
    limit = loaded.tokenizer.model_max_length - loaded.tokenizer.num_special_tokens_to_add()
    if max_pieces > limit:
        raise ValueError(f"{name}: windows of {max_pieces} word pieces do not fit its limit of {limit}; lower max_pieces")
    model.attrs["set_transformer"](model, loaded)


def _forward(model: PieceWindowTransformer, docs: Sequence[Doc], is_train: bool) -> tuple[FullTransformerBatch, Callable]:
    encoder, device = model.layers[0], model.transformer.device
    encode, specials = read_with(model.tokenizer)
    reading = TextReader(encode, specials, model.attrs["max_pieces"], model.attrs["overlap"]).read(docs)
    lengths = reading.lengths
    # Training keeps the activations anyway, and its batches are measured by the batcher.
    whole = [[*range(len(lengths))]] if is_train and lengths else []
    groups = whole or group_by_length(lengths, max_padded=PREDICTED_PIECES.get(device.type, PREDICTED_PIECES["cpu"]))
    vectors = torch.zeros(sum(map(len, docs)), model.get_dim("nO"), device=device)
    links = torch.zeros(len(vectors), 1, device=device)
    backprops = []
    with cast(EncoderShim, encoder.shims[0]).autocast():  # around all groups, so that the weights are cast once
        for group in groups:
            padded = reading.pad(group)
            linked, backprop_encoder = encoder(padded, is_train)
            tokens = torch.from_numpy(padded.tokens).to(device)
            vectors.index_add_(0, tokens, linked.detach())
            links.index_add_(0, tokens, torch.ones(len(tokens), 1, device=device))
            backprops.append((tokens, backprop_encoder))
    links.clamp_(min=1)
    vectors /= links

    def backprop(d_batch: FullTransformerBatch) -> Sequence[Doc]:
        (d_vectors,) = d_batch.model_output.values()
        for tokens, backprop_encoder in backprops:
            backprop_encoder((d_vectors.flatten(1) / links)[tokens])
        return docs

    return _by_document(docs, torch2xp(vectors)), backprop


def _encode(model: Model, windows: PaddedWindows, is_train: bool) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Run the encoder and pick the vectors of linked pieces, shape (links, width)."""
    shim = cast(EncoderShim, model.shims[0])
    device = shim.device
    inputs = {"input_ids": torch.from_numpy(windows.ids).to(device), "attention_mask": torch.from_numpy(windows.mask).to(device)}
    output, backprop_shim = shim(ArgsKwargs(args=(), kwargs=inputs), is_train)
    places = torch.from_numpy(windows.linked).to(device)
    linked = output.last_hidden_state.flatten(0, 1).index_select(0, places).float()

    def backprop(d_linked: Tensor) -> Any:
        return backprop_shim(ArgsKwargs(args=((linked,),), kwargs={"grad_tensors": (d_linked,)}))

    return linked, backprop


def _one_each(size: int) -> Ragged:
    return Ragged(cast(Ints1d, np.arange(size, dtype="i")), cast(Ints1d, np.ones(size, dtype="i")))


def _by_document(docs: Sequence[Doc], vectors: Any) -> FullTransformerBatch:
    """Put vectors into the form that listeners of spacy-transformers read: every token a window of one piece."""
    data, start = [], 0
    for doc in docs:
        size = len(doc)
        output = BaseModelOutput(last_hidden_state=vectors[start : start + size, None])
        data.append(TransformerData(WordpieceBatch.empty(), output, _one_each(size)) if size else TransformerData.empty())
        start += size
    return FullTransformerBatch(
        spans=[[doc[:]] if len(doc) else [] for doc in docs],
        wordpieces=WordpieceBatch.empty(),
        model_output=BaseModelOutput(last_hidden_state=vectors[:, None]),
        align=_one_each(len(vectors)),
        cached_doc_data=data,
    )
