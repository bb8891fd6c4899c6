import numpy as np
import pytest

from ner11.evaluation.calibration import calibrate, calibrate_labels, find_bins, measure_calibration
from ner11.evaluation.texts import TestText

LETTERS = np.arange(1000, dtype=np.int32)


def make_text(spans, *, document="d", coverage=None):
    """A text of single-letter tokens with predicted spans, given as (label, confidence, right)."""
    return TestText(
        text="x" * len(spans),
        source="s",
        tier="gold",
        document=document,
        gold=[(i, i + 1, label) for i, (label, _, right) in enumerate(spans) if right],
        coverage=coverage,
        token_starts=LETTERS[: len(spans)],
        token_ends=LETTERS[: len(spans)] + 1,
        predicted=[(i, i + 1, label) for i, (label, _, _) in enumerate(spans)],
        confidences=[confidence for _, confidence, _ in spans],
    )


def draw(spans, *, sharpen=1.0):
    """Confidences, and whether each is right, drawn with that probability raised to a power."""
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.2, 1.0, spans)
    return confidences, rng.random(spans) < confidences**sharpen


def test_confidences_that_mean_what_they_say_have_no_error():
    assert measure_calibration(*draw(50_000))["ece"] < 0.01


def test_the_error_is_the_mean_gap():
    confidences, right = draw(50_000, sharpen=2.0)
    # The mean of x - x² over 0.2 to 1.
    assert measure_calibration(confidences, right)["ece"] == pytest.approx(0.6 - 0.992 / 2.4, abs=0.01)


def test_two_spans_by_hand():
    measured = measure_calibration([0.9, 0.6], [0, 1])
    assert measured == {
        "spans": 2,
        "ece": pytest.approx((0.9 + 0.4) / 2),
        "brier": pytest.approx((0.81 + 0.16) / 2),
        "bins": [
            {"low": 0.6, "high": 0.6, "spans": 1, "confidence": 0.6, "accuracy": 1.0},
            {"low": 0.9, "high": 0.9, "spans": 1, "confidence": 0.9, "accuracy": 0.0},
        ],
    }


@pytest.mark.parametrize("spans", [10, 25, 1000, 1009])
def test_bins_have_as_many_spans_each_however_confidences_are_spread(spans):
    confidences = np.random.default_rng(0).random(spans) ** 0.05
    counts = np.bincount(find_bins(confidences))
    assert len(counts) == 10 and counts.max() - counts.min() <= 1


def test_equal_confidences_are_in_one_bin_in_any_order():
    """Else the order of the spans would decide which bin gets the wrong ones."""
    confidences, right = np.repeat([0.5, 0.9], [30, 70]), np.arange(100) % 2
    order = np.random.default_rng(0).permutation(100)
    measured = measure_calibration(confidences, right)
    assert [row["spans"] for row in measured["bins"]] == [30, 70]
    assert measure_calibration(confidences[order], right[order])["ece"] == pytest.approx(measured["ece"]) == 0.7 * 0.4


def test_what_is_neither_right_nor_wrong_does_not_count():
    text = make_text([("A", 0.8, True), ("B", 0.9, False), ("A", 0.6, False)], coverage=frozenset("A"))
    assert calibrate([text])["spans"] == 2


def test_missed_spans_have_no_confidence():
    text = make_text([("A", 0.8, True)])
    text.gold.append((1, 2, "A"))
    assert calibrate([text])["brier"] == pytest.approx(0.04)


@pytest.mark.parametrize("texts", [[], [make_text([])], [make_text([("A", None, True)])]], ids=["no text", "no span", "no value"])
def test_without_confidences_there_is_no_calibration(texts):
    assert calibrate(texts) is None and calibrate_labels(texts) == {}


def test_intervals_are_over_documents():
    """Twenty spans that are right or wrong together say as little as one, and the figures do not change by it."""
    confidences, right = draw(200)
    spans = [("A", confidence, bool(truth)) for confidence, truth in zip(confidences, right, strict=True)]
    alone = calibrate([make_text([span], document=f"d{i}") for i, span in enumerate(spans)])
    together = calibrate([make_text([span] * 20, document=f"d{i}") for i, span in enumerate(spans)])
    assert together["brier"] == pytest.approx(alone["brier"])
    assert together["brier_interval"] == pytest.approx(alone["brier_interval"], abs=1e-6)
    assert together["ece_interval"] == pytest.approx(alone["ece_interval"], abs=1e-6)


def test_the_interval_of_the_brier_score_is_that_of_the_textbook():
    confidences, right = draw(400)
    texts = [
        make_text([("A", value, bool(truth))], document=f"d{i}")
        for i, (value, truth) in enumerate(zip(confidences, right, strict=True))
    ]
    measured, errors = calibrate(texts), (confidences - right) ** 2
    low, high = measured["brier_interval"]
    half = 1.96 * errors.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((errors.mean() - half, errors.mean() + half), abs=0.004)
    assert measured["ece_interval"][0] < measured["ece"] < measured["ece_interval"][1]


def test_gaps_of_bins_do_not_cancel_out():
    spans = [*[("A", 0.9, i % 2 == 0) for i in range(50)], *[("A", 0.1, i % 2 == 0) for i in range(50)]]
    measured = calibrate([make_text([span], document=f"d{i}") for i, span in enumerate(spans)])
    low, high = measured["ece_interval"]
    assert measured["ece"] == pytest.approx(0.4) and 0.25 < low < 0.4 < high < 0.55


def test_a_resample_without_predictions_does_not_count():
    """One in four resamples of two documents has only the second, which leaves nothing to measure."""
    measured = calibrate([make_text([("A", 0.8, True)]), make_text([], document="e")])
    assert measured["brier_interval"] == pytest.approx([0.04, 0.04])


def test_a_seed_gives_the_same_intervals():
    texts = [make_text([("A", value, value > 0.5)], document=str(value)) for value in draw(20)[0].tolist()]
    assert calibrate(texts, seed=1) == calibrate(texts, seed=1) != calibrate(texts, seed=2)


def test_labels_have_figures_of_their_own_if_predicted_often_enough():
    spans = [*[("SURE", 0.9, False)] * 5, *[("SURE", 0.9, True)] * 5, *[("RARE", 0.5, True)] * 9]
    labels = calibrate_labels([make_text(spans)])
    assert labels == {"SURE": {"spans": 10, "confidence": pytest.approx(0.9), "accuracy": 0.5, "gap": pytest.approx(0.4)}}
