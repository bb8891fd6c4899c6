"""CSV and TSV tables."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, validate_call

from ner11.annotation import AnnotatedText
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.csv_layouts import read_spans, read_standoff, read_tokens
from ner11.readers.files import list_files
from ner11.readers.json_layout import Layout
from ner11.readers.standoff import document_of
from ner11.readers.table import read_table


@readers("csv")
@validate_call
def read_csv(
    path: Path,
    *,
    layout: Literal["tokens", "spans", "standoff"],
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ",",
    quoting: bool = True,
    sentence: str = "sentence",
    token: str = "token",
    tag: str = "tag",
    bare: bool = False,
    text: str = "text",
    spans: str = "spans",
    document: str = "document",
    start: str = "start",
    end: str = "end",
    label: str = "label",
    surface: str | None = None,
    texts: Path | None = None,
    unlisted: bool = False,
    group: re.Pattern[str] | None = None,
) -> Iterator[AnnotatedText]:
    """Read a table with a header, or each `.csv` and `.tsv` table of a folder.

    Layouts:
        tokens: One token a row, in the columns `sentence`, `token` and `tag`; another sentence makes another text.
        spans: One text a row, in the column `text`; the column `spans` holds a JSON list of objects with the keys `start`,
            `end`, `label` and `surface`. Each text is its own document.
        standoff: One span a row, in the columns `document`, `start`, `end`, `label` and `surface`; the texts are the files
            `<document>.txt` of another folder. All rows of a document make one text.

    Args:
        path: The table or the folder, UTF-8.
        layout: See above.
        delimiter: The character between cells.
        quoting: Whether quotes hold cells together; else they are characters like others.
        sentence: Column whose change begins a text; an empty cell continues the sentence.
        token: Column of the token.
        tag: Column of its tag, in any scheme.
        bare: Tags are labels without B- or I-; neighbors of the same label are one span.
        text: Column of the text.
        spans: Column of its spans.
        document: Column of the document's name.
        start: Column or key of a span's first character (code points from 0).
        end: Column or key of one past its last character.
        label: Column or key of its label.
        surface: Column or key of the characters that stand there, if there is one.
        texts: Folder of the texts, relative to the folder of the tables.
        unlisted: A text without any row has no entities. By default it is damage where `path` is a folder, and is left
            out where it is a table, since other tables may list it.
        group: Regular expression whose first bracket in a document's name is the document that its texts share in the
            layout standoff, such as `^(.*)-[0-9]+$` for paragraphs.

    Yields:
        Texts. A row that cannot be read makes its sentence or text damage; of a standoff row the span is unknown, or
        dropped if it has no place.

    Raises:
        Ner11Error: If a table is missing, unreadable, or UTF-16, its header lacks a column, or there are no texts.
    """
    columns = {
        "tokens": [sentence, token, tag],
        "spans": [text, spans],
        "standoff": [document, start, end, label, *([surface] if surface else [])],
    }[layout]
    tables = list_files(path, "*.[ct]sv") if path.is_dir() else [path]
    read = partial(read_table, columns=columns, delimiter=delimiter, quoting=quoting)
    if layout == "tokens":
        for table in tables:
            yield from read_tokens(table, read(table), bare=bare)
    elif layout == "spans":
        for table in tables:
            yield from read_spans(table, read(table), Layout(start=start, end=end, label=label, surface=surface))
    else:
        if texts is None:
            raise Ner11Error("no folder of texts", where=path, fix="Give texts under options in datasets.yml")
        folder = tables[0].parent / texts
        files = {file.stem: file for file in list_files(folder, "*.txt")}
        rows = ((table, row) for table in tables for row in read(table))
        for annotated in read_standoff(rows, files, unlisted=unlisted or (False if path.is_dir() else None)):
            annotated.group = document_of(annotated.group, group)
            yield annotated
