from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.evaluation.matching import SCHEMES, confusion, credit, match_spans
from ner11.pipeline.scoring import Comparison, compare_spans, count_labels, total

BORDERS = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda place: (place[0], sum(place)))


@st.composite
def comparisons(draw):
    """Comparisons of spans that may overlap, on one side too."""
    gold = draw(st.dictionaries(BORDERS, st.sampled_from(["A", "B", "A|B", "B|C", "?"]), max_size=5))
    predicted = draw(st.lists(st.tuples(BORDERS, st.sampled_from("ABC")), max_size=5))
    coverage = draw(st.sampled_from([None, None, {"A", "B"}]))
    return compare_spans([(*place, label) for place, label in gold.items()], [(*p, label) for p, label in predicted], coverage)


def kinds(gold, predicted, coverage=None):
    """Compare and match spans; give gold, predicted and kind of each match."""
    matches = match_spans(compare_spans(gold, predicted, coverage))
    return [(match.gold, match.predicted, match.kind) for match in matches]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        pytest.param([(0, 4, "A")], [(0, 4, "A")], [(0, 0, "hit")], id="hit"),
        pytest.param([(0, 4, "A")], [(0, 4, "B")], [(0, 0, "type")], id="type"),
        pytest.param([(0, 4, "A")], [(2, 8, "A")], [(0, 0, "boundary")], id="boundary"),
        pytest.param([(0, 4, "A")], [(2, 8, "B")], [(0, 0, "both")], id="both"),
        pytest.param([(0, 4, "A")], [], [(0, None, "missed")], id="missed"),
        pytest.param([], [(0, 4, "A")], [(None, 0, "spurious")], id="spurious"),
        pytest.param([(0, 4, "A")], [(4, 8, "A")], [(0, None, "missed"), (None, 0, "spurious")], id="touching"),
        pytest.param([(4, 8, "A")], [(0, 4, "A")], [(None, 0, "spurious"), (0, None, "missed")], id="touching before"),
        pytest.param([(0, 4, "A|B")], [(0, 5, "B")], [(0, 0, "boundary")], id="ambiguous, boundary"),
        pytest.param([(0, 4, "A|B")], [(0, 4, "C")], [(0, 0, "type")], id="ambiguous, type"),
        pytest.param([(0, 4, "AB|C")], [(0, 5, "A")], [(0, 0, "both")], id="part of a name of a label"),
        pytest.param(
            [(0, 10, "A")], [(0, 4, "A"), (0, 10, "A")], [(None, 0, "spurious"), (0, 1, "hit")], id="the hit before an overlap"
        ),
        pytest.param(
            [(0, 10, "A")],
            [(0, 4, "A"), (0, 10, "B")],
            [(None, 0, "spurious"), (0, 1, "type")],
            id="the overlap before the label",
        ),
        pytest.param([(0, 9, "A")], [(0, 4, "B"), (5, 9, "A")], [(None, 0, "spurious"), (0, 1, "boundary")], id="then the label"),
        pytest.param(
            [(0, 9, "A")], [(0, 4, "A"), (5, 9, "A")], [(0, 0, "boundary"), (None, 1, "spurious")], id="then the position"
        ),
        pytest.param(
            [(0, 4, "A"), (5, 9, "A")], [(0, 9, "A")], [(0, 0, "boundary"), (1, None, "missed")], id="one over two, the first"
        ),
        pytest.param(
            [(0, 4, "A"), (4, 11, "A")],
            [(2, 8, "A"), (8, 11, "A")],
            [(0, 0, "boundary"), (1, 1, "boundary")],
            id="two overlaps of 2 and 3 before one of 4",
        ),
        pytest.param(
            [(0, 4, "A"), (20, 24, "A")],
            [(1, 4, "A"), (20, 25, "B")],
            [(0, 0, "boundary"), (1, 1, "both")],
            id="apart",
        ),
    ],
)
def test_spans_are_matched_by_overlap(gold, predicted, expected, order):
    named = [(None if i is None else gold[i], None if j is None else predicted[j], kind) for i, j, kind in expected]
    # A hit's annotated span has the predicted label.
    named = [(found, found, kind) if kind == "hit" else (want, found, kind) for want, found, kind in named]
    assert kinds(gold[::order], predicted[::order]) == named


def test_a_hit_on_an_ambiguous_span_has_the_predicted_label():
    assert kinds([(0, 4, "A|B")], [(0, 4, "B")]) == [((0, 4, "B"), (0, 4, "B"), "hit")]


@pytest.mark.parametrize(
    ("gold", "predicted", "left"),
    [
        pytest.param([(0, 4, "A")], [(0, 5, "B")], [((0, 4, "A"), None, "missed")], id="not covered"),
        pytest.param([(0, 4, "?")], [(0, 5, "A")], [], id="unknown"),
    ],
)
def test_ignored_predictions_take_no_part(gold, predicted, left):
    assert kinds(gold, predicted, coverage={"A"}) == left


def best(gold, predicted):
    """Give the largest overlap of all pairings, and the most right labels with it, by trying all."""
    if not gold:
        return 0, 0
    (start, end, allowed), rest = gold[0], gold[1:]
    found = [best(rest, predicted)]
    for i, (other_start, other_end, label) in enumerate(predicted):
        overlap = min(end, other_end) - max(start, other_start)
        if overlap > 0:
            more, right = best(rest, predicted[:i] + predicted[i + 1 :])
            found.append((overlap + more, (label in allowed.split("|")) + right))
    return max(found)


@given(comparisons())
def test_no_pairing_has_a_larger_overlap_or_as_large_a_one_and_more_labels_right(comparison):
    pairs = [match for match in match_spans(comparison) if match.kind in ("type", "boundary", "both")]
    overlap = sum(min(m.gold[1], m.predicted[1]) - max(m.gold[0], m.predicted[0]) for m in pairs)
    right = sum(m.predicted[2] in m.gold[2].split("|") for m in pairs)
    assert (overlap, right) == best(comparison.missed, comparison.spurious)


@given(comparisons())
def test_every_span_is_in_one_match(comparison):
    matches = match_spans(comparison)
    assert Counter(m.gold for m in matches if m.gold) == Counter(comparison.hits + comparison.missed)
    assert Counter(m.predicted for m in matches if m.predicted) == Counter(comparison.hits + comparison.spurious)


@given(comparisons(), st.randoms(use_true_random=False))
def test_the_order_of_the_spans_does_not_matter(comparison, random):
    mixed = [random.sample(spans, len(spans)) for spans in (comparison.hits, comparison.spurious, comparison.missed)]
    assert match_spans(Comparison(*mixed)) == match_spans(comparison)


@given(st.lists(comparisons(), max_size=3))
def test_credit_adds_up_and_its_strict_f1_is_that_of_exact_matches(many):
    counts = total(count_labels(many).values())
    scores = credit(match for comparison in many for match in match_spans(comparison))
    assert list(scores) == list(SCHEMES)
    for row in scores.values():
        paired = row["correct"] + row["incorrect"] + row["partial"]
        assert paired + row["missed"] == counts.tp + counts.fn
        assert paired + row["spurious"] == counts.tp + counts.fp
    strict = scores["strict"]
    assert (strict["precision"], strict["recall"], strict["f1"]) == (counts.precision, counts.recall, counts.f1)


# One match of each kind, and a second hit and missed span, in two texts.
TEXTS = [
    compare_spans(
        [(0, 4, "A"), (10, 14, "A|B"), (20, 24, "A"), (30, 34, "A")],
        [(0, 4, "A"), (10, 14, "B"), (20, 24, "B"), (30, 36, "A")],
    ),
    compare_spans([(0, 4, "A|B"), (10, 14, "B"), (20, 24, "B")], [(1, 4, "C"), (30, 34, "C")]),
]


@pytest.fixture
def matches():
    return [match for comparison in TEXTS for match in match_spans(comparison)]


@pytest.mark.parametrize(
    ("scheme", "correct", "incorrect", "partial", "precision", "recall"),
    [
        ("strict", 2, 3, 0, 2 / 6, 2 / 7),
        ("exact", 3, 2, 0, 3 / 6, 3 / 7),
        ("partial", 3, 0, 2, 4 / 6, 4 / 7),
        ("type", 3, 2, 0, 3 / 6, 3 / 7),
    ],
)
def test_credit_follows_semeval(matches, scheme, correct, incorrect, partial, precision, recall):
    f1 = 2 * precision * recall / (precision + recall)
    assert credit(matches)[scheme] == {
        "correct": correct,
        "incorrect": incorrect,
        "partial": partial,
        "missed": 2,
        "spurious": 1,
        **{"precision": pytest.approx(precision), "recall": pytest.approx(recall), "f1": pytest.approx(f1)},
    }


def test_credit_of_a_right_label_over_other_borders_is_the_type_schemes_alone():
    scores = credit(match_spans(compare_spans([(0, 4, "A")], [(0, 6, "A")])))
    assert {scheme: row["f1"] for scheme, row in scores.items()} == {"strict": 0, "exact": 0, "partial": 0.5, "type": 1}


@pytest.mark.parametrize(
    ("gold", "predicted", "precision", "recall", "f1"),
    [
        pytest.param([], [], None, None, None, id="nothing"),
        pytest.param([(0, 4, "A")], [], None, 0, 0, id="never predicted"),
        pytest.param([], [(0, 4, "A")], 0, None, 0, id="never annotated"),
    ],
)
def test_undefined_figures_are_none(gold, predicted, precision, recall, f1):
    row = credit(match_spans(compare_spans(gold, predicted)))["partial"]
    assert (row["precision"], row["recall"], row["f1"]) == (precision, recall, f1)


def test_confusions_have_boundary_errors_apart(matches):
    assert confusion(matches)["cells"] == [
        {"gold": gold, "predicted": predicted, "exact": exact, "boundary": boundary}
        for gold, predicted, exact, boundary in [
            ("A", "A", 1, 1),
            ("A", "B", 1, 0),
            ("A|B", "C", 0, 1),
            ("B", "B", 1, 0),
            ("B", "MISSED", 2, 0),
            ("SPURIOUS", "C", 1, 0),
        ]
    ]
