"""The tasks of a Label Studio export, one by one, from JSON or JSON_MIN."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ner11.readers.json_records import Record, parse_record, split_records

LABEL_KEYS = ("labels", "hypertextlabels", "paragraphlabels")
_ROW_KEYS = frozenset(["id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"])
"""What JSON_MIN puts beside the data; all but the id tell that the row is an annotation."""
_FIX = "Export the project again, as JSON or JSON_MIN"

Task = dict[str, Any]


def read_tasks(path: Path) -> Iterator[Record]:
    """Stream the tasks of an export.

    Args:
        path: The file, UTF-8.

    Yields:
        Records with tasks in the shape of the JSON export, which nobody has checked. Rows of JSON_MIN are annotations:
        neighbors of one task are put together. A record that is no object comes out as an empty task.

    Raises:
        Ner11Error: If the file is missing, unreadable, UTF-16, or no JSON list.
    """
    open_row: Record | None = None
    for record in map(parse_record, split_records(path, "item", fix=_FIX)):
        row = None if record.damage else _task_of_row(record.value)
        if open_row and row and row["id"] is not None and row["id"] == open_row.value["id"]:
            open_row.value["annotations"] += row["annotations"]
            continue
        if open_row:
            yield open_row
        open_row = record._replace(value=row) if row else None
        if not row:
            yield record if isinstance(record.value, dict) else record._replace(value={})
    if open_row:
        yield open_row


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
