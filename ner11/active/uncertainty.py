"""How uncertain a model is about texts: scores from logits under the chain of tags, the higher the more a text should be asked.

Every function takes the logits of the tokens of texts, one text after the other, shape (tokens, tags), the tokens of each text,
and the chain, and gives one score a text, shape (texts,), float64; 0 for a text without tokens.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ner11.pipeline.chain import Packing, closed_mass, forward, viterbi, weights_of
from ner11.pipeline.confidence import token_entropies, token_marginals
from ner11.pipeline.tags import TagScheme

Floats = NDArray[np.floating]
_TINY = 1e-300


def sum_by_text(values: Floats, lengths: Sequence[int]) -> Floats:
    """Add values of tokens up by text, shape (texts,)."""
    return np.diff(np.concatenate(([0.0], np.cumsum(values)))[np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))])


def mean_by_text(values: Floats, lengths: Sequence[int]) -> Floats:
    """Average values of tokens by text, shape (texts,)."""
    return sum_by_text(values, lengths) / np.maximum(lengths, 1)


def path_log_probabilities(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Give the log of the probability of the best path of tags of each text, among all legal ones, at most 0."""
    packing = Packing.of(lengths)
    if not packing.steps:
        return np.zeros(len(lengths))
    packed = packing.pack(logits)
    weights = weights_of(packed, temperature)
    tags = viterbi(packed, packing, scheme)
    alpha, scales = forward(weights, packing, scheme)
    with np.errstate(divide="ignore"):
        masses = np.log(np.where(packing.last, closed_mass(alpha, scheme), 1.0))
        gained = np.log(weights[np.arange(len(weights)), tags]) - np.log(scales) - masses
    return np.minimum(sum_by_text(packing.unpack(gained), lengths), 0.0)


def least_confidence(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Least confidence (Lewis and Catlett 1994, Culotta and McCallum 2005): how improbable the best path is.

    Returns:
        Minus its log-probability, in nats. It puts texts in the order of 1 - p, in which long texts would all be 1.
    """
    return -path_log_probabilities(logits, lengths, scheme, temperature=temperature)


def mnlp(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Maximum normalized log-probability (Shen et al. 2018): minus the log-probability of the best path, by token, in nats."""
    return least_confidence(logits, lengths, scheme, temperature=temperature) / np.maximum(lengths, 1)


def total_token_entropy(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Total token entropy (Settles and Craven 2008), in nats, of the marginals under the chain."""
    return sum_by_text(token_entropies(logits, lengths, scheme, temperature=temperature), lengths)


def mean_token_entropy(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Mean token entropy (Settles and Craven 2008: token entropy), in nats, of the marginals under the chain."""
    return mean_by_text(token_entropies(logits, lengths, scheme, temperature=temperature), lengths)


def breaking_ties(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Margin as breaking ties (Luo et al. 2005) at the closest token.

    The margin between the two best paths (Scheffer et al. 2001) is that of their single token, as a rule, times the
    probability of all the others: it falls with the length of a text, which the token's own does less.

    Returns:
        1 - the least difference between the probabilities of a token's two most probable tags, 0 to 1.
    """
    marginals = token_marginals(logits, lengths, scheme, temperature=temperature)
    second, first = np.partition(marginals, -2, axis=1)[:, -2:].T
    scores = np.zeros(len(lengths))
    filled = np.flatnonzero(np.asarray(lengths))
    starts = (np.cumsum(lengths, dtype=np.int64) - np.asarray(lengths, dtype=np.int64))[filled]
    if len(filled):
        scores[filled] = np.maximum.reduceat(1 - (first - second), starts)
    return scores


def boundary_entropy(logits: Floats, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """Entropy of where spans begin and end, whatever their labels, by token, in nats.

    Label confusion does not count, only borders: for each token the binary entropies that a span begins at it and that one
    ends with it, from the marginals under the chain. (The idea of weighing borders is that of boundary-aware sampling;
    this form is our own.)

    Raises:
        ValueError: If the scheme does not tell where a span begins (IO).
    """
    if not scheme.open:
        raise ValueError(f"boundary entropy needs tags that tell where a span begins; the model has the scheme {scheme.name}")
    marginals = token_marginals(logits, lengths, scheme, temperature=temperature)
    starts = marginals[:, 1 : 1 + scheme.starts * len(scheme.labels)].sum(axis=1)
    inside = 1 - marginals[:, 0]
    going_on = np.append((inside - starts)[1:], 0.0)[: len(inside)]  # the next token continues a span
    if len(inside):
        going_on[np.cumsum(lengths)[np.asarray(lengths) > 0] - 1] = 0.0
    return mean_by_text(_binary_entropy(starts) + _binary_entropy(inside - going_on), lengths)


def _binary_entropy(p: Floats) -> Floats:
    p = np.clip(p, 0.0, 1.0)
    return -(p * np.log(np.maximum(p, _TINY)) + (1 - p) * np.log(np.maximum(1 - p, _TINY)))


def bald(draws: Sequence[Floats], lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Floats:
    """BALD (Houlsby et al. 2011) with dropout at prediction time (Gal et al. 2017, for taggers Shelmanov et al. 2021).

    Args:
        draws: Logits of several passes with dropout.
        lengths, scheme, temperature: As everywhere here.

    Returns:
        Mean over tokens of the mutual information between tag and parameters: entropy of the mean of the marginals, minus
        mean of their entropies, in nats.
    """
    mean: Floats = np.zeros((sum(lengths), len(scheme)))
    entropies = np.zeros(len(mean))
    for logits in draws:
        marginals = token_marginals(logits, lengths, scheme, temperature=temperature)
        mean += marginals / len(draws)
        entropies += _entropies(marginals) / len(draws)
    return mean_by_text(np.maximum(_entropies(mean) - entropies, 0.0), lengths)


def _entropies(marginals: Floats) -> Floats:
    return -(marginals * np.log(np.maximum(marginals, _TINY))).sum(axis=1)


def drop_out(
    vectors: Floats, weights: Floats, bias: Floats, *, draws: int = 10, dropout: float = 0.1, seed: int = 0
) -> list[Floats]:
    """Run a linear layer several times, each with another share of its inputs set to 0, as training did.

    Args:
        vectors: Of tokens, before the layer, shape (tokens, width).
        weights: Shape (tags, width).
        bias: Shape (tags,).
        draws: Passes.
        dropout: Share of the inputs that is dropped.
        seed: Of the draws.

    Returns:
        Logits of each pass, shape (tokens, tags).
    """
    rng = np.random.default_rng(seed)
    kept = 1 - dropout
    return [vectors * (rng.random(vectors.shape, dtype=np.float32) < kept) / kept @ weights.T + bias for _ in range(draws)]
