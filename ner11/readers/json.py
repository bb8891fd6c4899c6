"""JSON in any layout that paths can describe: a file that is one value, or one value a line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import validate_call

from ner11.annotation import AnnotatedText
from ner11.readers import readers
from ner11.readers.files import Line, read_lines
from ner11.readers.json_layout import Layout
from ner11.readers.json_records import split_records
from ner11.readers.json_spans import RecordParser
from ner11.readers.json_values import parse_record


def _read(path: Path, records: Iterable[Line], layout: Layout) -> Iterator[AnnotatedText]:
    parser = RecordParser(layout)
    for number, record in enumerate(map(parse_record, records), 1):
        text = parser.parse(record.value)
        text.where, text.line, text.group = str(path), record.line, text.group or f"{path.stem}:{number}"
        text.damage = record.damage or text.damage
        text.problems = [] if text.damage else record.problems + text.problems
        yield text


@readers("json")
@validate_call
def read_json(path: Path, *, records: str = "item", **options: Any) -> Iterator[AnnotatedText]:
    """Read a file that is one JSON value; each record becomes a text.

    Args:
        path: The file, UTF-8.
        records: Path of the records, such as `item` for a list of them, `data.item` for one below a key, `*` for the values
            of an object, and nothing for a file that is one record.
        options: See `Layout`.

    Returns:
        Texts as a stream. A record that is broken, or has no text, comes out as damage; where the file itself breaks off,
        the records before and one more as damage.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16, or has no records there.
    """
    return _read(path, split_records(path, records), Layout(**options))


@readers("jsonl")
@validate_call
def read_jsonl(path: Path, **options: Any) -> Iterator[AnnotatedText]:
    """Read a file with one JSON value a line (JSON Lines); each becomes a text, a blank line none.

    Args:
        path: The file, UTF-8.
        options: See `Layout`.

    Returns:
        Texts as a stream. A line that is broken, or has no text, comes out as damage.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16.
    """
    return _read(path, (line for line in read_lines(path) if line.damage or line.text.strip()), Layout(**options))
