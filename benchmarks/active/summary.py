"""What the curves add up to: areas, differences to random with intervals, tokens to 95% of the whole pool's F1."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from active.curves import ALL, MATCHED, RANDOM_SHARE, ROUND_TEXTS, SEED_TEXTS
from active.learner import BATCH_PIECES
from ner11.active.strategies import RANDOM
from ner11.evaluation.bootstrap import RESAMPLES, as_interval, percentiles, ratios, resample
from ner11.evaluation.provenance import find_processor

Floats = NDArray[np.floating]
Curve = Mapping[str, Any]
SHARE = 0.95


def area(scores: Floats, tokens: Floats) -> Floats:
    """Give the area under learning curves over the log of tokens, by its width: the mean F1 of the curve.

    Args:
        scores: F1, shape (..., rounds).
        tokens: Annotated tokens, shape (..., rounds).
    """
    steps = np.diff(np.log(tokens), axis=-1)
    return ((scores[..., 1:] + scores[..., :-1]) / 2 * steps).sum(axis=-1) / steps.sum(axis=-1)


def tokens_to_reach(scores: Floats, tokens: Floats, wanted: float) -> float:
    """Give the tokens after which a curve is at a score, by a straight line over the log of tokens; inf if it never is."""
    above = np.flatnonzero(scores >= wanted)
    if not len(above):
        return float("inf")
    at = int(above[0])
    if not at:
        return float(tokens[0])
    low, high = np.log(tokens[at - 1 : at + 1])
    return float(np.exp(low + (high - low) * (wanted - scores[at - 1]) / (scores[at] - scores[at - 1])))


def _table(curves: Sequence[Curve], documents: Sequence[str]) -> Floats:
    """Give counts as (documents, seeds, rounds, 3)."""
    counts = [[[point["counts"].get(name, (0, 0, 0)) for point in curve["rounds"]] for curve in curves] for name in documents]
    return np.array(counts, dtype=np.float32)


def _figure(point: float, samples: Floats) -> dict[str, Any]:
    return {"value": float(point), "interval": as_interval(percentiles(samples))}


def _reach(scores: Floats, tokens: Floats, samples: Floats, wanted: Floats, point: float) -> dict[str, Any]:
    """Give tokens to a score, with an interval; None stands for more than the curve has."""
    values = np.array([tokens_to_reach(one, tokens, goal) for one, goal in zip(samples, wanted, strict=True)])
    ends = np.quantile(values, (0.025, 0.975), method="nearest")
    found = [tokens_to_reach(scores, tokens, point), *ends]
    value, low, high = (None if np.isinf(one) else round(float(one)) for one in found)
    return {"value": value, "interval": [low, high]}


def summarize_pool(curves: Sequence[Curve], *, seed: int = 0) -> dict[str, Any]:
    """Summarize the curves of one pool and learner.

    Seeds are resampled, and with them test documents, the same for all strategies: the intervals of differences are paired.
    """
    by_name: dict[str, dict[int, Curve]] = {}
    for curve in curves:
        by_name.setdefault(curve["strategy"], {})[curve["seed"]] = curve
    seeds = sorted(by_name.get(RANDOM, {}))
    complete = {name: [own[s] for s in seeds] for name, own in by_name.items() if seeds and set(seeds) <= set(own)}
    documents = sorted({name for curve in curves for point in curve["rounds"] for name in point["counts"]})
    tables = {name: _table(own, documents) for name, own in complete.items()}
    points = {name: ratios(table.sum(axis=0))[..., 2] for name, table in tables.items()}  # (seeds, rounds)
    draws = np.random.default_rng(seed).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    rows = np.arange(RESAMPLES)[:, None]
    samples = {name: ratios(sums)[..., 2][rows, draws] for name, sums in resample(tables, seed=seed).items()}
    tokens = {name: np.array([[point["tokens"] for point in curve["rounds"]] for curve in own]) for name, own in complete.items()}
    # With each seed's own tokens: rounds end at a text, so budgets are kept only about.
    areas = {name: area(points[name], tokens[name]).mean() for name in points if name != ALL}
    drawn = {name: area(samples[name], tokens[name][draws]).mean(axis=1) for name in areas}
    whole = None if ALL not in points else float(points[ALL].mean())
    strategies: dict[str, Any] = {}
    for name in areas:
        own = complete[name]
        row: dict[str, Any] = {
            "area": _figure(areas[name], drawn[name]),
            "f1": points[name].mean(axis=0).tolist(),
            "tokens": tokens[name].mean(axis=0).tolist(),
            "texts": np.mean([np.cumsum([len(p["chosen"]) for p in curve["rounds"]]) for curve in own], axis=0).tolist(),
            "select_seconds": float(np.mean([p["seconds"] for curve in own for p in curve["rounds"][1:]])),
            "spans": float(np.mean([sum(curve["rounds"][-1]["labels"].values()) for curve in own])),
            "rarest": _rarest(own),
        }
        for other, key in ((RANDOM, "over_random"), (MATCHED + name, "over_matched")):
            if other in areas and other != name:
                row[key] = _figure(areas[name] - areas[other], drawn[name] - drawn[other])
        if whole is not None:
            goals = SHARE * samples[ALL][..., 0].mean(axis=1)
            mean_tokens = tokens[name].mean(axis=0)
            row["reach"] = _reach(points[name].mean(axis=0), mean_tokens, samples[name].mean(axis=1), goals, SHARE * whole)
        strategies[name] = row
    pool: dict[str, Any] = {"strategies": strategies, "seeds": len(seeds), "documents": len(documents)}
    if whole is not None:
        pool["whole"] = {"f1": whole, "tokens": int(tokens[ALL][0, 0]), "texts": len(complete[ALL][0]["rounds"][0]["chosen"])}
    pool["minutes"] = sum(curve["seconds"] for curve in curves) / 60
    return pool


def _rarest(curves: Sequence[Curve]) -> dict[str, Any]:
    """Give the label with the fewest spans after the first round, and how many there are in the end, on average."""
    first, last = ([curve["rounds"][i]["labels"] for curve in curves] for i in (0, -1))
    names = sorted({name for labels in last for name in labels})
    rarest = min(names, key=lambda name: sum(labels.get(name, 0) for labels in first))
    return {"label": rarest, "spans": float(np.mean([labels.get(rarest, 0) for labels in last]))}


def summarize(curves: Sequence[Curve]) -> dict[str, Any]:
    """Summarize all finished curves by pool and learner; of a strategy that lacks a seed there is nothing yet."""
    keys = sorted({(curve["data"], curve["learner"]) for curve in curves})
    pools, transfers = [], []
    for data, learner in keys:
        own = [curve for curve in curves if (curve["data"], curve["learner"]) == (data, learner)]
        where = {"data": data, "learner": learner}
        if any(len(curve["rounds"]) > 1 for curve in own):
            pools.append({**where, **summarize_pool(own)})
        else:
            transfers.append({**where, **summarize_transfer(own)})
    settings = {"seed_texts": SEED_TEXTS, "round_texts": ROUND_TEXTS, "random_share": RANDOM_SHARE, "batch_pieces": BATCH_PIECES}
    machine = {"processor": find_processor(), "cores": os.cpu_count()}
    return {"settings": settings, "machine": machine, "pools": pools, "transfers": transfers}


def summarize_transfer(curves: Sequence[Curve], *, seed: int = 0) -> dict[str, Any]:
    """Summarize what another learner reaches with the chosen texts: F1, and the difference to random, over common seeds."""
    by_name: dict[str, dict[int, Curve]] = {}
    for curve in curves:
        by_name.setdefault(curve["strategy"], {})[curve["seed"]] = curve
    seeds = sorted(set.intersection(*(set(own) for own in by_name.values())))
    documents = sorted({name for curve in curves for point in curve["rounds"] for name in point["counts"]})
    tables = {name: _table([own[s] for s in seeds], documents)[:, :, 0] for name, own in by_name.items()}
    draws = np.random.default_rng(seed).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    rows = np.arange(RESAMPLES)[:, None]
    points = {name: ratios(table.sum(axis=0))[..., 2].mean() for name, table in tables.items()}
    samples = {name: ratios(sums)[..., 2][rows, draws].mean(axis=1) for name, sums in resample(tables, seed=seed).items()}
    found = {}
    for name in tables:
        found[name] = {"f1": _figure(points[name], samples[name])}
        if RANDOM in tables and name != RANDOM:
            found[name]["over_random"] = _figure(points[name] - points[RANDOM], samples[name] - samples[RANDOM])
    return {"strategies": found, "seeds": len(seeds)}
