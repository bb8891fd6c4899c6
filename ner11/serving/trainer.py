"""Runs queued trainings, one at a time, each in a process of its own that outlives a crash of the server."""

import errno
import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from ner11.errors import Ner11Error
from ner11.serving.jobs import FAILED, FINISHED, QUEUED, Job
from ner11.serving.settings import PREFIX, Settings
from ner11.serving.store import Store

STOP_SECONDS = 20.0
"""What a training has to end itself and its step when the server stops."""
SCRIPT = Path("scripts/retrain.py")
_PASSED = (
    "model",
    "domain",
    "state",
    "datasets",
    "gates",
    "epochs",
    "learning_rate",
    "label_studio_url",
    "label_studio_token",
    "mlflow_tracking_uri",
)
_log = logging.getLogger(__name__)


class BusyError(Ner11Error):
    """Another training runs. Its exit code says to try again later."""

    exit_code = os.EX_TEMPFAIL


@contextmanager
def training_lock(state: Path) -> Iterator[None]:
    """Hold the lock of trainings: whoever has it is the only training, and none runs while it is free.

    Args:
        state: Folder of the server's state.

    Raises:
        BusyError: If another process holds it. The system frees it when that process ends, in whatever way.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "training.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise BusyError("another training runs", where=state, fix="Wait until it has ended") from e
        yield


def log_path(state: Path, job: str) -> Path:
    """Name the log of a training."""
    return state / "logs" / f"{job}.log"


def _environment(settings: Settings) -> dict[str, str]:
    """Write settings as the environment variables that they are read from: a command line would show secrets."""
    values = {f"{PREFIX}{name.upper()}": getattr(settings, name) for name in _PASSED}
    given = {name: value for name, value in values.items() if value is not None}
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in given.items()}


class Trainer:
    """A thread that starts queued trainings.

    Args:
        store: The queue.
        settings: What trainings get from the server, in their environment.
        on_version: Called in the thread when a training has put another version in the place of the one that answers.
        command: Command line of a training, without its job; None for the script of the project that the server runs in.
        seconds: How often the queue is looked at.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        on_version: Callable[[], object],
        command: Sequence[str] | None = None,
        seconds: float = 1.0,
    ) -> None:
        self._store, self._settings, self._state = store, settings, settings.state
        self._command, self._on_version, self._seconds = command or [sys.executable, str(SCRIPT)], on_version, seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._job: Job | None = None
        self._said: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the training that this one started, put its job back into the queue, and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._said = None
            except (Ner11Error, OSError) as e:
                if str(e) != self._said:  # once, not once a second
                    _log.error("the trainer waits: %s", e)
                self._said = str(e)
            self._stopping.wait(self._seconds)
        self._end()

    def _look(self) -> None:
        """Look after the training that runs, and start the next one."""
        if self._process and self._process.poll() is not None:
            self._settle(self._process.returncode)
        if not self._process and self._store.open_jobs():
            self._start_next()

    def _start_next(self) -> None:
        try:
            with training_lock(self._state):
                self._store.recover()
        except BusyError:  # started by the command line, or by a server before this one
            return
        self._job = self._store.next_job()
        if self._job:
            _log.info("training %s of project %s starts: %s", self._job.id, self._job.project, self._job.reason)
            command = [*self._command, "--job", self._job.id]
            log = log_path(self._state, self._job.id)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as file:
                # In a session of its own: Ctrl-C in the server's terminal is for the server, which ends it in good order.
                self._process = subprocess.Popen(
                    command,
                    env={**os.environ, **_environment(self._settings)},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def _settle(self, code: int) -> None:
        """Tell what became of a training whose process has ended; what it left half done, `recover` settles."""
        assert self._job
        job = self._store.job(self._job.id)
        if job and job.state == QUEUED and code not in (0, BusyError.exit_code):  # it could not even begin
            said = f"the training could not be started (exit code {code}); see {log_path(self._state, job.id)}"
            self._store.start(job.id)
            self._store.end(job.id, FAILED, said)
        elif job:
            _log.info("training %s: %s: %s", job.id, job.state, job.said)
            if job.state == FINISHED:
                self._on_version()
        self._process = self._job = None

    def _end(self) -> None:
        """Ask the running training to end, which puts its job back, and put it back where it does not listen."""
        if self._process is None or self._job is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        try:
            self._store.put_back(self._job.id)
        except Ner11Error as e:
            _log.error("training %s: %s", self._job.id, e)  # found as started when the server is back, and queued again
        self._process = self._job = None
