"""What annotators did, and which trainings were asked for: durable, and safe from several threads and processes."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ner11.errors import Ner11Error
from ner11.serving.jobs import JOB_TABLES, JobQueue

FILE = "annotations.sqlite"
"""In the folder of the server's state."""
_TABLES = """
CREATE TABLE projects (id INTEGER PRIMARY KEY, config TEXT, trained INTEGER NOT NULL DEFAULT 0);
CREATE TABLE tasks (
    project INTEGER, id INTEGER, body TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (project, id)
);
CREATE TABLE annotations (
    project INTEGER, id INTEGER, task INTEGER, body TEXT NOT NULL, digest TEXT NOT NULL, updated TEXT NOT NULL,
    cancelled INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (project, id)
);
CREATE INDEX by_change ON annotations (changed);
CREATE INDEX by_task ON annotations (project, task);
"""
_TASKS_AT_ONCE = 500
"""Tasks of an export that are taken in at once: nobody else can write meanwhile."""
_USABLE = "NOT cancelled AND NOT deleted"


def _number(value: Any, what: str) -> int:
    """Give an id, also that of an object that has one."""
    value = value.get("id") if isinstance(value, dict) else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise Ner11Error(f"no {what} with an id in it", where="webhook", fix="Send what Label Studio sends")
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    """Give one object, or those of a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _storable(text: str) -> str:
    """Put U+FFFD in the place of half a character, which sqlite does not take."""
    return text.encode("utf8", "replace").decode("utf8")


def _digest(annotation: dict[str, Any]) -> str:
    """Name what an annotation says, whoever saved it and when."""
    said = [annotation.get(key) for key in ("result", "was_cancelled", "ground_truth")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class Store(JobQueue):
    """Annotations by project and number, of each the newest state; and trainings. Made as a `Database` is."""

    FORMAT = 1
    TABLES = _TABLES + JOB_TABLES

    def record(self, action: str, body: dict[str, Any]) -> None:
        """Take in one webhook; it is on the disk when this returns. Actions about anything but annotations are ignored.

        Args:
            action: As Label Studio names it.
            body: The whole request.

        Raises:
            Ner11Error: If the body lacks what the action is about, or the database cannot be written.
        """
        if action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED"):
            project = _number(body.get("project"), "project")
            annotations = _objects(body.get("annotation"))
            pairs = [(_number(one.get("task") or body.get("task"), "task"), one) for one in annotations]
            if not pairs:
                raise Ner11Error("no annotation in it", where="webhook", fix="Send what Label Studio sends")
            tasks = [(_number(task, "task"), task) for task in _objects(body.get("task"))]
            with self._write() as database:
                told = body["project"]
                _keep_config(database, project, told.get("label_config") if isinstance(told, dict) else None)
                for id_, task in tasks:
                    _keep_task(database, project, id_, task)
                for id_, annotation in pairs:
                    _keep_annotation(database, project, id_, annotation)
        elif action == "ANNOTATIONS_DELETED":
            self._delete(body, "annotations", "id")
        elif action == "TASKS_DELETED":
            self._delete(body, "tasks", "task")

    def _delete(self, body: dict[str, Any], key: str, column: str) -> None:
        project = _number(body.get("project"), "project")
        given = body.get(key)
        ids = [_number(one, key) for one in (given if isinstance(given, list) else [given])]
        with self._write() as database:
            for id_ in ids:
                if key == "annotations":  # also of one that was never heard of: its creation may come late
                    query = "INSERT OR IGNORE INTO annotations VALUES (?, ?, NULL, '{}', '', '', 0, 1, ?, 0)"
                    database.execute(query, [project, id_, _next_change(database)])
                else:
                    database.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, '{}', 1)", [project, id_])
                    database.execute("UPDATE tasks SET deleted = 1 WHERE project = ? AND id = ?", [project, id_])
                database.execute(
                    f"UPDATE annotations SET deleted = 1, changed = ? WHERE project = ? AND {column} = ? AND NOT deleted",
                    [_next_change(database), project, id_],
                )

    def projects(self) -> list[int]:
        """List the projects that have annotations."""
        return [project for (project,) in self._read("SELECT DISTINCT project FROM annotations ORDER BY project")]

    def labeling_config(self, project: int) -> str | None:
        """Give the labeling configuration of a project, as XML; None if it was never told."""
        rows = self._read("SELECT config FROM projects WHERE id = ?", project)
        return rows[0][0] if rows else None

    def annotated_tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield the tasks that have annotations as the JSON export of Label Studio writes them, cancelled ones included."""
        rows = self._read(
            "SELECT t.body, a.body FROM annotations a JOIN tasks t ON t.project = a.project AND t.id = a.task "
            "WHERE a.project = ? AND NOT a.deleted AND NOT t.deleted ORDER BY a.task, a.id",
            project,
        )
        task: dict[str, Any] | None = None
        for body, annotation in rows:
            read = json.loads(body)
            if task is None or task["id"] != read["id"]:
                if task:
                    yield task
                task = {**read, "annotations": [], "predictions": []}
            task["annotations"].append(json.loads(annotation))
        if task:
            yield task

    def reconcile(
        self, project: int, tasks: Iterable[dict[str, Any]], *, mark: int, config: str | None = None
    ) -> tuple[list[str], int]:
        """Take in an export of a project, which is the truth about all that is not newer than it.

        Args:
            project: The project.
            tasks: All of its annotated tasks.
            mark: What `mark` gave before the export was made.
            config: The labeling configuration of the project, as XML.

        Returns:
            What the store had and the export lacks, by name; it counts as deleted from now on. And a mark of the changes that
            the export holds: with those that it told of first, unless webhooks told of others meanwhile.
        """
        rest, exported, quiet, read = iter(tasks), set[int](), True, mark
        while batch := [*islice(rest, _TASKS_AT_ONCE)]:  # not all in one go: webhooks must get in between
            with self._write() as database:
                quiet = quiet and _next_change(database) == read + 1
                for task in batch:
                    id_ = _number(task, "task")
                    _keep_task(database, project, id_, task)
                    for annotation in _objects(task.get("annotations")):
                        exported.add(_number(annotation, "annotation"))
                        _keep_annotation(database, project, id_, annotation, mark=mark)
                read = _next_change(database) - 1
        with self._write() as database:
            quiet = quiet and _next_change(database) == read + 1
            _keep_config(database, project, config)
            query = "SELECT id, task FROM annotations WHERE project = ? AND NOT deleted AND changed <= ? ORDER BY id"
            lacking = [row for row in database.execute(query, [project, mark]) if row[0] not in exported]
            for id_, _ in lacking:
                change = _next_change(database)
                query = "UPDATE annotations SET deleted = 1, changed = ? WHERE project = ? AND id = ?"
                database.execute(query, [change, project, id_])
            read = _next_change(database) - 1
        return [f"annotation {id_} of task {task}" for id_, task in lacking], read if quiet else mark

    def mark(self) -> int:
        """Number the changes so far: what comes later has a higher number."""
        return int(self._read("SELECT coalesce(max(changed), 0) FROM annotations")[0][0])

    def waiting(self, project: int) -> int:
        """Count the annotations that changed since the last training that came to a verdict read them."""
        query = (
            f"SELECT count(*) FROM annotations WHERE project = ? AND (used OR ({_USABLE})) "
            "AND changed > coalesce((SELECT trained FROM projects WHERE id = ?), 0)"
        )
        return int(self._read(query, project, project)[0][0])

    def set_trained(self, project: int, mark: int) -> None:
        """Note that a training has read the annotations of a project up to a mark."""
        with self._write() as database:
            query = "INSERT INTO projects (id, trained) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET trained = excluded.trained"
            database.execute(query, [project, mark])
            database.execute(f"UPDATE annotations SET used = {_USABLE} WHERE project = ? AND changed <= ?", [project, mark])


def _next_change(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(max(changed), 0) + 1 FROM annotations").fetchone()[0])


def _keep_config(database: sqlite3.Connection, project: int, config: str | None) -> None:
    if isinstance(config, str):
        query = "INSERT INTO projects (id, config) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET config = excluded.config"
        database.execute(query, [project, _storable(config)])


def _keep_task(database: sqlite3.Connection, project: int, id_: int, task: dict[str, Any]) -> None:
    body = json.dumps({key: value for key, value in task.items() if key not in ("annotations", "predictions", "drafts")})
    query = "INSERT INTO tasks (project, id, body) VALUES (?, ?, ?) ON CONFLICT (project, id) DO UPDATE SET body = excluded.body"
    database.execute(f"{query} WHERE NOT deleted", [project, id_, body])


def _keep_annotation(
    database: sqlite3.Connection, project: int, task: int, annotation: dict[str, Any], *, mark: int = -1
) -> None:
    """Keep the newest state of an annotation; what says the same as before is no change.

    Deletion is final, but for what an export still has that was begun after it, at `mark`: a Label Studio that was set up
    anew, say, and counts from 1 again.
    """
    id_, updated, digest = (
        _number(annotation, "annotation"),
        _storable(str(annotation.get("updated_at") or "")),
        _digest(annotation),
    )
    query = "SELECT digest, updated, changed, used, deleted FROM annotations WHERE project = ? AND id = ?"
    old = database.execute(query, [project, id_]).fetchone()
    deleted, back = (bool(old[4]), bool(old[4]) and old[2] <= mark) if old else (False, False)
    if old and not back and (deleted or updated < old[1]):
        return
    if back:
        database.execute("UPDATE tasks SET deleted = 0 WHERE project = ? AND id = ?", [project, task])
    changed = old[2] if old and old[0] == digest and not back else _next_change(database)
    values = [project, id_, task, json.dumps(annotation), digest, updated, bool(annotation.get("was_cancelled"))]
    used = old[3] if old else 0
    database.execute("INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)", [*values, changed, used])
