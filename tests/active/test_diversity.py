import numpy as np
import pytest

from ner11.active.diversity import core_set, k_means_seeds

NONE = np.zeros((0, 1))
LINE = np.array([[0.0], [1.0], [2.0], [10.0], [4.0]])


def test_core_set_takes_the_farthest_from_all_that_is_known():
    assert core_set(LINE, 3, centers=np.array([[0.0]])).tolist() == [3, 4, 2]


@pytest.mark.parametrize("choose", [core_set, k_means_seeds])
def test_no_text_is_chosen_twice_not_even_among_copies(choose):
    chosen = choose(np.zeros((5, 2)), 9, centers=np.zeros((0, 2)), seed=3).tolist()
    assert sorted(chosen) == [0, 1, 2, 3, 4]
    assert choose(LINE, 0, centers=NONE).tolist() == []


@pytest.mark.parametrize("choose", [core_set, k_means_seeds])
def test_the_same_seed_chooses_the_same(choose):
    vectors = np.random.default_rng(0).normal(size=(50, 4))
    first, again, other = (choose(vectors, 10, centers=np.zeros((0, 4)), seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_k_means_draws_by_squared_distance():
    vectors = np.array([[1.0], [3.0]])
    first = [int(k_means_seeds(vectors, 1, centers=np.array([[0.0]]), seed=seed)[0]) for seed in range(400)]
    assert np.mean(first) == pytest.approx(0.9, abs=0.05)
