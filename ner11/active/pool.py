"""The texts that may be asked for: lines of .txt files, records of .jsonl and .json files, tasks of Label Studio."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.readers.files import read_lines
from ner11.readers.json_records import split_records
from ner11.readers.json_values import Record, parse_record

SUFFIXES = (".txt", ".jsonl", ".json")
MAX_CHARACTERS = 20_000
"""Longer texts are left out: nobody annotates one at one go, and the best ones are all in memory."""
DAMAGED, EMPTY, LONG = "damaged", "without a text", f"over {MAX_CHARACTERS:,} characters"


@dataclass(frozen=True, slots=True)
class PoolText:
    """A text.

    Attributes:
        text: The text.
        data: Other fields of its record, which its task keeps.
        annotated: Whether its record holds an annotation that counts.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    annotated: bool = False


def list_pool(path: Path) -> list[Path]:
    """List the files of a pool: the file itself, or those with a known ending anywhere below a folder, in order.

    Raises:
        Ner11Error: If there is none, or the ending of the file is not known.
    """
    fix = f"Give a file that ends with {', '.join(SUFFIXES)}, or a folder with such files"
    if not path.exists():
        raise Ner11Error("no such file or folder", where=path, fix=fix)
    files = (
        sorted(found for found in path.rglob("*") if found.suffix in SUFFIXES and found.is_file()) if path.is_dir() else [path]
    )
    if not files or files[0].suffix not in SUFFIXES:
        raise Ner11Error("no texts that can be read", where=path, fix=fix)
    return files


def read_pool(files: Iterable[Path], *, key: str = "text", left_out: Counter[str] | None = None) -> Iterator[PoolText]:
    """Stream the texts of files.

    Args:
        files: As `list_pool` gives them. Of a .txt file each line is a text; of the others each object with a text under
            `key`, or in its `data` under `key`, as tasks of Label Studio have it.
        key: Name of the field with the text.
        left_out: Counts what is left out by reason.

    Raises:
        Ner11Error: If a file cannot be read, or a .json file is no list.
    """
    counts: Counter[str] = Counter() if left_out is None else left_out
    for path in files:
        for found in _read_lines(path, counts) if path.suffix == ".txt" else _read_records(path, key, counts):
            if not found.text.strip():
                counts[EMPTY] += 1
            elif len(found.text) > MAX_CHARACTERS and not found.annotated:
                counts[LONG] += 1
            else:
                yield found


def _read_lines(path: Path, counts: Counter[str]) -> Iterator[PoolText]:
    for line in read_lines(path):
        if line.damage:
            counts[DAMAGED] += 1
        elif line.text.strip():
            yield PoolText(line.text)


def _read_records(path: Path, key: str, counts: Counter[str]) -> Iterator[PoolText]:
    if path.suffix == ".jsonl":
        records = map(parse_record, (line for line in read_lines(path) if line.damage or line.text.strip()))
    else:
        fix = "Give a list of objects, such as an export of Label Studio"
        records = map(parse_record, split_records(path, "item", fix=fix))
    for record in records:
        if record.damage or not isinstance(record.value, dict) or not _is_importable(record.value.get("data")):
            counts[DAMAGED] += 1
        else:
            yield _to_text(record, key)


def _to_text(record: Record, key: str) -> PoolText:
    value = record.value
    data = value["data"] if isinstance(value.get("data"), dict) else value
    text = data.get(key)
    rest = {name: each for name, each in data.items() if name != key} if data is not value else {}
    # A text with a NUL character cannot be imported.
    usable = isinstance(text, str) and "\0" not in text
    return PoolText(text if usable else "", rest, _is_annotated(value.get("annotations")))


def _is_importable(data: Any) -> bool:
    """Tell whether fields are JSON as Label Studio reads it: a file with NaN or Infinity in one task it refuses whole."""
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        return False
    return True


def _is_annotated(annotations: Any) -> bool:
    """Tell whether one of a task's annotations is whole and not cancelled; one without regions counts too."""
    whole = (one for one in annotations if isinstance(one, dict)) if isinstance(annotations, list) else ()
    return any(isinstance(one.get("result"), list) and not one.get("was_cancelled") for one in whole)
