"""Temperature scaling: confidences that mean what they say."""

from collections.abc import Sequence

import numpy as np

from .chain import Packing, closed_mass, forward, weights_of
from .tags import TagScheme

RANGE = (0.1, 10.0)
_GOLDEN = (np.sqrt(5) - 1) / 2
_ITERATIONS = 25


def negative_log_likelihood(
    logits: np.ndarray, allowed: np.ndarray, packing: Packing, scheme: TagScheme, temperature: float
) -> float:
    """Give minus the log probability of what is allowed, summed over documents, at a temperature.

    Args:
        logits: Packed, shape (tokens, tags).
        allowed: Packed, bool, same shape.
        packing: How they are packed.
        scheme: The chain of tags.
        temperature: Logits are divided by it.
    """
    weights = weights_of(logits, temperature)

    def log_mass(weights: np.ndarray) -> float:
        values, scales = forward(weights, packing, scheme)
        return float(np.log(scales).sum() + np.log(closed_mass(values[packing.last], scheme)).sum())

    return log_mass(weights) - log_mass(weights * allowed)


def fit(logits: np.ndarray, allowed: np.ndarray, lengths: Sequence[int], scheme: TagScheme) -> float:
    """Find the temperature of the least negative log-likelihood, by golden-section search on its logarithm.

    Args:
        logits: Shape (tokens, tags), of all documents one after the other.
        allowed: What the annotation allows, bool, same shape.
        lengths: Tokens of each document.
        scheme: The chain of tags.

    Returns:
        The temperature, within RANGE.
    """
    packing = Packing.of(lengths)
    logits, allowed = packing.pack(logits), packing.pack(allowed)

    def objective(log_temperature: float) -> float:
        return negative_log_likelihood(logits, allowed, packing, scheme, float(np.exp(log_temperature)))

    low, high = np.log(RANGE)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = objective(left), objective(right)
    for _ in range(_ITERATIONS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = objective(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = objective(right)
    return float(np.exp((low + high) / 2))
