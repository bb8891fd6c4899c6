"""The queue of trainings."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from ner11.serving.database import Database

QUEUED, STARTED, FINISHED, REFUSED, FAILED = "queued", "started", "finished", "refused", "failed"
MOST_STARTS = 2
"""Times that a training is started whose process ends without a word."""
JOB_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, project INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    created TEXT NOT NULL, started TEXT, ended TEXT, said TEXT NOT NULL DEFAULT '', version TEXT,
    starts INTEGER NOT NULL DEFAULT 0
);
"""
_JOB = "id, project, state, reason, created, started, ended, said, version"


@dataclass(frozen=True)
class Job:
    """A training that was asked for.

    Attributes:
        id: Its name.
        project: Project of Label Studio.
        state: "queued", "started", "finished" (its model answers), "refused" (the old model stays) or "failed".
        reason: Why it was asked for.
        created, started, ended: ISO 8601.
        said: One line: the step it is at, why it was refused, or what went wrong.
        version: The model that came of it.
    """

    id: str
    project: int
    state: str
    reason: str
    created: str
    started: str | None
    ended: str | None
    said: str
    version: str | None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class JobQueue(Database):
    """The part of the store that holds trainings."""

    def request_training(self, project: int, *, reason: str) -> Job:
        """Queue a training; if one of the project is queued already, that is given."""
        with self._write() as database:
            query = f"SELECT {_JOB} FROM jobs WHERE project = ? AND state = ?"
            row = database.execute(query, [project, QUEUED]).fetchone()
            if row is None:
                values = [uuid4().hex[:12], project, QUEUED, reason, _now()]
                database.execute("INSERT INTO jobs (id, project, state, reason, created) VALUES (?, ?, ?, ?, ?)", values)
                row = database.execute(f"SELECT {_JOB} FROM jobs WHERE id = ?", values[:1]).fetchone()
        return Job(*row)

    def job(self, job: str) -> Job | None:
        """Find a job."""
        # Whatever a client asks for; sqlite takes no half of a character.
        rows = self._read(f"SELECT {_JOB} FROM jobs WHERE id = ?", job.encode("utf8", "replace").decode("utf8"))
        return Job(*rows[0]) if rows else None

    def jobs(self) -> list[Job]:
        """List all jobs, newest first."""
        return [Job(*row) for row in self._read(f"SELECT {_JOB} FROM jobs ORDER BY number DESC")]

    def next_job(self) -> Job | None:
        """Find the job that has been queued longest."""
        rows = self._read(f"SELECT {_JOB} FROM jobs WHERE state = ? ORDER BY number LIMIT 1", QUEUED)
        return Job(*rows[0]) if rows else None

    def open_jobs(self) -> int:
        """Count the jobs that are queued or started."""
        return int(self._read("SELECT count(*) FROM jobs WHERE state IN (?, ?)", QUEUED, STARTED)[0][0])

    def is_training(self, project: int) -> bool:
        """Tell whether a training of a project is queued or started."""
        query = "SELECT count(*) FROM jobs WHERE project = ? AND state IN (?, ?)"
        return bool(self._read(query, project, QUEUED, STARTED)[0][0])

    def start(self, job: str) -> bool:
        """Take a job out of the queue; False if it is not there."""
        query = "UPDATE jobs SET state = ?, started = ?, said = '', starts = starts + 1 WHERE id = ? AND state = ?"
        with self._write() as database:
            return bool(database.execute(query, [STARTED, _now(), job, QUEUED]).rowcount)

    def say(self, job: str, said: str) -> None:
        """Tell how far a job is."""
        with self._write() as database:
            database.execute("UPDATE jobs SET said = ? WHERE id = ?", [said, job])

    def end(self, job: str, state: str, said: str, *, version: str | None = None) -> None:
        """Tell what became of a job."""
        query = "UPDATE jobs SET state = ?, said = ?, version = ?, ended = ? WHERE id = ?"
        with self._write() as database:
            database.execute(query, [state, said, version, _now(), job])

    def put_back(self, job: str) -> None:
        """Put a started job back into the queue, as if it had not been started."""
        query = "UPDATE jobs SET state = ?, said = '', started = NULL, starts = starts - 1 WHERE id = ? AND state = ?"
        with self._write() as database:
            database.execute(query, [QUEUED, job, STARTED])

    def recover(self) -> None:
        """Queue started jobs again whose process is gone, and give up on those that were started twice.

        To be called by whoever holds the lock of trainings, so that no such process can be running.
        """
        said = f"its process ended {MOST_STARTS} times without a word; its log says how far it came"
        with self._write() as database:
            query = "UPDATE jobs SET state = ?, said = ?, ended = ? WHERE state = ? AND starts >= ?"
            database.execute(query, [FAILED, said, _now(), STARTED, MOST_STARTS])
            database.execute("UPDATE jobs SET state = ?, said = '', started = NULL WHERE state = ?", [QUEUED, STARTED])
