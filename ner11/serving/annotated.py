"""Annotations as files of the data set `annotated`: one export a project, as the reader `label_studio` takes them."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ner11.errors import Ner11Error
from ner11.readers.label_studio import read_label_studio
from ner11.readers.label_studio_tasks import read_tasks
from ner11.serving.label_studio.config import parse_config
from ner11.serving.store import Store

NAME = "annotated"
"""Of the data set, and of its folder in assets/<domain>."""
_FIX = "Export the project again, as JSON"


class Exporter(AbstractContextManager["Exporter"], Protocol):
    """What `ner11.serving.label_studio.client.LabelStudio` is taken for."""

    def export(self, project: int, path: Path) -> None:
        """Write the annotated tasks of a project as a JSON export."""

    def labeling_config(self, project: int) -> str:
        """Give the labeling configuration of a project, as XML."""


@dataclass
class Gathered:
    """What there is to learn from.

    Attributes:
        path: The file that was written; there is none if there are no annotations.
        mark: See `Store.mark`: which changes it holds.
        lacking: What the store had and the export of Label Studio lacks.
    """

    path: Path
    mark: int
    lacking: list[str] = field(default_factory=list)


def project_file(folder: Path, project: int) -> Path:
    """Name the file of a project."""
    return folder / f"project-{project}.json"


def count_usable(path: Path) -> int:
    """Count the tasks that a training can use; none where there is no file."""
    return sum(not text.damage for text in read_label_studio(path)) if path.is_file() else 0


def gather(project: int, store: Store, *, folder: Path, label_studio: Exporter | None = None) -> Gathered:
    """Write the annotations of a project into the folder of the data set.

    Args:
        project: The project.
        store: What webhooks told. An export is the truth about all that is not newer, and is taken into the store.
        folder: Folder of the data set.
        label_studio: Where to pull an export from; None takes the annotations of the store.

    Raises:
        Ner11Error: If Label Studio gives no export, or the export is damaged; the file of the last time stays.
        OSError: If the file cannot be written; the old one stays.
    """
    path, mark = project_file(folder, project), store.mark()
    if label_studio is None:
        _write(path, _with_text(store.annotated_tasks(project), store.labeling_config(project)))
        return Gathered(path, mark)
    partial = path.with_name(f".{path.name}.export")
    try:
        label_studio.export(project, partial)
        check_export(partial, name=f"export of project {project}")
        config = label_studio.labeling_config(project)
        lacking, mark = store.reconcile(project, (task.value for task in read_tasks(partial)), mark=mark, config=config)
        _write(path, _with_text((task.value for task in read_tasks(partial)), config))
    finally:
        partial.unlink(missing_ok=True)
    return Gathered(path, mark, lacking)


def check_export(path: Path, *, name: str) -> None:
    """Refuse an export that is not whole.

    Raises:
        Ner11Error: With the line of the damage.
    """
    for task in read_tasks(path):
        damage = task.damage or ("" if isinstance(task.value.get("data"), dict) else "no task")
        if damage:
            raise Ner11Error(f"damaged ({damage})", where=f"{name}:{task.line}", fix=_FIX)


def _with_text(tasks: Iterable[dict[str, Any]], xml: str | None) -> Iterator[dict[str, Any]]:
    """Give tasks whose text is under the key `text`, wherever the labeling configuration has it."""
    try:
        key = parse_config(xml).key if xml else "text"
    except Ner11Error:
        key = "text"  # a configuration that names no text: the reader tells which tasks have none
    for task in tasks:
        if key != "text" and isinstance(task.get("data"), dict) and key in task["data"]:
            task = {**task, "data": {**task["data"], "text": task["data"][key]}}
        yield task


def _write(path: Path, tasks: Iterable[dict[str, Any]]) -> None:
    """Write tasks one by one, whole or not at all, also if the power fails; without any, there is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf8") as file:
            separator = ""
            for task in tasks:
                file.write((separator or "[\n") + json.dumps(task))
                separator = ",\n"
            file.write("\n]\n")
            file.flush()
            os.fsync(file.fileno())
        if separator:
            partial.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        partial.unlink(missing_ok=True)
