"""Exports of Label Studio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import validate_call

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.readers import readers
from ner11.readers.label_studio_tasks import LABEL_KEYS, Task, read_tasks
from ner11.readers.standoff import make_span

_PLAIN_TEXT = "$undefined$"
"""Data field of tasks that were imported as plain text."""


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
        text: Data field that holds the text. If it is missing, the only field that holds a string is taken.
        from_name: Control whose regions are read, as named in the labeling configuration; all if None.
        group: Data field that names the document of a task; if None, each task is its own.

    Yields:
        Texts; where the file breaks off, the tasks before and one more as damage. A task that nobody annotated is damage;
        one whose annotation has no regions is a text without entities. A region without a label or with several is an
        unknown span. Offsets are as in the file: old exports count UTF-16 units, and those of HyperText count the visible
        text only.

    Raises:
        Ner11Error: If the file is missing, unreadable, UTF-16, or no JSON list.
    """
    for number, (line, task, damage, problems) in enumerate(read_tasks(path), 1):
        name = f"task {task['id']}" if isinstance(task.get("id"), int | str) else f"record {number}"
        made = AnnotatedText("", group=f"{path.stem}:{name}", where=f"{path}: {name}", line=line, problems=problems)
        data = task.get("data")
        if isinstance(data, dict):
            made.text = _find_text(data, text, problems)
            if group is not None and isinstance(data.get(group), int | str):
                made.group = str(data[group])
            elif group is not None:
                problems.append(f"no document name under '{group}'")
        if not made.text.strip() or "\0" in made.text:
            damage = damage or ("a NUL character" if "\0" in made.text else f"no text under '{text}'")
        annotations = _usable_annotations(task, problems)
        if annotations:
            *others, made.spans = (_make_spans(annotation, from_name, made.text) for annotation in annotations)
            if any(_places(spans) != _places(made.spans) for spans in others):
                settled = ", ground truth used" if annotations[-1].get("ground_truth") is True else ""
                problems.append(f"annotators disagree{settled}")
        problems += [span.reason for span in made.spans if span.reason]
        made.damage = damage or ("" if annotations else "no annotation")
        yield made


def _find_text(data: Task, key: str, problems: list[str]) -> str:
    if key not in data:
        strings = [name for name, value in data.items() if isinstance(value, str)]
        if _PLAIN_TEXT in data:
            key = _PLAIN_TEXT
        elif len(strings) == 1:
            problems.append(f"no text under '{key}', read from '{strings[0]}'")
            key = strings[0]
    content = data.get(key)
    return content if isinstance(content, str) else ""


def _usable_annotations(task: Task, problems: list[str]) -> list[Task]:
    """Give the annotations that are neither cancelled nor damaged, the one to use last."""
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list):
        annotations = [annotations]
    whole = [a for a in annotations if isinstance(a, dict) and isinstance(a.get("result"), list)]
    used = [a for a in whole if not a.get("was_cancelled")]
    problems += ["a damaged annotation"] * (len(annotations) - len(whole))
    problems += ["a cancelled annotation"] * (len(whole) - len(used))
    return sorted(used, key=lambda a: (a.get("ground_truth") is True, str(a.get("updated_at"))))


def _make_spans(annotation: Task, from_name: str | None, content: str) -> list[LabelledSpan]:
    spans = []
    for item in annotation["result"]:
        # What is no object is a region beyond repair, so it still counts as one.
        item = item if isinstance(item, dict) else {"type": "labels", "from_name": from_name}
        value = item["value"] if isinstance(item.get("value"), dict) else {}
        if (from_name is None or item.get("from_name") == from_name) and _is_region(item, value):
            spans.append(_make_span(value, content))
    return spans


def _is_region(item: dict[str, Any], value: dict[str, Any]) -> bool:
    """Tell regions from choices and texts, which repeat the place of a region, and from relations."""
    return item["type"] in LABEL_KEYS if "type" in item else not value.keys().isdisjoint(LABEL_KEYS)


def _make_span(value: dict[str, Any], content: str) -> LabelledSpan:
    given: Any = next((value[key] for key in LABEL_KEYS if key in value), [])
    labels = sorted({label for label in (given if isinstance(given, list) else [given]) if isinstance(label, str) and label})
    # In HyperText, start and end are paths in the tree of the page.
    offsets = value["globalOffsets"] if isinstance(value.get("globalOffsets"), dict) else value
    surface = value.get("text")
    if isinstance(surface, str) and surface not in content:
        # A line break is written as the two characters \n, which may also stand in the text itself.
        surface = surface.replace("\\n", "\n")
    return make_span(offsets.get("start"), offsets.get("end"), labels, surface)


def _places(spans: list[LabelledSpan]) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.origin) for span in spans}
