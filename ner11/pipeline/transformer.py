"""The encoder: spacy-transformers' model with windows counted in word pieces."""

from typing import Any

from spacy import registry
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch
from spacy_transformers.layers import TransformerModel
from thinc.api import Model

from .windows import PieceWindows


@registry.architectures("ner11.PieceWindowTransformer.v1")
def piece_window_transformer(
    name: str,
    max_pieces: int,
    overlap: int,
    tokenizer_config: dict[str, Any],
    transformer_config: dict[str, Any],
    mixed_precision: bool,
    grad_scaler_config: dict[str, Any],
) -> Model[list[Doc], FullTransformerBatch]:
    """Build a pretrained transformer that reads documents in windows of word pieces.

    Args:
        name: Hugging Face name or folder; read when training starts, not when the trained pipeline is loaded.
        max_pieces: Most word pieces in a window, without the special ones.
        overlap: Most word pieces shared by neighboring windows; tokens in both take the mean of their vectors.
        tokenizer_config: Passed to the Hugging Face tokenizer, which must be a fast one.
        transformer_config: Passed to the Hugging Face model.
        mixed_precision: fp16 autocast with a gradient scaler; needs a GPU.
        grad_scaler_config: Passed to thinc's `PyTorchGradScaler`.

    Returns:
        Model from documents to `FullTransformerBatch`, for the `transformer` factory of spacy-transformers.
    """
    model = TransformerModel(
        name,
        get_spans=list,  # replaced below, once there is a model to ask for its tokenizer
        tokenizer_config=tokenizer_config,
        transformer_config=transformer_config,
        mixed_precision=mixed_precision,
        grad_scaler_config=grad_scaler_config,
    )
    model.attrs["get_spans"] = PieceWindows(model, max_pieces=max_pieces, overlap=overlap)
    return model
