"""Convert annotated data sets to documents in the labels of the schema, with every span accounted for."""

from common import ROOT, Domain, Quiet, command, datasets_path, gazetteers_path, one_line, schema_path

# isort: split
from typing import Annotated

import typer
from tqdm import tqdm
from wasabi import Printer

from ner11.corpus.convert import SilverSource, convert
from ner11.datasets import expected_files, load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.files import replaced_dir, write_json
from ner11.gazetteer.config import load_gazetteers
from ner11.gazetteer.entities import read_entities, select_entities
from ner11.ledger import by_outcome
from ner11.schema import Schema, load_schema


def _silver_source(domain: str, schema: Schema) -> SilverSource:
    declared = load_gazetteers(gazetteers_path(domain), schema).silver
    entities = read_entities(ROOT / "corpus" / "gazetteer" / "entities.jsonl")
    return SilverSource(declared.name, declared.weight, select_entities(entities, declared.labels, schema))


@command
def main(
    domain: Domain = "cyber",
    datasets: Annotated[str, typer.Option(help="Names separated by commas, or 'present' for all that are there.")] = "gold",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits of sets without official ones.")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict/--no-strict", help="A missing data set or damaged record is an error.")
    ] = False,
    silver: Annotated[bool, typer.Option("--silver/--no-silver", help="Add what gazetteers find in the training texts.")] = False,
    quiet: Quiet = False,
) -> None:
    """Convert the chosen data sets into corpus/converted, one folder each, and write what became of every span."""
    msg = Printer(no_print=quiet)
    schema = load_schema(schema_path(domain))
    chosen, missing = select_datasets(load_datasets(datasets_path(domain)), datasets, root=ROOT)
    for dataset in missing:
        line = f"data set not there: {expected_files(dataset)}"
        fix = "Fetch it ('spacy project assets --extra') or link it there, then run this step again with --force"
        if strict:
            raise Ner11Error(line, fix=fix)
        if not quiet:
            print(one_line(f"Skipped: {line}. {fix}.", "warn"))
    source = _silver_source(domain, schema) if silver else None
    if source and source.name in {dataset.name for dataset in chosen}:
        raise Ner11Error(f"'{source.name}' is a data set too", where=gazetteers_path(domain), fix="Give silver another name")
    with replaced_dir(ROOT / "corpus" / "converted") as out:
        progress = tqdm(chosen, desc="Data sets", disable=True if quiet else None, leave=False)
        counts, ledger = convert(progress, schema=schema, root=ROOT, out=out, seed=seed, strict=strict, silver=source)
        rows = ledger.to_rows()
        write_json(out / "ledger.json", rows)
    table = by_outcome(rows["spans"])
    msg.table(table, header=("source", "outcome", "reason", "spans"), divider=True, aligns=("l", "l", "l", "r"))
    noted = [(row["source"], row["problem"], row) for row in rows["problems"]]
    noted += [(row["source"], f"texts left out: {row['reason']}", row) for row in rows["texts"] if row["outcome"] == "dropped"]
    sums: dict[tuple[str, str], tuple[int, str]] = {}
    for source, what, row in noted:
        count, first = sums.get((source, what), (0, row["examples"][0]))
        sums[source, what] = count + row["count"], first
    table = [(source, what, count, first[:100]) for (source, what), (count, first) in sums.items()]
    if table:
        header = ("source", "noticed", "times", "first in")
        msg.table(table, header=header, divider=True, aligns=("l", "l", "r", "l"), max_col=110)
    for name, splits in counts.items():
        msg.good(f"{name}: " + ", ".join(f"{count} {split}" for split, count in splits.items()) + " texts")


if __name__ == "__main__":
    typer.run(main)
