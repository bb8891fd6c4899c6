"""The report that QA reads: HTML pages, made from the files that a run wrote."""

from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from ner11.evaluation.metrics import percent
from ner11.files import write_text
from ner11.ledger import OUTCOMES

MIN_AGREEMENT = 5
"""Spans of a label in either annotation below which their agreement on it says nothing."""


def ceiling(agreement: dict[str, Any] | None) -> dict[str, float | None]:
    """Give the F1 of two annotations by label, and under "" of all together; empty if it was not measured."""
    if agreement is None:
        return {}
    labels = {label: row["f1"] for label, row in agreement["labels"].items() if max(row["first"], row["second"]) >= MIN_AGREEMENT}
    return {**labels, "": agreement["overall"]["f1"]}


def sum_outcomes(rows: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Sum the span rows of a ledger by source: spans by outcome, and in `read` all together."""
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        sums.setdefault(row["source"], Counter()).update({row["outcome"]: row["count"], "read": row["count"]})
    return sums


def nest_levels(levels: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Give the scores of tiers, each with those of its categories below it: level, name, figures."""
    tiers, categories = levels["1"], levels["2"]
    below = {name: row for name, row in categories.items() if name not in tiers}
    rows = []
    # A span of several tiers may be met as soon as its categories are rolled up; then its set is no row of the tiers.
    for tier in sorted(tiers.keys() | {row["parent"] for row in below.values()}):
        rows += [("tier", tier, tiers[tier])] if tier in tiers else []
        rows += [("category", name, row) for name, row in below.items() if row["parent"] == tier]
    return rows


def write_report(
    folder: Path, *, metrics: dict[str, Any], ledger: dict[str, Any], statistics: dict[str, Any] | None = None
) -> None:
    """Write the report: `index.html` on the model, `corpus.html` on what it learned from.

    Args:
        folder: Folder of the pages; made if it is missing.
        metrics: As in `training/metrics.json`.
        ledger: As in `corpus/merged/ledger.json`.
        statistics: As in `corpus/statistics.json`.

    Raises:
        OSError: If a page cannot be written; the old one stays.
    """
    environment = Environment(
        loader=PackageLoader("ner11.evaluation"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = percent
    sources = sum_outcomes(ledger["spans"])
    seen = {outcome for row in sources.values() for outcome in row}
    values = {
        "metrics": metrics,
        "ledger": ledger,
        "statistics": statistics or {},
        "sources": sources,
        "read": sum(row["read"] for row in sources.values()),
        "outcomes": [outcome for outcome in OUTCOMES if outcome in seen],
        "meanings": OUTCOMES,
        "levels": nest_levels(metrics["overall"]["levels"]) if "levels" in metrics["overall"] else [],
        "ceiling": ceiling(metrics.get("agreement")),
    }
    for page in ("corpus.html", "index.html"):
        write_text(folder / page, environment.get_template(page).render(values))
