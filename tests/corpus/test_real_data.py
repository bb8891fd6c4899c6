"""The data sets that are configured, where they are present: every span of theirs has an outcome."""

from pathlib import Path

import pytest
import spacy

from ner11.corpus.convert import convert
from ner11.corpus.shards import read_docs
from ner11.datasets import load_datasets, select_datasets
from ner11.schema import load_schema

ROOT = Path(__file__).parents[2]
DOMAIN = ROOT / "configs" / "domains" / "cyber"
DATASETS, _ = select_datasets(load_datasets(DOMAIN / "datasets.yml"), "present", root=ROOT)
SPANS = {"cyner": 4851, "wnut17": 3890}
"""Spans in all splits, counted by the B- tags and the I- tags without one in the files themselves."""


@pytest.fixture
def two_workers():
    """Take all cores."""


@pytest.mark.parametrize(
    "dataset",
    [pytest.param(one, id=one.name, marks=() if one.name in SPANS else pytest.mark.slow) for one in DATASETS],
)
def test_every_span_has_an_outcome(dataset, tmp_path):
    counts, ledger = convert([dataset], schema=load_schema(DOMAIN / "schema.yml"), root=ROOT, out=tmp_path, seed=0)
    assert sum(ledger.read.values()) == SPANS.get(dataset.name, sum(ledger.read.values()))
    known = sum(n for key, n in ledger.spans.items() if key.outcome in ("kept", "trimmed", "widened", "repaired"))
    vocab = spacy.blank("en").vocab
    docs = [doc for split in counts[dataset.name] for doc in read_docs(tmp_path / dataset.name / split, vocab)]
    assert sum(len(doc.ents) for doc in docs) == known > 0
