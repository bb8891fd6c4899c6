"""From logits to entities with confidences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from thinc.util import get_array_module

from .chain import Array, Packing, backward, begin, closed_mass, forward, viterbi, weights_of
from .tags import TagScheme

_NEVER = -1e9


@dataclass(frozen=True)
class FoundSpan:
    """An entity: first token, one past the last, label, and the probability that it is one, 0 to 1."""

    start: int
    end: int
    label: str
    confidence: float


def tags_to_spans(tags: Sequence[int], scheme: TagScheme) -> list[tuple[int, int, int]]:
    """Read a legal sequence of tags.

    Returns:
        First token, one past the last, and number of the label of each span.
    """
    spans = []
    size, start, label = len(scheme.labels), -1, -1
    for token, tag in enumerate([*tags, 0]):
        position, current = divmod(tag - 1, size) if tag else (-1, -1)
        begins = tag > 0 and (position < scheme.starts if scheme.open else current != label)
        if label >= 0 and (tag == 0 or begins):
            spans.append((start, token, label))
            label = -1
        if begins:
            start, label = token, current
    return spans


def find_spans(
    logits: Array, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0, blank: np.ndarray | None = None
) -> list[list[FoundSpan]]:
    """Find the entities of documents.

    Args:
        logits: Shape (tokens, tags), of all documents one after the other.
        lengths: Tokens of each document.
        scheme: The chain of tags.
        temperature: Logits are divided by it for the confidences. The entities do not depend on it.
        blank: Tokens that no entity may start at or end with, shape (tokens,): blanks.

    Returns:
        The entities of each document, in order. Their confidence is the marginal probability of the whole span: of
        all legal sequences of tags that have exactly this span (with the blanks that it ended with, which are cut off).
    """
    packing = Packing.of(lengths)
    xp = get_array_module(logits)
    packed = packing.pack(logits)
    if blank is not None and blank.any():
        begin(packed, scheme)[packing.pack(blank), 1:] = _NEVER
    tags = packing.unpack(viterbi(packed, packing, scheme))
    numbers = tags.tolist()
    found: list[list[tuple[int, int, int]]] = []
    start = 0
    for length in lengths:
        spans = tags_to_spans(numbers[start : start + length], scheme)
        found.append([(start + a, start + b, label) for a, b, label in spans])
        start += length
    flat = [span for spans in found for span in spans]
    if not flat:
        return [[] for _ in lengths]
    first, last, labels = np.array(flat).T
    confidences = iter(_marginals(xp, packed, packing, scheme, temperature, first, last, labels).tolist())
    starts = np.cumsum([0, *lengths])
    return [
        [FoundSpan(a - offset, _trim(blank, a, b) - offset, scheme.labels[label], next(confidences)) for a, b, label in spans]
        for offset, spans in zip(starts.tolist(), found, strict=False)
    ]


def _trim(blank: np.ndarray | None, start: int, end: int) -> int:
    while blank is not None and end - 1 > start and blank[end - 1]:
        end -= 1
    return end


def _marginals(
    xp: Array, packed: Array, packing: Packing, scheme: TagScheme, temperature: float, first: Array, last: Array, labels: Array
) -> np.ndarray:
    """Give the probability of each span, by forward-backward."""
    weights = weights_of(packed, temperature)
    alpha, scales = forward(weights, packing, scheme)
    beta, divisors = backward(weights, packing, scheme)
    at = packing.unpack

    def host(values: Array) -> np.ndarray:
        return values if xp is np else xp.asnumpy(values)

    weights, alpha, beta = host(at(weights)), host(at(alpha)), host(at(beta))
    ending = np.asarray(at(packing.last))
    up = np.concatenate(([0.0], np.cumsum(np.log(host(at(scales))))))  # of tokens before, over all documents
    down = np.concatenate(([0.0], np.cumsum(np.log(host(at(divisors))))))
    starts = np.concatenate(([True], ending[:-1]))[first]
    ends = ending[last - 1]
    closes = closed_mass(alpha, scheme)
    document = np.cumsum(np.concatenate(([False], ending[:-1])))
    tail = np.flatnonzero(ending)[document[first]]  # last token of the span's document
    head = np.concatenate(([0], np.flatnonzero(ending)[:-1] + 1))[document[first]]

    entering = np.where(starts, 1.0, closes[np.maximum(first - 1, 0)])
    leaving = beta[last - 1, 0]  # a span may start after O: all that may follow a closed span
    if not scheme.open:
        # Neighbors of the same label would belong to the span.
        same = 1 + labels
        entering = entering - np.where(starts, 0.0, alpha[np.maximum(first - 1, 0), same])
        following = np.minimum(last, len(weights) - 1)
        scale = np.exp(down[last] - down[last - 1])
        leaving = leaving - np.where(ends, 0.0, weights[following, same] * beta[following, same] / scale)
    inside = np.array([_log_weight(weights, scheme, *span) for span in zip(first, last, labels, strict=True)])
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(entering, 0.0)) + inside + np.log(np.maximum(leaving, 0.0))
        norm = up[tail + 1] - up[head] + np.log(closes[tail])
    logs += up[first] - up[head] + down[tail + 1] - down[last - 1] - norm
    return np.minimum(np.exp(logs), 1.0)


def _log_weight(weights: np.ndarray, scheme: TagScheme, first: int, last: int, label: int) -> float:
    tags = [1 + position * len(scheme.labels) + label for position in scheme.span_positions(last - first)]
    return float(np.log(weights[np.arange(first, last), tags]).sum())


def token_marginals(logits: Array, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> Array:
    """Give the probability of each tag of each token under the chain of tags (Rabiner 1989, section III.A).

    Args:
        logits: Shape (tokens, tags), of all documents one after the other.
        lengths: Tokens of each document.
        scheme: The chain of tags.
        temperature: Logits are divided by it.

    Returns:
        Shape (tokens, tags), float64; the rows add up to 1.
    """
    packing = Packing.of(lengths)
    weights = weights_of(packing.pack(logits), temperature)
    joint = forward(weights, packing, scheme)[0] * backward(weights, packing, scheme)[0]
    joint /= joint.sum(axis=1, keepdims=True)
    return packing.unpack(joint)


def token_entropies(logits: Array, lengths: Sequence[int], scheme: TagScheme, *, temperature: float = 1.0) -> np.ndarray:
    """Give the entropy of each token's tag, in nats, under the chain of tags: shape (tokens,)."""
    xp = get_array_module(logits)
    marginals = token_marginals(logits, lengths, scheme, temperature=temperature)
    entropies = -(marginals * xp.log(xp.maximum(marginals, 1e-300))).sum(axis=1)
    return entropies if xp is np else xp.asnumpy(entropies)
