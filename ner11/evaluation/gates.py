"""Gates as data: the figures that a model must reach to be released, one row a claim."""

import csv
import re
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.readers.files import read_utf8
from ner11.schema import LABEL_PATTERN

COLUMNS = ("test_set", "label", "metric", "minimum", "bound", "min_support", "unproven")
ALL, MACRO, ANY = "ALL", "MACRO", "ANY"
LOWER, NO_REGRESSION = "lower", "no_regression"
PASSED, FAILED, NOT_PROVEN, ABSENT = "passed", "failed", "not proven", "absent"
_CHOICES = {
    "metric": ("precision", "recall", "f1", NO_REGRESSION),
    "bound": ("point", LOWER),
    "unproven": ("fail", "pass"),
}
_FIGURES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


@dataclass(frozen=True)
class Gate:
    """A claim about a model.

    Attributes:
        test_set: Name of a source; ALL for every test set together.
        label: An active label or a node above some; ALL for the micro average, MACRO for the mean F1 of labels. Of
            `no_regression`: ALL, or ANY for every single label.
        metric: precision, recall or f1; or `no_regression`: not worse than the last release.
        minimum: What the figure must reach, 0 to 1. Of `no_regression`: the least p-value that the model is worse.
        bound: What is held against the minimum: the figure itself ("point"), or the lower end of its 95% interval ("lower").
        min_support: Annotated spans below which nothing is proven. Of `no_regression`: test texts that both models read.
        unproven: Whether too little support is to "fail" or to "pass".
    """

    test_set: str
    label: str
    metric: str
    minimum: float
    bound: str = "point"
    min_support: int = 0
    unproven: str = "fail"

    @property
    def title(self) -> str:
        """What is claimed, for a sentence: "F1 of CVE on gold"."""
        if self.metric == NO_REGRESSION:
            return f"No regression of {'any label' if self.label == ANY else 'all labels together'}"
        figure = _FIGURES[self.metric]
        of = {ALL: f"{figure} of all labels together", MACRO: "Mean F1 of labels"}.get(self.label, f"{figure} of {self.label}")
        return f"{of} on {'all test sets' if self.test_set == ALL else self.test_set}"


@dataclass(frozen=True)
class GateResult:
    """A gate and what became of it.

    Attributes:
        gate: The gate.
        status: "passed", "failed", "not proven" (too little support) or "absent" (there is nothing to measure).
        value: The figure that is held against the minimum; None if undefined.
        point: The figure itself. Of `no_regression`: the difference in F1.
        interval: The 95% interval of the point.
        support: Annotated spans. Of `no_regression`: test texts that both models read.
        note: Why the gate is not passed, or what a passed one does not say.
    """

    gate: Gate
    status: str
    value: float | None = None
    point: float | None = None
    interval: list[float] | None = None
    support: int = 0
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the gate lets the model through."""
        return self.status == PASSED or (self.status == NOT_PROVEN and self.gate.unproven == "pass")

    @property
    def reason(self) -> str:
        """What the gate says, as a sentence."""
        gate = self.gate
        if self.status == ABSENT:
            return f"{gate.title} cannot be measured: {self.note}"
        if self.status == NOT_PROVEN:
            return f"{gate.title} is not proven: {self.note}"
        if self.status == PASSED or self.value is None:
            return f"{gate.title}: {self.note or self.status}"
        if gate.metric == NO_REGRESSION:
            return f"{self.note} (p = {self.value:.2g}; at least {gate.minimum:g} is needed)"
        but = f", but only {percent(self.value)} at the lower end of its interval" if gate.bound == LOWER else ""
        return f"{gate.title} is {percent(self.point)}{but}; {percent(gate.minimum)} is needed"

    def to_dict(self) -> dict[str, Any]:
        """Give the gate and the result as one flat record."""
        record = {**asdict(self), **asdict(self.gate), "passed": self.passed}
        del record["gate"]
        return record


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
    """Check one gate. What was not measured, or is undefined, does not pass.

    Args:
        gate: The gate.
        metrics: As in `training/metrics.json`.
        known: The names of the label tree.
    """
    if gate.metric == NO_REGRESSION:
        return _check_regression(gate, metrics["comparison"])
    scores = metrics["overall"] if gate.test_set == ALL else metrics["sources"].get(gate.test_set)
    if scores is None:
        return GateResult(gate, ABSENT, note="no such test set")
    if gate.label not in (ALL, MACRO) and gate.label not in known:
        return GateResult(gate, ABSENT, note="no such label in the schema")
    row = _find_row(scores, gate.label)
    if row is None:
        return GateResult(gate, ABSENT, note="neither annotated nor predicted under this name")
    point, interval = row[gate.metric], row[f"{gate.metric}_interval"]
    value = (interval and interval[0]) if gate.bound == LOWER else point
    support = int(row["support"])
    if support < gate.min_support:
        status, note = NOT_PROVEN, f"{support} annotated spans of the {gate.min_support} needed"
    elif value is None:
        status, note = FAILED, "never predicted" if support else "never annotated"
    elif value < gate.minimum:
        status, note = FAILED, f"under {percent(gate.minimum)}"
    else:
        status, note = PASSED, ""
    return GateResult(gate, status, value, point, interval, support, note)


def _find_row(scores: dict[str, Any], label: str) -> dict[str, Any] | None:
    """Find the figures of a label, of a node above labels, or of all; None if there are none."""
    if label == ALL:
        return dict(scores["micro"])
    if label == MACRO:
        return {**scores["macro"], "support": scores["micro"]["support"]}
    groups = [scores["labels"], *(scores["levels"][level] for level in sorted(scores["levels"], reverse=True))]
    return next((group[label] for group in groups if label in group), None)


def _check_regression(gate: Gate, comparison: dict[str, Any] | None) -> GateResult:
    """Check that the model is not significantly worse than the last release: in all, or on any label."""
    if comparison is None:
        return GateResult(gate, PASSED, note="no earlier release to compare with")
    key, rows = "p_worse", {"": comparison["overall"]}
    if gate.label == ANY:
        key, rows = "p_worse_adjusted", comparison["labels"]
    support = int(comparison["texts"])
    if not rows:
        return GateResult(gate, ABSENT, support=support, note="no label in the texts that both models read")
    # Of equal p-values, the label that lost most.
    name = min(rows, key=lambda label: (rows[label][key], rows[label]["difference"], label))
    row, value = rows[name], float(rows[name][key])
    if support < gate.min_support:
        status, note = NOT_PROVEN, f"{support} texts that both models read, of the {gate.min_support} needed"
    elif value < gate.minimum:
        baseline = comparison["baseline"]
        status, note = FAILED, f"{name or 'F1'} is worse than in {baseline['name']} {baseline['version']}"
    else:
        status, note = PASSED, ""
    return GateResult(gate, status, value, row["difference"], row["interval"], support, note)


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
    return {"may_ship": True, "reasons": [f"All {len(results)} gates passed", *unproven]}
