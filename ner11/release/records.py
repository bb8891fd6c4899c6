"""What `gate` and `package` read from `metrics.json` and `gates.json`: damage is named before it passes for a figure."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _is_ordered(interval: list[float]) -> list[float]:
    if interval[0] > interval[1]:
        raise ValueError("the lower end is above the upper one")
    return interval


# Their limits keep NaN out too.
_Share = Annotated[float, Field(ge=0, le=1)]
_Change = Annotated[float, Field(ge=-1, le=1)]
_Count = Annotated[int, Field(ge=0)]
_Interval = Annotated[list[_Share], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
_ChangeInterval = Annotated[list[_Change], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]


class Record(BaseModel):
    """A part of a file; there may be more in it. Nothing is converted: "1" is no number."""

    model_config = ConfigDict(strict=True)


class Named(Record):
    """A model by its name."""

    name: str
    version: str


class Model(Named):
    """The model that was measured."""

    domain: str
    sha256: str


class F1(Record):
    """F1, with its interval."""

    f1: _Share | None
    f1_interval: _Interval | None


class Figures(F1):
    """Figures with their intervals and the counts that they come from."""

    precision: _Share | None
    precision_interval: _Interval | None
    recall: _Share | None
    recall_interval: _Interval | None
    support: _Count
    tp: _Count
    fp: _Count
    fn: _Count


class Summary(Record):
    """What was measured on all test sets, or on one."""

    micro: Figures
    macro: F1
    labels: dict[str, Figures]
    levels: dict[str, dict[str, Figures]]


class Difference(Record):
    """How F1 changed since the last release."""

    difference: _Change
    interval: _ChangeInterval | None
    p_worse: _Share


class LabelDifference(Difference):
    """How F1 of a label changed."""

    p_worse_adjusted: _Share
    lost: bool = False


class Comparison(Record):
    """The last release on the same texts."""

    baseline: Named
    texts: _Count
    missing: _Count
    overall: Difference
    labels: dict[str, LabelDifference]


class Baseline(Record):
    """Whether there is a last release to compare with."""

    status: Literal["compared", "first", "off", "missing"]
    note: str


class Metrics(Record):
    """`metrics.json`."""

    model: Model
    overall: Summary
    sources: dict[str, Summary]
    comparison: Comparison | None
    baseline: Baseline
    gates_file: str
    gates: list[dict[str, Any]]


class GateRow(Record):
    """A gate and what became of it."""

    test_set: str
    label: str
    metric: str
    minimum: _Share
    bound: str
    value: _Share | None
    support: _Count
    status: str
    passed: bool
    note: str


class Verdict(Record):
    """Whether the model may ship, and why."""

    may_ship: bool
    reasons: list[str]


class GatesRecord(Record):
    """`gates.json`."""

    model: Model
    verdict: Verdict
    gates_file: str
    gates_sha256: str
    metrics_sha256: str
    gates: list[GateRow]
