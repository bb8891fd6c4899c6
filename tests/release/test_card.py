import re

import pytest
from huggingface_hub import ModelCard

from ner11.evaluation.gates import Gate, GateResult, verdict
from ner11.release.card import make_card
from tests.evaluation.report.data import make_metrics, make_summary, score

SCHEME = {"TOOL": "A tool | a means.", "PLACE": "A place.", "DATE": "A date.", "CVE": "A number.", "NEW": "Not in the test sets."}
FAILED = GateResult(Gate("gold", "CVE", "f1", 0.9, "lower", 50), "not proven", 0.95, 1.0, [0.95, 1.0], 6, "6 of 50")
PASSED = GateResult(Gate("gold", "TOOL", "f1", 0.8), "passed", 0.818, 0.818, [0.768, 0.868], 10)


@pytest.fixture
def card():
    """Makes a card, one string a line, of metrics with keys changed as given."""

    def card(*results, meta=None, **changes):
        results = results or (PASSED,)
        ner11 = {
            "encoder": "minilm (MIT)",
            "head": "softmax",
            "label_scheme": SCHEME,
            "gates_passed": all(result.passed for result in results),
            "verdict": verdict(results),
            "gates_file": "configs/gates/toy.csv",
            "gates": [result.to_dict() for result in results],
        }
        fields = {"lang": "en", "name": "ner11_toy", "version": "2.0.0", "license": "Apache-2.0", "description": "Toy names."}
        return make_card(make_metrics(**changes), {**fields, "ner11": ner11, **(meta or {})})

    return card


def test_the_hub_reads_its_metadata(card):
    data = ModelCard(card()).data
    assert (data.language, data.license, data.library_name, data.pipeline_tag) == (
        "en",
        "apache-2.0",
        "spacy",
        "token-classification",
    )
    assert data.model_name == "en_ner11_toy"


def test_the_model_index_has_the_figures_of_each_test_set(card):
    other = make_summary({"TOOL": (1, 1, 2)})
    results = ModelCard(card(sources={"gold": make_summary(), "other": other})).data.eval_results
    found = {(one.dataset_name, one.dataset_split, one.metric_type): one.metric_value for one in results}
    assert len(found) == 6
    assert found["gold", "test", "f1"] == round(2 * 35 / (2 * 35 + 8 + 26), 4)
    assert found["other", "test", "precision"] == 0.5 and found["other", "test", "recall"] == 0.3333


def test_a_figure_that_is_undefined_is_not_in_the_model_index(card):
    sources = {"gold": make_summary({"TOOL": (0, 0, 5)})}
    assert [one.metric_type for one in ModelCard(card(sources=sources)).data.eval_results] == ["recall", "f1"]


def test_the_commit_of_a_test_set_is_its_revision(card):
    data = [{"name": "gold", "license": "MIT", "commit": "abc123", "url": "https://example.org"}]
    text = card(provenance=make_metrics()["provenance"] | {"data": data})
    assert {one.dataset_revision for one in ModelCard(text).data.eval_results} == {"abc123"}
    assert "| gold | MIT | abc123 | https://example.org |" in text


def test_scores_stand_with_their_intervals(card):
    text = card()
    assert "| gold | 7 | 61 | 81.4 [76.4, 86.4] | 57.4 [52.4, 62.4] | 67.3 [62.3, 72.3] | 48.7 [40.0, 60.0] |" in text
    assert r"| TOOL | A tool \| a means. | 75.0 | 90.0 | 81.8 [76.8, 86.8] | 10 |" in text
    assert "| NEW | Not in the test sets. | – | – | – | 0 |" in text
    assert "**all**" not in text


def test_several_test_sets_are_added_up(card):
    assert "| **all** | 7 | 61 | 81.4" in card(sources={"a": make_summary(), "b": make_summary()})


def test_passed_gates_are_said_first(card):
    text = card()
    assert "**It passed its release gates.** All 1 gates passed." in text
    assert "| gold | TOOL | f1 | point | 80.0 | 81.8 | 10 | passed |" in text


def test_failed_gates_are_said_first_with_their_reasons(card):
    text = card(PASSED, FAILED, meta={"name": "ner11_toy_failed_gates"})
    head, _, rest = text.partition("## What it is for")
    assert "**It did not pass its release gates:**\n\n- F1 of CVE on gold is not proven: 6 of 50" in head
    assert "# en_ner11_toy_failed_gates 2.0.0" in head and 'spacy.load("en_ner11_toy_failed_gates")' in rest
    assert "passed its release gates.**" not in text


def test_p_values_are_no_percentages(card):
    gate = Gate("ALL", "ANY", "no_regression", 0.05)
    assert "| ALL | ANY | no_regression | point | 0.05 | 0.012 | 9 | failed (TOOL is worse) |" in card(
        GateResult(gate, "failed", 0.0123, -0.1, [-0.2, 0.0], 9, "TOOL is worse")
    )
    assert "| 0.05 | – | 0 | passed |" in card(GateResult(gate, "passed"))


def test_what_is_weak_or_unproven_is_named(card):
    limits = card().partition("## Limits")[2]
    assert "- F1 is under 50.0 for DATE." in limits
    assert "too few for a claim about the single label: TOOL, PLACE, DATE, CVE." in limits
    assert "- Not in the test sets at all: NEW." in limits


def test_slices_perturbations_and_calibration_are_told(card):
    text = card()
    assert "- surface: seen 85.1 (25), unseen 52.6 (36)" in text and "- source:" not in text
    assert "- lower case: F1 57.8, a loss of 8.2 [3.0, 13.0]" in text
    assert "expected calibration error is 6.1 [4.0, 9.0] and the Brier score 0.142, with a temperature of 1.27" in text


MISSING = {"calibration": None, "thresholds": None, "comparison": None, "slices": {}}
EMPTY = {"texts": 0, "words": 0, "plain": score(0, 0, 0), "perturbations": {}}
UNKNOWN = {
    "hardware": {"cpu": "c", "cores": 1, "memory_gib": None, "gpu": None},
    "time": {"training_seconds": None, "evaluation_seconds": 1},
}


def test_what_is_not_there_is_said_so(card):
    provenance = make_metrics()["provenance"] | UNKNOWN
    text = card(**MISSING, robustness=EMPTY, provenance=provenance, overall=make_summary({}), sources={})
    assert "Not measured: the model found no span that counts." in text and "entity._.confidence" not in text
    assert "- not measured" in text and "Energy: not measured" in text and "training not measured" in text
    assert "Against" not in text and "None" not in text
    assert ModelCard(text).data.model_name == "en_ner11_toy"


def test_a_head_without_confidences_is_told_from_a_model_that_finds_nothing(card):
    assert "This head gives spans without a confidence." in card(**MISSING)


def test_tables_are_whole(card):
    for table in re.findall(r"(?:^\|.*\n)+", card(), flags=re.MULTILINE):
        rows = table.replace(r"\|", "").splitlines()
        assert len({row.count("|") for row in rows}) == 1 and len(rows) > 2


PARITY = {
    "fp32": {"texts": 206, "entities": 1387, "logits": 1.2e-5, "confidence": 3e-6},
    "int8": {
        "texts": 125,
        "f1": 0.752,
        "expected_f1": 0.7533,
        "changed_texts": 17,
        "common_entities": 1300,
        "confidence": 0.21,
        "mean_confidence": 0.012,
    },
}


def test_a_package_without_torch_says_how_it_differs(card):
    export = {"of": "en_ner11_toy", "precision": "int8", "parity": PARITY}
    summary = [GateResult(Gate("gold", "TOOL", "f1", 0.8), "passed", 0.818, 0.818, [0.768, 0.868], 10)]
    ner11 = {
        "encoder": "minilm (MIT)",
        "head": "softmax",
        "label_scheme": SCHEME,
        "gates_passed": True,
        "verdict": verdict(summary),
        "gates_file": "configs/gates/toy.csv",
        "gates": [result.to_dict() for result in summary],
    }
    text = card(meta={"name": "ner11_toy_onnx", "ner11": {**ner11, "export": export}})
    assert "This is en_ner11_toy in another form: ONNX Runtime computes the encoder in int8" in text
    assert "with logits that differ by at most 1.2e-05 and confidences by at most 3.0e-06." in text
    assert "F1 75.2 for 75.3 on 125 test texts, in 17 of which other entities are found" in text
    assert "Without torch" not in card()
