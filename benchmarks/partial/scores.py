"""Scores of a variant: counts by document, intervals by resampling documents, calibration."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Span

from ner11.annotation import SEPARATOR
from ner11.evaluation.bootstrap import as_interval, percentiles, ratios, resample
from ner11.evaluation.calibration import measure_calibration
from ner11.evaluation.texts import BATCH_SIZE
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE, compare, count_labels
from partial.transform import JOINT, find_documents

DocumentCounts = dict[str, dict[str, list[int]]]
"""By document and label: true positives, false positives, false negatives."""


def settle(reference: Doc, predicted: Doc) -> None:
    """Give predicted sets (`A+B`, a label of its own in some variants) the label that is best for the prediction.

    A label that the gold span with the same borders allows; else one that the document does not cover, with which the
    prediction is neither right nor wrong; else any, and it is wrong.
    """
    gold = {
        (span.start_char, span.end_char): span.label_.split(SEPARATOR)
        for span in (*reference.ents, *reference.spans.get(AMBIGUOUS, ()))
    }
    coverage = reference.user_data.get(COVERAGE)
    found = []
    for ent in predicted.ents:
        labels = ent.label_.split(JOINT)
        if len(labels) > 1 and ent.label_ not in gold.get((ent.start_char, ent.end_char), ()):
            right = set(labels) & set(gold.get((ent.start_char, ent.end_char), ()))
            open_ = set() if coverage is None else set(labels) - set(coverage)
            ent = Span(predicted, ent.start, ent.end, min(right or open_ or labels))
        found.append(ent)
    predicted.ents = found


def score(nlp: Language, references: Sequence[Doc]) -> dict[str, Any]:
    """Run a pipeline over texts and compare it with their annotation.

    Returns:
        `documents`, the counts by document and label, and `confidences`, (confidence, 1 if right else 0) of each
        prediction that is right or wrong; empty for a head without confidences.
    """
    documents: DocumentCounts = {}
    confidences = []
    predictions = nlp.pipe((doc.text for doc in references), batch_size=BATCH_SIZE)
    for reference, predicted, name in zip(references, predictions, find_documents(references), strict=True):
        confident = {}
        if Span.has_extension("confidence"):
            confident = {(ent.start_char, ent.end_char): ent._.confidence for ent in predicted.ents}
        settle(reference, predicted)
        comparison = compare(reference, predicted)
        counts = documents.setdefault(name, {})
        for label, count in count_labels([comparison]).items():
            sums = counts.setdefault(label, [0, 0, 0])
            counts[label] = [a + b for a, b in zip(sums, (count.tp, count.fp, count.fn), strict=True)]
        for spans, right in ((comparison.hits, 1), (comparison.spurious, 0)):
            rated = [confident.get((start, end)) for start, end, _ in spans]
            confidences += [[round(float(value), 4), right] for value in rated if value is not None]
    return {"documents": documents, "confidences": confidences}


def pool(runs: Sequence[DocumentCounts]) -> DocumentCounts:
    """Add up the counts of several seeds."""
    pooled: DocumentCounts = {}
    for run in runs:
        for document, labels in run.items():
            sums = pooled.setdefault(document, {})
            for label, counts in labels.items():
                sums[label] = [a + b for a, b in zip(sums.get(label, (0, 0, 0)), counts, strict=True)]
    return pooled


def to_array(counts: DocumentCounts, documents: Sequence[str], labels: Sequence[str]) -> NDArray[np.float64]:
    """Give counts as an array of (documents, labels, 3)."""
    made = np.zeros((len(documents), len(labels), 3))
    places = {label: i for i, label in enumerate(labels)}
    for row, document in enumerate(documents):
        for label, values in counts[document].items():
            if label in places:
                made[row, places[label]] = values
    return made


def _figure(point: float, samples: NDArray[np.float64]) -> dict[str, Any]:
    return {"value": None if np.isnan(point) else float(point), "interval": as_interval(percentiles(samples))}


def summarize(counts: DocumentCounts, *, baseline: DocumentCounts | None = None) -> dict[str, Any]:
    """Give precision, recall and F1 with 95% intervals, and the difference in F1 to a baseline on the same documents.

    Both are resampled together, so the interval of the difference is that of paired documents.
    """
    documents = sorted(counts)

    def micro(of: DocumentCounts) -> NDArray[np.float64]:
        return to_array(of, documents, sorted({label for row in of.values() for label in row})).sum(axis=1)

    tables = {"own": micro(counts), **({} if baseline is None else {"baseline": micro(baseline)})}
    points = {name: ratios(table.sum(axis=0)) for name, table in tables.items()}
    samples = {name: ratios(sums) for name, sums in resample(tables).items()}
    names = ("precision", "recall", "f1")
    result: dict[str, Any] = {name: _figure(points["own"][i], samples["own"][:, i]) for i, name in enumerate(names)}
    result["documents"] = len(documents)
    if baseline is not None:
        point, drawn = (of["own"][..., 2] - of["baseline"][..., 2] for of in (points, samples))
        result["difference"] = _figure(point, drawn)
    return result


def f1_of(counts: DocumentCounts) -> float | None:
    """Give micro F1."""
    tp, fp, fn = np.sum([values for labels in counts.values() for values in labels.values()] or [[0, 0, 0]], axis=0).tolist()
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None


def macro(counts: DocumentCounts, labels: Sequence[str], *, baseline: DocumentCounts | None = None) -> dict[str, Any]:
    """Give the mean F1 of some labels that the test set has, with its interval and its difference to a baseline."""
    documents = sorted(counts)
    everything = to_array(counts, documents, labels).sum(axis=0)
    labels = [label for label, (tp, _, fn) in zip(labels, everything, strict=True) if tp + fn]
    tables = {"own": to_array(counts, documents, labels)}
    if baseline is not None:
        tables["baseline"] = to_array(baseline, documents, labels)
    points = {name: float(np.nanmean(ratios(table.sum(axis=0))[:, 2])) for name, table in tables.items()}
    # A label that a resample lacks altogether does not count in it.
    samples = {name: np.nanmean(ratios(sums)[..., 2], axis=1) for name, sums in resample(tables).items()}
    result = {**_figure(points["own"], samples["own"]), "labels": len(labels)}
    if baseline is not None:
        result["difference"] = _figure(points["own"] - points["baseline"], samples["own"] - samples["baseline"])
    return result


def by_label(counts: DocumentCounts) -> dict[str, dict[str, float | int | None]]:
    """Give support and F1 by label; a missed span with several allowed labels stands under `A|B`."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for labels in counts.values():
        for label, values in labels.items():
            sums[label] = [a + b for a, b in zip(sums[label], values, strict=True)]
    rows: dict[str, dict[str, float | int | None]] = {}
    for label, (tp, fp, fn) in sorted(sums.items()):
        rows[label] = {"support": tp + fn, "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None}
    return rows


def collect(runs: Sequence[Mapping[str, Any]], *, baseline: Sequence[Mapping[str, Any]], rare: Sequence[str]) -> dict[str, Any]:
    """Summarize the runs of one variant, one a seed, against those of the baseline with the same seeds and epochs.

    Args:
        runs: Results as `training.train_variant` gives them.
        baseline: Those of the baseline; the variant itself has no difference.
        rare: Labels with few training spans, for their mean; none leaves it out.
    """
    # The difference is that of the same training but for the variant.
    others = {run["seed"]: run for run in baseline if run["variant"] != runs[0]["variant"] and run["epochs"] == runs[0]["epochs"]}
    paired = [run for run in runs if run["seed"] in others]
    tests = {}
    for test in runs[0]["tests"]:
        counts = pool([run["tests"][test]["documents"] for run in runs])
        row = summarize(counts)
        theirs = pool([others[run["seed"]]["tests"][test]["documents"] for run in paired])
        same = pool([run["tests"][test]["documents"] for run in paired])
        if paired:
            row["difference"] = summarize(same, baseline=theirs)["difference"]
        row["f1_by_seed"] = [f1_of(run["tests"][test]["documents"]) for run in runs]
        row["labels"] = by_label(counts)
        if rare:
            row["rare"] = macro(counts, rare)
            if paired:
                row["rare"]["difference"] = macro(same, rare, baseline=theirs)["difference"]
        confidences = [(value, right) for run in runs for value, right in run["tests"][test]["confidences"]]
        if confidences:
            measured = measure_calibration(*zip(*confidences, strict=True))
            row["calibration"] = {key: measured[key] for key in ("ece", "brier", "spans")}
        tests[test] = row
    figures = {key: [run[key] for run in runs] for key in ("seed", "steps", "words_per_second")}
    return {**figures, "epochs": runs[0]["epochs"], "train_texts": runs[0]["train_texts"], "tests": tests}
