import math

import numpy as np
import pytest

from ner11.active import uncertainty
from ner11.pipeline.tags import TagScheme
from tests.pipeline.enumeration import legal_sequences, score

LENGTHS = [3, 0, 1, 4]


def make(name="BIO", labels=("A", "B"), seed=0):
    scheme = TagScheme(name, labels)
    return scheme, np.random.default_rng(seed).normal(0, 2, size=(sum(LENGTHS), len(scheme)))


def by_text(logits):
    return np.split(logits, np.cumsum(LENGTHS)[:-1])


def path_probabilities(own, scheme, temperature):
    """All legal paths of a text with their probabilities, by brute force."""
    paths = legal_sequences(scheme, len(own))
    weights = np.exp([score(own / temperature, path) for path in paths])
    return paths, weights / weights.sum()


def marginals(own, scheme):
    paths, probabilities = path_probabilities(own, scheme, 1.0)
    found = np.zeros_like(own)
    for path, probability in zip(paths, probabilities, strict=True):
        found[np.arange(len(path)), list(path)] += probability
    return found


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize(("name", "labels"), [("BIO", ("A", "B")), ("BILUO", ("A",)), ("IO", ("A", "B"))])
def test_least_confidence_is_the_probability_of_the_best_legal_path(name, labels, temperature):
    scheme, logits = make(name, labels)
    expected = [-math.log(path_probabilities(own, scheme, temperature)[1].max()) if len(own) else 0.0 for own in by_text(logits)]
    found = uncertainty.least_confidence(logits, LENGTHS, scheme, temperature=temperature)
    assert found == pytest.approx(expected)
    normalized = uncertainty.mnlp(logits, LENGTHS, scheme, temperature=temperature)
    assert normalized == pytest.approx([value / max(1, length) for value, length in zip(expected, LENGTHS, strict=True)])


def test_entropies_are_of_the_marginals_under_the_chain():
    scheme, logits = make()
    found = [marginals(own, scheme) for own in by_text(logits) if len(own)]
    expected = [-(own * np.log(own.clip(1e-300))).sum() for own in found]
    total = uncertainty.total_token_entropy(logits, LENGTHS, scheme)
    assert total[[0, 2, 3]] == pytest.approx(expected)
    assert total[1] == 0
    assert uncertainty.mean_token_entropy(logits, LENGTHS, scheme) == pytest.approx(total / np.maximum(LENGTHS, 1))


def test_the_margin_is_that_of_the_closest_token():
    scheme, logits = make()
    expected = []
    for own in by_text(logits):
        ordered = np.sort(marginals(own, scheme), axis=1) if len(own) else np.array([[0.0, 1.0]])
        expected.append(1 - (ordered[:, -1] - ordered[:, -2]).min())
    assert uncertainty.breaking_ties(logits, LENGTHS, scheme) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["BIO", "BILUO"])
def test_boundary_entropy_is_that_of_where_spans_begin_and_end(name):
    scheme, logits = make(name, ("A",))
    expected = []
    for own in by_text(logits):
        begins, ends = np.zeros(len(own)), np.zeros(len(own))
        paths, probabilities = path_probabilities(own, scheme, 1.0) if len(own) else ([], [])
        for path, probability in zip(paths, probabilities, strict=True):
            letters = [scheme.tags[tag][0] for tag in path]
            for i, letter in enumerate(letters):
                begins[i] += probability * (letter in "BU")
                following = letters[i + 1] if i + 1 < len(letters) else "O"
                ends[i] += probability * (letter != "O" and following not in "IL")
        values = np.concatenate((begins, ends)).clip(1e-12, 1 - 1e-12)
        expected.append(-(values * np.log(values) + (1 - values) * np.log(1 - values)).sum() / max(1, len(own)))
    assert uncertainty.boundary_entropy(logits, LENGTHS, scheme) == pytest.approx(expected, abs=1e-6)


def test_boundary_entropy_does_not_care_about_labels():
    scheme = TagScheme("BIO", ("A", "B"))
    certain, torn = np.full((2, 5), -20.0), np.full((2, 5), -20.0)
    certain[:, 1] = torn[:, 1] = torn[:, 2] = 20.0  # B-A; B-A or B-B
    assert uncertainty.boundary_entropy(torn, [2], scheme) == pytest.approx([0], abs=1e-6)
    assert uncertainty.mean_token_entropy(torn, [2], scheme)[0] > 0.5
    assert uncertainty.mean_token_entropy(certain, [2], scheme) == pytest.approx([0], abs=1e-6)


def test_boundary_entropy_refuses_tags_without_borders():
    scheme, logits = make("IO")
    with pytest.raises(ValueError, match="scheme IO"):
        uncertainty.boundary_entropy(logits, LENGTHS, scheme)


def test_long_texts_do_not_tie():
    scheme = TagScheme("BIO", ("A",))
    logits = np.zeros((5000, 3))
    found = uncertainty.least_confidence(logits, [2400, 2600], scheme)
    assert found[0] < found[1] < np.inf


def test_bald_is_the_disagreement_of_the_passes_not_their_doubt():
    scheme = TagScheme("BIO", ("A",))
    doubt, first, second = np.zeros((1, 3)), np.array([[9.0, 0, 0]]), np.array([[0, 9.0, 0]])
    assert uncertainty.bald([doubt, doubt], [1], scheme) == pytest.approx([0])
    assert uncertainty.bald([first, second], [1], scheme) == pytest.approx([math.log(2)], abs=0.01)
    assert uncertainty.bald([first, second] * 2, [0, 1], scheme)[0] == 0


def test_dropout_keeps_the_mean_and_its_seed():
    rng = np.random.default_rng(0)
    vectors, weights, bias = rng.normal(size=(4, 50)), rng.normal(size=(3, 50)), np.ones(3)
    draws = uncertainty.drop_out(vectors, weights, bias, draws=4000, dropout=0.3, seed=1)
    assert np.mean(draws, axis=0) == pytest.approx(vectors @ weights.T + bias, abs=0.4)
    assert (uncertainty.drop_out(vectors, weights, bias, draws=1, seed=1)[0] != vectors @ weights.T + bias).all()
    again = uncertainty.drop_out(vectors, weights, bias, draws=4000, dropout=0.3, seed=1)
    assert (again[0] == draws[0]).all()


@pytest.mark.parametrize("measure", [uncertainty.mnlp, uncertainty.total_token_entropy, uncertainty.breaking_ties])
def test_nothing_to_read_has_no_score(measure):
    scheme = TagScheme("BIO", ("A",))
    assert measure(np.zeros((0, 3)), [0, 0], scheme).tolist() == [0, 0]
    assert measure(np.zeros((0, 3)), [], scheme).tolist() == []
