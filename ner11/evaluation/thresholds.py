"""What is gained and lost when only confident predictions are kept, and where to cut for a wished precision."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner11.annotation import SEPARATOR
from ner11.evaluation.bootstrap import Floats, ratios
from ner11.evaluation.calibration import MIN_PREDICTIONS, RatedSpans, rate_spans
from ner11.evaluation.texts import TestText

STEPS = (*(i / 20 for i in range(20)), 0.99)
"""Confidences at which the curve is measured."""


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _cut(confidences: NDArray[np.float64], right: NDArray[np.bool_], support: int, thresholds: Sequence[float]) -> Floats:
    """Count what is left above thresholds: true positives, false positives, false negatives, shape (thresholds, 3).

    Args:
        confidences, right: Of the predictions, shape (spans,).
        support: Gold spans; a hit that is dropped is missed.
        thresholds: A prediction is kept from this confidence on.
    """
    order = np.argsort(confidences)
    kept_from = np.searchsorted(confidences[order], thresholds, "left")
    hits_below = np.concatenate([[0], np.cumsum(right[order])])
    hits = hits_below[-1] - hits_below[kept_from]
    return np.stack([hits, len(confidences) - kept_from - hits, support - hits], axis=1)


def _support(texts: Iterable[TestText]) -> Counter[str]:
    """Count gold spans by the label that is predicted for them where they are met; what is missed of several labels is `A|B`."""
    return Counter(label for text in texts for spans in (text.comparison.hits, text.comparison.missed) for _, _, label in spans)


def threshold_curve(texts: Sequence[TestText]) -> list[dict[str, Any]]:
    """Give precision, recall and F1 of the predictions from a confidence on, at growing confidences.

    Returns:
        By threshold `precision`, `recall` and `f1` (None where undefined) and the number `predicted`; empty if no prediction
        has a confidence.
    """
    rated = rate_spans(texts)
    if not rated.documents:
        return []
    counts = _cut(rated.confidences, rated.right, _support(texts).total(), STEPS)
    return [
        {
            "threshold": threshold,
            **dict(zip(("precision", "recall", "f1"), map(_number, figures), strict=True)),
            "predicted": int(row[0] + row[1]),
        }
        for threshold, figures, row in zip(STEPS, ratios(counts), counts, strict=True)
    ]


def _choose(confidences: NDArray[np.float64], right: NDArray[np.bool_], wished: float) -> tuple[float | None, str]:
    """Choose the threshold of a label, or say why there is none."""
    if len(confidences) < MIN_PREDICTIONS:
        return None, f"{len(confidences)} predictions on dev, under {MIN_PREDICTIONS}"
    # 0 first: where all predictions together are precise enough, there is nothing to cut.
    candidates = [0.0, *np.unique(confidences).tolist()]
    hits, wrong, _ = _cut(confidences, right, int(right.sum()), candidates).T
    left = hits + wrong
    good = np.flatnonzero((left >= MIN_PREDICTIONS) & (hits / left >= wished))
    if not len(good):
        return None, f"precision {wished:g} not reached on dev with {MIN_PREDICTIONS} predictions left"
    return candidates[good[0]], ""


def _of_label(rated: RatedSpans, label: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    chosen = rated.labels == label
    return rated.confidences[chosen], rated.right[chosen]


def _figures(rated: RatedSpans, support: int, label: str, threshold: float) -> dict[str, Any]:
    counts = _cut(*_of_label(rated, label), support, [threshold])[0]
    precision, recall, _ = map(_number, ratios(counts))
    return {"precision": precision, "recall": recall, "predicted": int(counts[0] + counts[1])}


def choose_thresholds(dev: Sequence[TestText], test: Sequence[TestText], *, wished: float = 0.9) -> dict[str, Any] | None:
    """Choose by label the lowest confidence from which on predictions are as precise as wished.

    Chosen on dev, on few predictions, a threshold is flattered: the figures of the test set beside it are the ones to trust.

    Args:
        dev: Texts on which thresholds are chosen.
        test: Texts on which they are checked.
        wished: Precision to reach, 0 to 1.

    Returns:
        `wished`, and in `labels` by label `threshold` (None if none reaches the precision, or if there are too few predictions),
        a `note` that says why there is none, and for `dev` and `test` precision, recall and number of predictions from the
        threshold on, of all predictions if there is none. None if no prediction has a confidence.
    """
    splits = {"dev": (rate_spans(dev), _support(dev)), "test": (rate_spans(test), _support(test))}
    if not any(rated.documents for rated, _ in splits.values()):
        return None
    names = {label for rated, support in splits.values() for label in (*rated.labels.tolist(), *support)}
    # Nothing is ever predicted as `A|B`.
    labels = {}
    for label in sorted(name for name in names if SEPARATOR not in name):
        threshold, note = _choose(*_of_label(splits["dev"][0], label), wished)
        labels[label] = {
            "threshold": threshold,
            "note": note,
            **{split: _figures(rated, support[label], label, threshold or 0.0) for split, (rated, support) in splits.items()},
        }
    return {"wished": wished, "labels": labels}
