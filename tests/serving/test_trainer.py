"""Trainings in processes of their own, with a stand-in for what they do: what happens around them is what is tested."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from ner11.serving.settings import Settings
from ner11.serving.store import FILE, Store
from ner11.serving.trainer import BusyError, Trainer, log_path, training_lock

TRAINING = """
import os, sys, time
from pathlib import Path
from ner11.serving.store import FILE, Store
from ner11.serving.trainer import training_lock
state, job = Path(os.environ["NER11_STATE"]), sys.argv[-1]
with training_lock(state):
    store = Store(state / FILE)
    if not store.start(job):
        sys.exit("taken")
    (state / "began").write_text(os.environ["NER11_LABEL_STUDIO_TOKEN"])
    while not (state / "go").exists():
        time.sleep(0.01)
    store.end(job, "finished", "done", version="v+r1")
"""
SERVER = """
import sys, time
from pathlib import Path
from ner11.serving.settings import Settings
from ner11.serving.store import FILE, Store
from ner11.serving.trainer import Trainer
state = Path(sys.argv[1])
settings = Settings(state=state, label_studio_token="secret")
Trainer(Store(state / FILE), settings, on_version=print, command=[sys.executable, sys.argv[2]], seconds=0.02).start()
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / FILE)


@pytest.fixture
def command(tmp_path):
    """A training that waits for the file `go`."""
    (tmp_path / "training.py").write_text(TRAINING)
    return [sys.executable, str(tmp_path / "training.py")]


@pytest.fixture
def running(tmp_path, store):
    """Runs a trainer, and gives it with the list of what it told."""

    @contextmanager
    def running(command):
        told = []
        settings = Settings(state=tmp_path, label_studio_token="secret")
        trainer = Trainer(store, settings, on_version=lambda: told.append("version"), command=command, seconds=0.02)
        trainer.start()
        try:
            yield trainer, told
        finally:
            trainer.stop()

    return running


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


def is_running(folder):
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
    return f"{folder}/training.py" in done.stdout


def test_two_requests_while_one_runs_are_one_more_training(tmp_path, store, command, running):
    with running(command) as (_, told):
        first = store.request_training(1, reason="button").id
        wait_for((tmp_path / "began").exists)
        assert (tmp_path / "began").read_text() == "secret"
        with pytest.raises(BusyError, match="another training runs"), training_lock(tmp_path):
            pass
        assert store.job(first).state == "started" and told == []
        second, third = (store.request_training(1, reason="button").id for _ in range(2))
        assert second == third != first
        (tmp_path / "go").touch()
        wait_for(lambda: store.job(second).state == "finished")
        assert store.job(first).state == "finished" and len(store.jobs()) == 2
        wait_for(lambda: told == ["version"] * 2)


def test_a_server_that_stops_puts_its_training_back(tmp_path, store, command, running):
    job = store.request_training(1, reason="button").id
    with running(command):
        wait_for((tmp_path / "began").exists)
    assert store.job(job).state == "queued" and not is_running(tmp_path)
    (tmp_path / "go").touch()
    with running(command):
        wait_for(lambda: store.job(job).state == "finished")


def test_a_training_that_is_killed_is_started_once_more(tmp_path, store, command, running):
    job = store.request_training(1, reason="button").id
    with running(command) as (trainer, told):
        for state in ("started", "failed"):
            wait_for((tmp_path / "began").exists)
            process = trainer._process.pid
            (tmp_path / "began").unlink()
            os.kill(process, signal.SIGKILL)
            wait_for(lambda: store.job(job).state == state and (state == "failed" or (tmp_path / "began").exists()))  # noqa: B023
    assert "ended 2 times without a word" in store.job(job).said and told == []


def test_a_training_outlives_a_server_that_crashes(tmp_path, store, command, running):
    job = store.request_training(1, reason="button").id
    with subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path), command[1]]) as server:
        wait_for((tmp_path / "began").exists)
        server.kill()
    with running(command):  # the next server does not disturb it
        time.sleep(0.2)
        assert store.job(job).state == "started"
        (tmp_path / "go").touch()
        wait_for(lambda: store.job(job).state == "finished")
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_a_job_waits_while_a_training_of_the_command_line_runs(tmp_path, store, running):
    job = store.request_training(1, reason="button").id
    with running([sys.executable, "-c", f"import sys; sys.exit({BusyError.exit_code})"]) as (trainer, _):
        wait_for(lambda: trainer._process)
        wait_for(lambda: trainer._process is None)
        assert store.job(job).state == "queued"


def test_a_training_that_cannot_begin_is_told_and_not_tried_for_ever(tmp_path, store, running):
    job = store.request_training(1, reason="button").id
    with running([sys.executable, str(Path("nowhere.py"))]):
        wait_for(lambda: store.job(job).state == "failed")
    assert store.job(job).said == f"the training could not be started (exit code 2); see {log_path(tmp_path, job)}"
