"""From annotations to a model that answers, on a toy encoder: what passes the gates, what does not, and a kill in between."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

import ner11.training.loop  # noqa: F401  before a script runs: it keeps the standard output that it is imported with
from ner11.serving.retraining import Plan, make_steps
from ner11.serving.store import FILE, Store
from ner11.serving.versions import ModelVersion, VersionStore
from tests.scripts.conftest import ROOT, make_project, run_in

WORDS = {"Turla": "THREAT_ACTOR", "Kazuar": "MALWARE", "Poland": "LOCATION", "Sandworm": "THREAT_ACTOR", "Ukraine": "LOCATION"}
TEXTS = ["Turla hit Poland with Kazuar.", "Sandworm hit Ukraine.", "Kazuar hit Poland.", "Turla and Sandworm met.", "None came."]
HEADER = "test_set,label,metric,minimum,bound,min_support,unproven\n"
CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="THREAT_ACTOR"/><Label value="MALWARE"/><Label value="LOCATION"/>'
    '</Labels><Text name="text" value="$text"/></View>'
)


def annotate(store, number, text, project=1):
    result = [
        {
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {"start": at, "end": at + len(word), "labels": [label]},
        }
        for word, label in WORDS.items()
        if (at := text.find(word)) >= 0
    ]
    annotation = {"id": number, "task": number, "result": result, "was_cancelled": False, "updated_at": f"2026-{number:04}"}
    body = {"annotation": annotation, "task": {"id": number, "data": {"text": text}}}
    store.record("ANNOTATION_CREATED", {**body, "project": {"id": project, "label_config": CONFIG}})


@pytest.fixture(scope="module")
def served(tmp_path_factory, toy_bert):
    """A project with a first model, and gates that all pass who find anything."""
    folder = make_project(tmp_path_factory.mktemp("served"))
    shutil.copytree(toy_bert, folder / "assets/encoders/toy")
    (folder / "configs/gates/lax.csv").write_text(f"{HEADER}ALL,ALL,f1,0.01,point,0,fail\nALL,ALL,no_regression,0,point,0,fail\n")
    done = run_in(folder)("encoder", "--encoder", "assets/encoders/toy")
    assert done.exit_code == 0, done.output
    baseline = spacy.blank("en", meta={"name": "ner11_cyber", "version": "1.0.0"})
    baseline.add_pipe("entity_ruler").add_patterns([{"label": "THREAT_ACTOR", "pattern": "Turla"}])
    (folder / "training").mkdir()
    baseline.to_disk(folder / "training/model-best")
    return folder


@pytest.fixture
def retrain(served, monkeypatch):
    """Runs the script; its steps run in this process, which has loaded torch already."""

    def run_step(command, *, cwd, log):
        done = run_in(cwd)(Path(command[1]).stem, *command[2:])
        with log.open("a") as file:
            file.write(done.output or repr(done.exception))
        return done.exit_code

    monkeypatch.setattr("ner11.serving.retraining.run_step", run_step)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return lambda *arguments: run_in(served)("retrain", "--epochs", "200", *arguments)


def last_line(done, code):
    assert done.exit_code == code, done.output
    return (done.stderr if code else done.stdout).strip().splitlines()[-1]


def test_annotations_become_a_model_that_answers(served, retrain):
    state = served / "training/serving"
    store, versions = Store(state / FILE), VersionStore(state, str(served / "training/model-best"))

    assert "Nothing new was annotated since the last training." in last_line(retrain("--gates", "lax"), 1)

    for number, text in enumerate(TEXTS, 1):
        annotate(store, number, text)
    line = last_line(retrain("--gates", "lax"), 0)
    assert "en_ner11_cyber-1.0.0+r1 answers now, trained on 5 annotated tasks beside gold." in line
    current = versions.current()
    assert current.id == "en_ner11_cyber-1.0.0+r1" and current.f1 > 0 and store.waiting(1) == 0
    kept = {path.name for path in versions.path(current.id).iterdir()}
    assert kept >= {"pipeline", "onnx", "metrics.json", "predictions.jsonl", "report", "training.log", "version.json"}
    comparison = json.loads((versions.path(current.id) / "metrics.json").read_text())["comparison"]
    assert comparison["baseline"] == {"name": "en_ner11_cyber", "version": "1.0.0"}

    printed = run_in(served)("model_versions").stdout
    assert "en_ner11_cyber-1.0.0+r1" in printed and "answers" in printed
    # What the project itself has made stays as it was.
    assert not (served / "corpus").exists()
    assert [path.name for path in (served / "training").iterdir()] == ["model-best", "serving"]


TRAIN = """
import json, pathlib, shutil, time
root = pathlib.Path("{root}")
(root / "began").touch()
while not (root / "go").exists():
    time.sleep(0.01)
pathlib.Path("training").mkdir()
shutil.copytree(root / "model", "training/model-best")
pathlib.Path("training/metrics.json").write_text(json.dumps({{"overall": {{"micro": {{"f1": 0.5}}}}}}))
"""


@pytest.fixture
def stand_in(tmp_path):
    """A project whose step `train` waits for the file `go`, and whose other steps do nothing."""
    (tmp_path / "assets/cyber").mkdir(parents=True)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "scripts").mkdir()
    for step in make_steps(Plan(tmp_path, tmp_path, tmp_path, "cyber"), ModelVersion("a-1", "a", None, "", 0, None), "a-1+r1"):
        (tmp_path / f"scripts/{step[0]}.py").touch()
    for name in ("common", "retrain"):
        shutil.copy(ROOT / f"scripts/{name}.py", tmp_path / "scripts")
    (tmp_path / "scripts/train.py").write_text(TRAIN.format(root=tmp_path))
    spacy.blank("en", meta={"name": "toy", "version": "1"}).to_disk(tmp_path / "model")
    annotate(Store(tmp_path / "state" / FILE), 1, TEXTS[0])
    return tmp_path


def processes_of(project):
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if f"{project}/" in line]


def start(project, *arguments):
    environment = {**os.environ, "NER11_MODEL": "model", "NER11_STATE": "state"}
    command = [sys.executable, str(project / "scripts/retrain.py"), *arguments]
    return subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_a_training_that_is_ended_in_the_middle_loses_nothing(stand_in):
    store, versions = Store(stand_in / "state" / FILE), VersionStore(stand_in / "state", str(stand_in / "model"))
    job = store.request_training(1, reason="button").id
    for signal_, state in ((signal.SIGTERM, "queued"), (signal.SIGKILL, "started")):
        with start(stand_in, "--job", job) as process:
            while not (stand_in / "began").exists():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal_)
        (stand_in / "began").unlink()
        assert store.job(job).state == state and processes_of(stand_in) == []
        assert store.waiting(1) == 1 and versions.current().id == "en_toy-1"
    (stand_in / "go").touch()
    with start(stand_in, "--job", job) as process:
        assert process.wait() == 0, process.stderr.read()
    assert (store.job(job).state, store.job(job).version) == ("finished", "en_toy-1+r1")
    assert versions.current().id == "en_toy-1+r1" and store.waiting(1) == 0
    (task,) = json.loads((stand_in / "assets/cyber/annotated/project-1.json").read_text())
    assert task["data"] == {"text": TEXTS[0]} and len(task["annotations"]) == 1


def test_a_training_of_the_button_that_is_interrupted_by_hand_stays_in_the_queue(stand_in):
    store = Store(stand_in / "state" / FILE)
    job = store.request_training(1, reason="button").id
    with start(stand_in) as process:
        while not (stand_in / "began").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert store.job(job).state == "queued" and store.waiting(1) == 1


def test_a_model_that_was_rolled_back_meanwhile_is_not_replaced(stand_in):
    store, versions = Store(stand_in / "state" / FILE), VersionStore(stand_in / "state", str(stand_in / "model"))
    bad = versions.add(stand_in / "model").id
    versions.activate(bad)
    with start(stand_in) as process:
        while not (stand_in / "began").exists():
            assert process.poll() is None
            time.sleep(0.01)
        versions.rollback()
        (stand_in / "go").touch()
        said = process.stderr.read()
    assert process.returncode == 1 and f"en_toy-1 answers by now, but en_toy-1+r2 was held against {bad}" in said
    assert versions.current().id == "en_toy-1" and store.jobs()[0].state == "failed" and store.waiting(1) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[{"id": 1, "data": {"text": "Turla."}, "annotations": []}, {"id": 2, "da',
            "export.json:1: damaged (the file ends inside a record",
        ),
        ('{"detail": "not found"}', "export.json"),
        ("[3]", "export.json:1: damaged (no task). Export the project again"),
    ],
)
def test_a_damaged_export_is_one_line_before_any_work(stand_in, content, message):
    (stand_in / "export.json").write_text(content)
    done = run_in(stand_in)("retrain", "--annotations", "export.json", "--model", "model", "--state", "state")
    (line,) = done.stderr.strip().splitlines()
    assert done.exit_code == 1 and message in line
    assert not (stand_in / "assets/cyber/annotated").exists() and not Store(stand_in / "state" / FILE).jobs()


def test_among_several_projects_one_must_be_chosen(stand_in):
    annotate(Store(stand_in / "state" / FILE), 1, TEXTS[0], project=4)
    arguments = ["retrain", "--model", "model", "--state", "state"]
    (line,) = run_in(stand_in)(*arguments).stderr.splitlines()
    assert line == "✘ project: annotations came from the projects 1, 4. Choose one with --project."


def test_a_failed_gate_keeps_the_model_that_answers(stand_in):
    store, versions = Store(stand_in / "state" / FILE), VersionStore(stand_in / "state", str(stand_in / "model"))
    (stand_in / "go").touch()
    with start(stand_in) as process:
        pass
    assert versions.current().id == "en_toy-1+r1"
    annotate(store, 2, TEXTS[1])
    verdict = {"may_ship": False, "reasons": ["F1 of CVE on gold is 0.1; 0.5 is needed", "Recall is 0", "F1 is 0"]}
    (stand_in / "gates.json").write_text(json.dumps({"verdict": verdict}))
    lines = f"import shutil, sys; shutil.copy('{stand_in}/gates.json', 'training'); sys.exit('Must not ship')"
    (stand_in / "scripts/gate.py").write_text(lines)
    with start(stand_in) as process:
        said = process.stderr.read()
    assert process.returncode == 1
    assert said == "✘ F1 of CVE on gold is 0.1; 0.5 is needed (and 2 more gates); en_toy-1+r1 stays.\n"
    assert versions.current().id == "en_toy-1+r1" and store.waiting(1) == 0
    assert [job.state for job in store.jobs()] == ["refused", "finished"]
    arguments = ["list", "--model", str(stand_in / "model"), "--state", str(stand_in / "state")]
    done = CliRunner().invoke(importlib.import_module("model_versions").app, arguments)
    assert "refused: F1 of CVE on gold is 0.1; 0.5 is needed (and 2 more gates); en_toy-1+r1 stays.\n" in done.stdout
    assert "en_toy-1+r1" in done.stdout and "finished: en_toy-1+r1 answers now" in done.stdout
    arguments = ["rollback", "--model", str(stand_in / "model"), "--state", str(stand_in / "state")]
    done = CliRunner().invoke(importlib.import_module("model_versions").app, arguments)
    assert done.exit_code == 0 and "en_toy-1 answers again, instead of en_toy-1+r1" in done.stdout
    assert versions.current().id == "en_toy-1"


def test_a_step_that_fails_says_so_in_one_line_and_the_annotations_stay(stand_in):
    (stand_in / "scripts/merge.py").write_text("import sys; sys.exit('✘ output: No space left on device. Free space.')")
    with start(stand_in) as process:
        said = process.stderr.read()
    store = Store(stand_in / "state" / FILE)
    assert process.returncode == 1 and said == "✘ merge: output: No space left on device. Free space.\n"
    assert [(job.state, job.said) for job in store.jobs()] == [("failed", "merge: output: No space left on device. Free space.")]
    assert store.waiting(1) == 1
