"""Intervals and tests by resampling documents: whole documents, since the sentences of one are no independent draws."""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner11.evaluation.figures import figures
from ner11.pipeline.scoring import Comparison, Counts

RESAMPLES = 10_000
INTERVAL = (0.025, 0.975)
HIT, SPURIOUS, MISSED = 0, 1, 2
_CHUNK = 4_000_000
"""Numbers that are drawn at once."""

Key = TypeVar("Key", bound=Hashable)
Floats = NDArray[np.floating[Any]]
Event = tuple[str, int]
"""A name, such as a label, and what happened under it: HIT, SPURIOUS or MISSED."""


@dataclass
class CountTable:
    """True positives, false positives and false negatives by document and name, shape (documents, names, 3)."""

    names: list[str]
    counts: Floats

    def sums(self) -> dict[str, Counts]:
        """Add up over documents."""
        return {name: Counts(*map(int, row)) for name, row in zip(self.names, self.counts.sum(axis=0), strict=True)}

    def total(self) -> "CountTable":
        """Add up over names: one column, named ""."""
        return CountTable([""], self.counts.sum(axis=1, keepdims=True))


def count_events(events: Iterable[tuple[str, Iterable[Event]]], *, documents: Sequence[str]) -> CountTable:
    """Count events by document and name.

    Args:
        events: Name of a document, and events in a text of it.
        documents: Names of all documents, in the order of the rows.
    """
    rows = {document: i for i, document in enumerate(documents)}
    columns: dict[str, int] = {}
    places = [
        (rows[document], columns.setdefault(name, len(columns)), outcome) for document, own in events for name, outcome in own
    ]
    names = sorted(columns)
    order = {columns[name]: i for i, name in enumerate(names)}
    counts = np.zeros((len(documents), len(names), 3), dtype=np.float32)
    if places:
        row, column, outcome = np.array(places).T
        np.add.at(counts, (row, np.array([order[i] for i in range(len(order))])[column], outcome), 1)
    return CountTable(names, counts)


def label_events(comparison: Comparison) -> Iterator[Event]:
    """Give the events of a text by annotated label; a span with several allowed labels stands under `A|B`, found or missed."""
    for label in comparison.hit_labels:
        yield label, HIT
    for spans, outcome in ((comparison.spurious, SPURIOUS), (comparison.missed, MISSED)):
        for _, _, label in spans:
            yield label, outcome


def resample(tables: Mapping[Key, Floats], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[Key, Floats]:
    """Sum tables over documents drawn with replacement, the same draws for all of them (Efron 1979).

    Args:
        tables: Arrays of shape (documents, ...), all of the same documents.
        seed: Of the draws.
        resamples: How many.

    Returns:
        The sums, shape (resamples, ...), float32.
    """
    documents = len(next(iter(tables.values())))
    sizes = [math.prod(table.shape[1:]) for table in tables.values()]
    flat = np.concatenate(
        [table.reshape(documents, size) for table, size in zip(tables.values(), sizes, strict=True)], axis=1, dtype=np.float32
    )
    sums = np.empty((resamples, flat.shape[1]), dtype=np.float32)
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // max(1, documents))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(max(1, documents), size=(rows, documents))
        drawn += np.arange(rows)[:, None] * documents
        weights = np.bincount(drawn.ravel(), minlength=rows * documents).reshape(rows, documents)
        sums[start : start + rows] = weights.astype(np.float32) @ flat
    parts = np.split(sums, np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(resamples, *table.shape[1:]) for part, (name, table) in zip(parts, tables.items(), strict=True)}


def ratios(sums: Floats) -> Floats:
    """Give precision, recall and F1 of counts (..., 3), in the last axis; NaN where undefined."""
    tp, fp, fn = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    with np.errstate(invalid="ignore"):
        return np.stack([tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)], axis=-1)


def percentiles(samples: Floats, quantiles: Sequence[float] = INTERVAL) -> Floats:
    """Give quantiles over the first axis, shape (quantiles, ...); NaNs count as not drawn, all NaN gives NaN.

    (`np.nanquantile` does the same one column after the other, a hundred times slower.)
    """
    ordered = np.sort(samples, axis=0)
    last = np.maximum((~np.isnan(samples)).sum(axis=0) - 1, 0)
    found = []
    for quantile in quantiles:
        place = quantile * last
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, last)
        at_low, at_high = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (low, high))
        found.append(at_low + (place - low) * (at_high - at_low))
    return np.stack(found)


def as_interval(bounds: Floats) -> list[float] | None:
    """Give a lower and an upper bound as JSON; None where they are undefined."""
    return None if np.isnan(bounds).any() else [float(value) for value in bounds]


def measure(table: CountTable, samples: Floats) -> dict[str, dict[str, Any]]:
    """Give the figures of each name with their 95% intervals; a single document gives none.

    Args:
        table: The counts.
        samples: Their resampled sums, shape (resamples, names, 3).

    Returns:
        By name what `figures` gives, and `precision_interval`, `recall_interval`, `f1_interval`: lower and upper bound, None
        if undefined. Where no resample has an error, both bounds are 1: the support says how little that may mean.
    """
    bounds = percentiles(ratios(samples))
    if len(table.counts) < 2:
        bounds = np.full_like(bounds, np.nan)
    rows = {}
    for i, (name, counts) in enumerate(table.sums().items()):
        intervals = {f"{key}_interval": as_interval(bounds[:, i, j]) for j, key in enumerate(("precision", "recall", "f1"))}
        rows[name] = {**figures(counts), **intervals}
    return rows


def randomize(first: Floats, second: Floats, *, seed: int = 0, rounds: int = RESAMPLES) -> tuple[Floats, Floats]:
    """Test the difference in F1 of two models by paired approximate randomization over documents (Yeh 2000).

    Args:
        first, second: Counts of the two models on the same documents, shape (documents, names, 3).
        seed: Of the swaps.
        rounds: How many.

    Returns:
        Two p-values by name: that the F1 of the two differs (two-sided), and that the first is worse (one-sided). 1 where
        neither has an F1.
    """
    documents = len(first)
    observed = _difference(first.sum(axis=0), second.sum(axis=0))
    gap = (first - second).reshape(documents, -1).astype(np.float32)
    base = first.sum(axis=0), second.sum(axis=0)
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // max(1, documents, gap.shape[1]))
    other, worse = np.zeros_like(observed), np.zeros_like(observed)
    # Differences that are equal but for rounding are as extreme.
    slack = 1e-7
    for start in range(0, rounds, size):
        rows = min(size, rounds - start)
        swaps = rng.integers(2, size=(rows, documents), dtype=np.int8).astype(np.float32)
        moved = (swaps @ gap).reshape(rows, *first.shape[1:])
        drawn = _difference(base[0] - moved, base[1] + moved)
        other += (np.abs(drawn) >= np.abs(observed) - slack).sum(axis=0)
        worse += (drawn <= observed + slack).sum(axis=0)
    return (1 + other) / (1 + rounds), (1 + worse) / (1 + rounds)


def _difference(first: Floats, second: Floats) -> Floats:
    """Give the difference in F1; where one model never saw or found the name, its F1 is 0."""
    return np.nan_to_num(ratios(first)[..., 2]) - np.nan_to_num(ratios(second)[..., 2])
