"""One learning curve: rounds of choosing texts, annotating them (the annotation is known), and training from scratch."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from active.data import Data, load_data
from active.encoder import Encoder, Frozen
from active.learner import DROPOUT, LEARNERS, Tagger, count_right, f1, head_of, read, train
from ner11.active.strategies import RANDOM, find_strategy
from ner11.active.uncertainty import drop_out
from ner11.pipeline.tags import TagScheme

MATCHED, MIXED, ALL = "matched:", "+random", "all"
"""Before a strategy's name: random texts as long as those that it chose. Behind it: with a random share. The whole pool."""
SEED_TEXTS, ROUND_TEXTS = 200, 200
"""Random texts of the first round; a further round adds as many tokens as so many texts of the pool have on average."""
RANDOM_SHARE = 0.15
MIN_STEPS, MIN_EPOCHS, MAX_EPOCHS = 240, 4, 12
PIECES_PER_STEP = 400
"""Word pieces of a training step, without padding, for the number of epochs."""
DRAWS = 10

Ints = NDArray[np.int64]


def choose_epochs(frozen: Sequence[Frozen]) -> int:
    """Choose epochs by the rule of the project, with fewer steps: the same rule for all strategies and rounds."""
    steps = max(1, sum(map(len, (state for text in frozen for state in text.states))) // PIECES_PER_STEP)
    return min(MAX_EPOCHS, max(MIN_EPOCHS, -(-MIN_STEPS // steps)))


@dataclass
class Bench:
    """A pool and a test set, read by the frozen layers."""

    data: Data
    encoder: Encoder
    pool: list[Frozen]
    test: list[Frozen]
    tokens: Ints
    scheme: TagScheme

    @classmethod
    def load(cls, root: Path, name: str, learner: str) -> "Bench":
        """Read a pool and a test set."""
        data = load_data(root, name)
        encoder = Encoder(root / "assets/encoders/minilm", LEARNERS[learner])
        pool, test = encoder.freeze(data.pool), encoder.freeze(data.test)
        return cls(data, encoder, pool, test, np.array([text.tokens for text in pool]), TagScheme("BIO", data.labels))

    def fit(self, chosen: Ints, *, seed: int) -> Tagger:
        """Train on some texts of the pool."""
        texts, frozen = [self.data.pool[i] for i in chosen], [self.pool[i] for i in chosen]
        return train(self.encoder, texts, frozen, self.scheme, epochs=choose_epochs(frozen), seed=seed)

    def count(self, tagger: Tagger) -> dict[str, list[int]]:
        """Score on the test set."""
        return count_right(tagger, self.data.test, self.test, self.scheme)


@dataclass
class Round:
    """What was chosen, and what came of all that was chosen so far."""

    chosen: list[int]
    tokens: int
    counts: dict[str, list[int]]
    seconds: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)


def _orders(bench: Bench, name: str, tagger: Tagger, free: Ints, labelled: Ints, *, seed: int) -> Ints:
    """Give unlabelled texts in the order in which a strategy would ask for them."""
    strategy = find_strategy(name)
    if name == RANDOM:
        return np.random.default_rng(seed).permutation(free)
    vectors = read(tagger, [bench.pool[i] for i in free])
    if strategy.choose:
        own = np.stack([one.mean(axis=0) for one in vectors])
        centers = np.stack([one.mean(axis=0) for one in read(tagger, [bench.pool[i] for i in labelled])])
        # More than a round's budget can hold, for the shortest ones might be chosen.
        return free[strategy.choose(own, min(len(free), 4 * ROUND_TEXTS), centers=centers, seed=seed)]
    flat, lengths = np.concatenate(vectors), bench.tokens[free].tolist()
    weights, bias = head_of(tagger)
    logits: Any = (
        drop_out(flat, weights, bias, draws=DRAWS, dropout=DROPOUT, seed=seed) if strategy.draws else flat @ weights.T + bias
    )
    scores = strategy.score(logits, lengths, bench.scheme) if strategy.score else np.zeros(len(free))
    if strategy.per_token:
        scores = scores / np.maximum(lengths, 1)
    return free[np.argsort(-scores, kind="stable")]


def _take(order: Ints, tokens: Ints, budget: int) -> Ints:
    """Take texts in an order until their tokens reach a budget."""
    return order[: int(np.searchsorted(np.cumsum(tokens[order]), budget)) + 1]


def _match(lengths: Sequence[int], tokens: Ints, free: Ints, *, seed: int) -> Ints:
    """Draw for each length a random text that is as long, or as nearly as there is one."""
    rng = np.random.default_rng(seed)
    left = rng.permutation(free)
    chosen = []
    for length in rng.permutation(lengths):
        at = int(np.abs(tokens[left] - length).argmin())
        chosen.append(left[at])
        left = np.delete(left, at)
    return np.array(chosen, dtype=np.int64)


def choose(bench: Bench, name: str, tagger: Tagger, labelled: Ints, *, budget: int, seed: int) -> Ints:
    """Choose the texts of a round by a strategy, with a random share if its name ends with `MIXED`."""
    free = np.setdiff1d(np.arange(len(bench.pool)), labelled)
    drawn = np.zeros(0, dtype=np.int64)
    if name.endswith(MIXED):
        name = name.removesuffix(MIXED)
        drawn = _take(np.random.default_rng(seed).permutation(free), bench.tokens, round(RANDOM_SHARE * budget))
        free, budget = np.setdiff1d(free, drawn), budget - int(bench.tokens[drawn].sum())
    order = _orders(bench, name, tagger, free, labelled, seed=seed)
    return np.concatenate((drawn, _take(order, bench.tokens, budget)))


class Simulation:
    """The curves of one pool.

    Args:
        root: The project.
        name: The pool.
        learner: Name of the learner.
        rounds: Points of a curve.
    """

    def __init__(self, root: Path, name: str, learner: str, *, rounds: int) -> None:
        self.bench, self.name, self.learner, self.rounds = Bench.load(root, name, learner), name, learner, rounds
        self.budget = round(ROUND_TEXTS * float(self.bench.tokens.mean()))
        self.first = lru_cache(maxsize=1)(self._first)

    def _first(self, seed: int) -> tuple[Tagger, Round]:
        """Train on the seed set, which is the same for all strategies."""
        chosen = np.random.default_rng(seed).permutation(len(self.bench.pool))[:SEED_TEXTS]
        return self._fit(chosen, chosen, seed=seed)

    def _fit(self, new: Ints, labelled: Ints, *, seed: int) -> tuple[Tagger, Round]:
        tagger = self.bench.fit(labelled, seed=seed)
        labels = Counter(label for i in labelled for _, _, label in self.bench.data.pool[i].gold)
        tokens = int(self.bench.tokens[labelled].sum())
        return tagger, Round(new.tolist(), tokens, self.bench.count(tagger), labels=dict(sorted(labels.items())))

    def run(self, strategy: str, seed: int, *, matched: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
        """Give a curve.

        Args:
            strategy: Name of a strategy, with what `MATCHED` and `MIXED` say; or `ALL`: one point, the whole pool.
            seed: Of the seed set, the trainings and all draws.
            matched: Lengths of the texts that the strategy chose in each round after the first, for `MATCHED`.
        """
        if strategy == ALL:
            return self.train_on(range(len(self.bench.pool)), strategy, seed)
        start = time.perf_counter()
        tagger, first = self.first(seed)
        labelled, rounds = np.array(first.chosen), [first]
        for number in range(1, self.rounds):
            draw, before = 1000 * seed + number, time.perf_counter()
            if strategy.startswith(MATCHED):
                free = np.setdiff1d(np.arange(len(self.bench.pool)), labelled)
                new = _match(matched[number - 1], self.bench.tokens, free, seed=draw)
            else:
                new = choose(self.bench, strategy, tagger, labelled, budget=self.budget, seed=draw)
            seconds = time.perf_counter() - before
            labelled = np.concatenate((labelled, new))
            tagger, point = self._fit(new, labelled, seed=draw)
            point.seconds = seconds
            rounds.append(point)
        return self._write(strategy, seed, rounds, time.perf_counter() - start)

    def train_on(self, chosen: Sequence[int], strategy: str, seed: int) -> dict[str, Any]:
        """Give a curve of one point: some texts at once."""
        start, texts = time.perf_counter(), np.array(chosen, dtype=np.int64)
        return self._write(strategy, seed, [self._fit(texts, texts, seed=seed)[1]], time.perf_counter() - start)

    def _write(self, strategy: str, seed: int, rounds: Sequence[Round], seconds: float) -> dict[str, Any]:
        return {
            "data": self.name,
            "strategy": strategy,
            "seed": seed,
            "learner": self.learner,
            "f1": [f1(point.counts) for point in rounds],
            "rounds": [vars(point) for point in rounds],
            "lengths": [self.bench.tokens[point.chosen].tolist() for point in rounds[1:]],
            "seconds": seconds,
        }
