"""Reading gazetteers: files of six formats to names with their nodes and provenance."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.gazetteer.config import Gazetteer
from ner11.readers.files import list_files, read_lines, read_utf8


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A name as a gazetteer has it.

    Attributes:
        name: The name, blanks made single.
        node: Node of the schema.
        gazetteer: Name of the gazetteer.
        file: File below the gazetteer's path.
        id: Identifier of the object there: a STIX id, a UUID, or a line or record number.
        of: The object's main name; the name itself unless this is an alias.
        revoked: Whether the gazetteer has withdrawn the object.
        well_known: Whether the gazetteer's names of this node are expected to be common in everyday language too.
    """

    name: str
    node: str
    gazetteer: str
    file: str
    id: str
    of: str
    revoked: bool = False
    well_known: bool = False


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _json(path: Path, content: str, line: int = 1) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as e:
        place = f"{path}:{line + getattr(e, 'lineno', 1) - 1}"
        raise Ner11Error(f"no valid JSON ({e})", where=place, fix="Fetch the file again") from e


def _objects(data: Any, key: str, path: Path) -> Iterator[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise Ner11Error(f"no list '{key}'", where=f"{path}:1", fix="Correct the format of this gazetteer")
    yield from (item for item in found if isinstance(item, dict))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for line in read_lines(path):
        if line.damage:
            raise Ner11Error(line.damage, where=f"{path}:{line.number}", fix="Fetch the file again")
        yield line.number, line.text


# Each of these gives (node, identifier, names with the main one first, revoked) of every object in a file.
_Found = Iterator[tuple[str, str, list[str], bool]]


def _stix(path: Path, gazetteer: Gazetteer) -> _Found:
    for item in _objects(_json(path, read_utf8(path)), "objects", path):
        kind = str(item.get("type"))
        if kind not in gazetteer.nodes:
            continue
        names = [name for key in ("name", "aliases", "x_mitre_aliases") for name in _strings(item.get(key, []))]
        revoked = bool(item.get("revoked") or item.get("x_mitre_deprecated"))
        yield gazetteer.nodes[kind], str(item.get("id", "")), names, revoked


def _misp(path: Path, gazetteer: Gazetteer) -> _Found:
    if path.stem not in gazetteer.nodes:
        return
    for item in _objects(_json(path, read_utf8(path)), "values", path):
        meta = item.get("meta")
        synonyms = _strings(meta.get("synonyms", [])) if isinstance(meta, dict) else []
        yield gazetteer.nodes[path.stem], str(item.get("uuid", "")), [*_strings(item.get("value", [])), *synonyms], False


def _fields(record: Any, number: str, gazetteer: Gazetteer) -> _Found:
    for field, node in gazetteer.nodes.items() if isinstance(record, dict) else ():
        front = record.get(gazetteer.prefix.get(field, ""))
        for value in _strings(record.get(field)):
            if isinstance(front, str):
                value = _cut_front(value, front)
            yield node, number, [value], False


def _cut_front(value: str, front: str) -> str:
    """Cut the maker off the front of a product, also if it is named there by its first word only."""
    for maker in (front, front.partition(" ")[0]):
        if maker and value.lower().startswith(maker.lower() + " "):
            return value[len(maker) :].strip()
    return value


def _csv(path: Path, gazetteer: Gazetteer) -> _Found:
    rows = csv.DictReader((text + "\n" for _, text in _lines(path)), strict=True)
    try:
        missing = gazetteer.nodes.keys() - set(rows.fieldnames or ())
        if missing:
            raise Ner11Error(f"no column '{min(missing)}'", where=f"{path}:1", fix="Correct the nodes of this gazetteer")
        for row in rows:
            yield from _fields(row, str(rows.line_num), gazetteer)
    except csv.Error as e:
        raise Ner11Error(f"no valid CSV ({e})", where=f"{path}:{rows.line_num}", fix="Fetch the file again") from e


def _json_records(path: Path, gazetteer: Gazetteer) -> _Found:
    data = _json(path, read_utf8(path))
    for number, record in data.items() if isinstance(data, dict) else enumerate(data, 1) if isinstance(data, list) else ():
        yield from _fields(record, str(number), gazetteer)


def _jsonl(path: Path, gazetteer: Gazetteer) -> _Found:
    for number, text in _lines(path):
        if text.strip():
            yield from _fields(_json(path, text, number), str(number), gazetteer)


def _list(path: Path, gazetteer: Gazetteer) -> _Found:
    for number, text in _lines(path):
        yield from _fields({"name": text}, str(number), gazetteer)


_FORMATS: dict[str, Callable[[Path, Gazetteer], _Found]] = {
    "stix": _stix,
    "misp": _misp,
    "csv": _csv,
    "json": _json_records,
    "jsonl": _jsonl,
    "list": _list,
}


def read_names(gazetteer: Gazetteer, *, root: Path = Path()) -> Iterator[Name]:
    """Read the names of a gazetteer, those of withdrawn objects too.

    Args:
        gazetteer: What to read.
        root: Folder that the gazetteer's path is relative to.

    Yields:
        Names, cleaned as the gazetteer's options say; an object's aliases follow its main name.

    Raises:
        Ner11Error: If there is no file, one is damaged, or there is no name in any.
    """
    folder = root / gazetteer.path
    empty = True
    for path in list_files(folder, gazetteer.files):
        file = path.relative_to(folder).as_posix()
        for node, number, values, revoked in _FORMATS[gazetteer.format](path, gazetteer):
            names = _clean(values, gazetteer)
            for name in names:
                empty = False
                yield Name(name, node, gazetteer.name, file, number, names[0], revoked, node in gazetteer.well_known)
    if empty:
        raise Ner11Error(f"no names in {gazetteer.files}", where=folder, fix="Correct the format or the nodes of this gazetteer")


def _clean(values: list[str], gazetteer: Gazetteer) -> list[str]:
    skipped = {value.lower() for value in gazetteer.skip}
    if gazetteer.split:
        values = [part for value in values for part in re.split(gazetteer.split, value) if part]
    if gazetteer.remove:
        values = [re.sub(gazetteer.remove, " ", value) for value in values]
    names = dict.fromkeys(" ".join(value.split()) for value in values)
    return [name for name in names if name and name.lower() not in skipped]
