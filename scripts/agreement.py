"""Measure how far two independent annotations of the gold set agree."""

from common import ROOT, Domain, Quiet, command, schema_path

# isort: split
from typing import Any

import spacy
import typer
from wasabi import MarkdownRenderer, Printer

from ner11.evaluation.agreement import measure_agreement, read_pairs
from ner11.evaluation.figures import percent
from ner11.files import write_json
from ner11.schema import load_schema

HEADER = ("label", "first", "second", "agreed", "F1", "kappa")


def _kappa(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return str(row["first"]), str(row["second"]), str(row["agreed"]), percent(row["f1"]), _kappa(row["kappa"])


def render_agreement(results: dict[str, Any]) -> str:
    """Render the agreement by label as Markdown."""
    md = MarkdownRenderer()
    overall, borders = results["overall"], results["borders"]
    interval = overall["interval"]
    around = f" (95% interval over documents: {percent(interval[0])} to {percent(interval[1])})" if interval else ""
    md.add(
        f"Two independent annotations of {results['documents']} documents ({results['tokens']:,} tokens), before they were "
        f"resolved: F1 of exact spans with labels {percent(overall['f1'])}{around}, of borders alone {percent(borders['f1'])}; "
        f"Cohen's kappa of the labels of tokens {_kappa(overall['kappa'])}. F1 is in percent; the kappa of a label is that of "
        f"this label against all else."
    )
    used = {label: row for label, row in results["labels"].items() if row["first"] or row["second"]}
    rows = [(md.code(label), *_cells(row)) for label, row in used.items()]
    rows.append((md.bold("all"), *_cells(overall)))
    md.add(md.table(rows, HEADER, aligns=["l", *"r" * 5]))
    unused = [md.code(label) for label in results["labels"] if label not in used]
    if unused:
        md.add(f"In neither annotation: {', '.join(unused)}.")
    return md.text


@command
def main(domain: Domain = "cyber", quiet: Quiet = False) -> None:
    """Write benchmarks/results/agreement.json from the folders first and second of the gold set."""
    msg = Printer(no_print=quiet)
    gold = ROOT / "assets" / domain / "gold"
    pairs = read_pairs(gold / "first", gold / "second")
    results = measure_agreement(pairs, schema=load_schema(schema_path(domain)), make_doc=spacy.blank("en").make_doc)
    write_json(ROOT / "benchmarks" / "results" / "agreement.json", {"domain": domain, **results})
    rows = [(label, *_cells(row)) for label, row in results["labels"].items() if row["first"] or row["second"]]
    msg.table([*rows, ("all", *_cells(results["overall"]))], header=HEADER, divider=True, aligns=("l", *"r" * 5))
    msg.info(f"Borders alone: F1 {percent(results['borders']['f1'])}; {len(results['disagreements'])} disagreements")
    msg.good("Wrote benchmarks/results/agreement.json")


if __name__ == "__main__":
    typer.run(main)
