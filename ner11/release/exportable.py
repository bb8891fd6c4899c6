"""What an encoder that can be exported consists of, whatever library it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from ner11.errors import Ner11Error
from ner11.pipeline.onnx_ner import TEXTS, TOKENS
from ner11.pipeline.softmax_ner import SoftmaxNER
from ner11.pipeline.transformer import PieceWindowTransformer, read_with


class UnsupportedError(Ner11Error):
    """A pipeline of a kind that cannot be exported."""


@dataclass(frozen=True)
class Exportable:
    """An encoder, and how documents are read for it.

    Attributes:
        module: The encoder.
        run: Gives its vectors of word pieces, from the module, ids and mask.
        tokenizer: JSON of a `tokenizers.Tokenizer`.
        settings: How documents are split and cut into windows, as `OnnxNER` reads it.
    """

    module: nn.Module
    run: Callable[[nn.Module, Tensor, Tensor], Tensor]
    tokenizer: str
    settings: dict[str, Any]


def find_head(nlp: Language) -> SoftmaxNER:
    """Give the softmax head of a pipeline.

    Raises:
        UnsupportedError: If it has another head.
    """
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, SoftmaxNER):
            return pipe
    raise UnsupportedError("spaCy's transition head cannot be exported", where="export", fix="Train with --vars.head softmax")


def find_encoder(nlp: Language) -> Exportable:
    """Give the encoder of a pipeline.

    Raises:
        UnsupportedError: If it is of a kind that cannot be exported.
    """
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if isinstance(model, PieceWindowTransformer):
            return _from_huggingface(model)
        parts = {node.name: node for node in model.walk()} if model else {}
        if {"byte_bpe_encoder", "with_strided_spans"} <= parts.keys():
            return _from_curated(parts["byte_bpe_encoder"].attrs, parts["with_strided_spans"])
    raise UnsupportedError(
        "encoders of this kind cannot be exported", where="export", fix="Train with --vars.encoder minilm or en_core_web_trf"
    )


def _from_huggingface(model: PieceWindowTransformer) -> Exportable:
    _, specials = read_with(model.tokenizer)

    def run(module: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
        return module(input_ids=ids, attention_mask=mask).last_hidden_state

    return Exportable(
        module=model.transformer,
        run=run,
        tokenizer=model.tokenizer.backend_tokenizer.to_str(pretty=True),
        settings={
            "splitting": TEXTS,
            "max_pieces": model.attrs["max_pieces"],
            "overlap": model.attrs["overlap"],
            "before": list(specials.before),
            "after": list(specials.after),
            "pad_id": specials.pad,
        },
    )


def _from_curated(pieces: dict[str, Any], spans: Any) -> Exportable:
    from curated_transformers.models.attention import AttentionMask

    def run(module: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
        return module(ids, attention_mask=AttentionMask(mask.bool())).all_outputs[-1]

    processor = pieces["byte_bpe_processor"]
    # The same pieces as the library's own tokenizer gives, which has no file that others read.
    tokenizer = Tokenizer(models.BPE(vocab=processor.vocab, merges=[tuple(pair) for pair in processor.merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    (shim,) = spans.layers[0].shims
    window, stride = spans.attrs["window"], spans.attrs["stride"]
    return Exportable(
        module=shim._model,
        run=run,
        tokenizer=tokenizer.to_str(pretty=True),
        settings={
            "splitting": TOKENS,
            "max_pieces": window,
            "overlap": window - stride,
            "before": [processor.piece_id(pieces["bos_piece"])],
            "after": [processor.piece_id(pieces["eos_piece"])],
            "pad_id": shim._model.curated_encoder.padding_idx,
        },
    )
