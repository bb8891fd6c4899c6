"""Check the markup, labels and borders of the gold set of a domain."""

from common import ROOT, Domain, Quiet, command, fail, schema_path

# isort: split
import spacy
import typer
from wasabi import Printer

from ner11.datasets import SPLITS
from ner11.files import write_json
from ner11.gold import check_gold
from ner11.schema import load_schema


@command
def main(domain: Domain = "cyber", quiet: Quiet = False) -> None:
    """Write the counts to corpus/gold.json, or list what is wrong."""
    msg = Printer(no_print=quiet)
    folder = ROOT / "assets" / domain / "gold"
    schema = load_schema(schema_path(domain))
    counts, problems = check_gold(folder, schema=schema, make_doc=spacy.blank("en").make_doc)
    if problems:
        for problem in problems[:-1]:
            print(problem)
        fail(f"{problems[-1]}. {len(problems)} problem(s) in {folder}; see docs/annotation.md.")
    write_json(ROOT / "corpus" / "gold.json", counts)
    order = [*schema.active, *sorted(set(counts) - set(schema.active))]
    rows = [(label, *(counts.get(label, {}).get(split, 0) for split in SPLITS)) for label in order]
    msg.table(rows, header=("label", *SPLITS), divider=True, aligns=("l", "r", "r", "r"))
    msg.good(f"{sum(sum(row[1:]) for row in rows)} spans in {folder} are sound")


if __name__ == "__main__":
    typer.run(main)
