"""Recursions over the chain of tags: forward, backward, Viterbi; for many documents at once, without padding.

Tokens are *packed*: documents sorted from long to short, first all first tokens, then all second ones. The documents that
have a token t are then the first so many rows of step t, so that each step is a few operations on one block
of an array, and what comes out for a document does not depend on the others. Everything is in the probability domain,
scaled at each step (Rabiner 1989, section V), in float64; arrays are NumPy's or CuPy's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from thinc.util import get_array_module

from .tags import TagScheme

Array = Any
"""A NumPy or CuPy array."""
FLOOR = -500.0
"""Least logarithm of a tag's weight relative to the best of its token: keeps products within float64."""


@dataclass(frozen=True)
class Packing:
    """How tokens of documents are packed. The documents' own order is that of `lengths`, one after the other.

    Attributes:
        lengths: Tokens of each document, shape (documents,).
    """

    lengths: np.ndarray

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Packing":
        return cls(np.asarray(lengths, dtype=np.int64))

    @cached_property
    def rows(self) -> np.ndarray:
        """Documents that have a token t, shape (length of the longest,)."""
        longest = int(self.lengths.max(initial=0))
        return np.cumsum(np.bincount(self.lengths, minlength=longest + 1)[::-1])[::-1][1:]

    @cached_property
    def steps(self) -> list[slice]:
        """The packed tokens of each step."""
        ends = np.cumsum(self.rows)
        return [slice(int(end - rows), int(end)) for end, rows in zip(ends, self.rows, strict=True)]

    @cached_property
    def order(self) -> np.ndarray:
        """Where each token, in the documents' own order, is packed: shape (tokens,)."""
        ranks = np.empty(len(self.lengths), dtype=np.int64)
        ranks[np.argsort(-self.lengths, kind="stable")] = np.arange(len(self.lengths))
        starts = np.cumsum(self.lengths) - self.lengths
        times = np.arange(self.lengths.sum()) - np.repeat(starts, self.lengths)
        offsets = np.cumsum(self.rows) - self.rows
        return offsets[times] + np.repeat(ranks, self.lengths)

    def pack(self, values: Array) -> Array:
        """Pack values of tokens, shape (tokens, ...)."""
        packed = get_array_module(values).empty_like(values)
        packed[self.order] = values
        return packed

    def unpack(self, packed: Array) -> Array:
        """Give packed values of tokens in the documents' own order."""
        return packed[self.order]

    def pairs(self) -> list[tuple[slice, slice]]:
        """The packed tokens of each step but the first, and those right before them."""
        return [
            (step, slice(before.start, before.start + step.stop - step.start))
            for before, step in zip(self.steps, self.steps[1:], strict=False)
        ]

    @cached_property
    def last(self) -> np.ndarray:
        """Which packed tokens are the last of their document, shape (tokens,)."""
        last = np.zeros(int(self.lengths.sum()), dtype=bool)
        following = np.append(self.rows, 0)[1:]
        for step, rows in zip(self.steps, following, strict=True):
            last[step.start + rows : step.stop] = True
        return last


def weights_of(logits: Array, temperature: float = 1.0) -> Array:
    """Turn logits into weights of tags: exp of the logits, the best of each token 1, none below exp(FLOOR).

    Args:
        logits: Shape (tokens, tags), any float type.
        temperature: Logits are divided by it.

    Returns:
        Weights, shape (tokens, tags), float64.
    """
    xp = get_array_module(logits)
    scaled = logits.astype("float64")
    if temperature != 1.0:
        scaled /= temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    xp.maximum(scaled, FLOOR, out=scaled)
    return xp.exp(scaled, out=scaled)


def _spans(values: Array, scheme: TagScheme) -> Array:
    """View the tags other than O as (tokens, positions, labels)."""
    return values[:, 1:].reshape(len(values), len(scheme.positions), len(scheme.labels))


def total(values: Array, positions: Sequence[int], scheme: TagScheme) -> Array:
    """Add tags up over positions, by label: shape (tokens, labels)."""
    spans = _spans(values, scheme)
    result = spans[:, positions[0]]
    for position in positions[1:]:
        result = result + spans[:, position]
    return result


def closed_mass(values: Array, scheme: TagScheme) -> Array:
    """Add up the tags after which a span may start, O among them: shape (tokens,)."""
    if scheme.all_closed:
        return values.sum(axis=1)
    return values[:, 0] + total(values, scheme.closed, scheme).sum(axis=1)


def begin(values: Array, scheme: TagScheme) -> Array:
    """View the tags that may stand first: O and those that start a span."""
    return values[:, : 1 + scheme.starts * len(scheme.labels)]


def inner(values: Array, scheme: TagScheme) -> Array:
    """View the inner tags: shape (tokens, inner positions, labels)."""
    return _spans(values, scheme)[:, scheme.starts :]


def follow(before: Array, weights: Array, scheme: TagScheme, out: Array) -> None:
    """Take one step forward: weights of tags times what flows into them from the token before.

    Args:
        before: Values at the token before, shape (documents, tags).
        weights: Weights of the tags, same shape.
        scheme: The chain.
        out: Receives the result, same shape.
    """
    xp = get_array_module(weights)
    xp.multiply(begin(weights, scheme), closed_mass(before, scheme)[:, None], out=begin(out, scheme))
    if scheme.open:
        xp.multiply(inner(weights, scheme), total(before, scheme.open, scheme)[:, None], out=inner(out, scheme))


def precede(weighted: Array, scheme: TagScheme, out: Array) -> None:
    """Take one step backward: what each tag passes on to the token after it.

    Args:
        weighted: Values at the token after times the weights of its tags, shape (documents, tags).
        scheme: The chain.
        out: Receives the result, same shape.
    """
    free = begin(weighted, scheme).sum(axis=1)
    out[:, 0] = free
    spans = _spans(out, scheme)
    spans[:] = 0
    for position in scheme.closed:
        spans[:, position] = free[:, None]
    if scheme.open:
        more = inner(weighted, scheme).sum(axis=1)
        for position in scheme.open:
            spans[:, position] += more


def forward(weights: Array, packing: Packing, scheme: TagScheme) -> tuple[Array, Array]:
    """Compute forward values.

    Args:
        weights: Weights of tags, 0 where a tag is not allowed; packed, shape (tokens, tags).
        packing: How they are packed.
        scheme: The chain.

    Returns:
        Values that add up to 1 for each token, shape (tokens, tags), and what they were divided by, shape (tokens,); 0
        where no legal sequence of tags has a weight (the values of the rest of that document are undefined then).
    """
    xp = get_array_module(weights)
    values, scales = weights.copy(), xp.ones(len(weights))
    if not packing.steps:
        return values, scales
    # Views once, outside of the loop: in long documents a step is a few small operations, and their overhead is what it costs.
    starts, inside = begin(values, scheme), inner(values, scheme)
    opens = [_spans(values, scheme)[:, position] for position in scheme.open]
    inside[packing.steps[0]] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        _scale(xp, values[packing.steps[0]], scales[packing.steps[0]])
        for step, before in packing.pairs():
            if not scheme.all_closed:  # else what is closed adds up to 1, as all does
                starts[step] *= closed_mass(values[before], scheme)[:, None]
            if opens:
                inside[step] *= (opens[0][before] + opens[1][before])[:, None]
            _scale(xp, values[step], scales[step])
    return values, scales


def has_legal_sequence(allowed: np.ndarray, scheme: TagScheme) -> bool:
    """Tell whether any legal sequence of tags stays within the allowed ones of a document, bool, shape (tokens, tags)."""
    packing = Packing.of([len(allowed)])
    values, scales = forward(allowed.astype("float64"), packing, scheme)
    return not len(allowed) or bool((scales > 0).all() and (closed_mass(values[-1:], scheme) > 0).all())


def backward(weights: Array, packing: Packing, scheme: TagScheme) -> tuple[Array, Array]:
    """Compute backward values.

    Args:
        weights: Weights of tags; packed, shape (tokens, tags).
        packing: How they are packed.
        scheme: The chain.

    Returns:
        Values scaled to add up to 1 except at last tokens, shape (tokens, tags), and what they were divided by, shape
        (tokens,); 1 at last tokens.
    """
    xp = get_array_module(weights)
    values, scales = xp.zeros_like(weights), xp.ones(len(weights))
    _end(values, packing, scheme)
    spans = _spans(values, scheme)
    closes = [values] if scheme.all_closed else [values[:, :1], *(spans[:, position] for position in scheme.closed)]
    opens = [spans[:, position] for position in scheme.open]
    with np.errstate(invalid="ignore", divide="ignore"):
        for step, before in reversed(packing.pairs()):
            weighted = weights[step] * values[step]
            free = xp.add.reduce(begin(weighted, scheme), axis=1)[:, None]
            for part in closes:
                part[before] = free
            if opens:
                more = xp.add.reduce(inner(weighted, scheme), axis=1)
                for part in opens:
                    part[before] += more
            _scale(xp, values[before], scales[before])
    return values, scales


def _end(values: Array, packing: Packing, scheme: TagScheme) -> None:
    """Set the values at last tokens: 1 where a span may end, else 0."""
    ending = get_array_module(values).ones(values.shape[1])
    spans = _spans(ending[None], scheme)
    for position in set(range(len(scheme.positions))) - set(scheme.closed):
        spans[:, position] = 0
    values[packing.last] = ending


def _scale(xp: Any, block: Array, scales: Array) -> None:
    """Make the values of each token add up to 1, and keep what they added up to."""
    xp.add.reduce(block, axis=1, out=scales)
    block /= scales[:, None]


def viterbi(logits: Array, packing: Packing, scheme: TagScheme) -> Array:
    """Find the best legal sequence of tags (Viterbi 1967). Of equally good ones, that of the lower tag numbers.

    Args:
        logits: Packed, shape (tokens, tags).
        packing: How they are packed.
        scheme: The chain.

    Returns:
        Numbers of the tags, packed, shape (tokens,).
    """
    xp = get_array_module(logits)
    best = xp.empty(len(logits), dtype="int64")
    if not packing.steps:
        return best
    values = logits.astype("float64")
    closed = _closed_tags(xp, scheme)
    starts, inside = begin(values, scheme), inner(values, scheme)
    inside[packing.steps[0]] = -np.inf
    # The best tag before each tag: of O and starts the best closed one, of inner ones the better of the two open ones.
    pointers = xp.zeros(values.shape, dtype="int32")
    came_from, opened_by = pointers[:, 0], inner(pointers, scheme)
    opens = [_spans(values, scheme)[:, position] for position in scheme.open]
    for step, before in packing.pairs():
        ending = values[before] if scheme.all_closed else values[before][:, closed]
        came_from[step] = ending.argmax(axis=1)
        starts[step] += ending.max(axis=1)[:, None]
        if opens:
            first, second = (view[before] for view in opens)
            inside[step] += xp.maximum(first, second)[:, None]
            opened_by[step] = (second > first)[:, None]
    if not scheme.all_closed:
        came_from[:] = closed[came_from]
    begin(pointers, scheme)[:] = came_from[:, None]
    if opens:
        labels = xp.arange(len(scheme.labels), dtype="int32")
        first, second = (1 + position * len(scheme.labels) + labels for position in scheme.open)
        opened_by[:] = xp.where(opened_by, second, first)
    last = values[packing.last] if scheme.all_closed else values[packing.last][:, closed]
    ends = last.argmax(axis=1)
    best[packing.last] = ends if scheme.all_closed else closed[ends]
    rows = xp.arange(int(packing.rows[0]))
    for step, before in reversed(packing.pairs()):
        best[before] = pointers[step][rows[: step.stop - step.start], best[step]]
    return best


def _closed_tags(xp: Any, scheme: TagScheme) -> Array:
    labels = range(len(scheme.labels))
    return xp.asarray([0, *(tag for position in scheme.closed for tag in scheme.ids(position, labels))])
