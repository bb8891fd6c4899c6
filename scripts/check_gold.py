"""Check the markup, labels and borders of the gold set of a domain, and report what looks inconsistent."""

from common import ROOT, Domain, Quiet, command, fail, schema_path

# isort: split
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import spacy
import typer
from wasabi import Printer

from ner11.datasets import SPLITS
from ner11.files import write_json
from ner11.gold import GoldReport, check_gold
from ner11.schema import load_schema

COUNTS = (*SPLITS, "documents", "short_texts")
SIZES = ("documents", "words", "fewest", "most", "short_texts", "without_entity")


def _entries(report: GoldReport) -> Iterator[str]:
    """Write every entry of the reports as a line, or several for sentences."""
    for place, words in report.sizes["long_or_short"].items():
        yield f"{place}: {words} words"
    for conflict in report.conflicts:
        labels = (f"{label} {found['count']} x ({found['place']})" for label, found in conflict["labels"].items())
        yield f"'{conflict['surface']}': {', '.join(labels)}"
    for bare in report.bare:
        yield f"'{bare['surface']}': {bare['annotated']} x {bare['label']}, {bare['bare']} x bare ({', '.join(bare['places'])})"
    for group in report.similar:
        yield f"similar sentences in {group['files']} file(s):"
        for sentence in group["sentences"]:
            yield f"  {sentence['place']}: {sentence['text']}"


@command
def main(
    domain: Domain = "cyber",
    full: Annotated[bool, typer.Option("--full", help="Print every entry of the reports, with places.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write the reports to corpus/gold.json, or list what is wrong."""
    msg = Printer(no_print=quiet)
    folder = ROOT / "assets" / domain / "gold"
    schema = load_schema(schema_path(domain))
    report = check_gold(folder, schema=schema, make_doc=spacy.blank("en").make_doc)
    if report.problems:
        for problem in report.problems[:-1]:
            print(problem)
        fail(f"{report.problems[-1]}. {len(report.problems)} problem(s) in {folder}; see docs/annotation.md.")
    output = asdict(report)
    del output["problems"]
    write_json(ROOT / "corpus" / "gold.json", output)
    aligns = ("l", *"r" * len(SIZES))
    rows = [(label, *(count[key] for key in COUNTS)) for label, count in report.labels.items()]
    msg.table(rows, header=("label", *COUNTS), divider=True, aligns=aligns[: len(COUNTS) + 1])
    sizes = [(split, *(report.sizes[split][key] for key in SIZES)) for split in SPLITS]
    msg.table(sizes, header=("split", *SIZES), divider=True, aligns=aligns)
    unseen = report.sizes["unseen"]
    msg.info(f"Of test's surfaces {unseen['surfaces']:.1%} are no entity of train, of its spans {unseen['spans']:.1%}")
    if report.rare:
        msg.info(f"{len(report.rare)} labels under 20 spans or 8 documents: {', '.join(report.rare)}")
    if full and not quiet:
        for line in _entries(report):
            print(line)
    outside, similar = len(report.sizes["long_or_short"]), len(report.similar)
    msg.info(
        f"To be judged (--full lists them): {outside} long or short texts, {len(report.conflicts)} surfaces with several labels, "
        f"{len(report.bare)} left bare somewhere, {similar} groups of similar sentences"
    )
    msg.good(f"{sum(row[1] + row[2] + row[3] for row in rows)} spans in {folder} are sound")


if __name__ == "__main__":
    typer.run(main)
