"""An sqlite file that is durable, and safe from several threads and processes."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error

_BUSY_SECONDS = 10
_log = logging.getLogger(__name__)


class Database:
    """A database of one format.

    Args:
        path: The file; it and its folder are made if they are missing. One that is damaged is put aside under another
            name, with a line in the log, and a new one is begun.

    Attributes:
        path: The file.
        FORMAT: Number of the format.
        TABLES: Statements that make it, separated by semicolons.

    Raises:
        Ner11Error: If it cannot be opened, or another version of ner11 wrote it.
        OSError: If its folder cannot be made.
    """

    FORMAT = 0
    TABLES = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.OperationalError as e:  # locked, or no right to write: not damaged
            raise self._error(e) from e
        except sqlite3.DatabaseError as e:
            aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
            for end in ("-wal", "-shm", ""):
                damaged = path.with_name(path.name + end)
                if damaged.exists():
                    damaged.rename(aside.with_name(aside.name + end))
            _log.warning("%s: damaged (%s). It was kept as %s; a new one is begun.", path, e, aside.name)
            self._open()

    def _open(self) -> None:
        with closing(self._connect()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            (problem,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
            database.execute("BEGIN IMMEDIATE")
            (format_,) = database.execute("PRAGMA user_version").fetchone()
            if format_ not in (0, self.FORMAT):
                what = f"format {format_}, but this version of ner11 writes {self.FORMAT}"
                raise Ner11Error(what, where=self.path, fix="Use the version that wrote it, or move the file away")
            if not format_:
                for statement in filter(str.strip, self.TABLES.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {self.FORMAT}")
            database.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        database.execute("PRAGMA synchronous = FULL")  # on the disk when a commit returns
        return database

    def _error(self, error: sqlite3.Error) -> Ner11Error:
        return Ner11Error(f"cannot be used ({error})", where=self.path, fix="Check its disk and its rights; nothing was changed")

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Change the database in one transaction: all of it or nothing."""
        try:
            with closing(self._connect()) as database:
                database.execute("BEGIN IMMEDIATE")
                yield database  # a connection that is closed before its commit has changed nothing
                database.execute("COMMIT")
        except sqlite3.Error as e:
            raise self._error(e) from e

    def _read(self, query: str, *values: Any) -> list[Any]:
        try:
            with closing(self._connect()) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as e:
            raise self._error(e) from e
