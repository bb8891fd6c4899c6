import json
import re
from pathlib import Path

import pytest
from document import (
    LABEL_STUDIO,
    SECTIONS,
    SETTINGS,
    marks,
    render_corpus,
    render_evidence,
    render_gold,
    render_harmonize,
    render_settings,
)

ROOT = Path(__file__).parents[2]
ROW = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "f1_interval": [0.25, 0.5], "support": 8}
TRAINING = {
    "machine": {"threads": 2, "processor": "Toy CPU", "torch": "2.0"},
    "settings": {"encoder": "minilm", "epochs": 3, "rate": 3e-4, "limit": 0},
    "runs": [
        {"source": "one", "system": name, "seed": 0, "encoder_precision": "bf16", "peak_mib": 9, "words_per_second": 8, "f1": 0.5}
        for name in ("ours", "stock")
    ],
}
PARTIAL = {"encoder": "minilm", "machine": {}, "words": {}, "variants": {}}
SIZE = {"seconds": 2.0, "cpu_seconds": 3.0, "peak_mib": 100.4}
HARMONIZE = {
    "cores": 2,
    "sizes": [
        {
            "texts": 1000,
            "convert": SIZE,
            "merge": {**SIZE, "peak_mib": 200.6},
            "texts_per_second": 250.0,
            "texts_per_core_second": 166.7,
        }
    ],
}
CORPUS = {
    "toy": {
        "spans": {"one": {"kept": 1000, "widened": 5, "unknown": 7, "removed": 2, "dropped": 1}},
        "texts": {"one": {"kept": 90, "removed": 9, "split": 50}},
        "leaks": [
            {"test": "one", "split": "train", "source": "two", "same": 30, "nearly": 1, "sentence": 2},
            {"test": "one", "split": "dev", "source": "two", "same": 3, "nearly": 1, "sentence": 2},
        ],
        "conflicts": 4,
        "precision": [{"label": "X", "source": "one", "exact": 3, "precision": 0.75}],
    }
}
EVIDENCE = {
    "toy": {
        "X": {"training": {"one": 2000, "two": 40}, "evaluation": {"two": 12}, "enough": True},
        "Y": {"training": {}, "evaluation": {}, "enough": False},
    }
}
PAIR = {"first": 4, "second": 3, "agreed": 2, "f1": 4 / 7, "kappa": 0.5}
AGREEMENT = {
    "documents": 2,
    "tokens": 1234,
    "overall": {**PAIR, "interval": None},
    "borders": PAIR,
    "labels": {"X": PAIR, "Y": {"first": 0, "second": 0, "agreed": 0, "f1": None, "kappa": None}},
}
COST = {"seconds": 4.0, "peak_mib": 9}
EVALUATION = {
    "machine": {"processor": "Toy CPU", "threads": 2, "versions": {"torch": "2.0"}},
    "sizes": [{"texts": 10, "words": 90, "runs": [{"predict": COST, "evaluate": COST}], "ratios": [1.0], "ratio": 1.0}],
}
GOLD = {
    "model": {"encoder": "tiny", "head": "transition"},
    "training": {"seconds": 120, "steps": 1234},
    "texts": 3,
    "micro": ROW,
    "labels": {"X": ROW, "FEW": ROW, "NEVER": {**ROW, "support": 0}},
    "levels": {"1": {"TIER": ROW}},
    "levels_micro": {"1": {**ROW, "f1": 0.5}},
    "slices": {"surface": {"unseen": ROW}, "text length": {"under 20 tokens": ROW}},
    "robustness": {"perturbations": {"typos": {**ROW, "loss": 0.0625}}},
    "calibration": {when: {"ece": 0.048, "ece_interval": [0.04, 0.07], "brier": 0.1234} for when in ("before", "after")},
    "agreement": {"overall": PAIR, "labels": {"X": {**PAIR, "first": 5}, "FEW": PAIR}},
}
INFERENCE = {
    "machine": {"processor": "Toy CPU", "versions": dict.fromkeys(("torch", "onnxruntime", "spacy", "transformers"), "1.0")},
    "settings": {"rounds": 1, "seconds": 1.0},
    "encoder": {"labels": 1, "weights": 1_000_000},
    **{"sets": {}, "processes": [], "rows": [], "ceiling": {}, "installed_bytes": {}},
}
SERVED = {"rounds": 1, "seconds": 1.0, "words": 10, "texts": 1}
RESULTS = {
    "gold": GOLD,
    "training": TRAINING,
    "partial": PARTIAL,
    "harmonize": HARMONIZE,
    "corpus": CORPUS,
    "evidence": EVIDENCE,
    "agreement": AGREEMENT,
    "evaluation": EVALUATION,
    "inference": INFERENCE,
    "serving": {**INFERENCE, "machine": {"processor": "Toy CPU", "cores": 2}, "settings": SERVED},
    "active": {"settings": {}, "machine": {}, "pools": [], "transfers": []},
}


def write_pages(project, between):
    for page in {page for page, _ in SECTIONS.values()}:
        sections = [between.join(marks(name)) for name, (where, _) in SECTIONS.items() if where == page]
        (project / page).parent.mkdir(exist_ok=True)
        (project / page).write_text("before\n" + "\nbetween\n".join(sections) + "\nafter\n")
    (project / LABEL_STUDIO).write_text(between.join(marks(SETTINGS)))


@pytest.fixture
def results(project):
    (project / "benchmarks/results").mkdir(parents=True)
    for name, content in RESULTS.items():
        (project / f"benchmarks/results/{name}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(("agreement", "figure"), [(GOLD["agreement"], "57.1"), (None, "–")])
def test_the_default_run_is_shown_by_tier_and_by_label(agreement, figure):
    text = render_gold({**GOLD, "agreement": agreement})
    assert "1,234 steps in 2 minutes" in text and "**F1 33.3** [25.0, 50.0]; by tier of the label tree F1 50.0" in text
    assert re.search(r"\| `TIER` +\| +8 \| +50\.0 \| +25\.0 \| +33\.3 \| +\[25\.0, 50\.0\] \|", text)
    assert re.search(rf"\| `X` +\| +8 \| +50\.0 \| +25\.0 \| +33\.3 \| +\[25\.0, 50\.0\] \| +{re.escape(figure)} \|", text)
    assert re.search(r"\| `FEW` .*– \|", text), "agreement on four spans says nothing"
    assert "NEVER" not in text


def test_what_makes_names_harder_to_find_is_shown_with_its_cost():
    text = render_gold(GOLD)
    assert re.search(r"\| names that are unseen in training +\| +8 \|", text)
    assert re.search(r"\| all texts with typos: -6\.2 +\| +8 \|", text)
    assert "calibration error 4.8 [4.0, 7.0], 4.8 without the temperature; Brier score 0.123" in text


def test_speed_and_memory_come_from_the_results():
    text = render_harmonize(HARMONIZE)
    assert re.search(r"\| 1,000 \| +4\.0 s \| +250 \| +167 \| +201 MiB \| +– \|", text)
    with_peer = {**HARMONIZE["sizes"][0], "spacy_convert": {**SIZE, "seconds": 9.0}}
    assert "9.0 s, 100 MiB" in render_harmonize({**HARMONIZE, "sizes": [with_peer]})


def test_the_outcomes_add_up():
    text = render_corpus(CORPUS)
    assert re.search(r"\| one +\| +99 \| +1,015 \| +1,005 \| +0 \| +0 \| +7 \| +0 \| +3 \|", text)
    assert re.search(r"\| one +\| train of two +\| +30 \| +1 \| +2 \|", text) and "dev of two" not in text
    assert re.search(r"\| X +\| one +\| +3 \| +75\.0 \|", text)


def test_the_evidence_of_a_label_is_shown_by_source():
    text = render_evidence(EVIDENCE)
    assert re.search(r"\| `X` +\| +2,040 \| +12 \| one 2,000 \+ 0, two 40 \+ 12 +\|", text)
    assert re.search(r"\| `Y` +\| +0 \| +0 \| – +\|", text)
    assert "Not enough evidence, fewer than 30 spans in train and 10 in dev and test together: `Y`." in text
    assert "All labels have 30 spans" in render_evidence({"toy": {"X": EVIDENCE["toy"]["X"]}})


@pytest.mark.parametrize("text", ["nothing", marks("training")[0], "".join(marks("training"))])
def test_a_readme_without_marks_is_left_alone(run, project, results, text):
    write_pages(project, "")
    (project / "README.md").write_text(text)
    done = run("document")
    assert done.exit_code == 1 and "result marks are missing" in done.stderr
    assert (project / "README.md").read_text() == text


def test_missing_results_are_named(run, project, results):
    (project / "benchmarks/results/harmonize.json").unlink()
    write_pages(project, "")
    done = run("document")
    assert done.exit_code == 1 and "benchmarks/results/harmonize.json: no results" in done.stderr


def test_writes_between_the_marks_again_and_again(run, project, results):
    write_pages(project, "\nSTALE\n")
    for _ in range(2):
        assert run("document").exit_code == 0
        text = "".join((project / page).read_text() for page in ("README.md", "docs/datasets.md", "docs/labels.md"))
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "STALE" not in text
        assert text.count("ner11 ") == 1 and text.count("201 MiB") == 1 and text.count("1,005") == 1 and text.count("2,040") == 1


@pytest.mark.parametrize("name", SECTIONS)
def test_the_pages_show_the_results_that_are_here(name):
    page, render = SECTIONS[name]
    results = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf8"))
    assert render(results) in (ROOT / page).read_text(encoding="utf8")


def test_all_settings_of_the_server_are_documented_with_their_earlier_names():
    text = render_settings()
    assert re.search(r"\| `NER11_STATE`, or `MODEL_DIR` +\| +`training/serving` \|", text)
    assert re.search(r"\| `NER11_TOKEN` +\| +– \|", text)
    assert text in (ROOT / LABEL_STUDIO).read_text(encoding="utf8")
