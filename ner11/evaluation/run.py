"""All that is measured on a trained pipeline, in one go."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.errors import Ner11Error
from ner11.evaluation.calibration import calibrate, calibrate_labels
from ner11.evaluation.comparison import compare_models
from ner11.evaluation.error_analysis import count_kinds, find_errors, frequent_pairs
from ner11.evaluation.matching import confusion, match_spans
from ner11.evaluation.mentions import Mentions
from ner11.evaluation.metrics import evaluate
from ner11.evaluation.predictions import Predictions
from ner11.evaluation.robustness import measure_robustness, sample_documents, uncalibrated
from ner11.evaluation.slices import measure_slices
from ner11.evaluation.texts import TestText, predict, predict_again
from ner11.evaluation.thresholds import choose_thresholds, threshold_curve
from ner11.schema import Schema

WISHED_PRECISION = 0.9
SAMPLE_WORDS = 8_000
"""Words of the test texts that the pipeline runs over again: perturbed, and without its temperature."""
DEV_WORDS = 20_000
"""Words of dev on which thresholds are chosen."""


def take_words(docs: Iterable[Doc], most: int) -> Iterator[Doc]:
    """Yield documents until they have so many tokens."""
    words = 0
    for doc in docs:
        yield doc
        words += len(doc)
        if words >= most:
            return


def unknown_labels(texts: Sequence[TestText], known: Iterable[str]) -> dict[str, int]:
    """Count the annotated spans none of whose labels the model has: it can only miss them.

    Raises:
        Ner11Error: If that is so for all spans.
    """
    names, spans, counts = set(known), 0, dict[str, int]()
    for text in texts:
        for _, _, label in text.gold:
            spans += label != UNKNOWN
            if label != UNKNOWN and names.isdisjoint(label.split(SEPARATOR)):
                counts[label] = counts.get(label, 0) + 1
    if spans and sum(counts.values()) == spans:
        found, have = ", ".join(sorted(counts)[:5]), ", ".join(sorted(names)[:5])
        raise Ner11Error(
            f"the model has none of the test set's labels ({found} ...); its own are {have} ...",
            where="evaluate",
            fix="Evaluate it on test texts of its own domain",
        )
    return dict(sorted(counts.items()))


def measure_pipeline(
    nlp: Language,
    *,
    test: Iterable[Doc],
    dev: Iterable[Doc],
    train: Iterable[Doc],
    schema: Schema,
    count_pieces: Callable[[Sequence[str]], list[int]] | None = None,
    baseline: Predictions | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[TestText], list[dict[str, Any]]]:
    """Measure a pipeline on untouched texts.

    Args:
        nlp: A trained pipeline.
        test: The test texts, consumed as a stream.
        dev: Texts to choose thresholds on; as many as needed are taken.
        train: The training texts, for what is seen and what is the nearest example.
        schema: The label tree.
        count_pieces: Counts the word pieces of strings; None leaves that slice out.
        baseline: What the last release found.
        seed: Of resampling, samples and perturbations.

    Returns:
        The measured parts of `metrics.json` (docs/evaluation.md lists them), the texts with what was found in them, and all
        errors.

    Raises:
        Ner11Error: If there are no test texts, or the model has none of their labels.
    """
    texts = predict(nlp, test)
    if not texts:
        fix = "Give a data set a test split, then run convert and merge"
        raise Ner11Error("no texts in it", where="corpus/merged/test", fix=fix)
    unknown = unknown_labels(texts, (label for labels in nlp.pipe_labels.values() for label in labels))
    mentions = Mentions.collect(train)
    errors = find_errors(texts, mentions=mentions)
    metrics = {
        **evaluate(texts, roll_up=schema.roll_up, seed=seed),
        "unknown_labels": unknown,
        "confusion": confusion(match for text in texts for match in match_spans(text.comparison)),
        **_measure_confidence(nlp, texts, dev, seed=seed),
        "slices": measure_slices(
            texts, mentions=mentions, count_pieces=count_pieces, tier_of=lambda label: schema.roll_up(label, 1), seed=seed
        ),
        "robustness": measure_robustness(nlp, texts, mentions=mentions, seed=seed, max_words=SAMPLE_WORDS),
        "errors": {"counts": count_kinds(errors), "pairs": frequent_pairs(errors)},
        "comparison": compare_models(texts, baseline, seed=seed) if baseline else None,
    }
    return metrics, texts, errors


def _measure_confidence(nlp: Language, texts: Sequence[TestText], dev: Iterable[Doc], *, seed: int) -> dict[str, Any]:
    """Measure how far confidences can be trusted, with the temperature and without it, and choose thresholds."""
    temperatures = [pipe.temperature for _, pipe in nlp.pipeline if hasattr(pipe, "temperature")]
    # Both on the same texts: the fewer the spans, the larger the error that chance makes.
    sample = sample_documents(texts, SAMPLE_WORDS, seed=seed) if temperatures else texts
    after, before = calibrate(sample, seed=seed), None
    if after is None:
        return {"calibration": None, "thresholds": None}
    if temperatures:
        with uncalibrated(nlp):
            before = calibrate(predict_again(nlp, sample), seed=seed)
    calibration = {
        "temperature": temperatures[0] if temperatures else None,
        "texts": len(sample),
        "words": sum(text.words for text in sample),
        "after": after,
        "before": before,
        "labels": calibrate_labels(texts),
        "curve": threshold_curve(texts),
    }
    chosen = choose_thresholds(predict(nlp, take_words(dev, DEV_WORDS)), texts, wished=WISHED_PRECISION)
    return {"calibration": calibration, "thresholds": chosen}
