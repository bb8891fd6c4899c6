"""Converted data sets made from inline markup, in the labels of a small schema."""

from pathlib import Path

import pytest
from spacy.tokens import DocBin

from ner11.annotation import AnnotatedText
from ner11.corpus import convert, moving
from ner11.corpus.convert import Batch, BatchConverter
from ner11.corpus.shards import ATTRIBUTES
from ner11.datasets import Dataset
from ner11.ledger import Ledger
from ner11.readers.inline import parse_inline
from ner11.schema import Schema
from tests.trees import node

SCHEMA = Schema(
    "toy",
    [
        node("THREAT", node("ACTOR", active=True), node("MALWARE", node("WIPER"), active=True), node("CAMPAIGN")),
        node("TOOL", active=True),
        node("PLACE", active=True),
    ],
)
SPLITS = ("train", "dev", "test")


@pytest.fixture(autouse=True)
def two_workers(monkeypatch):
    for module in (convert, moving):
        monkeypatch.setattr(module, "count_workers", lambda: 2)


def make_dataset(name="toy", **settings):
    return Dataset(
        **{
            "name": name,
            "path": Path("in"),
            "url": "here",
            "license": "MIT",
            "format": "columns",
            "splits": {"train": "train.txt", "test": "test.txt"},
            "tier": "gold",
            "weight": 1.0,
            "labels": "schema",
            **settings,
        }
    )


def write_shards(docs, folder):
    """Write documents as the one shard of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    DocBin(attrs=ATTRIBUTES, store_user_data=True, docs=docs).to_disk(folder / "0000.spacy")


def put(out, name, splits, **settings) -> Ledger:
    """Write a converted data set of marked-up texts, `{split: [markup, ...]}`, into a folder, and give its ledger."""
    converter = BatchConverter(SCHEMA, out)
    ledger = Ledger()
    for split, markups in splits.items():
        batch = Batch(make_dataset(name, **settings), split, 0)
        for i, markup in enumerate(markups):
            text = markup if isinstance(markup, AnnotatedText) else parse_inline(markup, where=f"{name}/{split}.md")
            text.group, text.line = f"{split}:{i}", i + 1
            batch.texts.append(text)
        converted = converter(batch)
        assert not converted.unmapped.counts
        ledger.update(converted.ledger)
    ledger.check()
    return ledger
