"""The allowed sets token by token: the form that the sequence loss is compared with, and nothing else uses."""

import numpy as np
from spacy import registry

from ner11.pipeline.chain import Array, Packing, weights_of
from ner11.pipeline.loss import AllowedSetLoss
from ner11.pipeline.tags import TagScheme

NAME = "ner11_benchmark.PerTokenLoss.v1"


class PerTokenLoss(AllowedSetLoss):
    """Minus the log of the softmax mass of the allowed tags, each token by itself."""

    def __call__(
        self, logits: Array, allowed: Array, packing: Packing, scheme: TagScheme, weights: Array | None = None
    ) -> tuple[Array, Array]:
        emitted = weights_of(logits)
        softmax = emitted / emitted.sum(axis=1, keepdims=True)
        masked = softmax * allowed
        mass = masked.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return -np.log(mass), softmax - masked / mass[:, None]


@registry.losses(NAME)
def make_per_token_loss() -> PerTokenLoss:
    """Make a `PerTokenLoss` from a configuration."""
    return PerTokenLoss()
