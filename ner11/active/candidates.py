"""One pass over a pool: of a stream of texts only the best ones and random ones are kept."""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ner11.active.model import Floats, PoolModel, Reading
from ner11.active.near import key_of
from ner11.active.pool import PoolText
from ner11.active.strategies import RANDOM, Strategy
from ner11.active.uncertainty import mnlp
from ner11.errors import Ner11Error

SPARE = 4
"""Candidates that are kept for each text wished, so that enough are left without near duplicates."""
CANDIDATES = 10_000
"""Random texts of the pool among which a strategy that compares texts with each other chooses."""
BATCH_CHARACTERS, BATCH_TEXTS = 50_000, 256
"""What is read at once: bounds the memory."""
ANNOTATED, COPY, CERTAIN = "annotated", "copies", "below the threshold"


@dataclass(frozen=True)
class Wishes:
    """What is to be chosen.

    Attributes:
        strategy: How.
        count: How many texts.
        random_share: Share of them that is drawn at random, whatever the strategy says: what is measured on them holds for the
            pool, which it does not on those that were chosen.
        threshold: Least `uncertainty` of the others, 0 to 1.
        seed: Of all draws.
    """

    strategy: Strategy
    count: int
    random_share: float = 0.15
    threshold: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise Ner11Error(f"{self.count} texts cannot be chosen", fix="Choose 1 or more")
        for name, value in (("random share", self.random_share), ("uncertainty threshold", self.threshold)):
            if not 0 <= value <= 1:
                raise Ner11Error(f"the {name} is {value:g}", fix="Choose a number from 0 to 1")

    @property
    def drawn(self) -> int:
        """How many are drawn at random, at most."""
        return self.count if self.strategy.name == RANDOM else round(self.random_share * self.count)

    def drawn_of(self, texts: int) -> int:
        """Tell how many are drawn from so many texts: from fewer than are wished, no more than their share."""
        return self.drawn if self.strategy.name == RANDOM else min(self.drawn, round(self.random_share * texts))


class Best:
    """Keeps the entries with the highest keys; of equal ones, the earlier."""

    def __init__(self, size: int) -> None:
        self.size, self._number = size, 0
        self._heap: list[tuple[float, int, PoolText, Floats | None]] = []

    def add(self, key: float, text: PoolText, vector: Floats | None = None) -> None:
        """Keep a text if it is among the best so far."""
        self._number += 1
        entry = (key, -self._number, text, vector)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        elif self.size and entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def ranked(self) -> list[tuple[float, PoolText, Floats | None]]:
        """Give the entries, best first."""
        return [(key, text, vector) for key, _, text, vector in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def uncertainty(reading: Reading, model: PoolModel) -> Floats:
    """Give 1 - the geometric mean probability of a token's tag on the best path of each text, 0 to 1, whatever the strategy."""
    return -np.expm1(-mnlp(reading.logits, reading.lengths, model.scheme, temperature=model.temperature))


def batch_texts(texts: Iterable[PoolText]) -> Iterator[list[PoolText]]:
    """Put texts together up to a number of characters; a longer one is alone."""
    batch: list[PoolText] = []
    size = 0
    for text in texts:
        if batch and (size + len(text.text) > BATCH_CHARACTERS or len(batch) == BATCH_TEXTS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text.text)
    if batch:
        yield batch


def _score(reading: Reading, model: PoolModel, strategy: Strategy) -> Floats:
    assert strategy.score
    logits = reading.draws if strategy.draws else reading.logits
    try:
        scores = strategy.score(logits, reading.lengths, model.scheme, temperature=model.temperature)
    except ValueError as e:
        raise Ner11Error(str(e), where=model.version, fix="Choose another strategy") from e
    return scores / np.maximum(reading.lengths, 1) if strategy.per_token else scores


class Candidates:
    """Passes over a pool: leaves out what is known, and keeps the best texts and random ones.

    Args:
        wishes: What is to be chosen.
        model: Reads the texts, if the strategy asks it.
        left_out: Counts what is left out by reason.

    Attributes:
        drawn: Random texts.
        best: Those that the strategy gives the highest scores; for one that compares texts, random ones with their vectors.
    """

    def __init__(self, wishes: Wishes, model: PoolModel, left_out: Counter[str]) -> None:
        self.wishes, self.model, self.left_out = wishes, model, left_out
        strategy = wishes.strategy
        compares = strategy.choose is not None
        self.drawn = Best(SPARE * wishes.drawn)
        self.best = Best(0 if strategy.name == RANDOM else CANDIDATES if compares else SPARE * wishes.count)
        self.reads = bool(strategy.score or compares)

    def run(self, pool: Iterable[PoolText], annotated: set[int]) -> int:
        """Read the pool; gives how many texts it has."""
        rng = random.Random(self.wishes.seed)
        count = 0
        for batch in batch_texts(self._fresh(pool, annotated)):
            count += len(batch)
            for text in batch:
                self.drawn.add(rng.random(), text)
            if self.reads:
                self._keep_best(batch, rng)
        return count

    def _fresh(self, pool: Iterable[PoolText], annotated: set[int]) -> Iterator[PoolText]:
        seen: set[int] = set()
        for text in pool:
            key = key_of(text.text)
            if text.annotated or key in annotated:
                self.left_out[ANNOTATED] += 1
            elif key in seen:
                self.left_out[COPY] += 1
            else:
                seen.add(key)
                yield text

    def _keep_best(self, batch: Sequence[PoolText], rng: random.Random) -> None:
        strategy, wishes = self.wishes.strategy, self.wishes
        reading = self.model.read([text.text for text in batch], vectors=strategy.choose is not None, draws=strategy.draws)
        unsure = uncertainty(reading, self.model) >= wishes.threshold
        if wishes.threshold:
            self.left_out[CERTAIN] += int((~unsure).sum())
        if strategy.choose:
            assert reading.vectors is not None
            keys: Sequence[float] = [rng.random() for _ in batch]
            vectors: Sequence[Floats | None] = list(reading.vectors.astype(np.float32))
        else:
            keys, vectors = _score(reading, self.model, strategy).tolist(), [None] * len(batch)
        for text, key, vector, eligible in zip(batch, keys, vectors, unsure.tolist(), strict=True):
            if eligible:
                self.best.add(key, text, vector)
