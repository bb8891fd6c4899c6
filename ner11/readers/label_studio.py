"""Exports of Label Studio: a JSON or JSON_MIN list of tasks, read one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson
from pydantic import validate_call

from ner11.annotation import SEPARATOR, UNKNOWN, AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.files import open_input

_PLAIN_TEXT = "$undefined$"
"""Data key of tasks that were imported as plain text."""
_LABEL_KEYS = ("labels", "hypertextlabels", "paragraphlabels")
_ROW_KEYS = frozenset(["id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"])
"""What JSON_MIN puts beside the data; all but the id tell that the row is an annotation."""
_FIX = "Export the project again, as JSON or JSON_MIN"

_Object = dict[str, Any]


def _read_records(path: Path) -> Iterator[Any]:
    number = 0
    with open_input(path) as file:
        begin = file.tell()
        head = file.read(4096).lstrip()
        if not head:
            return
        if not head.startswith(b"["):
            raise Ner11Error("no JSON list of tasks", where=f"{path}:1", fix=_FIX)
        file.seek(begin)
        try:
            for number, record in enumerate(ijson.items(file, "item", use_float=True), 1):
                yield record
        except (ijson.JSONError, UnicodeDecodeError) as e:
            what = str(e).removeprefix("b'").replace("\\n", "\n").partition("\n")[0].strip()
            raise Ner11Error(f"no JSON behind task {number} ({what})", where=f"{path}: task {number + 1}", fix=_FIX) from e


def _read_tasks(path: Path, text: str) -> Iterator[_Object]:
    """Give tasks; the rows of JSON_MIN, which are annotations, are put together to the tasks that they belong to."""
    open_row: _Object | None = None
    for record in _read_records(path):
        row = _task_of_row(record)
        if row and open_row and row["id"] is not None and row["id"] == open_row["id"]:
            if row["data"].get(text) == open_row["data"].get(text):
                open_row["annotations"] += row["annotations"]
                continue
        if open_row:
            yield open_row
        open_row = row
        if not row:
            yield record if isinstance(record, dict) else {}
    if open_row:
        yield open_row


def _task_of_row(record: Any) -> _Object | None:
    """Give a row of JSON_MIN the shape of a task; None if the record is no row."""
    if not isinstance(record, dict) or "annotations" in record or isinstance(record.get("data"), dict):
        return None
    items = [
        {"from_name": key, "value": value}
        for key, values in record.items()
        if isinstance(values, list)
        for value in values
        if isinstance(value, dict) and not value.keys().isdisjoint(_LABEL_KEYS)
    ]
    # An annotation without regions has no key of its own: what tells it from a task without annotation stands beside it.
    made = bool(items) or not (_ROW_KEYS - {"id"}).isdisjoint(record)
    return {
        "id": record.get("id"),
        "data": {key: value for key, value in record.items() if key not in _ROW_KEYS},
        "annotations": [{"result": items, "updated_at": record.get("updated_at")}] if made else [],
    }


def _find_text(data: _Object, key: str, problems: list[str]) -> str | None:
    if key not in data:
        strings = [name for name, value in data.items() if isinstance(value, str)]
        if _PLAIN_TEXT in data:
            key = _PLAIN_TEXT
        elif len(strings) == 1:
            problems.append(f"no text under '{key}', read from '{strings[0]}'")
            key = strings[0]
    content = data.get(key)
    return content if isinstance(content, str) else None


def _find_labels(item: _Object) -> list[str] | None:
    """Give the labels of a region; None for choices, text areas and relations, which repeat places of regions or have none."""
    value = item.get("value")
    if not isinstance(value, dict) or item.get("type", "labels") not in _LABEL_KEYS:
        return None
    for key in _LABEL_KEYS:
        if key in value:
            labels = value[key] if isinstance(value[key], list) else [value[key]]
            return sorted({str(label) for label in labels if label})
    return [] if "type" in item else None


def _make_span(value: _Object, labels: list[str], content: str) -> LabelledSpan:
    offsets = value.get("globalOffsets")
    start, end = (
        (offsets.get(edge) for edge in ("start", "end")) if isinstance(offsets, dict) else (value.get("start"), value.get("end"))
    )
    span = LabelledSpan(0, 0, SEPARATOR.join(labels) or UNKNOWN)
    if type(start) is not int or type(end) is not int:
        span.outcome, span.reason = "dropped", "no character offsets"
        return span
    span.start, span.end = start, end
    if len(labels) != 1:
        span.outcome, span.reason = "unknown", f"several labels: {', '.join(labels)}" if labels else "no label"
    surface = value.get("text")
    if isinstance(surface, str):
        # Line breaks are written as the two characters \n; a text may have these two characters too.
        span.surface = surface if surface in content else surface.replace("\\n", "\n")
    return span


def _make_spans(annotation: _Object, from_name: str | None, content: str) -> list[LabelledSpan]:
    spans = []
    for item in annotation["result"]:
        if isinstance(item, dict) and (from_name is None or item.get("from_name") == from_name):
            labels = _find_labels(item)
            if labels is not None:
                spans.append(_make_span(item["value"], labels, content))
    return spans


def _places(spans: list[LabelledSpan]) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.origin) for span in spans}


@readers("label_studio")
@validate_call
def read_label_studio(
    path: Path, *, text: str = "text", from_name: str | None = None, group: str | None = None
) -> Iterator[AnnotatedText]:
    """Read a JSON or JSON_MIN export of a project; each task becomes a text.

    Cancelled annotations, predictions and drafts are never read. Of several annotations of a task the ground truth is
    used, else the one updated last; where another one has other spans, `problems` says so.

    Args:
        path: The file, UTF-8.
        text: Data field that holds the text; another one is taken if it is missing and the only one that holds a string.
        from_name: Control whose regions are read, as named in the labeling configuration; all if None.
        group: Data field that names the document of a task; its id if None.

    Yields:
        Texts. A task that nobody annotated is damage; one whose annotation has no regions is a text without entities.
        A region without a label or with several is an unknown span. Offsets are as in the file: old exports count UTF-16
        units, and those of HyperText count the visible text only.

    Raises:
        Ner11Error: If the file is missing, unreadable, or no JSON list.
    """
    for number, task in enumerate(_read_tasks(path, text), 1):
        problems: list[str] = []
        name = task.get("id")
        known = type(name) in (int, str)
        made = AnnotatedText("", where=f"{path}: task {name}" if known else f"{path}: record {number}", problems=problems)
        made.group = f"{path.stem}:{name}" if known else f"{path.stem}:record {number}"
        data = task.get("data")
        data = data if isinstance(data, dict) else {}
        if group is not None:
            if type(data.get(group)) in (int, str):
                made.group = str(data[group])
            else:
                problems.append(f"no document name under '{group}'")
        content = _find_text(data, text, problems)
        made.text = content or ""
        if content is None:
            made.damage = f"no text under '{text}'"
        elif not content.strip() or "\0" in content:
            made.damage = "a NUL character" if content.strip() else "an empty text"
        annotations = task.get("annotations")
        annotations = annotations if isinstance(annotations, list) else []
        whole = [a for a in annotations if isinstance(a, dict) and isinstance(a.get("result"), list)]
        problems += ["a damaged annotation"] * (len(annotations) - len(whole))
        used = [a for a in whole if not a.get("was_cancelled")]
        problems += ["a cancelled annotation"] * (len(whole) - len(used))
        if used:
            used.sort(key=lambda a: (a.get("ground_truth") is True, str(a.get("updated_at"))))
            *others, made.spans = (_make_spans(a, from_name, made.text) for a in used)
            if any(_places(spans) != _places(made.spans) for spans in others):
                problems.append(
                    "annotators disagree, ground truth used" if used[-1].get("ground_truth") is True else "annotators disagree"
                )
        else:
            made.damage = made.damage or "no annotation"
        yield made
