"""The server as a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from ner11.errors import Ner11Error
from ner11.serving.run import bind
from tests.release.triton.toys import make_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("pipeline") / "toy", words={"Turla": "ACTOR"})


@pytest.fixture
def start(tmp_path):
    """Starts the server as the command does, in a folder of its own; what it logs is read line by line."""
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "serve.py", *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "NO_COLOR": "1",
                "NER11_PORT": "0",
                "OMP_NUM_THREADS": "1",
                **environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def listen(process) -> str:
    """Wait until the model serves; give the address."""
    url = ""
    for line in process.stderr:
        said = json.loads(line)
        url = f"http://127.0.0.1:{said['port']}" if said["message"] == "listening" else url
        if said["message"] == "serving":
            return url
    raise AssertionError("it ended")


def test_sigterm_finishes_what_is_under_way(start, folder):
    process = start(NER11_MODEL=str(folder))
    url, answers = listen(process), []
    body = {"texts": ["Turla " * 1_000] * 40}
    thread = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}/v1/extract", json=body, timeout=60)))
    thread.start()
    while "ner11_waiting_texts 0.0" in httpx.get(f"{url}/metrics").text:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    thread.join()
    assert answers[0].status_code == 200 and len(answers[0].json()["results"][-1]["entities"]) == 1_000
    assert process.wait(10) == 0
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"NER11_MODEL": "no/such"}, "no/such: no such folder, and no installed package of that name"),
        ({"NER11_MODEL": "{folder}", "NER11_HOST": "0.0.0.0"}, "0.0.0.0: others reach this address"),
        ({"NER11_MODEL": "{damaged}"}, "{damaged}: cannot be loaded"),
        ({"NER11_MODEL": "{folder}", "NER11_PORT": "{used}"}, "127.0.0.1:{used}: another server has this port"),
        ({"NER11_PORT": "x"}, "NER11_PORT: Input should be a valid integer"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(start, folder, tmp_path, environment, message):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.cfg").write_text((folder / "config.cfg").read_text().replace("ner11_onnx", "unheard_of"))
    (damaged / "meta.json").write_text((folder / "meta.json").read_text())
    with bind("127.0.0.1", 0) as taken:
        names = {"folder": folder, "damaged": damaged, "used": taken.getsockname()[1]}
        process = start(**{name: value.format(**names) for name, value in environment.items()})
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in said
    assert re.match(f"✘ {re.escape(message.format(**names))}", said.splitlines()[-1])


def test_an_address_of_another_machine_cannot_be_taken():
    with pytest.raises(Ner11Error, match=r"192\.0\.2\.1:9090: cannot be listened on"):
        bind("192.0.2.1", 9090)


def test_a_free_port_can_be_had():
    with bind("127.0.0.1", 0) as taken:
        assert taken.getsockname()[1] > 0
        assert taken.proto == socket.IPPROTO_TCP, "otherwise asyncio leaves TCP_NODELAY off"
