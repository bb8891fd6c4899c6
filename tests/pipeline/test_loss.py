from itertools import pairwise

import numpy as np
import pytest
import torch

from ner11.pipeline.chain import Packing
from ner11.pipeline.loss import AllowedSetLoss
from ner11.pipeline.tags import TagScheme
from tests.pipeline.enumeration import legal_sequences, score

LENGTHS = [3, 0, 1, 2]
TOKENS = sum(LENGTHS)


def run(loss, logits, allowed, scheme, weights=None, lengths=LENGTHS):
    packing = Packing.of(lengths)
    packed = None if weights is None else packing.pack(weights)
    losses, gradient = loss(packing.pack(logits), packing.pack(allowed), packing, scheme, packed)
    return packing.unpack(losses), packing.unpack(gradient)


def by_enumeration(logits, allowed, scheme, weights, gamma):
    """Add up over all legal sequences what the docstring says."""
    result = 0.0
    start = 0
    for length in LENGTHS:
        rows = slice(start, start + length)
        start += length
        if not length:
            continue
        sequences = legal_sequences(scheme, length)
        masses = np.exp([score(logits[rows], sequence) for sequence in sequences])
        fits = np.array([allowed[rows][np.arange(length), list(sequence)] for sequence in sequences])
        before = masses.sum()
        for token in range(length):
            mass = masses[fits[:, : token + 1].all(axis=1)].sum()
            p = mass / before
            before = mass
            result -= weights[rows][token] * (1 - p) ** gamma * np.log(p)
    return result


@pytest.fixture(params=["BIO", "BILUO", "IO"])
def case(request):
    rng = np.random.default_rng(3)
    scheme = TagScheme(request.param, ("X", "Y"))
    logits = rng.normal(scale=2, size=(TOKENS, len(scheme)))
    allowed = rng.random((TOKENS, len(scheme))) < 0.4
    start = 0
    for length in LENGTHS:  # at least one legal sequence
        if length:
            sequences = legal_sequences(scheme, length)
            allowed[np.arange(start, start + length), list(sequences[rng.integers(len(sequences))])] = True
        start += length
    return scheme, logits, allowed, rng.random(TOKENS) + 0.5


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_loss_and_gradient_equal_the_enumeration_of_all_paths(case, gamma):
    scheme, logits, allowed, weights = case
    losses, gradient = run(AllowedSetLoss(focal_gamma=gamma), logits, allowed, scheme, weights)
    assert losses.sum() == pytest.approx(by_enumeration(logits, allowed, scheme, weights, gamma))
    numeric = np.zeros_like(logits)
    for at in np.ndindex(*logits.shape):
        values = []
        for step in (1e-6, -1e-6):
            moved = logits.copy()
            moved[at] += step
            values.append(by_enumeration(moved, allowed, scheme, weights, gamma))
        numeric[at] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_gradient_equals_autograd_on_long_documents(gamma):
    """The recursions written down once more in torch, in the log domain, differentiated by autograd."""
    rng = np.random.default_rng(0)
    scheme = TagScheme("BIO", ("X", "Y", "Z"))
    logits = rng.normal(scale=3, size=(60, len(scheme)))
    allowed = rng.random((60, len(scheme))) < 0.5
    allowed[:, 0] = True
    weights = rng.random(60) + 0.5
    legal = torch.tensor(
        [[b <= 3 or (a > 0 and (a - 1) % 3 == (b - 1) % 3) for b in range(7)] for a in range(7)], dtype=torch.bool
    )
    moves = torch.where(legal, 0.0, -1e5).double()
    values = torch.tensor(logits, requires_grad=True)
    first = torch.where(torch.arange(7) <= 3, 0.0, -1e5).double()
    free = [torch.zeros(7, dtype=torch.float64)]
    for row in reversed(values[1:]):
        free.insert(0, torch.logsumexp(moves + (row + free[0])[None], dim=1))
    masked = torch.where(torch.tensor(allowed), values, -1e5)
    mass = [torch.logsumexp(first + values[0] + free[0], dim=0)]
    state = first + masked[0]
    for token in range(60):
        if token:
            state = torch.logsumexp(state[:, None] + moves, dim=0) + masked[token]
        mass.append(torch.logsumexp(state + free[token], dim=0))
    log_p = torch.stack([b - a for a, b in pairwise(mass)])
    expected = -torch.tensor(weights) * (1 - log_p.exp()) ** gamma * log_p
    expected.sum().backward()
    losses, gradient = run(AllowedSetLoss(focal_gamma=gamma), logits, allowed, scheme, weights, [60])
    np.testing.assert_allclose(losses, expected.detach(), atol=1e-9)
    np.testing.assert_allclose(gradient, values.grad, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_full_annotation_without_constraint_is_weighted_cross_entropy(smoothing):
    rng = np.random.default_rng(0)
    scheme = TagScheme("IO", tuple("ABCD"))
    logits = rng.normal(size=(TOKENS, 5))
    gold = rng.integers(5, size=TOKENS)
    weights = np.ones(5) if smoothing else rng.random(5) + 0.5
    losses, gradient = run(AllowedSetLoss(label_smoothing=smoothing), logits, np.eye(5, dtype=bool)[gold], scheme, weights[gold])
    values = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        values, torch.tensor(gold), weight=torch.tensor(weights), reduction="none", label_smoothing=smoothing
    )
    expected.sum().backward()
    np.testing.assert_allclose(losses, expected.detach(), atol=1e-12)
    np.testing.assert_allclose(gradient, values.grad, atol=1e-12)


def test_tokens_of_which_nothing_is_known_teach_nothing():
    scheme = TagScheme("BIO", ("X",))
    logits = np.random.default_rng(0).normal(size=(TOKENS, 3))
    losses, gradient = run(AllowedSetLoss(label_smoothing=0.1), logits, np.ones((TOKENS, 3), dtype=bool), scheme)
    np.testing.assert_allclose(losses, 0, atol=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_the_labels_of_a_span_agree():
    """A span of X or Y: half a span of each costs, though every token by itself is within its set."""
    scheme = TagScheme("BIO", ("X", "Y"))
    allowed = np.zeros((2, 5), dtype=bool)
    allowed[0, [1, 2]] = allowed[1, [3, 4]] = True

    def loss(second):
        logits = np.full((2, 5), -20.0)
        logits[0, 1] = logits[1, second] = 0.0
        return run(AllowedSetLoss(), logits, allowed, scheme, lengths=[2])[0].sum()

    assert loss(3) < 1e-6
    assert loss(4) > 0.5


def test_no_legal_sequence_is_an_infinite_loss():
    scheme = TagScheme("BIO", ("X",))
    allowed = np.array([[False, False, True], [True, False, False]])
    assert not np.isfinite(run(AllowedSetLoss(), np.zeros((2, 3)), allowed, scheme, lengths=[2])[0]).all()


def test_class_weights_are_capped():
    loss = AllowedSetLoss(weight_exponent=0.5, weight_cap=10.0)
    weights = loss.class_weights([2_315_000, 40_000, 3, 0])
    assert weights[0] == pytest.approx(1.0, abs=0.02)
    assert 1 < weights[1] < 10
    assert weights[2] == weights[3] == 10.0
    assert AllowedSetLoss().class_weights([5, 1, 0]).tolist() == [1.0, 1.0, 1.0]
