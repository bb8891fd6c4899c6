"""What the report shows, row by row, made from metrics and ledger."""

from collections import Counter
from typing import Any

from ner11.annotation import SEPARATOR
from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.report.formatting import chance, count, signed_range
from ner11.evaluation.report.plots_by_label import find_tiers

_METRICS = {"f1": "F1", "no_regression": "no regression"}
_LABELS = {"ALL": "all labels", "MACRO": "mean of labels", "ANY": "every label"}

Row = dict[str, Any]


def sum_outcomes(rows: list[Row]) -> dict[str, Counter[str]]:
    """Sum the span rows of a ledger by source: spans by outcome, and in `read` all together."""
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        sums.setdefault(row["source"], Counter()).update({row["outcome"]: row["count"], "read": row["count"]})
    return sums


def nest_levels(levels: Row) -> list[tuple[str, str, Row]]:
    """Give the scores of tiers, each with those of its categories below it: level, name, figures."""
    tiers, categories = levels["1"], levels["2"]
    below = {name: row for name, row in categories.items() if name not in tiers}
    rows = []
    # A span of several tiers may be met as soon as its categories are rolled up; then its set is no row of the tiers.
    for tier in sorted(tiers.keys() | {row["parent"] for row in below.values()}):
        rows += [("tier", tier, tiers[tier])] if tier in tiers else []
        rows += [("category", name, row) for name, row in below.items() if row["parent"] == tier]
    return rows


def label_rows(summary: Row, *, agreed: dict[str, float | None], thresholds: Row) -> list[Row]:
    """Give the figures by label, those of spans with several allowed labels last, with all that belongs beside them.

    Args:
        summary: As `metrics.json` has it, with levels.
        agreed: F1 of two annotations by label.
        thresholds: Chosen thresholds by label, as `metrics.json` has them.
    """
    tiers = find_tiers(summary["levels"])
    return [
        {
            **row,
            "label": label,
            "tier": tiers.get(label, ""),
            "predicted": row["tp"] + row["fp"],
            "agreed": agreed.get(label),
            "threshold": thresholds.get(label, {}).get("threshold"),
            "note": thresholds.get(label, {}).get("note", ""),
        }
        for label, row in sorted(summary["labels"].items(), key=lambda item: (SEPARATOR in item[0], item[0]))
    ]


def headline(verdict: Row, gates: list[Row]) -> str:
    """Say the verdict in one line."""
    failed = sum(not gate["passed"] for gate in gates)
    if verdict["may_ship"]:
        return f"May ship: all {len(gates)} gates passed" if len(gates) > 1 else "May ship: the one gate passed"
    if not gates:
        return "Must not ship: no gates are set"
    return f"Must not ship: {failed} of {len(gates)} gates failed"


def explain(metrics: Row) -> list[str]:
    """Say in sentences, without their periods, what the verdict rests on."""
    if not metrics["gates"]:
        return [f"{metrics['gates_file']} does not say what a release must reach"]
    reasons = [reason.removesuffix(".") for reason in metrics["verdict"]["reasons"]]
    if metrics["verdict"]["may_ship"]:  # the first reason is that all gates passed, which the headline says
        return ["Every figure that a release must reach was reached on texts that were kept apart from training", *reasons[1:]]
    return reasons


def sum_up(summary: Row) -> str:
    """Say what was found in one sentence that needs no knowledge of metrics."""
    micro = summary["micro"]
    spans, found, right = micro["support"], micro["tp"] + micro["fp"], micro["tp"]
    where = f"the {count(summary['texts'])} test texts"
    if not spans:
        return f"No entity is annotated in {where}; the model marked {count(found)}."
    met = f"Of the {count(spans)} entities annotated in {where}, the model found {count(right)} ({percent(right / spans)}%)"
    precise = f"{percent(right / found)}% of the {count(found)} that it marked are right" if found else "it marked nothing at all"
    return f"{met} with exact borders and the right label; {precise}."


def gate_rows(gates: list[Row]) -> list[Row]:
    """Give the gates in words, those that failed first: `mood` (good, warn, bad), `result`, and a cell for each column."""
    rows = []
    for gate in gates:
        tests = gate["metric"] == "no_regression"
        unproven = gate["passed"] and gate["status"] != "passed"
        metric = _METRICS.get(gate["metric"], gate["metric"])
        least = gate["min_support"]
        rows.append(
            {
                "mood": "warn" if unproven else "good" if gate["passed"] else "bad",
                "result": f"{gate['status']}, allowed" if unproven else gate["status"],
                "test_set": "all" if gate["test_set"] == "ALL" else gate["test_set"],
                "label": _LABELS.get(gate["label"], gate["label"]),
                "metric": f"{metric}, lower bound" if gate["bound"] == "lower" and not tests else metric,
                "needed": f"p ≥ {gate['minimum']:g}" if tests else f"≥ {percent(gate['minimum'])}",
                "reached": f"p {chance(gate['value'])}" if tests and gate["value"] is not None else percent(gate["value"]),
                "interval": signed_range(gate["interval"]) if tests else percent_range(gate["interval"]),
                "support": f"{count(gate['support'])} of {count(least)}" if gate["support"] < least else count(gate["support"]),
                "note": gate["note"],
            }
        )
    return sorted(rows, key=lambda row: ("bad", "warn", "good").index(str(row["mood"])))
