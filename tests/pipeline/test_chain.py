import numpy as np
import pytest

from ner11.pipeline.chain import Packing, backward, closed_mass, forward, viterbi, weights_of
from ner11.pipeline.tags import TagScheme
from tests.pipeline.enumeration import legal_sequences, score

LENGTHS = [3, 0, 1, 4, 2]
SCHEMES = ["BIO", "BILUO", "IO"]


@pytest.fixture
def logits():
    return np.random.default_rng(1).normal(scale=2, size=(sum(LENGTHS), 9))


def documents(values):
    return np.split(values, np.cumsum(LENGTHS)[:-1])


def test_packing_puts_the_tokens_of_a_step_side_by_side():
    packing = Packing.of([2, 0, 3, 1])
    tokens = np.array(["a0", "a1", "c0", "c1", "c2", "d0"])
    assert packing.pack(tokens).tolist() == ["c0", "a0", "d0", "c1", "a1", "c2"]
    assert packing.unpack(packing.pack(tokens)).tolist() == tokens.tolist()
    assert packing.pack(tokens)[packing.last].tolist() == ["d0", "a1", "c2"]


def test_no_documents_and_empty_documents_pass():
    scheme = TagScheme("BIO", ("X",))
    for lengths in ([], [0, 0]):
        packing = Packing.of(lengths)
        assert len(viterbi(np.zeros((0, 3)), packing, scheme)) == 0
        assert len(forward(np.zeros((0, 3)), packing, scheme)[0]) == 0
        assert len(backward(np.zeros((0, 3)), packing, scheme)[0]) == 0


@pytest.mark.parametrize("name", SCHEMES)
def test_viterbi_finds_the_best_of_all_legal_sequences(name, logits):
    scheme = TagScheme(name, ("X", "Y"))
    logits = logits[:, : len(scheme)]
    packing = Packing.of(LENGTHS)
    found = packing.unpack(viterbi(packing.pack(logits), packing, scheme))
    for tags, rows in zip(documents(found), documents(logits), strict=True):
        if len(rows):
            assert tuple(tags) == max(legal_sequences(scheme, len(rows)), key=lambda sequence: score(rows, sequence))


@pytest.mark.parametrize("name", SCHEMES)
def test_viterbi_never_breaks_a_rule_even_where_the_logits_do(name):
    scheme = TagScheme(name, ("X", "Y"))
    logits = np.zeros((4, len(scheme)))
    logits[:, -1] = 50.0  # the last inner tag, everywhere
    packing = Packing.of([4])
    tags = tuple(packing.unpack(viterbi(packing.pack(logits), packing, scheme)).tolist())
    assert tags in legal_sequences(scheme, 4)


@pytest.mark.parametrize("name", SCHEMES)
def test_forward_and_backward_give_the_marginals_of_all_legal_sequences(name, logits):
    scheme = TagScheme(name, ("X", "Y"))
    logits = logits[:, : len(scheme)]
    packing = Packing.of(LENGTHS)
    weights = weights_of(packing.pack(logits))
    alpha, scales = forward(weights, packing, scheme)
    joint = alpha * backward(weights, packing, scheme)[0]
    marginals = packing.unpack(joint / joint.sum(axis=1, keepdims=True))
    logs = packing.unpack(np.log(scales) + packing.pack(logits.max(axis=1)))
    ends = np.log(closed_mass(packing.unpack(alpha), scheme))
    for rows, found, log, end in zip(*map(documents, (logits, marginals, logs, ends)), strict=True):
        if not len(rows):
            continue
        sequences = legal_sequences(scheme, len(rows))
        probabilities = np.exp([score(rows, sequence) for sequence in sequences])
        assert log.sum() + end[-1] == pytest.approx(np.log(probabilities.sum()))
        expected = np.zeros_like(rows)
        for sequence, probability in zip(sequences, probabilities / probabilities.sum(), strict=True):
            expected[np.arange(len(rows)), list(sequence)] += probability
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_document_does_not_depend_on_the_others():
    rng = np.random.default_rng(0)
    scheme = TagScheme("BIO", tuple("ABCDE"))
    lengths = [17, 1, 0, 300, 40]
    logits = rng.normal(scale=5, size=(sum(lengths), len(scheme)))
    packing = Packing.of(lengths)
    together = packing.unpack(forward(weights_of(packing.pack(logits)), packing, scheme)[0])
    start = 0
    for length in lengths:
        alone = forward(weights_of(logits[start : start + length]), Packing.of([length]), scheme)[0]
        np.testing.assert_array_equal(alone, together[start : start + length])
        start += length


def test_extreme_logits_stay_finite():
    scheme = TagScheme("BIO", ("X", "Y"))
    logits = np.full((2_000, len(scheme)), -3e4)
    logits[::2, 0], logits[1::2, 1] = 3e4, 3e4
    packing = Packing.of([len(logits)])
    weights = weights_of(logits)
    for values in (*forward(weights, packing, scheme), *backward(weights, packing, scheme)):
        assert np.isfinite(values).all()
