import json
from pathlib import Path

import pytest

from ner11.corpus.evidence import collect_evidence
from ner11.errors import Ner11Error
from ner11.schema import load_schema
from tests.corpus.conftest import SCHEMA

ROOT = Path(__file__).parents[2]


def row(split, label, count, source="one"):
    return {"split": split, "source": source, "label": label, "count": count}


def test_spans_are_counted_by_part_and_source():
    rows = [row("train", "TOOL", 30), row("train", "TOOL", 5, "two"), row("dev", "TOOL", 4), row("test", "TOOL", 6)]
    labels = collect_evidence(rows, SCHEMA)
    assert list(labels) == list(SCHEMA.active)
    assert labels["TOOL"] == {"training": {"one": 30, "two": 5}, "evaluation": {"one": 10}, "enough": True}
    assert labels["PLACE"] == {"training": {}, "evaluation": {}, "enough": False}


@pytest.mark.parametrize(
    ("train", "dev", "test", "enough"), [(30, 5, 5, True), (29, 5, 5, False), (30, 4, 5, False), (300, 0, 0, False)]
)
def test_a_label_needs_thirty_spans_to_train_and_ten_to_score(train, dev, test, enough):
    rows = [row("train", "TOOL", train), row("dev", "TOOL", dev), row("test", "TOOL", test, "two")]
    assert collect_evidence(rows, SCHEMA)["TOOL"]["enough"] is enough


def test_spans_that_may_be_something_else_prove_nothing():
    labels = collect_evidence([row("train", "PLACE|TOOL", 50), row("train", "?", 50)], SCHEMA)
    assert not labels["TOOL"]["training"] and not labels["PLACE"]["training"]


@pytest.mark.parametrize("label", ["FOOD", "FOOD|TOOL", "WIPER"])
def test_a_corpus_of_another_schema_is_refused(label):
    with pytest.raises(Ner11Error, match=r"corpus/merged: '.*' of one is no active label of the domain toy"):
        collect_evidence([row("train", label, 1)], SCHEMA)


@pytest.mark.parametrize("domain", ["cyber", "food"])
def test_the_evidence_here_is_that_of_the_active_labels(domain):
    schema = load_schema(ROOT / "configs" / "domains" / domain / "schema.yml")
    evidence = json.loads((ROOT / "benchmarks/results/evidence.json").read_text(encoding="utf8"))[domain]
    assert set(evidence) == set(schema.active)
    assert [label for label, row in evidence.items() if not row["enough"]] == []
