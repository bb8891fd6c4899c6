"""Scores of a pipeline on the test split, by source and label."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ner11.annotation import SEPARATOR
from ner11.pipeline.scoring import Comparison, Counts, SpanKey, compare, count_labels, total

BATCH_SIZE = 64
LEVELS = (1, 2, 3)
"""Levels of the label tree that scores are rolled up to: tier, category, label."""

RollUp = Callable[[str, int], str]
"""Gives the node at a level above a label, or the label itself if it is not that deep: `Schema.roll_up`."""


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


def _roll(label: str, roll_up: RollUp, level: int) -> str:
    return SEPARATOR.join(sorted({roll_up(name, level) for name in label.split(SEPARATOR)}))


def rolled_up(comparison: Comparison, *, roll_up: RollUp, level: int) -> Comparison:
    """Roll a comparison up to a level of the label tree, where a confusion of siblings is right.

    A missed span stands for the set of nodes above its labels; a wrong prediction with its borders and one of them
    becomes a hit. What was ignored stays ignored, and a span that is not covered makes no sibling right: coverage speaks about
    the labels themselves.
    """

    def up(keys: Iterable[SpanKey]) -> list[SpanKey]:
        return [(start, end, _roll(label, roll_up, level)) for start, end, label in keys]

    result = Comparison(hits=up(comparison.hits), ignored=comparison.ignored)
    missed = {(start, end): label for start, end, label in up(comparison.missed)}
    for key in up(comparison.spurious):
        start, end, label = key
        if label in missed.get((start, end), "").split(SEPARATOR):
            result.hits.append(key)
            del missed[start, end]
        else:
            result.spurious.append(key)
    result.missed = [(start, end, label) for (start, end), label in missed.items()]
    return result


def _levels(comparisons: Sequence[Comparison], roll_up: RollUp) -> dict[str, Any]:
    levels, micro = {}, {}
    for level in LEVELS:
        counts = count_labels(rolled_up(comparison, roll_up=roll_up, level=level) for comparison in comparisons)
        levels[str(level)] = {
            node: {**figures(count), **({"parent": _roll(node, roll_up, level - 1)} if level > 1 else {})}
            for node, count in counts.items()
        }
        micro[str(level)] = figures(total(counts.values()))
    return {"levels": levels, "levels_micro": micro}


def summarize(comparisons: Sequence[Comparison], *, roll_up: RollUp | None = None) -> dict[str, Any]:
    """Summarize comparisons.

    Args:
        comparisons: One a document.
        roll_up: The label tree, for `levels`.

    Returns:
        `micro`, `macro_f1` over the labels with support, `labels`, and how many predictions were neither right nor
        wrong (`ignored`). With a label tree also `levels`, the scores of labels rolled up, by level and node
        (`{"1": {"TIER": ...}}`; `parent` names the node above), and `levels_micro`, their micro averages by level.
    """
    counts = count_labels(comparisons)
    scored = [count.f1 for count in counts.values() if count.f1 is not None and count.tp + count.fn]
    return {
        "micro": figures(total(counts.values())),
        "macro_f1": fmean(scored) if scored else None,
        "labels": {label: figures(count) for label, count in counts.items()},
        "ignored": sum(len(comparison.ignored) for comparison in comparisons),
        **(_levels(comparisons, roll_up) if roll_up else {}),
    }


def evaluate(nlp: Language, references: Iterable[Doc], *, roll_up: RollUp | None = None) -> dict[str, Any]:
    """Run a pipeline over raw texts and compare it with their annotation.

    Args:
        nlp: A trained pipeline.
        references: Annotated documents; only their text is given to the pipeline.
        roll_up: The label tree, for scores by its levels.

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
        return {"texts": len(chosen), "words": sum(words[name] for name in names), **summarize(chosen, roll_up=roll_up)}

    names = sorted(comparisons)
    return {"overall": summary(names), "sources": {name: summary([name]) for name in names}}
