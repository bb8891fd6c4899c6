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


def tags_to_spans(tags: Sequence[int] | np.ndarray, scheme: TagScheme, starts: np.ndarray | None = None) -> np.ndarray:
    """Read legal sequences of tags.

    Args:
        tags: Numbers of the tags of documents, one after the other, shape (tokens,).
        scheme: The chain of tags.
        starts: First token of each document that has any; None for a single one.

    Returns:
        First token, one past the last, and number of the label of each span, shape (spans, 3).
    """
    numbers = np.asarray(tags, dtype=np.int64)
    inside = numbers > 0
    if scheme.open:
        begins = inside & (numbers <= scheme.starts * len(scheme.labels))
    else:  # neighbors of the same label are one span, unless another document begins
        begins = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
        begins[starts if starts is not None else []] = True
        begins &= inside
    first = np.flatnonzero(begins)
    last = np.flatnonzero(inside & ~np.append((inside & ~begins)[1:], False)[: len(numbers)])
    return np.stack((first, last + 1, (numbers[first] - 1) % len(scheme.labels)), axis=1)


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
    packed = packing.pack(logits)
    if blank is not None and blank.any():
        begin(packed, scheme)[packing.pack(blank), 1:] = _NEVER
    tags = _to_host(packing.unpack(viterbi(packed, packing, scheme)))
    ends = np.cumsum(packing.lengths)
    starts = ends - packing.lengths
    spans = tags_to_spans(tags, scheme, starts[packing.lengths > 0])
    found: list[list[FoundSpan]] = [[] for _ in lengths]
    if not len(spans):
        return found
    confidences = _marginals(packed, packing, scheme, temperature, tags, spans)
    first, last, labels = spans.T
    documents = np.searchsorted(ends, first, side="right")
    if blank is not None:
        last = _trim(blank, first, last)
    offsets = starts[documents]
    columns = (documents, first - offsets, last - offsets, labels, confidences)
    for document, start, end, label, confidence in zip(*(column.tolist() for column in columns), strict=True):
        found[document].append(FoundSpan(start, end, scheme.labels[label], confidence))
    return found


def _to_host(values: Array) -> np.ndarray:
    xp = get_array_module(values)
    return values if xp is np else xp.asnumpy(values)


def _trim(blank: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Cut off the blanks that spans end with, but never a whole span."""
    while (cut := blank[last - 1] & (last - 1 > first)).any():
        last = last - cut
    return last


def _marginals(
    packed: Array, packing: Packing, scheme: TagScheme, temperature: float, tags: np.ndarray, spans: np.ndarray
) -> np.ndarray:
    """Give the probability of each span of a sequence of tags, by forward-backward."""
    first, last, labels = spans.T
    packed_weights = weights_of(packed, temperature)
    weights = _to_host(packing.unpack(packed_weights))
    alpha, scales, beta, divisors = (
        _to_host(packing.unpack(values))
        for recursion in (forward, backward)
        for values in recursion(packed_weights, packing, scheme)
    )
    ending = packing.unpack(packing.last)
    up = np.concatenate(([0.0], np.cumsum(np.log(scales))))  # of tokens before, over all documents
    down = np.concatenate(([0.0], np.cumsum(np.log(divisors))))
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
    chosen = np.append(np.log(weights[np.arange(len(weights)), tags]), 0.0)
    inside = np.add.reduceat(chosen, np.stack((first, last), axis=1).ravel())[::2]
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(entering, 0.0)) + inside + np.log(np.maximum(leaving, 0.0))
        norm = up[tail + 1] - up[head] + np.log(closes[tail])
    logs += up[first] - up[head] + down[tail + 1] - down[last - 1] - norm
    return np.minimum(np.exp(logs), 1.0)


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
