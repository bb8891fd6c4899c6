"""The allowed-set loss: how unlikely the model finds what the annotation allows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from thinc.api import registry
from thinc.util import get_array_module

from .chain import Array, Packing, backward, begin, follow, forward, precede, weights_of
from .tags import TagScheme


class AllowedSetLoss:
    """Minus the log of the probability of all legal sequences of tags within the allowed sets, among all legal sequences.

    The probability of a document is a product over its tokens, each given what the annotation allows of the tokens before, so
    that a token can have a weight: its loss is f(p) = -weight * (1 - p)^gamma * log p. With full annotation and no
    transition constraint (scheme IO), p is the softmax of the token, and the loss weighted cross-entropy or focal loss
    (Lin et al. 2017); with constraints and sets it is what a partial CRF of fixed transitions minimizes (Bellare and
    McCallum 2007, Greenberg et al. 2018). Label smoothing (Szegedy et al. 2016) takes the softmax of the token.

    Args:
        weight_exponent: Classes weigh (all tokens / tokens of the class) to this power; 0 gives all the same weight.
        weight_cap: No class weighs more, none less than its inverse.
        focal_gamma: Exponent of the focal loss; 0 is plain.
        label_smoothing: Share of the uniform distribution in the target.
    """

    def __init__(
        self, *, weight_exponent: float = 0.0, weight_cap: float = 10.0, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> None:
        self.weight_exponent, self.weight_cap = weight_exponent, weight_cap
        self.focal_gamma, self.label_smoothing = focal_gamma, label_smoothing

    def class_weights(self, counts: Sequence[float]) -> np.ndarray:
        """Give the weights of classes.

        Args:
            counts: Tokens of each class in the corpus, shape (classes,).

        Returns:
            Weights, shape (classes,); the cap for a class without tokens.
        """
        found = np.asarray(counts, dtype=np.float64)
        raw = (found.sum() / np.maximum(found, 1e-9)) ** self.weight_exponent
        return np.clip(raw, 1 / self.weight_cap, self.weight_cap)

    def __call__(
        self, logits: Array, allowed: Array, packing: Packing, scheme: TagScheme, weights: Array | None = None
    ) -> tuple[Array, Array]:
        """Compute loss and gradient.

        Args:
            logits: Packed, shape (tokens, tags).
            allowed: Which tags the annotation allows, bool, packed, shape (tokens, tags).
            packing: How tokens are packed.
            scheme: The chain.
            weights: Weight of each token, packed, shape (tokens,); 1 if None.

        Returns:
            Loss of each token in nats, packed, shape (tokens,), float64, and the gradient of their sum with respect to the
            logits, shape (tokens, tags), float64. The loss is infinite where no legal sequence is allowed.
        """
        xp = get_array_module(logits)
        emitted = weights_of(logits)
        if weights is None:
            weights = xp.ones(len(logits))
        masked = emitted * allowed
        alpha, scales = forward(masked, packing, scheme)
        beta, divisors = backward(emitted, packing, scheme)
        mass = (alpha * beta).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            increments = self._increments(emitted, beta, mass, scales, divisors, packing, scheme)
        losses, slopes = self._token_losses(increments, weights)
        gradient = _gradient(emitted, masked, alpha, scales, beta, divisors, mass, slopes, packing, scheme)
        if self.label_smoothing:
            self._smooth(losses, gradient, emitted, allowed, weights)
        return losses, gradient

    @staticmethod
    def _increments(
        emitted: Array, beta: Array, mass: Array, scales: Array, divisors: Array, packing: Packing, scheme: TagScheme
    ) -> Array:
        """Give log p of each token given the ones before, shape (tokens,)."""
        xp = get_array_module(mass)
        levels = xp.log(mass) + xp.log(scales)
        increments = levels.copy()
        if packing.steps:
            first = packing.steps[0]
            increments[first] -= xp.log(begin(emitted[first] * beta[first], scheme).sum(axis=1))
        for step, before in packing.pairs():
            increments[step] -= xp.log(mass[before]) + xp.log(divisors[before])
        return xp.minimum(increments, 0.0)

    def _token_losses(self, increments: Array, weights: Array) -> tuple[Array, Array]:
        """Give the loss of each token, and its derivative with respect to log p."""
        xp = get_array_module(increments)
        if not self.focal_gamma:
            return -weights * increments, -weights
        gamma = self.focal_gamma
        surprise = xp.maximum(-xp.expm1(increments), 1e-12)  # 1 - p
        slopes = gamma * surprise ** (gamma - 1) * xp.exp(increments) * increments - surprise**gamma
        return -weights * surprise**gamma * increments, weights * slopes

    def _smooth(self, losses: Array, gradient: Array, emitted: Array, allowed: Array, weights: Array) -> None:
        """Mix the uniform distribution into the target of the tokens about which the annotation says something."""
        xp = get_array_module(losses)
        share = self.label_smoothing * ~allowed.all(axis=1)
        softmax = emitted / emitted.sum(axis=1, keepdims=True)
        losses *= 1 - share
        gradient *= (1 - share)[:, None]
        losses -= share * weights * xp.log(softmax).mean(axis=1)
        gradient += (share * weights)[:, None] * (softmax - 1 / softmax.shape[1])


def _gradient(
    emitted: Array,
    masked: Array,
    alpha: Array,
    scales: Array,
    beta: Array,
    divisors: Array,
    mass: Array,
    slopes: Array,
    packing: Packing,
    scheme: TagScheme,
) -> Array:
    """Differentiate the losses by reverse accumulation through the two recursions.

    With q[t] the log of the mass that is allowed up to token t and free after it, the log p of token t is q[t] - q[t-1]; so each
    q[t] is pulled by slopes[t] - slopes[t+1], and q before the first token by -slopes[first].
    """
    xp = get_array_module(emitted)
    pulls = slopes.copy()
    for step, before in packing.pairs():
        pulls[before] -= slopes[step]
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = (pulls / mass)[:, None]
    # Through the forward values, from the last token to the first.
    result = pulls * beta
    passed = xp.empty_like(alpha)
    for step, before in reversed(packing.pairs()):
        block = passed[: step.stop - step.start]
        precede(masked[step] * result[step], scheme, out=block)
        result[before] += block / scales[step][:, None]
    result *= alpha
    # Through the backward values, from the first token to the last.
    pulled = pulls * alpha
    flow = xp.zeros_like(alpha)
    if packing.steps:
        first = packing.steps[0]
        start = begin(emitted[first] * beta[first], scheme).sum(axis=1)
        begin(flow[first], scheme)[:] = begin(emitted[first], scheme) * (-slopes[first] / start)[:, None]
        pulled[first] += flow[first]
    for step, before in packing.pairs():
        follow(pulled[before], emitted[step] / divisors[before][:, None], scheme, out=flow[step])
        pulled[step] += flow[step]
    result += flow * beta
    return result


@registry.losses("ner11.AllowedSetLoss.v1")
def make_allowed_set_loss(weight_exponent: float, weight_cap: float, focal_gamma: float, label_smoothing: float) -> Any:
    """Make an `AllowedSetLoss` from a configuration."""
    return AllowedSetLoss(
        weight_exponent=weight_exponent, weight_cap=weight_cap, focal_gamma=focal_gamma, label_smoothing=label_smoothing
    )
