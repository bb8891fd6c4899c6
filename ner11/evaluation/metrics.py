"""Scores of a pipeline on the test split, by source and label."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ner11.pipeline.scoring import Comparison, Counts, compare, count_labels, total

BATCH_SIZE = 64


def percent(value: float | None) -> str:
    """Write a share of 0 to 1 in percent with one decimal, a dash where it is undefined."""
    return "–" if value is None else f"{100 * value:.1f}"


def figures(counts: Counts) -> dict[str, float | int | None]:
    """Give precision, recall, F1 (0 to 1, None if undefined) and the counts that they come from."""
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "support": counts.tp + counts.fn,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
    }


def summarize(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Summarize comparisons.

    Args:
        comparisons: One a document.

    Returns:
        `micro`, `macro_f1` over the labels with support, `labels`, and how many predictions were neither right nor
        wrong (`ignored`).
    """
    counts = count_labels(comparisons)
    scored = [count.f1 for count in counts.values() if count.f1 is not None and count.tp + count.fn]
    return {
        "micro": figures(total(counts.values())),
        "macro_f1": fmean(scored) if scored else None,
        "labels": {label: figures(count) for label, count in counts.items()},
        "ignored": sum(len(comparison.ignored) for comparison in comparisons),
    }


def evaluate(nlp: Language, references: Iterable[Doc]) -> dict[str, Any]:
    """Run a pipeline over raw texts and compare it with their annotation.

    Args:
        nlp: A trained pipeline.
        references: Annotated documents; only their text is given to the pipeline.

    Returns:
        `overall` and `sources`, each as `summarize` gives it, with the number of texts and words.
    """
    comparisons: defaultdict[str, list[Comparison]] = defaultdict(list)
    words: Counter[str] = Counter()
    pairs = ((reference.text, reference) for reference in references)
    for predicted, reference in nlp.pipe(pairs, as_tuples=True, batch_size=BATCH_SIZE):
        source = reference.user_data.get("source", "")
        comparisons[source].append(compare(reference, predicted))
        words[source] += len(reference)

    def summary(names: Sequence[str]) -> dict[str, Any]:
        chosen = [comparison for name in names for comparison in comparisons[name]]
        return {"texts": len(chosen), "words": sum(words[name] for name in names), **summarize(chosen)}

    names = sorted(comparisons)
    return {"overall": summary(names), "sources": {name: summary([name]) for name in names}}
