import numpy as np
import pytest

from ner11.pipeline.confidence import find_spans, tags_to_spans, token_entropies, token_marginals
from ner11.pipeline.tags import TagScheme
from tests.pipeline.enumeration import legal_sequences, score

LENGTHS = [3, 0, 1, 4, 2]
SCHEMES = ["BIO", "BILUO", "IO"]


@pytest.fixture
def logits():
    return np.random.default_rng(5).normal(scale=3, size=(sum(LENGTHS), 9)).astype("float32")


def spans_of(sequence, scheme):
    return {(start, end, scheme.labels[label]) for start, end, label in tags_to_spans(sequence, scheme)}


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("BIO", "B-X I-X B-X O B-Y B-Y I-Y", [(0, 2, 0), (2, 3, 0), (4, 5, 1), (5, 7, 1)]),
        ("BILUO", "B-X L-X U-X O U-Y B-Y L-Y", [(0, 2, 0), (2, 3, 0), (4, 5, 1), (5, 7, 1)]),
        ("IO", "I-X I-X I-X O I-Y I-Y I-Y", [(0, 2, 0), (2, 3, 0), (4, 5, 1), (5, 7, 1)]),
        ("IO", "O O O O O O O", []),
    ],
)
def test_tags_of_several_documents_are_read_as_spans(name, tags, expected):
    scheme = TagScheme(name, ("X", "Y"))
    numbers = [scheme.tags.index(tag) for tag in tags.split()]
    assert [tuple(span) for span in tags_to_spans(numbers, scheme, np.array([0, 2, 5])).tolist()] == expected


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_confidence_is_the_share_of_the_legal_sequences_that_have_the_span(name, temperature, logits):
    scheme = TagScheme(name, ("X", "Y"))
    logits = logits[:, : len(scheme)]
    found = find_spans(logits, LENGTHS, scheme, temperature=temperature)
    assert sum(map(len, found)) > 2
    for spans, rows in zip(found, np.split(logits, np.cumsum(LENGTHS)[:-1]), strict=True):
        if not len(rows):
            assert spans == []
            continue
        sequences = legal_sequences(scheme, len(rows))
        masses = np.exp([score(rows / temperature, sequence) for sequence in sequences])
        best = max(sequences, key=lambda sequence: score(rows, sequence))
        assert {(span.start, span.end, span.label) for span in spans} == spans_of(best, scheme)
        for span in spans:
            has = [(span.start, span.end, span.label) in spans_of(sequence, scheme) for sequence in sequences]
            assert span.confidence == pytest.approx(masses[has].sum() / masses.sum(), rel=1e-5)


def test_temperature_changes_confidences_not_entities(logits):
    scheme = TagScheme("BIO", ("X", "Y"))
    cold, hot = (find_spans(logits[:, :5], LENGTHS, scheme, temperature=t) for t in (1.0, 5.0))
    assert [[s.label for s in spans] for spans in cold] == [[s.label for s in spans] for spans in hot]
    assert max(s.confidence for spans in hot for s in spans) < max(s.confidence for spans in cold for s in spans)


def test_entities_neither_start_nor_end_with_blanks():
    scheme = TagScheme("BIO", ("X",))
    logits = np.zeros((5, 3))
    logits[1:3, 0] = 1.0
    logits[0, 1] = logits[3, 1] = logits[4, 2] = 5.0
    (spans,) = find_spans(logits, [5], scheme, blank=np.array([True, False, False, False, True]))
    assert [(span.start, span.end) for span in spans] == [(3, 4)]


def test_a_blank_that_is_cut_off_costs_no_confidence():
    scheme = TagScheme("BIO", ("X",))
    logits = np.zeros((3, 3))
    logits[0, 0] = logits[1, 1] = logits[2, 2] = 9.0
    (whole,) = find_spans(logits, [3], scheme)[0]
    (cut,) = find_spans(logits, [3], scheme, blank=np.array([False, False, True]))[0]
    assert (whole.start, whole.end, cut.start, cut.end) == (1, 3, 1, 2)
    assert cut.confidence == pytest.approx(whole.confidence, abs=0.01)
    assert cut.confidence > 0.9


@pytest.mark.parametrize("name", SCHEMES)
def test_documents_do_not_depend_on_their_batch(name, logits):
    scheme = TagScheme(name, ("X", "Y"))
    logits = logits[:, : len(scheme)]
    together = find_spans(logits, LENGTHS, scheme)
    starts = np.cumsum([0, *LENGTHS])
    alone = [find_spans(logits[a : a + n], [n], scheme)[0] for a, n in zip(starts, LENGTHS, strict=False)]
    for first, second in zip(together, alone, strict=True):
        assert [(s.start, s.end, s.label) for s in first] == [(s.start, s.end, s.label) for s in second]
        np.testing.assert_allclose([s.confidence for s in first], [s.confidence for s in second], atol=1e-12)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_marginals_are_the_shares_of_the_legal_sequences_that_have_the_tag(name, temperature, logits):
    scheme = TagScheme(name, ("X", "Y"))
    logits = logits[:, : len(scheme)]
    marginals = token_marginals(logits, LENGTHS, scheme, temperature=temperature)
    starts = np.cumsum([0, *LENGTHS])
    for start, length in zip(starts, LENGTHS, strict=False):
        rows = logits[start : start + length]
        sequences = np.array(legal_sequences(scheme, length)) if length else np.zeros((0, 0), dtype=int)
        masses = np.exp([score(rows / temperature, sequence) for sequence in sequences])
        for token in range(length):
            shares = np.bincount(sequences[:, token], weights=masses, minlength=len(scheme)) / masses.sum()
            np.testing.assert_allclose(marginals[start + token], shares, atol=1e-6)


def test_entropy_is_that_of_the_marginals():
    scheme = TagScheme("BIO", ("X",))
    certain = np.array([[50.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    np.testing.assert_allclose(token_entropies(certain, [2], scheme), 0, atol=1e-12)
    # Of one token, only O and B are legal.
    np.testing.assert_allclose(token_entropies(np.zeros((1, 3)), [1], scheme), np.log(2))


def test_no_text_has_no_entities():
    scheme = TagScheme("BIO", ("X",))
    assert find_spans(np.zeros((0, 3)), [], scheme) == []
    assert find_spans(np.zeros((0, 3)), [0, 0], scheme) == [[], []]
