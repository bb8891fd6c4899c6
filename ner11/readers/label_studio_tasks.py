"""The tasks of a Label Studio export, one by one, from JSON or JSON_MIN."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from ner11.errors import Ner11Error
from ner11.readers.files import open_input

LABEL_KEYS = ("labels", "hypertextlabels", "paragraphlabels")
_ROW_KEYS = frozenset(["id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"])
"""What JSON_MIN puts beside the data; all but the id tell that the row is an annotation."""
_FIX = "Export the project again, as JSON or JSON_MIN"

Task = dict[str, Any]


def read_tasks(path: Path) -> Iterator[Task]:
    """Stream the tasks of an export.

    Args:
        path: The file, UTF-8.

    Yields:
        Tasks in the shape of the JSON export, which nobody has checked. Rows of JSON_MIN are annotations: neighbors of one
        task are put together. A record that is no object comes out as an empty task.

    Raises:
        Ner11Error: If the file is missing, unreadable, or no JSON list.
    """
    row: Task | None = None
    for record in _read_records(path):
        next_row = _task_of_row(record)
        if row and next_row and row["id"] is not None and row["id"] == next_row["id"]:
            row["annotations"] += next_row["annotations"]
            continue
        if row:
            yield row
        row = next_row
        if not row:
            yield record if isinstance(record, dict) else {}
    if row:
        yield row


def _read_records(path: Path) -> Iterator[Any]:
    with open_input(path) as file:
        begin = file.tell()
        head = file.read(4096).lstrip()
        if not head:
            return
        if not head.startswith(b"["):
            raise Ner11Error("no JSON list of tasks", where=f"{path}:1", fix=_FIX)
        file.seek(begin)
        count = 0
        try:
            for record in ijson.items(file, "item", use_float=True):
                yield record
                count += 1
        except (ijson.JSONError, UnicodeDecodeError) as e:
            what = str(e).removeprefix("b'").replace("\\n", "\n").partition("\n")[0].strip()
            raise Ner11Error(f"no JSON behind {count} tasks ({what})", where=path, fix=_FIX) from e


def _task_of_row(record: Any) -> Task | None:
    """Give a row of JSON_MIN the shape of a task; None if the record is no row."""
    if not isinstance(record, dict) or "annotations" in record or isinstance(record.get("data"), dict):
        return None
    items = [
        {"from_name": key, "value": value}
        for key, values in record.items()
        if isinstance(values, list)
        for value in values
        if isinstance(value, dict) and not value.keys().isdisjoint(LABEL_KEYS)
    ]
    # An annotation without regions has no key of its own: what tells it from a bare task stands beside it.
    made = bool(items) or not (_ROW_KEYS - {"id"}).isdisjoint(record)
    return {
        "id": record.get("id"),
        "data": {key: value for key, value in record.items() if key not in _ROW_KEYS},
        "annotations": [{"result": items, "updated_at": record.get("updated_at")}] if made else [],
    }
