"""Two models on the same test texts: paired differences in F1, tests of them, and what was right before or is right now."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ner11.errors import Ner11Error
from ner11.evaluation.bootstrap import (
    RESAMPLES,
    CountTable,
    Floats,
    as_interval,
    count_events,
    label_events,
    percentiles,
    randomize,
    ratios,
    resample,
)
from ner11.evaluation.error_analysis import cut_context
from ner11.evaluation.matching import Kind, match_spans
from ner11.evaluation.predictions import Predictions, attach, text_key
from ner11.evaluation.texts import TestText

ALPHA = 0.05
"""Significance level for which p-values are adjusted."""
MOST_FLIPS = 200
_ALL = ""
_ROUNDS_A_LABEL = 100

Row = dict[str, Any]


def compare_models(texts: Sequence[TestText], baseline: Predictions, *, seed: int = 0) -> Row:
    """Compare a model with an earlier one on the texts that both have seen, paired by document.

    The annotation is that of today for both. Labels of the earlier model that the schema has lost are scored as they are:
    they meet no annotated span, and are wrong where the source covers every label, left out where it names those it covers.

    Args:
        texts: With the predictions of the model of today.
        baseline: What the earlier model found.
        seed: Of resamples and swaps.

    Returns:
        `baseline` (name and version), `texts` (how many both have), `missing` (how many the earlier one lacks); `overall` and
        `labels`, the differences: `f1`, `baseline_f1` (0 where a model neither met nor found the label), their `difference`, its
        95% `interval` (paired bootstrap over documents), `p` (two-sided) and `p_worse` (one-sided: the model of today is
        worse) by approximate randomization, and by label `p_worse_adjusted` for the number of labels (see `adjust`) and
        whether its F1 fell to 0 (`lost`); `fixed`, `broken` and `flips`, as `find_flips` gives them. A label that nobody
        annotated or predicted is left out.

    Raises:
        Ner11Error: If the two have no text in common.
    """
    shared = [text for text in texts if text_key(text.text) in baseline.spans_by_text]
    if not shared:
        name = f"{baseline.model['name']} {baseline.model['version']}"
        raise Ner11Error(
            "none of the test texts is among its predictions",
            where=name,
            fix="Choose a baseline that was run on this test set, or none",
        )
    earlier = attach(shared, baseline)
    return {
        "baseline": baseline.model,
        "texts": len(shared),
        "missing": len(texts) - len(shared),
        **_differences(_count(shared), _count(earlier), seed=seed),
        **find_flips(shared, earlier),
    }


def _count(texts: Sequence[TestText]) -> CountTable:
    documents = sorted({text.document for text in texts})
    return count_events(((text.document, label_events(text.comparison)) for text in texts), documents=documents)


def _columns(table: CountTable, names: Sequence[str]) -> Floats:
    """Give the counts under these names, and of all together under "", shape (documents, names, 3)."""
    places = {name: i for i, name in enumerate(table.names)}
    counts = np.zeros((len(table.counts), len(names), 3), dtype=np.float32)
    for i, name in enumerate(names):
        if name == _ALL:
            counts[:, i] = table.total().counts[:, 0]
        elif name in places:
            counts[:, i] = table.counts[:, places[name]]
    return counts


def _differences(current: CountTable, baseline: CountTable, *, seed: int) -> Row:
    labels = sorted({*current.names, *baseline.names})
    names = [_ALL, *labels]
    new, old = _columns(current, names), _columns(baseline, names)
    sums = resample({"new": new, "old": old}, seed=seed)
    f1s = [ratios(side)[..., 2] for side in (sums["new"], sums["old"])]
    gaps = np.where(np.isnan(f1s).all(axis=0), np.nan, np.nan_to_num(f1s[0]) - np.nan_to_num(f1s[1]))
    bounds = percentiles(gaps)
    # The least p is 1 in the number of rounds; times the number of labels it must still be small.
    p, p_worse = randomize(new, old, seed=seed, rounds=max(RESAMPLES, _ROUNDS_A_LABEL * len(labels)))
    new_f1, old_f1 = (np.nan_to_num(ratios(side.sum(axis=0))[:, 2]) for side in (new, old))
    rows: dict[str, Row] = {
        name: {
            "f1": float(new_f1[i]),
            "baseline_f1": float(old_f1[i]),
            "difference": float(new_f1[i] - old_f1[i]),
            "interval": as_interval(bounds[:, i]),
            "p": float(p[i]),
            "p_worse": float(p_worse[i]),
        }
        for i, name in enumerate(names)
    }
    overall = rows.pop(_ALL)
    # Each document in which the two differ is one swap: with n of them no p-value can be less than 1 in 2 to the power of n.
    least = 0.5 ** (new != old).any(axis=2).sum(axis=0)[1:]
    for row, adjusted in zip(rows.values(), adjust(p_worse[1:], least), strict=True):
        row |= {"p_worse_adjusted": adjusted, "lost": bool(row["f1"] == 0 < row["baseline_f1"])}
    return {"overall": overall, "labels": rows}


def adjust(p: Floats, least: Floats) -> list[float]:
    """Adjust p-values for their number: that any is below ALPHA by chance has a probability of ALPHA at most.

    By Holm (1979), over those tests only that could come out significant (Tarone 1990): a label whose few documents allow
    no small p-value would only hide what happened to the others.

    Args:
        p: The p-values.
        least: The least p-value that each test could have had.

    Returns:
        The adjusted ones; 1 for a test that could prove nothing.
    """
    family = next((least <= ALPHA / k for k in range(1, len(p) + 1) if (least <= ALPHA / k).sum() <= k), least <= ALPHA)
    adjusted = np.ones_like(p)
    chosen = np.flatnonzero(family)
    order = chosen[np.argsort(p[chosen], kind="stable")]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in adjusted]


def find_flips(current: Sequence[TestText], baseline: Sequence[TestText], *, most: int = MOST_FLIPS) -> Row:
    """Find what one of two models has right and the other wrong.

    That is an annotated span that only one of them found, and a wrong prediction where the other one predicted nothing. (One
    that lies across a span that the other one found belongs to that span; one in the place of another wrong one changes nothing.)

    Args:
        current, baseline: The same texts with the predictions of the model of today and of the earlier one.
        most: How many flips to give.

    Returns:
        `fixed`, how many were wrong before and are not now, and `broken`, how many the other way around; `flips`, these in the
        order of the texts, first what broke (of more than `most` some in even steps, half of them of each sort while there are as
        many): `what` (fixed or broken), the `kind` of the error (see `Match`), `source`, `document`, `before`, `text`, `after`,
        and the labels `gold`, `old` and `new` (None where there is no span).
    """
    broken: list[Row] = []
    fixed: list[Row] = []
    for now, then in zip(current, baseline, strict=True):
        if now.predicted != then.predicted:
            broken += [_row(now, flip, "broken", old=flip.right, new=flip.wrong) for flip in _find_flips(now, then)]
            fixed += [_row(now, flip, "fixed", old=flip.wrong, new=flip.right) for flip in _find_flips(then, now)]
    half = most // 2
    flips = _sample(broken, max(half, most - len(fixed))) + _sample(fixed, max(half, most - len(broken)))
    return {"fixed": len(fixed), "broken": len(broken), "flips": flips}


class _Flip(NamedTuple):
    """A place at which one model is wrong and the other is not, and the labels there."""

    start: int
    end: int
    gold: str | None
    wrong: str | None
    right: str | None
    kind: Kind


def _find_flips(wrong: TestText, right: TestText) -> list[_Flip]:
    """Find where the first model is wrong and the second is not."""
    hits = {(start, end): label for start, end, label in right.comparison.hits}
    taken = [*right.comparison.hits, *right.comparison.spurious]
    flips = []
    for match in match_spans(wrong.comparison):
        gold, predicted, kind = match.gold, match.predicted, match.kind
        if kind == "hit":
            continue
        gold_label, label = gold and gold[2], predicted and predicted[2]
        if gold and gold[:2] in hits:
            flips.append(_Flip(*gold[:2], gold_label, label, hits[gold[:2]], kind))
        elif predicted and not any(start < predicted[1] and predicted[0] < end for start, end, _ in taken):
            flips.append(_Flip(*predicted[:2], gold_label, label, None, kind))
    return flips


def _row(text: TestText, flip: _Flip, what: str, *, old: str | None, new: str | None) -> Row:
    before, covered, after = cut_context(text.text, flip.start, flip.end)
    return {
        "what": what,
        "kind": flip.kind,
        "source": text.source,
        "document": text.document,
        "before": before,
        "text": covered,
        "after": after,
        "gold": flip.gold,
        "old": old,
        "new": new,
    }


def _sample(rows: Sequence[Row], most: int) -> list[Row]:
    """Give at most so many rows, in even steps: from all sources, not from the first alone."""
    number = min(most, len(rows))
    return [rows[i * len(rows) // number] for i in range(number)]
