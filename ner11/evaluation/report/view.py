"""What the report shows, row by row, made from metrics and ledger."""

from collections import Counter
from typing import Any

from ner11.annotation import SEPARATOR
from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.report.formatting import chance, count, signed_range, tell_apart
from ner11.evaluation.report.plots_by_label import find_tiers

GOLD = "gold"
"""The data set whose texts were annotated twice."""
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
            "several": SEPARATOR in label,
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
    failed, unproven = sum(not gate["passed"] for gate in gates), _count_unproven(gates)
    if verdict["may_ship"] and unproven:
        return f"May ship: {len(gates) - unproven} of {len(gates)} gates passed, {unproven} not proven but allowed"
    if verdict["may_ship"]:
        return f"May ship: all {len(gates)} gates passed" if len(gates) > 1 else "May ship: the one gate passed"
    if not gates:
        return "Must not ship: no gates are set"
    return f"Must not ship: {failed} of {len(gates)} gates failed"


def _count_unproven(gates: list[Row]) -> int:
    """Count the gates that let the model through without a proof."""
    return sum(gate["passed"] and gate["status"] != "passed" for gate in gates)


def explain(metrics: Row) -> list[str]:
    """Say in sentences, without their periods, what the verdict rests on."""
    if not metrics["gates"]:
        return [f"{metrics['gates_file']} does not say what a release must reach"]
    reasons = [reason.removesuffix(".") for reason in metrics["verdict"]["reasons"]]
    if not metrics["verdict"]["may_ship"]:
        return reasons
    # The first reason says how many gates passed, as the headline does.
    unproven, apart = _count_unproven(metrics["gates"]), "was reached on texts that were kept apart from training"
    if not unproven:
        return [f"Every figure that a release must reach {apart}", *reasons[1:]]
    rest = f"; every other one {apart}" if unproven < len(metrics["gates"]) else ""
    figures = "1 figure that a release must reach is" if unproven == 1 else f"{unproven} figures that a release must reach are"
    return [f"{figures} not proven, which {metrics['gates_file']} allows{rest}", *reasons[1:]]


def find_gold(sources: Row) -> tuple[Row | None, bool]:
    """Find the figures that the agreement of two annotations can stand beside: those on the texts of the gold set.

    Args:
        sources: As in `metrics.json`.

    Returns:
        The summary of the gold set, None if it is no test set; and whether it is the only one, so that all figures are on it.
    """
    return sources.get(GOLD), list(sources) == [GOLD]


def no_comparison(baseline: Row) -> str:
    """Say why there is no comparison with an earlier release."""
    if baseline["status"] == "first":
        return "first release"
    note = "switched off" if baseline["status"] == "off" else baseline["note"].removesuffix(".")
    return f"not compared: {note}"


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
        needed, reached = _write_minimum(gate)
        rows.append(
            {
                "mood": "warn" if unproven else "good" if gate["passed"] else "bad",
                "result": f"{gate['status']}, allowed" if unproven else gate["status"],
                "test_set": "all" if gate["test_set"] == "ALL" else gate["test_set"],
                "label": _LABELS.get(gate["label"], gate["label"]),
                "metric": f"{metric}, lower bound" if gate["bound"] == "lower" and not tests else metric,
                "needed": f"p ≥ {needed}" if tests else f"≥ {needed}",
                "reached": f"p {reached}" if tests and gate["value"] is not None else reached,
                "interval": signed_range(gate["interval"]) if tests else percent_range(gate["interval"]),
                "support": f"{count(gate['support'])} of {count(least)}" if gate["support"] < least else count(gate["support"]),
                "note": gate["note"],
            }
        )
    return sorted(rows, key=lambda row: ("bad", "warn", "good").index(str(row["mood"])))


def _write_minimum(gate: Row) -> tuple[str, str]:
    """Write what a gate needs and what was reached; more decimals where a figure below the minimum would read like it."""
    value, minimum = gate["value"], gate["minimum"]
    tests = gate["metric"] == "no_regression"
    needed, reached = (f"{minimum:g}", chance(value)) if tests else (percent(minimum), percent(value))
    if value is not None and value < minimum:
        scale, digits = (1, 3) if tests else (100, 1)
        low, high = tell_apart(scale * value, scale * minimum, digits=digits)
        if len(low.partition(".")[2]) > digits:
            return high, low
    return needed, reached
