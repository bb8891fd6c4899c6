"""Gates as data: the figures that a model must reach to be released, one row a claim."""

import csv
import re
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.evaluation.gate import (
    ABSENT,
    ALL,
    ANY,
    FAILED,
    LOWER,
    MACRO,
    NO_REGRESSION,
    NOT_PROVEN,
    PASSED,
    Gate,
    GateResult,
)
from ner11.readers.files import read_utf8
from ner11.schema import LABEL_PATTERN

COLUMNS = ("test_set", "label", "metric", "minimum", "bound", "min_support", "unproven")
_CHOICES = {
    "metric": ("precision", "recall", "f1", NO_REGRESSION),
    "bound": ("point", LOWER),
    "unproven": ("fail", "pass"),
}
_IMPOSSIBLE = "a figure that is no share from 0 to 1"


def load_gates(path: Path) -> list[Gate]:
    """Read gates from a CSV file with the columns test_set, label, metric, minimum, bound, min_support and unproven.

    Raises:
        Ner11Error: If the file is missing or empty, or a row is damaged or stands there twice; the message names the line.
    """
    rows = csv.DictReader(read_utf8(path).splitlines())
    gates: list[Gate] = []
    places: dict[tuple[str, ...], int] = {}
    try:
        _check_header(rows.fieldnames or [], path)
        for row in rows:
            gate = _parse(row)
            claim = (gate.test_set, gate.label, gate.metric, gate.bound)
            if claim in places:
                raise ValueError(f"the same claim as in line {places[claim]}")
            places[claim] = rows.line_num
            gates.append(gate)
    except (ValueError, csv.Error) as e:
        raise Ner11Error(f"damaged gate ({e})", where=f"{path}:{rows.line_num}", fix="Correct or delete the row") from e
    return gates


def _check_header(names: Sequence[str], path: Path) -> None:
    fix = f"Let the first line be {','.join(COLUMNS)}"
    if not names:
        raise Ner11Error("empty", where=path, fix=fix)
    if sorted(names) != sorted(COLUMNS):
        lacking = [name for name in COLUMNS if name not in names]
        what = f"no column '{lacking[0]}'" if lacking else "columns that gates do not have, or twice"
        raise Ner11Error(what, where=f"{path}:1", fix=fix)


def _parse(row: dict[Any, Any]) -> Gate:
    """Make a gate of a row. Raises ValueError with what is wrong with it."""
    if None in row or None in row.values():
        raise ValueError(f"not {len(COLUMNS)} values")
    row = {name: value.strip() for name, value in row.items()}
    for name, choices in _CHOICES.items():
        if row[name] not in choices:
            raise ValueError(f"{name} '{row[name]}' is none of {', '.join(choices)}")
    if not row["test_set"]:
        raise ValueError("no test set")
    if not re.match(LABEL_PATTERN, row["label"]):
        raise ValueError(f"label '{row['label']}' is no name in capitals")
    if not re.fullmatch(r"1(\.0*)?|0(\.\d*)?|\.\d+", row["minimum"]):
        raise ValueError(f"minimum '{row['minimum']}' is no number from 0 to 1")
    if not re.fullmatch(r"[0-9]+", row["min_support"]):
        raise ValueError(f"min_support '{row['min_support']}' is no whole number")
    gate = Gate(**{**row, "minimum": float(row["minimum"]), "min_support": int(row["min_support"])})
    if gate.metric == NO_REGRESSION:
        if gate.label not in (ALL, ANY) or gate.test_set != ALL or gate.bound == LOWER:
            raise ValueError("no_regression is about the label ALL or ANY on the test set ALL, with the bound point")
    elif gate.label == ANY or (gate.label == MACRO and gate.metric != "f1"):
        raise ValueError(f"{gate.label} has no {gate.metric}")
    return gate


def check_gate(gate: Gate, metrics: dict[str, Any], *, known: Container[str]) -> GateResult:
    """Check one gate. What was not measured, is undefined or impossible, does not pass.

    Args:
        gate: The gate.
        metrics: As in `training/metrics.json`.
        known: The names of the label tree.
    """
    if gate.metric == NO_REGRESSION:
        return _check_regression(gate, metrics)
    scores = metrics["overall"] if gate.test_set == ALL else metrics["sources"].get(gate.test_set)
    if scores is None:
        return GateResult(gate, ABSENT, note="no such test set")
    if gate.label not in (ALL, MACRO) and gate.label not in known:
        return GateResult(gate, ABSENT, note="no such label in the schema")
    row = _find_row(scores, gate.label)
    if row is None:
        return GateResult(gate, ABSENT, note="neither annotated nor predicted under this name")
    point, interval, support = row[gate.metric], row[f"{gate.metric}_interval"], int(row["support"])
    if not all(0 <= figure <= 1 for figure in (point, *(interval or ())) if figure is not None):  # so NaN fails as well
        return GateResult(gate, FAILED, support=support, note=_IMPOSSIBLE)
    value = (interval and interval[0]) if gate.bound == LOWER else point
    result = GateResult(gate, PASSED, value, point, interval, support)
    if support < gate.min_support:
        return replace(result, status=NOT_PROVEN, note=f"{support} annotated spans of the {gate.min_support} needed")
    if point is None:
        return replace(result, status=FAILED, note="never predicted" if support else "never annotated")
    if value is None:
        return replace(result, status=NOT_PROVEN, note="no interval from a single document")
    if value < gate.minimum:
        precise = "" if result.reached == percent(value) else f"{result.reached} is "
        return replace(result, status=FAILED, note=f"{precise}under {result.needed}")
    return result


def _find_row(scores: dict[str, Any], label: str) -> dict[str, Any] | None:
    """Find the figures of a label, of a node above labels, or of all; None if there are none."""
    if label == ALL:
        return dict(scores["micro"])
    if label == MACRO:
        return {**scores["macro"], "support": scores["micro"]["support"]}
    groups = [scores["labels"], *(scores["levels"][level] for level in sorted(scores["levels"], reverse=True))]
    return next((group[label] for group in groups if label in group), None)


def _check_regression(gate: Gate, metrics: dict[str, Any]) -> GateResult:
    """Check that the model is not significantly worse than the last release: in all, or on any label."""
    status, comparison = metrics["baseline"]["status"], metrics["comparison"]
    if status == "first":
        return GateResult(gate, PASSED, note="no earlier release to compare with")
    if status != "compared":
        return GateResult(gate, NOT_PROVEN, note=metrics["baseline"]["note"])
    shared, missing = int(comparison["texts"]), int(comparison["missing"])
    key, rows = ("p_worse_adjusted", comparison["labels"]) if gate.label == ANY else ("p_worse", {"": comparison["overall"]})
    if not rows:
        return GateResult(gate, ABSENT, support=shared, note="no label in the texts that both models read")
    if not all(0 <= row[key] <= 1 for row in rows.values()):
        return GateResult(gate, FAILED, support=shared, note=_IMPOSSIBLE)
    # Of equal p-values, the label that lost most.
    name = min(rows, key=lambda label: (rows[label][key], rows[label]["difference"], label))
    row, value = rows[name], float(rows[name][key])
    left_out = f"both models read {shared} of {shared + missing} texts, the earlier one lacks {missing}" if missing else ""
    if shared < gate.min_support:
        status, note = NOT_PROVEN, f"{shared} texts that both models read, of the {gate.min_support} needed"
    elif missing > shared:
        status, note = NOT_PROVEN, left_out
    elif value < gate.minimum:
        baseline = comparison["baseline"]
        status, note = FAILED, f"{name or 'F1'} is worse than in {baseline['name']} {baseline['version']}"
    else:
        status, note = PASSED, left_out
    unclear = ", ".join(label for label, row in rows.items() if row.get("lost") and row[key] >= gate.minimum)
    notes = [note, f"fell to 0, too few spans to prove it: {unclear}" if unclear else ""]
    return GateResult(gate, status, value, row["difference"], row["interval"], shared, "; ".join(filter(None, notes)))


def check_gates(gates: Sequence[Gate], metrics: dict[str, Any], *, known: Container[str]) -> list[GateResult]:
    """Check gates, in their order, as `check_gate` does."""
    return [check_gate(gate, metrics, known=known) for gate in gates]


def verdict(results: Sequence[GateResult]) -> dict[str, Any]:
    """Tell whether a model may ship (`may_ship`) and why (`reasons`, sentences). Without any gate it may not."""
    if not results:
        return {"may_ship": False, "reasons": ["No gates are set"]}
    if failed := [result.reason for result in results if not result.passed]:
        return {"may_ship": False, "reasons": failed}
    unproven = [result.reason for result in results if result.status == NOT_PROVEN]
    passed = f"{len(results) - len(unproven)} of {len(results)} gates passed, {len(unproven)} not proven but allowed"
    return {"may_ship": True, "reasons": [passed if unproven else f"All {len(results)} gates passed", *unproven]}
