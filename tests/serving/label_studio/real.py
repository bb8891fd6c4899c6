"""A real Label Studio on loopback, in an environment of its own: 160 packages that nothing else here needs."""

import os
import shutil
import socket
import subprocess
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

VERSION = "1.23.2"
USER, PASSWORD = "annotator@example.com", "annotating"
START_SECONDS = 240
ALL = {"selectedItems": {"all": True, "excluded": []}}


def installed() -> Path:
    """Give the environment with Label Studio; made in the user's cache when it is first asked for."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ner11"
    environment = cache / "label-studio"
    if not list(environment.glob(f"lib/python*/site-packages/label_studio-{VERSION}.dist-info/RECORD")):
        if environment.exists():
            shutil.rmtree(environment)
        cache.mkdir(parents=True, exist_ok=True)
        venv.create(environment, with_pip=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", f"label-studio=={VERSION}"]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Label Studio cannot be installed: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return environment


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Studio:
    """A Label Studio that somebody is logged in to.

    Attributes:
        url: Its address.
        token: A personal access token.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=120, headers={"Referer": url})
        self._http.get("/user/login/").raise_for_status()
        form = {"email": USER, "password": PASSWORD, "csrfmiddlewaretoken": self._http.cookies["csrftoken"]}
        assert self._http.post("/user/login/", data=form).status_code == 302
        self.token = self.call("POST", "/api/token/")["token"]

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call its API, as its pages do."""
        return self._http.request(method, path, json=body, headers={"X-CSRFToken": self._http.cookies["csrftoken"]})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call its API, which must not refuse."""
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def make_project(self, config: str, **settings: Any) -> int:
        """Make a project with a labeling configuration."""
        return self.call("POST", "/api/projects/", {"title": "ner", "label_config": config, **settings})["id"]

    def connect(self, project: int, url: str, **settings: Any) -> int:
        """Connect a backend to a project."""
        body = {"project": project, "url": url, "title": "ner11", "is_interactive": True, **settings}
        return self.call("POST", "/api/ml/", body)["id"]

    def retrieve_predictions(self, project: int) -> None:
        """Do what the button "Retrieve Predictions" does for all tasks."""
        self.call("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", ALL)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """Give all tasks with their predictions and annotations, oldest first."""
        asked = f"/api/tasks/?project={project}&fields=all&page_size=1000"
        return sorted(self.call("GET", asked)["tasks"], key=lambda task: task["id"])


@contextmanager
def studio_running(folder: Path) -> Iterator[Studio]:
    """Run Label Studio with its data in a folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        # With the first alone it predicts, but sends no webhook to this machine.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
    }
    command = [installed() / "bin" / "label-studio", "start", "--username", USER, "--password", PASSWORD, "--no-browser"]
    command += ["--internal-host", "127.0.0.1", "--port", str(port)]
    log = folder / "label-studio.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait(process, f"{url}/health", log)
            yield Studio(url)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(START_SECONDS * 2):
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    pytest.fail(f"Label Studio did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def backend_running(app: FastAPI) -> Iterator[str]:
    """Serve an app on loopback, in a thread, so that a test can change what it answers."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/label-studio"
    finally:
        server.should_exit = True
        thread.join()


def wait_until(true: Any, seconds: float = 10.0) -> None:
    """Wait for something that Label Studio does behind an answer."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
