import numpy as np
import pytest

from ner11.evaluation.texts import TestText
from ner11.evaluation.thresholds import choose_thresholds, threshold_curve


def make_text(predicted=(), missed=(), *, ambiguous=(), coverage=None):
    """A text of single-letter tokens with predictions, as (label, confidence, right), and labels of missed spans."""
    gold = [(i, i + 1, label) for i, (label, _, right) in enumerate(predicted) if right]
    gold += [(100 + i, 101 + i, label) for i, label in enumerate((*missed, *ambiguous))]
    letters = np.arange(200, dtype=np.int32)
    return TestText(
        text="x" * 200,
        source="s",
        tier="gold",
        document="d",
        gold=gold,
        coverage=coverage,
        token_starts=letters,
        token_ends=letters + 1,
        predicted=[(i, i + 1, label) for i, (label, _, _) in enumerate(predicted)],
        confidences=[confidence for _, confidence, _ in predicted],
    )


def rows(label, *rights):
    """Predictions of growing confidence: 0.01, 0.02, ..."""
    return [(label, round(0.01 * i, 2), right) for i, right in enumerate(rights, 1)]


def at(curve, threshold):
    return next(point for point in curve if point["threshold"] == threshold)


def test_a_dropped_hit_is_a_miss():
    curve = threshold_curve([make_text([("A", 0.3, True), ("A", 0.7, True), ("B", 0.5, False)], ["A"])])
    assert at(curve, 0.0) == {"threshold": 0.0, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "predicted": 3}
    assert at(curve, 0.6) == {"threshold": 0.6, "precision": 1.0, "recall": 1 / 3, "f1": 0.5, "predicted": 1}
    assert at(curve, 0.99) == {"threshold": 0.99, "precision": None, "recall": 0.0, "f1": 0.0, "predicted": 0}


def test_a_prediction_at_the_threshold_is_kept():
    curve = threshold_curve([make_text([("A", 0.5, True)])])
    assert (at(curve, 0.5)["predicted"], at(curve, 0.55)["predicted"]) == (1, 0)


def test_the_curve_grows_in_steps_and_loses_recall_on_the_way():
    text = make_text([("A", value, value > 0.4) for value in np.linspace(0.02, 1.0, 50)])
    curve = threshold_curve([text])
    thresholds, recalls = zip(*((point["threshold"], point["recall"]) for point in curve), strict=True)
    assert thresholds == (*np.round(np.arange(20) * 0.05, 2), 0.99)
    assert list(recalls) == sorted(recalls, reverse=True) and recalls[0] == 1.0 and recalls[-1] > 0


def test_what_is_neither_right_nor_wrong_is_on_no_side():
    curve = threshold_curve([make_text([("A", 0.9, True), ("B", 0.9, False)], coverage=frozenset("A"))])
    assert (curve[0]["precision"], curve[0]["predicted"]) == (1.0, 1)


@pytest.mark.parametrize(
    "texts", [[], [make_text(missed=["A"])], [make_text([("A", None, True)])]], ids=["no text", "no prediction", "no value"]
)
def test_without_confidences_there_is_nothing_to_cut(texts):
    assert threshold_curve(texts) == [] and choose_thresholds(texts, texts) is None


def choose(dev, test=(), wished=0.9):
    return choose_thresholds([make_text(dev)], [make_text(test)], wished=wished)["labels"]


@pytest.mark.parametrize(
    ("rights", "wished", "threshold"),
    [
        pytest.param([False] * 3 + [True] * 10, 1.0, 0.04, id="only the surest"),
        pytest.param([False] * 3 + [True] * 18, 0.9, 0.02, id="some errors are allowed"),
        pytest.param([False] + [True] * 9, 0.9, 0.0, id="all are precise enough, to the last"),
        pytest.param([False] + [True] * 9 + [False] + [True] * 10, 0.9, 0.0, id="the lowest, though a higher one fails"),
        pytest.param([False] * 2 + [True] * 9, 1.0, None, id="too few would be left"),
        pytest.param([True] * 10 + [False], 1.0, None, id="the surest is wrong"),
    ],
)
def test_the_lowest_confidence_with_the_wished_precision_is_chosen_on_dev(rights, wished, threshold):
    row = choose(rows("A", *rights), wished=wished)["A"]
    assert row["threshold"] == threshold
    expected = "" if threshold is not None else "precision 1 not reached on dev with 10 predictions left"
    assert row["note"] == expected


def test_equal_confidences_are_kept_or_dropped_together():
    dev = [("A", 0.5, False), *[("A", 0.5, True)] * 10, ("A", 0.4, False), *[("A", 0.8, True)] * 10]
    row = choose(dev, wished=1.0)["A"]
    assert (row["threshold"], row["dev"]) == (0.8, {"precision": 1.0, "recall": 0.5, "predicted": 10})


def test_a_threshold_is_checked_on_test():
    dev = rows("A", False, *[True] * 10)
    test = [("A", 0.01, True), ("A", 0.02, True), ("A", 0.03, False), ("B", 0.9, False)]
    row = choose(dev, test, wished=1.0)["A"]
    assert row["threshold"] == 0.02
    assert row["test"] == {"precision": 0.5, "recall": 0.5, "predicted": 2}


def test_without_a_threshold_the_figures_are_those_of_all_predictions():
    row = choose(rows("A", True, False))["A"]
    assert (row["threshold"], row["note"]) == (None, "2 predictions on dev, under 10")
    assert row["dev"] == {"precision": 0.5, "recall": 1.0, "predicted": 2}
    assert row["test"] == {"precision": None, "recall": None, "predicted": 0}


def test_a_label_that_is_never_predicted_has_a_row_and_an_ambiguous_one_has_none():
    text = make_text(rows("A", True), missed=["NEVER"], ambiguous=["A|NEVER"])
    labels = choose_thresholds([text], [text])["labels"]
    assert list(labels) == ["A", "NEVER"]
    assert labels["NEVER"]["dev"] == {"precision": None, "recall": 0.0, "predicted": 0}
    assert labels["A"]["dev"]["recall"] == 1.0
