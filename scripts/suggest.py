"""Print a starter entry of datasets.yml for a data set that nobody configured yet."""

from common import ROOT, Domain, command, datasets_path, schema_path

# isort: split
from pathlib import Path
from typing import Annotated

import typer

from ner11.datasets import load_datasets, select_datasets
from ner11.errors import Ner11Error
from ner11.gazetteer.entities import read_entities
from ner11.schema import load_schema
from ner11.suggest.suggest import suggest


@command
def main(
    path: Annotated[str, typer.Argument(help="A file, or a folder with files anywhere below it.")],
    domain: Domain = "cyber",
    name: Annotated[str | None, typer.Option(help="Name of the data set; by default that of the folder or file.")] = None,
) -> None:
    """Print an entry to paste below `datasets:`, with what speaks for each line as comments."""
    if not path:
        raise Ner11Error("no path", where="--vars.path", fix="Give the file or folder of a data set")
    schema = load_schema(schema_path(domain))
    datasets = load_datasets(datasets_path(domain))
    try:
        present, _ = select_datasets(datasets, "present", root=ROOT)
    except Ner11Error:
        present = []
    names = ROOT / "corpus" / "gazetteer" / "entities.jsonl"
    entry = suggest(
        Path(path),
        schema=schema,
        datasets=present,
        entities=read_entities(names) if names.is_file() else [],
        name=name,
        taken={dataset.name for dataset in datasets},
        root=ROOT,
    )
    print(entry, end="")


if __name__ == "__main__":
    typer.run(main)
