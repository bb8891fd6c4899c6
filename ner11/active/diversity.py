"""Choosing texts that differ from each other, by their vectors."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


def squared_distances(vectors: Floats, centers: Floats) -> Floats:
    """Give the squared distance of vectors (n, width) to the nearest center of (m, width): (n,); inf if there is none."""
    nearest = np.full(len(vectors), np.inf)
    for center in centers:
        np.minimum(nearest, ((vectors - center) ** 2).sum(axis=1), out=nearest)
    return nearest


def core_set(vectors: Floats, count: int, *, centers: Floats, seed: int = 0) -> Ints:
    """Choose by greedy k-center (Sener and Savarese 2018): always the one that is farthest from all chosen ones.

    Args:
        vectors: Shape (candidates, width).
        count: How many to choose.
        centers: Vectors of what is annotated already, shape (annotated, width).
        seed: Of the first one, where nothing is annotated.

    Returns:
        Numbers of the chosen ones, in the order of their choice, shape (at most count,).
    """
    return _choose(vectors, count, centers=centers, seed=seed, farthest=True)


def k_means_seeds(vectors: Floats, count: int, *, centers: Floats, seed: int = 0) -> Ints:
    """Choose as k-means++ does its first centers (Arthur and Vassilvitskii 2007, for batches of queries Ash et al. 2020).

    Each is drawn with a probability that is proportional to its squared distance from the nearest chosen one. The arguments
    are those of `core_set`.
    """
    return _choose(vectors, count, centers=centers, seed=seed, farthest=False)


def _choose(vectors: Floats, count: int, *, centers: Floats, seed: int, farthest: bool) -> Ints:
    rng = np.random.default_rng(seed)
    nearest = squared_distances(vectors, centers)
    free = np.ones(len(vectors), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(vectors)):
        odds = np.where(free, np.where(np.isinf(nearest), 1.0, nearest), 0.0)
        if not odds.sum():  # only copies of chosen ones are left
            odds = free.astype(float)
        first_of_all = np.isinf(nearest).all()
        at = int(odds.argmax()) if farthest and not first_of_all else int(rng.choice(len(odds), p=odds / odds.sum()))
        chosen.append(at)
        free[at] = False
        np.minimum(nearest, ((vectors - vectors[at]) ** 2).sum(axis=1), out=nearest)
    return np.array(chosen, dtype=np.int64)
