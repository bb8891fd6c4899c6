"""The data sets that are configured, where they are present: every span of theirs has an outcome."""

from pathlib import Path

import pytest
import spacy

from ner11.corpus.convert import convert_dataset
from ner11.corpus.shards import read_docs
from ner11.datasets import load_datasets
from ner11.ledger import Ledger
from ner11.schema import load_schema

ROOT = Path(__file__).parents[2]
DOMAIN = ROOT / "configs" / "domains" / "cyber"
DATASETS = [
    dataset
    for dataset in load_datasets(DOMAIN / "datasets.yml")
    if all((ROOT / dataset.path / file).exists() for file in dataset.splits.values())
]
SPANS = {"cyner": 4851, "annoctr": 7998, "wnut17": 3890}
"""Spans in all splits, counted by the B- tags and the I- tags without one in the files themselves."""


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_span_has_an_outcome(dataset, tmp_path):
    nlp, ledger = spacy.blank("en"), Ledger()
    counts = convert_dataset(
        dataset,
        schema=load_schema(DOMAIN / "schema.yml"),
        root=ROOT,
        out=tmp_path,
        make_doc=nlp.make_doc,
        ledger=ledger,
    )
    ledger.check()
    assert sum(ledger.read.values()) == SPANS.get(dataset.name, sum(ledger.read.values()))
    kept = sum(count for (*_, outcome, _), count in ledger.spans.items() if outcome in ("kept", "trimmed", "widened"))
    docs = [doc for split in counts for doc in read_docs(tmp_path / split, nlp.vocab)]
    assert sum(len(doc.ents) for doc in docs) == kept > 0
