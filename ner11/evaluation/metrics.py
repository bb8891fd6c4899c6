"""Scores of a model on the test split, by source and label, with intervals."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ner11.annotation import SEPARATOR
from ner11.evaluation.bootstrap import (
    CountTable,
    Floats,
    as_interval,
    count_events,
    label_events,
    measure,
    percentiles,
    ratios,
    resample,
)
from ner11.evaluation.matching import credit, match_spans
from ner11.evaluation.texts import TestText
from ner11.pipeline.scoring import Comparison, SpanKey

LEVELS = (1, 2, 3)
"""Levels of the label tree that scores are rolled up to: tier, category, label."""

RollUp = Callable[[str, int], str]
"""Gives the node at a level above a label, or the label itself if it is not that deep: `Schema.roll_up`."""


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

    met = [_roll(label, roll_up, level) for label in comparison.hit_labels]
    result = Comparison(hits=up(comparison.hits), ignored=comparison.ignored, met=met)
    missed = {(start, end): label for start, end, label in up(comparison.missed)}
    for key in up(comparison.spurious):
        start, end, label = key
        if label in missed.get((start, end), "").split(SEPARATOR):
            result.hits.append(key)
            result.met.append(missed.pop((start, end)))
        else:
            result.spurious.append(key)
    result.missed = [(start, end, label) for (start, end), label in missed.items()]
    return result


def _macro(table: CountTable, samples: Floats) -> dict[str, Any]:
    """Average F1 over the labels with support; sets of labels are none. In a resample, those that it lacks do not count."""
    chosen = [i for i, (name, counts) in enumerate(table.sums().items()) if counts.tp + counts.fn and SEPARATOR not in name]
    if not chosen:
        return {"f1": None, "f1_interval": None, "labels": 0}
    drawn = ratios(samples[:, chosen])[..., 2]
    with np.errstate(invalid="ignore"):
        means = np.nansum(drawn, axis=1) / (~np.isnan(drawn)).sum(axis=1)
    bounds = percentiles(means if len(table.counts) > 1 else means * np.nan)
    point = ratios(table.counts.sum(axis=0)[chosen])[:, 2].mean()
    return {"f1": float(point), "f1_interval": as_interval(bounds), "labels": len(chosen)}


def summarize(texts: Sequence[TestText], *, roll_up: RollUp | None = None, seed: int = 0) -> dict[str, Any]:
    """Summarize what became of the spans of texts.

    Args:
        texts: Texts with predictions.
        roll_up: The label tree, for `levels`.
        seed: Of the resamples.

    Returns:
        Numbers of `texts`, `words`, `documents`, and predictions that are neither right nor wrong (`ignored`); `micro` and
        `labels`, the figures of all spans and by label, as `bootstrap.measure` gives them; `macro`, the mean F1 over the labels
        with support; `credit`, strict, exact, partial and type-only credit. With a label tree also `levels`, the figures of
        labels rolled up, by level and node (`{"1": {"TIER": ...}}`; `parent` names the node above), and `levels_micro`, those of
        all spans by level.
    """
    documents = sorted({text.document for text in texts})
    roll_up = cache(roll_up) if roll_up else None

    def table(comparisons: Iterable[Comparison]) -> CountTable:
        pairs = zip(texts, comparisons, strict=True)
        return count_events(((text.document, label_events(one)) for text, one in pairs), documents=documents)

    tables = {"labels": table(text.comparison for text in texts)}
    for level in LEVELS if roll_up else ():
        tables[str(level)] = table(rolled_up(text.comparison, roll_up=roll_up, level=level) for text in texts)  # type: ignore[arg-type]
    totals = {name: one.total() for name, one in tables.items()}
    samples = resample(
        {(name, kind): one.counts for kind, group in (("by name", tables), ("all", totals)) for name, one in group.items()},
        seed=seed,
    )
    rows = {name: measure(one, samples[name, "by name"]) for name, one in tables.items()}
    micro = {name: measure(one, samples[name, "all"])[""] for name, one in totals.items()}
    summary = {
        "texts": len(texts),
        "words": sum(text.words for text in texts),
        "documents": len(documents),
        "ignored": sum(len(text.comparison.ignored) for text in texts),
        "micro": micro.pop("labels"),
        "macro": _macro(tables["labels"], samples["labels", "by name"]),
        "labels": rows.pop("labels"),
        "credit": credit(match for text in texts for match in match_spans(text.comparison)),
    }
    if roll_up:
        for level in LEVELS[1:]:
            for name, row in rows[str(level)].items():
                row["parent"] = _roll(name, roll_up, level - 1)
        summary |= {"levels": rows, "levels_micro": micro}
    return summary


def evaluate(texts: Sequence[TestText], *, roll_up: RollUp | None = None, seed: int = 0) -> dict[str, Any]:
    """Summarize texts, all together and by source: `overall` and `sources`, each as `summarize` gives it."""
    overall = summarize(texts, roll_up=roll_up, seed=seed)
    by_source: dict[str, list[TestText]] = {}
    for text in texts:
        by_source.setdefault(text.source, []).append(text)
    if len(by_source) == 1:
        return {"overall": overall, "sources": dict.fromkeys(by_source, overall)}
    sources = {name: summarize(own, roll_up=roll_up, seed=seed) for name, own in sorted(by_source.items())}
    return {"overall": overall, "sources": sources}
