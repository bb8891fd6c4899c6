"""Whether confidences mean what they say: of spans that a model is 80% sure of, 80% should be right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ner11.evaluation.bootstrap import as_interval, percentiles, resample
from ner11.evaluation.texts import TestText

BINS = 10
MIN_PREDICTIONS = 10
"""Predictions of a label below which a mean confidence says nothing."""


@dataclass(frozen=True)
class RatedSpans:
    """Predicted spans that are right or wrong, with their confidence.

    Attributes:
        documents, labels: Document and predicted label of each.
        confidences: Shape (spans,).
        right: Whether borders and label are right, shape (spans,).
    """

    documents: list[str]
    labels: NDArray[np.str_]
    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]


def rate_spans(texts: Iterable[TestText]) -> RatedSpans:
    """Take the predictions that have a confidence and are right or wrong; those that are neither are left out."""
    rows = []
    for text in texts:
        confidence_of = text.confidence_of()
        for spans, right in ((text.comparison.hits, True), (text.comparison.spurious, False)):
            for start, end, label in spans:
                confidence = confidence_of[start, end]
                if confidence is not None:
                    rows.append((text.document, label, confidence, right))
    documents, labels, confidences, truth = zip(*rows, strict=True) if rows else ((), (), (), ())
    return RatedSpans(list(documents), np.array(labels, dtype=np.str_), np.array(confidences, float), np.array(truth, bool))


def find_bins(confidences: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the adaptive bin of each span: as many spans in each, but equal confidences together.

    Bins of equal width would hold most spans in the highest and next to none in others, whose gap is then noise (Nguyen &
    O'Connor 2015; Nixon et al. 2019).

    Args:
        confidences: Shape (spans,); not empty.

    Returns:
        Numbers from 0, the least confident, shape (spans,). No number is left out; there are fewer than BINS if there are fewer
        distinct confidences.
    """
    ranks = np.searchsorted(np.sort(confidences), confidences, "left")
    return np.unique(ranks * BINS // len(confidences), return_inverse=True)[1]


def measure_calibration(confidences: ArrayLike, right: ArrayLike) -> dict[str, Any]:
    """Measure how far confidences are from correctness.

    Args:
        confidences: Of each span, 0 to 1, shape (spans,); not empty.
        right: 1 if it is right, else 0, same shape.

    Returns:
        `spans`, `ece` (expected calibration error: the mean gap of a bin between confidence and accuracy, weighted by spans),
        `brier` (mean squared error of the confidence, Brier 1950), and `bins`, the reliability table: lowest and highest
        confidence, spans, mean confidence, accuracy.
    """
    values, truth = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    bins = find_bins(values)
    spans, confident, correct = np.bincount(bins), np.bincount(bins, values), np.bincount(bins, truth)
    rows = [
        {
            "low": float(values[bins == i].min()),
            "high": float(values[bins == i].max()),
            "spans": int(count),
            "confidence": float(confident[i] / count),
            "accuracy": float(correct[i] / count),
        }
        for i, count in enumerate(spans)
    ]
    return {
        "spans": len(values),
        "ece": float(np.abs(confident - correct).sum() / len(values)),
        "brier": float(np.mean((values - truth) ** 2)),
        "bins": rows,
    }


def calibrate(texts: Sequence[TestText], *, seed: int = 0) -> dict[str, Any] | None:
    """Measure the calibration of predicted spans: their confidence against exact correctness (Jagannatha & Yu 2020).

    Args:
        texts: With predictions.
        seed: Of the resamples.

    Returns:
        What `measure_calibration` gives, with `ece_interval` and `brier_interval`, 95% by resampling documents with the bins
        fixed; None if no prediction has a confidence. Chance gaps only add to an ECE, and those of a resample come on top of
        those of the test set: near perfect calibration the interval lies above the figure.
    """
    rated = rate_spans(texts)
    if not rated.documents:
        return None
    # Texts without predictions are draws too: every document has a row.
    rows = {document: i for i, document in enumerate(sorted({text.document for text in texts}))}
    row, bins = np.array([rows[document] for document in rated.documents]), find_bins(rated.confidences)
    errors = rated.confidences - rated.right
    gaps = np.zeros((len(rows), bins.max() + 1))
    np.add.at(gaps, (row, bins), errors)
    sums = np.zeros((len(rows), 2))
    np.add.at(sums, row, np.stack([errors**2, np.ones_like(errors)], axis=1))
    drawn = resample({"gaps": gaps, "sums": sums}, seed=seed)
    squares, spans = drawn["sums"].T
    with np.errstate(invalid="ignore"):
        ece, brier = percentiles(np.stack([np.abs(drawn["gaps"]).sum(axis=1) / spans, squares / spans], axis=1)).T
    measured = measure_calibration(rated.confidences, rated.right)
    return {**measured, "ece_interval": as_interval(ece), "brier_interval": as_interval(brier)}


def calibrate_labels(texts: Iterable[TestText]) -> dict[str, dict[str, Any]]:
    """Give mean confidence, accuracy and their gap by predicted label, for labels with enough predictions.

    Rare labels may be off where the whole is not (Kranzlein et al. 2021). A positive gap is overconfidence.
    """
    rated = rate_spans(texts)
    labels = {}
    for label in np.unique(rated.labels).tolist():
        chosen = rated.labels == label
        if chosen.sum() >= MIN_PREDICTIONS:
            confidence, accuracy = float(rated.confidences[chosen].mean()), float(rated.right[chosen].mean())
            gap = confidence - accuracy
            labels[label] = {"spans": int(chosen.sum()), "confidence": confidence, "accuracy": accuracy, "gap": gap}
    return labels
