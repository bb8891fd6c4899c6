"""Check the figures of the trained pipeline against the gates, and say whether it may ship."""

from common import ROOT, Domain, Quiet, command, fail, one_line, schema_path

# isort: split
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent, percent_range
from ner11.evaluation.gate import LOWER, NO_REGRESSION, NOT_PROVEN, GateResult
from ner11.evaluation.gates import check_gates, load_gates
from ner11.release.verdict import read_metrics, require_same, write_verdict
from ner11.schema import load_schema

AllowFailed = Annotated[str, typer.Option("--allow-failed-gates", help="yes lets a model through that may not ship.")]
HEADER = ("test set", "label", "metric", "minimum", "measured", "interval", "support", "result")


def is_allowed(answer: str) -> bool:
    """Tell whether a model may go on that may not ship."""
    if answer not in ("no", "yes"):
        raise Ner11Error(f"'{answer}' is neither yes nor no", where="allow_failed_gates", fix="Say yes or no")
    return answer == "yes"


def gate_row(result: GateResult) -> tuple[str, ...]:
    """Write a gate as a row of the table."""
    gate = result.gate
    if gate.metric == NO_REGRESSION:
        measured = "–" if result.value is None else f"p {result.reached}"
        figures = (f"p {result.needed}", measured, "")
    else:
        minimum = f"{'lower end ' if gate.bound == LOWER else ''}{result.needed}"
        measured = percent(result.point) if gate.bound == LOWER else result.reached
        figures = (minimum, measured, percent_range(result.interval))
    state = "passed" if result.passed else "failed"
    if result.status == NOT_PROVEN:
        state = f"{state}, not proven"
    outcome = f"{state}: {result.note}" if result.note else state
    return (gate.test_set, gate.label, gate.metric, *figures, str(result.support), outcome)


def print_table(msg: Printer, results: Sequence[GateResult]) -> None:
    """Print gates, one a row."""
    aligns = ("l", "l", "l", "r", "r", "r", "r", "l")
    msg.table([gate_row(result) for result in results], header=HEADER, divider=True, aligns=aligns, max_col=80)
    sys.stdout.flush()  # before the verdict, which may go to standard error


def _say(line: str, style: str, *, quiet: bool) -> None:
    if not quiet:
        print(one_line(line, style))


@command
def main(
    gates: Annotated[str, typer.Option(help="A file in configs/gates, without .csv.")] = "demo",
    domain: Domain = "cyber",
    allow_failed_gates: AllowFailed = "no",
    quiet: Quiet = False,
) -> None:
    """Write training/gates.json and training/gates.xml; exit with 1 if the model may not ship."""
    msg = Printer(no_print=quiet)
    allowed = is_allowed(allow_failed_gates)
    gates_path = ROOT / "configs" / "gates" / f"{gates}.csv"
    metrics_path = ROOT / "training" / "metrics.json"
    claims = load_gates(gates_path)
    metrics = read_metrics(metrics_path)
    results = check_gates(claims, metrics, known=load_schema(schema_path(domain)))
    require_same(results, metrics, metrics_path=metrics_path, gates_path=gates_path)
    record = write_verdict(ROOT / "training", results, metrics_path=metrics_path, gates_path=gates_path)
    if results:
        print_table(msg, results)
    if record["verdict"]["may_ship"]:
        unproven = sum(result.status == NOT_PROVEN for result in results)
        if unproven:
            told = f"{len(results) - unproven} of {len(results)} gates of {gates_path} passed, {unproven} not proven but allowed"
            _say(f"May ship: {told}", "warn", quiet=quiet)
        else:
            _say(f"May ship: all {len(results)} gates of {gates_path} passed", "good", quiet=quiet)
        return
    failed = [result for result in results if not result.passed]
    why = f"{len(failed)} of {len(results)} gates of {gates_path} failed" if results else f"no gates are set in {gates_path}"
    if not allowed:
        fail(f"Must not ship: {why}")
    _say(f"Must not ship: {why}; let through by allow_failed_gates, and the package will be named so", "warn", quiet=quiet)


if __name__ == "__main__":
    typer.run(main)
