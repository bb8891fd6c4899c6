"""The steps of the workflow, one after the other, on a toy encoder."""

import filecmp
import json
import re
import shutil
import zipfile

import pytest
import spacy
from huggingface_hub import ModelCard
from spacy.training import Corpus

from tests.scripts.conftest import make_project, run_in

STEPS = [
    ("check_gold",),
    ("convert",),
    ("merge",),
    ("configure", "--epochs", "300"),
    ("train",),
    ("evaluate", "--version", "1.2.3"),
    ("gate", "--allow-failed-gates", "yes"),
    ("package", "--version", "1.2.3", "--allow-failed-gates", "yes"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, toy_bert):
    """A project after a whole run, and what each step printed."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    shutil.copytree(toy_bert, folder / "assets" / "encoders" / "toy")
    run = run_in(folder)
    printed = {}
    for script, *arguments in [("encoder", "--encoder", "assets/encoders/toy"), *STEPS]:
        done = run(script, *arguments)
        assert done.exit_code == 0, done.output
        printed[script] = done.stdout
    return folder, printed


def test_merge_leaves_docbins_that_plain_spacy_reads(finished):
    folder, _ = finished
    (example,) = Corpus(folder / "corpus/merged/test")(spacy.blank("en"))
    assert [(ent.text, ent.label_) for ent in example.reference.ents] == [
        ("Turla", "THREAT_ACTOR"),
        ("KillDisk", "MALWARE"),
        ("Ukraine", "LOCATION"),
        ("1.2", "VERSION"),
    ]
    assert example.reference.user_data["weight"] == 3.0


def test_configure_says_why(finished):
    folder, printed = finished
    assert "no GPU" in printed["configure"]
    choices = json.loads((folder / "training/choices.json").read_text())
    assert all(choice["reason"] for choice in choices)


def test_training_leaves_a_model_a_log_and_nothing_else(finished):
    folder, _ = finished
    rows = [json.loads(line) for line in (folder / "training/log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == json.loads((folder / "training/train.json").read_text())["steps"]
    assert not (folder / "training/unfinished").exists()
    assert not list((folder / "training").glob(".*"))


def test_metrics_and_report_agree(finished):
    folder, _ = finished
    metrics = json.loads((folder / "training/metrics.json").read_text())
    assert metrics["overall"]["micro"]["support"] == 4
    assert "en_ner11_cyber 1.2.3" in (folder / "training/report/index.html").read_text()


def test_the_gate_table_is_printed_and_its_verdict_written(finished):
    folder, printed = finished
    assert re.search(r"gold +ALL +f1 +60\.0 .* 4 +failed, not proven: 4 annotated spans of the 1000 needed", printed["gate"])
    assert json.loads((folder / "training/gates.json").read_text())["verdict"]["may_ship"] is False


def test_wheel_carries_code_metrics_card_and_licenses(finished):
    folder, _ = finished
    package = "en_ner11_cyber_failed_gates"
    with zipfile.ZipFile(folder / f"packages/{package}-1.2.3-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        meta = json.loads(wheel.read(f"{package}/meta.json"))
        card = wheel.read(f"{package}/{package}-1.2.3/README.md").decode()
    assert {f"{package}/windows.py", f"{package}/transformer.py", f"{package}/scoring.py"} <= set(names)
    assert not [requirement for requirement in meta["requirements"] if requirement.startswith("ner11")]
    assert any(requirement.startswith("spacy-transformers") for requirement in meta["requirements"])
    assert meta["sources"][0]["license"] == "CC-BY-4.0"
    assert meta["ner11"]["label_scheme"]["MALWARE"]
    assert meta["ner11"]["gates_passed"] is False
    (f1,) = [one.metric_value for one in ModelCard(card).data.eval_results if one.metric_type == "f1"]
    assert f1 == round(meta["performance"]["ents_f"], 4)
    assert (folder / f"packages/{package}-1.2.3.tar.gz").is_file()
    assert (folder / f"packages/{package}-1.2.3.predictions.jsonl").is_file()


def test_same_seed_gives_the_same_corpus_and_metrics(finished, tmp_path_factory, toy_bert):
    folder, _ = finished
    again = make_project(tmp_path_factory.mktemp("again"))
    shutil.copytree(toy_bert, again / "assets" / "encoders" / "toy")
    run = run_in(again)
    for script, *arguments in [("encoder", "--encoder", "assets/encoders/toy"), *STEPS[1:-2]]:
        assert run(script, *arguments).exit_code == 0
    for split in ("train", "dev", "test"):
        name = f"corpus/merged/{split}/0000.spacy"
        assert filecmp.cmp(folder / name, again / name, shallow=False)
    metrics = [json.loads((path / "training/metrics.json").read_text()) for path in (folder, again)]
    for result in metrics:
        del result["training"]["seconds"], result["provenance"]
    assert metrics[0] == metrics[1]
