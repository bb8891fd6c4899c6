"""Precision, recall and F1 as JSON, and how they are written."""

from typing import Any

from ner11.pipeline.scoring import Counts


def percent(value: float | None) -> str:
    """Write a share of 0 to 1 in percent with one decimal, a dash where it is undefined."""
    return "–" if value is None else f"{100 * value:.1f}"


def percent_range(interval: list[float] | None) -> str:
    """Write an interval of shares in percent: `[67.5, 73.8]`; nothing where it is undefined."""
    return "" if interval is None else f"[{percent(interval[0])}, {percent(interval[1])}]"


def figures(counts: Counts) -> dict[str, Any]:
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
