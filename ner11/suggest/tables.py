"""Guesses at tables with a header: a token a row, a text a row, brackets in a cell, or a span a row with texts elsewhere."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from ner11.readers.files import Line, read_lines, read_utf8
from ner11.readers.json_values import parse_record
from ner11.suggest.columns import tag_scheme, token_column
from ner11.suggest.spans import Sample, as_options, guess_spans

LINES = 5_000
_BRACKET = re.compile(r"\[([A-Z]+:)\S+ ")
_NUMBERED = re.compile(r"\D{0,12}\d+")
_TEXT_FOLDERS = 3
"""How many folders up texts are looked for."""

Rows = list[list[str]]


def _read(path: Path, delimiter: str, *, quoting: bool) -> tuple[list[str], Rows]:
    lines = (f"{line.text}\n" for line in islice(read_lines(path), LINES) if not line.damage)
    rows: Rows = []
    try:
        for row in csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE):
            rows.append(row)
    except csv.Error:
        pass
    header = [name.strip() for name in rows[0]] if rows else []
    return header, [row for row in rows[1:] if len(row) == len(header)]


def guess_table(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give (format, options) under which a table looks annotated.

    Raises:
        Ner11Error: If the file cannot be read.
    """
    first = next((line.text for line in read_lines(path)), "")
    delimiter = max(",\t;|", key=first.count)
    if not first.count(delimiter):
        return
    for quoting in (True, False):
        header, rows = _read(path, delimiter, quoting=quoting)
        if not rows or len(set(header)) < len(header):
            continue
        for column in range(len(header)):
            found = Counter(prefix for row in rows for prefix in set(_BRACKET.findall(row[column])))
            if found and sum(bool(_BRACKET.search(row[column])) for row in rows) > 0.5 * len(rows):
                prefix = "SL:" if "SL:" in found else found.most_common(1)[0][0]
                options = {"delimiter": delimiter} if delimiter != "\t" else {}
                yield "brackets", {"parse": header[column], **({"prefix": prefix} if prefix != "SL:" else {}), **options}
        shape: dict[str, Any] = {} if delimiter == "," else {"delimiter": delimiter}
        shape |= {} if quoting else {"quoting": False}
        for guess in (_guess_tokens, _guess_cells):
            if guessed := guess(header, rows):
                yield "csv", {**guessed, **shape}
        if guessed := _guess_standoff(path, header, rows):
            yield "csv", {**guessed, **shape}


def _named(header: Sequence[str], columns: dict[str, int]) -> dict[str, str]:
    return {option: header[column] for option, column in columns.items() if header[column] != option}


def _guess_tokens(header: list[str], rows: Rows) -> dict[str, Any] | None:
    columns = range(len(header))
    schemes = {column: scheme for column in columns if (scheme := tag_scheme([row[column].strip() for row in rows]))}
    if not schemes:
        return None
    tag = min(schemes, key=lambda column: (schemes[column] == "bare", -column))
    sentences = []
    for column in columns:
        values = [row[column].strip() for row in rows]
        filled = [value for value in values if value]
        changes = sum(a != b for a, b in pairwise(filled)) + 1
        if column != tag and filled and all(map(_NUMBERED.fullmatch, filled)) and changes * 2 <= len(rows):
            sentences.append(("sent" not in header[column].lower(), changes, column))
    token = token_column(rows, [tag, *(column for *_, column in sentences)])
    if not sentences or token is None:
        return None
    options = {"layout": "tokens", **_named(header, {"sentence": min(sentences)[2], "token": token, "tag": tag})}
    return {**options, **({"bare": True} if schemes[tag] == "bare" else {})}


def _guess_cells(header: list[str], rows: Rows) -> dict[str, Any] | None:
    for column, name in enumerate(header):
        cells = [parse_record(Line(1, row[column], "")).value for row in rows[:500] if row[column].startswith("[")]
        if len(cells) < 0.5 * len(rows[:500]) or not all(isinstance(cell, list) for cell in cells):
            continue
        for text in sorted(range(len(header)), key=lambda other: -sum(len(row[other]) for row in rows)):
            if text == column:
                continue
            spans = [(each, row[text]) for row in rows[:500] for each in parse_record(Line(1, row[column], "")).value or []]
            guess = guess_spans([Sample(span, content, None) for span, content in spans[:2000]])
            if guess and "inclusive_end" not in guess:
                texts = _named(header, {"text": text})
                return {"layout": "spans", **texts, **({"spans": name} if name != "spans" else {}), **_as_names(guess)}
    return None


def _as_names(guess: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) for key, value in as_options(guess).items()}


def _guess_standoff(path: Path, header: list[str], rows: Rows) -> dict[str, Any] | None:
    for column, name in enumerate(header):
        names = {row[column] for row in rows[:500]} - {""}
        folder = _text_folder(path, next(iter(names), "")) if len(names) == 1 or len(names) < len(rows[:500]) else None
        if folder is None:
            continue
        texts = {each: read_utf8(folder / f"{each}.txt") for each in names if (folder / f"{each}.txt").is_file()}
        cells = [dict(zip(header, row, strict=True)) for row in rows[:500]]
        guess = guess_spans([Sample(cell, texts.get(cell[name]), None) for cell in cells])
        if guess and "inclusive_end" not in guess:
            relative = Path(*[".."] * _steps(path.parent, folder), folder.relative_to(_shared(path.parent, folder)))
            options = {"layout": "standoff", **_as_names(guess), "texts": relative.as_posix()}
            return {**options, **({"document": name} if name != "document" else {})}
    return None


def _shared(folder: Path, other: Path) -> Path:
    return next(up for up in (folder, *folder.parents) if other.is_relative_to(up))


def _steps(folder: Path, other: Path) -> int:
    return len(folder.relative_to(_shared(folder, other)).parts)


def _text_folder(path: Path, name: str) -> Path | None:
    """Find the folder nearby that holds `<name>.txt`."""
    if not name or "/" in name or len(name) > 200:
        return None
    for up in list(path.parents)[:_TEXT_FOLDERS]:
        for folder in (up, *sorted(each for each in up.iterdir() if each.is_dir())):
            if (folder / f"{name}.txt").is_file():
                return folder
    return None
