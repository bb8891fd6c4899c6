"""The whole loop on the real model: predictions, annotations, the training button, the predictions of the new version."""

import itertools
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ner11.label_studio import labeling_config, make_task
from ner11.schema import load_schema
from ner11.serving.label_studio.client import LabelStudio
from tests.serving.label_studio.real import free_port, studio_running, wait_until

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "training" / "model-best"
SECRET = "a-secret-of-the-address"
TRAINING_SECONDS = 1800
GATES = "test_set,label,metric,minimum,bound,min_support,unproven\nALL,ALL,f1,0.1,point,100,fail\n"
GROUPS, MALWARE = ("Sandworm", "Turla", "APT29", "Kimsuky", "Volt Typhoon"), ("Industroyer2", "Kazuar", "BlackEnergy", "Triton")
PLACES = ("Ukraine", "Rotterdam", "Texas", "Oslo", "Lyon", "Busan", "Perth", "Gdansk", "Porto", "Kyiv")
TEXTS = [f"{group} used {malware} against a pump station in {place}." for group, malware, place in itertools.product(
    GROUPS, MALWARE, PLACES)]  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MODEL / "meta.json").is_file(), reason="no trained model: run 'make run' first"),
]


@pytest.fixture
def project_folder(tmp_path):
    """The project with a state, annotations and gates of its own."""
    folder = tmp_path / "project"
    for name in ("scripts", "packages", "benchmarks", "project.yml", "requirements.txt", "assets/encoders", "assets/cyber/gold"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    (folder / "configs").mkdir()
    for path in (ROOT / "configs").iterdir():
        if path.name != "gates":
            (folder / "configs" / path.name).symlink_to(path)
    (folder / "configs/gates").mkdir()
    (folder / "configs/gates/loop.csv").write_text(GATES)
    return folder


@contextmanager
def server_running(folder, studio):
    """Run the server as users do; give its address."""
    port = free_port()
    environment = os.environ | {
        "NER11_MODEL": str(MODEL),
        "NER11_PORT": str(port),
        "NER11_WEBHOOK_SECRET": SECRET,
        "NER11_USER": "ner11",
        "NER11_PASSWORD": "guarded",
        "NER11_LABEL_STUDIO_URL": studio.url,
        "NER11_LABEL_STUDIO_TOKEN": studio.token,
        "NER11_EPOCHS": "1",
        "NER11_GATES": "loop",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "scripts/serve.py"], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _is_ready(url), 120)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, (folder / "server.log").read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _is_ready(url):
    try:
        return httpx.get(f"{url}/ready", timeout=5).is_success
    except httpx.HTTPError:
        return False


def versions(studio, project):
    """Give the versions of the predictions of each task."""
    return [{one["model_version"] for one in task["predictions"]} for task in studio.tasks(project)]


def test_what_annotators_correct_is_in_the_next_version(tmp_path, project_folder):
    config = labeling_config(load_schema(ROOT / "configs/domains/cyber/schema.yml"))
    with studio_running(tmp_path) as studio, server_running(project_folder, studio) as url:
        with LabelStudio(studio.url, studio.token) as client:
            project = studio.make_project(config)
            client.import_tasks(project, [make_task(text) for text in TEXTS])
        backend = studio.connect(project, f"{url}/label-studio/{SECRET}")
        studio.retrieve_predictions(project)
        (first,) = set.union(*versions(studio, project))
        assert versions(studio, project) == [{first}] * len(TEXTS) == [{first}] * 200

        for task in studio.tasks(project)[:40]:
            text, (prediction,) = task["data"]["text"], task["predictions"]
            station = {
                "start": (start := text.index("pump station")),
                "end": start + 12,
                "text": "pump station",
                "labels": ["FACILITY"],
            }
            regions = [one for one in prediction["result"] if one["value"]["end"] <= start or one["value"]["start"] >= start + 12]
            region = {"id": "station", "from_name": "label", "to_name": "text", "type": "labels", "value": station}
            studio.call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [*regions, region]})
        studio.call("POST", f"/api/ml/{backend}/train")

        def model():
            return httpx.get(f"{url}/v1/model", auth=("ner11", "guarded"), timeout=30).json()

        jobs = project_folder / "training/serving/logs"
        wait_until(lambda: model()["model_version"] != first, TRAINING_SECONDS)
        second = model()["model_version"]
        assert second.endswith("r1") and list(jobs.iterdir())
        studio.retrieve_predictions(project)
        assert all(second in found for found in versions(studio, project))
        found = httpx.post(f"{url}/v1/extract", json={"text": TEXTS[150]}, auth=("ner11", "guarded"), timeout=30).json()
    assert found["model_version"] == second
    assert ("pump station", "FACILITY") in {(one["text"], one["label"]) for one in found["entities"]}
