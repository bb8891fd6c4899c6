"""One data set: read, harmonize, tokenize, write."""

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError
from spacy.tokens import Doc

from ner11.corpus.docs import to_docs
from ner11.corpus.shards import write_shards
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.harmonize import harmonize
from ner11.ledger import Ledger
from ner11.readers import readers
from ner11.schema import Schema, first_problem


def convert_dataset(
    dataset: Dataset, *, schema: Schema, root: Path, out: Path, make_doc: Callable[[str], Doc], ledger: Ledger
) -> dict[str, int]:
    """Convert the splits of a data set to folders of shards.

    Args:
        dataset: The data set.
        schema: The label tree.
        root: The project's folder, which the data set's path is relative to.
        out: Folder to write `<split>/` into.
        make_doc: The tokenizer of the pipeline to be trained.
        ledger: Takes the outcome of every span and text.

    Returns:
        Documents by split.

    Raises:
        Ner11Error: If the format or an option is unknown, a record is damaged, or a label has no place in the schema.
    """
    if dataset.format not in readers:
        raise Ner11Error(
            f"unknown format '{dataset.format}'",
            where=f"data set {dataset.name}",
            fix=f"Choose from {', '.join(sorted(readers.get_all()))}",
        )
    read = readers.get(dataset.format)
    counts: dict[str, int] = {}
    for split, file in dataset.splits.items():
        try:
            texts = read(root / dataset.path / file, **dataset.options)
        except ValidationError as e:
            problem = first_problem(e)
            raise Ner11Error(f"options: {problem}", where=f"data set {dataset.name}", fix="Correct it in datasets.yml") from e
        docs = to_docs(
            harmonize(texts, dataset, schema),
            split=split,
            make_doc=make_doc,
            max_tokens=dataset.max_tokens,
            ledger=ledger,
        )
        counts[split] = write_shards(docs, out / split)
        if not counts[split]:
            raise Ner11Error(
                f"the {split} split has no texts",
                where=root / dataset.path / file,
                fix="Correct the file, or take the split out of datasets.yml",
            )
    return counts
