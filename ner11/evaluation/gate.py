"""A gate: a claim about a model, and what became of it."""

from dataclasses import asdict, dataclass
from typing import Any

from ner11.evaluation.figures import percent

ALL, MACRO, ANY = "ALL", "MACRO", "ANY"
LOWER, NO_REGRESSION = "lower", "no_regression"
PASSED, FAILED, NOT_PROVEN, ABSENT = "passed", "failed", "not proven", "absent"
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
        unproven: Whether what cannot be proven is to "fail" or to "pass": with too little support, without an interval where
            its lower end counts, or without the last release to compare with.
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
        status: "passed", "failed", "not proven" (too little to tell) or "absent" (there is nothing to measure).
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
    def reached(self) -> str:
        """The value as it is written beside `needed`; a dash if it is undefined."""
        return "–" if self.value is None else self._figures()[0]

    @property
    def needed(self) -> str:
        """The minimum as it is written beside `reached`."""
        return self._figures()[1]

    def _figures(self) -> tuple[str, str]:
        """Write value and minimum, with as many digits as it takes to see that a failed value is the lower one."""
        minimum = self.gate.minimum
        value = minimum if self.value is None else self.value
        for digits in range(1, 18):
            if self.gate.metric == NO_REGRESSION:
                reached, needed = f"{value:.{digits + 1}g}", f"{minimum:g}"
            else:
                reached, needed = f"{100 * value:.{digits}f}", f"{100 * minimum:.{digits}f}"
            if reached != needed or value >= minimum:
                break
        return reached, needed

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
            return f"{gate.title} does not hold (p = {self.reached}; at least {self.needed} is needed): {self.note}"
        if gate.bound == LOWER:
            low = f"{self.reached} at the lower end of its interval"
            return f"{gate.title} is {percent(self.point)}, but only {low}; {self.needed} is needed"
        return f"{gate.title} is {self.reached}; {self.needed} is needed"

    def to_dict(self) -> dict[str, Any]:
        """Give the gate and the result as one flat record."""
        record = {**asdict(self), **asdict(self.gate), "passed": self.passed}
        del record["gate"]
        return record
