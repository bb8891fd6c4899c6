"""The report that QA reads: one HTML page and its short form in Markdown, made from the files that a run wrote."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.report import formatting, view
from ner11.evaluation.report.examples import KINDS, draw_change, draw_examples
from ner11.evaluation.report.plots import make_plots
from ner11.files import clear, write_text
from ner11.ledger import OUTCOMES

MIN_AGREEMENT = 5
"""Spans of a label in either annotation below which their agreement on it says nothing."""


def ceiling(agreement: dict[str, Any] | None) -> dict[str, float | None]:
    """Give the F1 of two annotations by label, and under "" of all together; empty if it was not measured."""
    if agreement is None:
        return {}
    labels = {label: row["f1"] for label, row in agreement["labels"].items() if max(row["first"], row["second"]) >= MIN_AGREEMENT}
    return {**labels, "": agreement["overall"]["f1"]}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ner11.evaluation.report"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "range": percent_range,
        "signed": formatting.signed,
        "signed_range": formatting.signed_range,
        "chance": formatting.chance,
        "count": formatting.count,
        "decimals": formatting.decimals,
        "duration": formatting.duration,
        "cell": formatting.cell,
        "draw_change": draw_change,
    }
    environment.globals |= {"kinds": KINDS, "meanings": OUTCOMES, "min_agreement": MIN_AGREEMENT}
    return environment


def write_report(
    folder: Path,
    *,
    metrics: dict[str, Any],
    ledger: dict[str, Any],
    statistics: dict[str, Any] | None = None,
    errors: Sequence[dict[str, Any]] = (),
    log: Sequence[dict[str, Any]] = (),
) -> None:
    """Write the report: `index.html`, which needs nothing but itself, and `report.md`.

    Args:
        folder: Folder of the report; made if it is missing.
        metrics: As in `training/metrics.json`.
        ledger: As in `corpus/merged/ledger.json`.
        statistics: As in `corpus/statistics.json`.
        errors: As in `training/report/errors.jsonl`, for the examples.
        log: As in `training/log.jsonl`, for the learning curve.

    Raises:
        OSError: If a page cannot be written; the old one stays.
    """
    environment = _environment()
    agreed = ceiling(metrics.get("agreement"))
    gold, gold_alone = view.find_gold(metrics["sources"])
    thresholds = (metrics["thresholds"] or {}).get("labels", {})
    script = environment.get_template("script.js").render()
    sources = view.sum_outcomes(ledger["spans"])
    values = {
        "metrics": metrics,
        "ledger": ledger,
        "statistics": statistics or {},
        "plots": make_plots(metrics, list(log)),
        "examples": draw_examples(errors),
        "headline": view.headline(metrics["verdict"], metrics["gates"]),
        "reasons": view.explain(metrics),
        "findings": view.sum_up(metrics["overall"]),
        "gates": view.gate_rows(metrics["gates"]),
        "labels": view.label_rows(metrics["overall"], agreed=agreed if gold_alone else {}, thresholds=thresholds),
        "levels": view.nest_levels(metrics["overall"]["levels"]),
        "agreed": agreed,
        "gold": gold,
        "gold_name": view.GOLD,
        "gold_alone": gold_alone,
        "no_comparison": view.no_comparison(metrics["baseline"]),
        "sources": sources,
        "read": sum(row["read"] for row in sources.values()),
        "outcomes": [outcome for outcome in OUTCOMES if any(outcome in row for row in sources.values())],
        "script": script,
        "script_hash": b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    pages = {name: environment.get_template(name).render(values) for name in ("index.html", "report.md")}
    for name, page in pages.items():
        write_text(folder / name, page)
    clear(folder / "corpus.html")  # a page of earlier versions, now a section
