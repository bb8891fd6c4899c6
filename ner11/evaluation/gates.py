"""Gates as data: the figures that a model must reach, one row a claim."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.readers.files import read_utf8

COLUMNS = ("source", "label", "metric", "minimum", "min_support")
ALL = "ALL"
_METRICS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Gate:
    """A figure to reach: on a source (ALL for every test set together), for a label (ALL for the micro average)."""

    source: str
    label: str
    metric: str
    minimum: float
    min_support: int


@dataclass(frozen=True)
class GateResult:
    """A gate, what was measured, and whether it holds; `note` says why it does not."""

    gate: Gate
    value: float | None
    support: int
    passed: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self.gate), "value": self.value, "support": self.support, "passed": self.passed, "note": self.note}


def load_gates(path: Path) -> list[Gate]:
    """Read gates from a CSV file with the columns source, label, metric, minimum and min_support.

    Raises:
        Ner11Error: If the file is missing or a row is damaged; the message names the line.
    """
    rows = csv.DictReader(read_utf8(path).splitlines())
    gates = []
    for row in rows:
        try:
            gate = Gate(row["source"], row["label"], row["metric"], float(row["minimum"]), int(row["min_support"]))
            if gate.metric not in _METRICS:
                raise ValueError(f"metric '{gate.metric}' is none of {', '.join(_METRICS)}")
        except (KeyError, TypeError, ValueError) as e:
            raise Ner11Error(f"damaged gate ({e})", where=f"{path}:{rows.line_num}", fix=f"Columns: {', '.join(COLUMNS)}") from e
        gates.append(gate)
    return gates


def check_gate(gate: Gate, metrics: dict[str, Any]) -> GateResult:
    """Check one gate against metrics as `evaluate` gives them. What was not measured, or on too little, fails."""
    scores = metrics["overall"] if gate.source == ALL else metrics["sources"].get(gate.source)
    if scores is None:
        return GateResult(gate, None, 0, False, "no such test set")
    row = scores["micro"] if gate.label == ALL else scores["labels"].get(gate.label)
    if row is None:
        return GateResult(gate, None, 0, False, "label neither annotated nor predicted")
    support = int(row["support"])
    if row[gate.metric] is None:
        return GateResult(gate, None, support, False, "never predicted" if support else "never annotated")
    value = float(row[gate.metric])
    if support < gate.min_support:
        return GateResult(gate, value, support, False, f"not proven: support under {gate.min_support}")
    passed = value >= gate.minimum
    return GateResult(gate, value, support, passed, "" if passed else f"under {gate.minimum:.2f}")
