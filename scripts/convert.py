"""Convert annotated data sets to documents in the labels of the schema, with every span accounted for."""

from common import ROOT, Domain, Quiet, command, datasets_path, one_line, schema_path

# isort: split
from typing import Annotated

import spacy
import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.convert import convert_dataset
from ner11.datasets import load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.files import replaced_dir, write_json
from ner11.ledger import Ledger, by_outcome
from ner11.schema import load_schema


@command
def main(
    domain: Domain = "cyber",
    datasets: Annotated[str, typer.Option(help="Names separated by commas, or 'present' for all that are there.")] = "gold",
    strict: Annotated[bool, typer.Option("--strict/--no-strict", help="A missing data set is an error.")] = False,
    quiet: Quiet = False,
) -> None:
    """Convert the chosen data sets into corpus/converted, one folder each, and write what became of every span."""
    msg = Printer(no_print=quiet)
    schema = load_schema(schema_path(domain))
    chosen, missing = select_datasets(load_datasets(datasets_path(domain)), datasets, root=ROOT)
    for dataset in missing:
        line = f"data set {dataset.name} is not there: expected {', '.join(map(str, dataset.splits.values()))} in {dataset.path}"
        fix = "Fetch it ('spacy project assets --extra') or link it there, then run this step again with --force"
        if strict:
            raise Ner11Error(line, fix=fix)
        if not quiet:
            print(one_line(f"Skipped: {line}. {fix}.", "warn"))
    make_doc = spacy.blank("en").make_doc
    ledger = Ledger()
    counts = {}
    with replaced_dir(ROOT / "corpus" / "converted") as out:
        for dataset in tqdm(chosen, desc="Data sets", disable=True if quiet else None, leave=False):
            counts[dataset.name] = convert_dataset(
                dataset, schema=schema, root=ROOT, out=out / dataset.name, make_doc=make_doc, ledger=ledger
            )
        ledger.check()
        rows = ledger.to_rows()
        write_json(out / "ledger.json", rows)
    msg.table(
        by_outcome(rows["spans"]), header=("source", "outcome", "reason", "spans"), divider=True, aligns=("l", "l", "l", "r")
    )
    for name, splits in counts.items():
        msg.good(f"{name}: " + ", ".join(f"{count} {split}" for split, count in splits.items()) + " texts")


if __name__ == "__main__":
    typer.run(main)
