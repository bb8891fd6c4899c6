"""The tasks of a Label Studio export, one by one, from JSON or JSON_MIN."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from ner11.readers.json_records import split_records
from ner11.readers.json_values import Record, parse_record

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
    tasks = map(_to_task, map(parse_record, split_records(path, "item", fix=_FIX)))
    for _, rows in groupby(tasks, key=itemgetter(0)):
        (_, task), *others = rows
        for _, row in others:
            task.value["annotations"] += row.value["annotations"]
            task.problems.extend(row.problems)
        yield task


def _to_task(record: Record) -> tuple[Any, Record]:
    """Give a record the shape of a task; rows with the same key, which comes first, belong to one task."""
    value = record.value if isinstance(record.value, dict) else {}
    if not value or "annotations" in value or isinstance(value.get("data"), dict):
        return object(), record._replace(value=value)
    items = [
        {"from_name": key, "value": region}
        for key, regions in value.items()
        if isinstance(regions, list)
        for region in regions
        if isinstance(region, dict) and not region.keys().isdisjoint(LABEL_KEYS)
    ]
    # An annotation without regions has no key of its own: what tells it from a bare task stands beside it.
    made = bool(items) or not (_ROW_KEYS - {"id"}).isdisjoint(value)
    task = {
        "id": value.get("id"),
        "data": {key: each for key, each in value.items() if key not in _ROW_KEYS},
        "annotations": [{"result": items, "updated_at": value.get("updated_at")}] if made else [],
    }
    return object() if task["id"] is None or record.damage else task["id"], record._replace(value=task)
