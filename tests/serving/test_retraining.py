import json
import subprocess
import sys

import pytest

from ner11.errors import Ner11Error
from ner11.serving.retraining import Plan, make_steps, retrain, run_step
from ner11.serving.store import FILE, Store
from ner11.serving.versions import ModelVersion, VersionStore
from tests.serving.test_annotated import ANNOTATION, TASK, LabelStudio
from tests.serving.test_versions import make_pipeline

CURRENT = ModelVersion("en_ner11_cyber-1.0.0+r1", "en_ner11_cyber", None, "", 0, None)


def steps_of(folder, **rest):
    plan = Plan(folder, folder, folder, "cyber", **rest)
    return {step: " ".join(arguments) for step, *arguments in make_steps(plan, CURRENT, "en_ner11_cyber-1.0.0+r2")}


def test_steps_carry_the_plan(tmp_path):
    steps = steps_of(tmp_path, datasets="gold,cyner", epochs="3", learning_rate=1e-4, track="mlflow", gates="strict", seed=7)
    assert steps["convert"] == "--domain cyber --seed 7 --datasets gold,cyner,annotated"
    assert steps["configure"] == "--domain cyber --seed 7 --epochs 3 --learning-rate 0.0001"
    assert steps["train"] == "--track mlflow"
    assert "--version 1.0.0+r2" in steps["evaluate"] and "--gates strict" in steps["evaluate"]
    assert steps["predict"].startswith("en_ner11_cyber --name en_ner11_cyber --version 1.0.0+r1 --output ")
    assert steps["predict"].split()[-1] == steps["evaluate"].split()[-1]


def test_without_a_learning_rate_configure_chooses(tmp_path):
    steps = steps_of(tmp_path, datasets="")
    assert "--learning-rate" not in steps["configure"]
    assert steps["convert"].endswith("--datasets annotated")


@pytest.fixture
def ask(tmp_path):
    """Retrains project 3 where there is nothing to train with."""
    versions = VersionStore(tmp_path / "state", str(make_pipeline(tmp_path / "model")))
    store, said = Store(tmp_path / FILE), []

    def ask(**rest):
        plan = Plan(tmp_path, tmp_path / "nowhere", tmp_path / "state", "cyber")
        return retrain(3, plan, store=store, versions=versions, log=tmp_path / "log", say=said.append, **rest)

    return ask, store, said


def test_without_anything_new_nothing_is_done(ask, tmp_path):
    retrain, _, said = ask
    outcome = retrain()
    assert outcome.state == "refused" and said == [] and not (tmp_path / "assets").exists()
    assert outcome.said.startswith("Nothing new was annotated since the last training. Set NER11_LABEL_STUDIO_URL")


def test_what_webhooks_lost_is_pulled(ask, tmp_path):
    retrain, store, _ = ask
    tasks = [{**TASK, "annotations": [ANNOTATION]}]
    with pytest.raises(Ner11Error, match="no such domain"):  # the first thing that a training needs is missing here
        retrain(label_studio=LabelStudio(json.dumps(tasks)))
    assert store.waiting(3) == 1
    store.set_trained(3, store.mark())
    outcome = retrain(label_studio=LabelStudio(json.dumps(tasks)))
    assert outcome.said == "Nothing new was annotated since the last training."


def test_without_a_usable_annotation_nothing_is_trained(ask):
    retrain, store, _ = ask
    store.record("ANNOTATION_CREATED", {"annotation": ANNOTATION, "task": {"id": 1, "data": {}}, "project": {"id": 3}})
    assert retrain().said == "No task has an annotation that can be used; nothing was trained."


def test_a_step_takes_what_it_started_with_it(tmp_path):
    lines = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1).pid); sys.exit(3)"
    assert run_step([sys.executable, "-c", lines], cwd=tmp_path, log=tmp_path / "log") == 3
    left = subprocess.run(["ps", "-o", "stat=", "-p", (tmp_path / "log").read_text().strip()], capture_output=True, text=True)
    assert left.stdout.strip()[:1] in ("", "Z")


def test_a_step_that_is_killed_says_by_what(tmp_path):
    lines = "import os; os.kill(os.getpid(), 9)"
    assert run_step([sys.executable, "-c", lines], cwd=tmp_path, log=tmp_path / "log") == -9
