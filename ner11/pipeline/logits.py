"""The model of the softmax head: a linear layer over the encoder's token vectors."""

from collections.abc import Callable
from typing import Any

from spacy import registry
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Model, chain, zero_init
from thinc.types import Floats2d


@registry.architectures("ner11.TokenLogits.v1")
def build_token_logits(tok2vec: Model[list[Doc], list[Floats2d]], nO: int | None = None) -> Model[list[Doc], list[Floats2d]]:  # noqa: N803
    """Build the model from documents to logits of tags.

    Args:
        tok2vec: Listener on the encoder, with pooling of word pieces to tokens.
        nO: Number of tags; set when the component is initialized.

    Returns:
        Model from documents to one array of shape (tokens, tags) a document.
    """
    # Zeros, so that the first predictions are the prior that the component puts into the bias.
    linear: Model[Floats2d, Floats2d] = Linear(nO, init_W=zero_init)
    dropout: Model[Floats2d, Floats2d] = Dropout()
    head: Model[Floats2d, Floats2d] = chain(dropout, linear)
    model: Model[list[Doc], list[Floats2d]] = Model(
        "token_logits", _forward, init=_init, layers=[tok2vec, head], dims={"nO": nO}, refs={"linear": linear}
    )
    return model


def _init(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:  # noqa: N803
    tok2vec, head = model.layers
    linear = model.get_ref("linear")
    if model.has_dim("nO"):
        linear.set_dim("nO", model.get_dim("nO"))
    tok2vec.initialize(X=X)
    linear.set_dim("nI", tok2vec.get_dim("nO"))
    head.initialize()


def _forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable]:
    tok2vec, head = model.layers
    linear = model.get_ref("linear")
    ops: Any = model.ops
    vectors, backprop_tok2vec = tok2vec(docs, is_train)
    lengths = [len(array) for array in vectors]
    # An encoder that has seen no token gives vectors of no width.
    flat = ops.flatten(vectors) if sum(lengths) else ops.alloc2f(0, linear.get_dim("nI"))
    if flat.shape[1] != linear.get_dim("nI"):
        raise ValueError(
            f"softmax_ner: the encoder gives vectors of width {flat.shape[1]}, the head expects {linear.get_dim('nI')}; set the "
            f"listener's width to that of the encoder, and train anew"
        )
    logits, backprop_head = head(flat, is_train)

    def backprop(d_logits: list[Floats2d]) -> list[Doc]:
        d_flat = backprop_head(ops.flatten(d_logits) if sum(lengths) else ops.alloc2f(0, linear.get_dim("nO")))
        return backprop_tok2vec(ops.unflatten(d_flat, lengths))

    return ops.unflatten(logits, lengths), backprop
