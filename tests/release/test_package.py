import json

import pytest

from ner11.datasets import Dataset
from ner11.evaluation.gates import Gate
from ner11.release.package import build_meta

DATASET = Dataset(
    name="gold",
    path="x",
    url="https://example.org/gold",
    license="MIT",
    format="inline",
    splits={"test": "x"},
    tier="gold",
    labels="schema",
)
DEFINITIONS = {label: f"A {label}." for label in ("TOOL", "PLACE", "DATE", "CVE", "OTHER")}


@pytest.fixture
def make_meta(model, metrics_path, check):
    """Makes the meta data of a package whose TOOL must reach an F1."""

    def make_meta(minimum):
        return build_meta(
            model,
            name="ner11_toy",
            version="1.2.3",
            metrics=json.loads(metrics_path.read_text(encoding="utf8")),
            gates=check(Gate("gold", "TOOL", "f1", minimum)),
            datasets=[DATASET],
            definitions=DEFINITIONS,
        )

    return make_meta


def test_figures_come_from_the_metrics(make_meta):
    meta = make_meta(0.5)
    assert meta["performance"]["ents_f"] == pytest.approx(2 * 35 / (2 * 35 + 8 + 26))
    assert meta["performance"]["ents_per_type"]["TOOL"]["p"] == 0.75
    assert meta["ner11"]["test_sets"]["gold"]["support"] == 61
    assert meta["sources"] == [{"name": "gold", "license": "MIT", "url": "https://example.org/gold"}]


def test_only_labels_of_the_model_are_in_its_scheme(make_meta):
    assert sorted(make_meta(0.5)["ner11"]["label_scheme"]) == ["CVE", "DATE", "PLACE", "TOOL"]


def test_passed_gates_are_said_so(make_meta):
    meta = make_meta(0.5)
    assert (meta["name"], meta["description"]) == ("ner11_toy", "Named entities of the domain toy: 4 labels.")
    assert meta["ner11"]["gates_passed"] is True
    assert meta["ner11"]["gates"][0]["status"] == "passed"


def test_failed_gates_are_in_name_and_description(make_meta):
    meta = make_meta(0.9)
    assert meta["name"] == "ner11_toy_failed_gates"
    assert meta["description"].endswith("It did not pass its release gates.")
    assert meta["ner11"]["gates_passed"] is False
    assert meta["ner11"]["verdict"]["reasons"] == ["F1 of TOOL on gold is 81.8; 90.0 is needed"]
